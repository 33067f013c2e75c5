"""save, load_model, save_weights, load_weights: the same bits, and files that lie."""

import json
import os

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

import cnnfast as keras
from cnnfast import layers


def small(loss="sparse_categorical_crossentropy"):
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2),
            layers.Conv2D(4, 3, kernel_regularizer=keras.regularizers.L2(0.01)),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.003), loss, metrics=["accuracy"])
    return model


@pytest.fixture
def data(rng):
    return rng.random((20, 8, 8, 1), dtype="float32"), rng.integers(0, 3, 20)


@pytest.fixture
def trained(data):
    keras.set_random_seed(1)
    model = small()
    model.fit(*data, 8, epochs=2, verbose=0)
    return model


def same_weights(a, b):
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


def test_loaded_model_predicts_the_same_bits(trained, data, tmp_path):
    path = tmp_path / "model.safetensors"
    trained.save(path)
    loaded = keras.models.load_model(path)
    x, y = data
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), trained.predict(x, verbose=0))
    assert loaded.evaluate(x, y, verbose=0) == trained.evaluate(x, y, verbose=0)
    assert [layer.name for layer in loaded.layers] == [layer.name for layer in trained.layers]
    assert loaded.metrics_names == ["loss", "accuracy"]
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_loaded_optimizer_and_dropout_go_on_where_they_were(trained, data, tmp_path):
    path = str(tmp_path / "m.safetensors")
    keras.models.save_model(trained, path)
    loaded = keras.models.load_model(path)
    assert loaded.optimizer.learning_rate == 0.003
    assert int(loaded.optimizer.iterations.numpy()) == 6
    x, y = data
    for model in (trained, loaded):
        for _ in range(3):
            model.train_on_batch(x, y)
    same_weights(trained, loaded)


def test_weights_alone_and_names_that_do_not_depend_on_the_process(trained, tmp_path):
    path = tmp_path / "w.safetensors"
    trained.save_weights(path)
    with safe_open(path, "np") as file:
        assert sorted(file.keys()) == [
            "conv2d/bias", "conv2d/kernel", "conv2d_1/bias", "conv2d_1/kernel",
            "dense/bias", "dense/kernel",
        ]  # fmt: skip
    other = small()
    other.load_weights(path)
    same_weights(trained, other)
    trained.save(tmp_path / "m.safetensors")
    third = small()
    third.load_weights(tmp_path / "m.safetensors")
    same_weights(trained, third)


def test_keras_and_hdf5_files_are_refused(trained, tmp_path):
    for suffix in (".keras", ".h5"):
        with pytest.raises(ValueError, match=r'write model.save\("m.safetensors"\)'):
            trained.save(f"m{suffix}")
        with pytest.raises(ValueError, match=r'write model.load_weights\("m.safetensors"\)'):
            trained.load_weights(f"m{suffix}")
        with pytest.raises(ValueError, match=r'load_model\("m.safetensors"\)'):
            keras.models.load_model(f"m{suffix}")
    assert not os.path.exists("m.keras")


def test_files_that_are_not_there(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        keras.models.load_model(tmp_path / "none.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        trained.save(tmp_path / "no" / "m.safetensors")
    trained.save(tmp_path / "m.safetensors")
    with pytest.raises(FileExistsError):
        trained.save(tmp_path / "m.safetensors", overwrite=False)


def contents(path):
    with safe_open(path, "np") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata())  # noqa: SIM118


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: a.pop("dense/bias"), "lacks 'dense/bias'"),
        (lambda a: a.update(more=np.zeros(3, "float32")), "holds besides 'more'"),
        (
            lambda a: a.update({"dense/bias": np.zeros(4, "float32")}),
            r"'dense/bias' has shape \(4,\), the model expects \(3,\)",
        ),
        (
            lambda a: a.update({"dense/bias": np.zeros(3, "int32")}),
            "'dense/bias' is of dtype int32",
        ),
    ],
)
def test_arrays_that_do_not_fit_leave_the_model_as_it_was(trained, tmp_path, spoil, message):
    path = tmp_path / "w.safetensors"
    small().save_weights(path)
    arrays, about = contents(path)
    spoil(arrays)
    save_file(arrays, path, about)
    before = small()
    before.set_weights(trained.get_weights())
    with pytest.raises(ValueError, match=message):
        trained.load_weights(path)
    same_weights(trained, before)
    trained.save(tmp_path / "m.safetensors")
    arrays, about = contents(tmp_path / "m.safetensors")
    spoil(arrays)
    save_file(arrays, path, about)
    with pytest.raises(ValueError, match=message):
        keras.models.load_model(path)


