"""What optimizers keep between steps, in files, and what they refuse."""

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import layers, ops, optimizers

MAKERS = {
    "sgd": lambda: optimizers.SGD(0.05, momentum=0.9, weight_decay=0.01),
    "adam": lambda: optimizers.Adam(0.01, amsgrad=True, global_clipnorm=0.5),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: optimizers.Adagrad(0.1, clipnorm=1.0),
    "accumulating": lambda: optimizers.AdamW(0.01, gradient_accumulation_steps=3),
    "averaging": lambda: optimizers.SGD(0.05, use_ema=True, ema_overwrite_frequency=2),
}


def model(optimizer):
    keras.set_random_seed(0)
    made = keras.Sequential([keras.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(1)])
    made.compile(optimizer, "mse")
    return made


def batches(count):
    rng = np.random.default_rng(3)
    return [
        (rng.standard_normal((6, 4)).astype("float32"), rng.standard_normal((6, 1), "float32"))
        for _ in range(count)
    ]


@pytest.mark.parametrize("name", MAKERS)
def test_a_loaded_training_goes_on_bitwise(name, tmp_path):
    data = batches(8)
    whole, part = model(MAKERS[name]()), model(MAKERS[name]())
    for x, y in data:
        whole.train_on_batch(x, y)
    for x, y in data[:4]:
        part.train_on_batch(x, y)
    part.save(tmp_path / "part.safetensors")
    again = keras.models.load_model(tmp_path / "part.safetensors")
    assert again.optimizer.get_config() == part.optimizer.get_config()
    for x, y in data[4:]:
        again.train_on_batch(x, y)
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    ours, theirs = whole.optimizer.state(), again.optimizer.state()
    assert list(ours) == list(theirs) and len(ours) > 2
    for key in ours:
        np.testing.assert_array_equal(ours[key].numpy(), theirs[key].numpy(), key)


@pytest.mark.parametrize("name", MAKERS)
def test_one_call_a_step_at_every_thread_count(name):
    """The plan of fit holds all of it, and two threads compute what one does."""
    from cnnfast import runtime

    results = []
    for threads in (1, 2):
        runtime.set_num_threads(threads)
        made = model(MAKERS[name]())
        for x, y in batches(4):
            made.train_on_batch(x, y)
        results.append(made.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_accumulated_gradients_are_one_large_batch():
    data = batches(2)
    small = model(optimizers.SGD(0.1, gradient_accumulation_steps=2))
    start = small.get_weights()[0].copy()
    small.train_on_batch(*data[0])
    np.testing.assert_array_equal(small.get_weights()[0], start)
    assert int(small.optimizer.iterations.numpy()) == 0
    small.train_on_batch(*data[1])
    assert int(small.optimizer.iterations.numpy()) == 1
    large = model(optimizers.SGD(0.1))
    large.train_on_batch(*(np.concatenate(parts) for parts in zip(*data, strict=True)))
    for a, b in zip(small.get_weights(), large.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_fit_ends_with_averaged_weights():
    (x, y), *_ = batches(1)
    made = model(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
    made.fit(x, y, 3, epochs=3, verbose=0)
    weight = made.trainable_weights[0]
    average = made.optimizer.state()["0/average"].numpy()
    np.testing.assert_array_equal(weight.numpy(), average)


def test_the_rate_changes_without_a_new_plan():
    (x, y), *_ = batches(1)
    made = model(optimizers.SGD(0.0))
    before = [w.copy() for w in made.get_weights()]
    made.train_on_batch(x, y)
    plans = len(made._programs)
    np.testing.assert_array_equal(made.get_weights()[0], before[0])
    made.optimizer.learning_rate = 0.1
    made.train_on_batch(x, y)
    assert len(made._programs) == plans
    assert np.abs(made.get_weights()[0] - before[0]).max() > 0


def test_state_is_numbered_as_the_file_is_read(tmp_path):
    """Layers that are trained later stand in front of those trained first."""
    (x, y), *_ = batches(1)
    made = model(optimizers.Adam(0.01))
    made.layers[0].trainable = False
    made.train_on_batch(x, y)
    made.layers[0].trainable = True
    made.train_on_batch(x, y)
    made.save(tmp_path / "m.safetensors")
    again = keras.models.load_model(tmp_path / "m.safetensors")
    for _ in range(2):
        made.train_on_batch(x, y)
        again.train_on_batch(x, y)
    for a, b in zip(made.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_excluded_weights_come_back(tmp_path):
    (x, y), *_ = batches(1)
    made = model(optimizers.AdamW(0.1, 0.5))
    made.optimizer.exclude_from_weight_decay(
        var_list=[made.trainable_weights[2]], var_names=["bias"]
    )
    made.train_on_batch(x, y)
    made.save(tmp_path / "m.safetensors")
    again = keras.models.load_model(tmp_path / "m.safetensors")
    weights = again.trainable_weights
    assert [again.optimizer.decay_of(w) for w in weights] == [0.5, 0.0, 0.0, 0.0]


class Signs(optimizers.Optimizer):
    """As a user writes one: descent by signs, with a count of its own."""

    def add_slots(self, weight):
        return {"moves": self.zeros_like(weight, "moves")}

    def update(self, weight, gradient, rate, slots):
        step = ops.sign(gradient)
        self.assign(slots["moves"], slots["moves"] + ops.abs(step))
        self.assign(weight, weight - step * rate)


def test_an_optimizer_of_ones_own():
    weight = keras.Variable(np.array([1.0, 2.0], "float32"))
    optimizer = Signs(0.5, gradient_accumulation_steps=2)
    for gradient in ([4.0, 1.0], [-1.0, -3.0], [1.0, 0.0], [1.0, 0.0]):
        optimizer.apply([np.array(gradient, "float32")], [weight])
    np.testing.assert_array_equal(weight.numpy(), [0.0, 2.5])
    np.testing.assert_array_equal(optimizer.state()["0/moves"].numpy(), [2.0, 1.0])


def test_apply_says_what_is_wrong():
    weight = keras.Variable(np.zeros(2, "float32"), name="w")
    optimizer = optimizers.SGD(0.1)
    with pytest.raises(ValueError, match="a gradient for each variable, got 2"):
        optimizer.apply([np.zeros(2), np.zeros(2)], [weight])
    with pytest.raises(ValueError, match=r"'w' must have its shape \(2,\), got \(3,\)"):
        optimizer.apply([np.zeros(3, "float32")], [weight])
    optimizer.apply_gradients([(np.ones(2, "float32"), weight)])
    optimizer.apply([None], [weight])
    np.testing.assert_allclose(weight.numpy(), [-0.1, -0.1])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"clipnorm": 1.0, "clipvalue": 1.0}, ValueError, "only one kind of clipping"),
        ({"clipnorm": 0.0}, ValueError, "clipnorm must be above 0"),
        ({"clipvalue": "much"}, TypeError, "clipvalue must be a number"),
        ({"gradient_accumulation_steps": 1}, ValueError, "gradient_accumulation_steps must be"),
        ({"gradient_accumulation_steps": 2.5}, TypeError, "must be an integer"),
        ({"use_ema": True, "ema_momentum": 1.5}, ValueError, "ema_momentum must be between"),
        ({"ema_overwrite_frequency": -1}, ValueError, "ema_overwrite_frequency must be"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        optimizers.Adam(**arguments)