@pytest.mark.parametrize("kept", [0, 4, 7, 8, 20, 300, -5])
def test_truncated_files(trained, tmp_path, kept):
    path = tmp_path / "m.safetensors"
    trained.save(path)
    path.write_bytes(path.read_bytes()[:kept])
    for load in (keras.models.load_model, trained.load_weights):
        with pytest.raises(ValueError, match="no sound safetensors file"):
            load(path)


def test_lying_headers(trained, tmp_path):
    path = tmp_path / "m.safetensors"
    trained.save(path)
    data = path.read_bytes()
    for size in (2**63, 2**40, 10**9):
        path.write_bytes(size.to_bytes(8, "little", signed=False) + data[8:])
        with pytest.raises(ValueError, match="no sound safetensors file"):
            keras.models.load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["config"]["layers"][1].update(class_name="Evil"), "unknown layer 'Evil'"),
        (lambda m: m["config"]["layers"][1]["config"].update(filters=10**12), "larger than"),
        (lambda m: m["config"]["layers"][1]["config"].update(filters=-1), "at least 1"),
        (lambda m: m["config"]["layers"][1]["config"].update(filters="many"), "must be an integer"),
        (lambda m: m["config"]["layers"][1]["config"].update(surprise=1), "unknown argument"),
        (lambda m: m["config"]["layers"][1]["config"].pop("kernel_size"), "kernel_size"),
        (lambda m: m["config"]["layers"][6]["config"].update(units=2**62), "larger than"),
        (lambda m: m["config"].update(layers=7), "no list of 'layers'"),
        (lambda m: m["config"].update(layers=[[]]), "configuration is"),
        (lambda m: m["config"]["layers"].pop(2), "'dense/kernel' has shape"),
        (lambda m: m.update(class_name="os.system"), "unknown layer 'os.system'"),
        (lambda m: m.update(config=[]), "."),
    ],
)
def test_architectures_that_lie(trained, tmp_path, change, message):
    path = tmp_path / "m.safetensors"
    trained.save(path)
    arrays, about = contents(path)
    model = json.loads(about["model"])
    change(model)
    save_file(arrays, path, {**about, "model": json.dumps(model)})
    with pytest.raises(ValueError, match=message):
        keras.models.load_model(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"class_name": 3}'])
def test_architectures_that_are_no_json(trained, tmp_path, text):
    path = tmp_path / "m.safetensors"
    trained.save(path)
    arrays, about = contents(path)
    save_file(arrays, path, {**about, "model": text})
    with pytest.raises(ValueError):
        keras.models.load_model(path)
    save_file(arrays, path, {})
    with pytest.raises(ValueError, match="holds no cnnfast model"):
        keras.models.load_model(path)


class Twice(layers.Layer):
    def call(self, x):
        return keras.ops.multiply(x, 2.0)


def odd_loss(y_true, y_pred):
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), -1)


def test_own_classes_are_handed_over(tmp_path, rng):
    model = keras.Sequential([keras.Input((3,)), Twice(), layers.Dense(2)])
    model.compile("adam", odd_loss)
    path = tmp_path / "m.safetensors"
    model.save(path)
    with pytest.raises(ValueError, match="unknown layer 'Twice'"):
        keras.models.load_model(path)
    with pytest.raises(
        ValueError, match="unknown loss 'odd_loss'.*custom_objects, or compile=False"
    ):
        keras.models.load_model(path, {"Twice": Twice})
    x = rng.random((4, 3), dtype="float32")
    for arguments in (
        {"custom_objects": {"Twice": Twice}, "compile": False},
        {"custom_objects": {"Twice": Twice, "odd_loss": odd_loss}},
    ):
        loaded = keras.models.load_model(path, **arguments)
        np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_nested_models_and_json(tmp_path, rng):
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3), layers.Dense(3)])
    model = keras.Sequential([inner, layers.Dense(2)])
    path = tmp_path / "m.safetensors"
    model.save(path)
    x = rng.random((4, 4), dtype="float32")
    loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    again = keras.models.model_from_json(model.to_json())
    assert again.count_params() == model.count_params()
    assert not np.array_equal(again.get_weights()[0], model.get_weights()[0])


def test_a_failed_write_leaves_the_old_file(trained, tmp_path, monkeypatch):
    import safetensors.numpy

    path = tmp_path / "m.safetensors"
    trained.save(path)
    before = path.read_bytes()

    def broken(tensors, filename, metadata):
        with open(filename, "wb") as file:
            file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(safetensors.numpy, "save_file", broken)
    with pytest.raises(OSError, match="disk full"):
        trained.save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.safetensors"]
