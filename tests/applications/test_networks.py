"""What the networks are: parameters, shapes layer by layer, arguments, errors."""

import numpy as np
import pytest

import cnnfast as keras
from cnnfast import applications
from cnnfast.applications import (
    VGG11,
    VGG13,
    VGG16,
    VGG19,
    AlexNet,
    CIFARResNet,
    LeNet5,
    ResNet18,
    ResNet34,
    ResNet50,
    ResNet101,
    ResNet152,
    TutorialCNN,
)
from cnnfast.layers import _context


@pytest.fixture
def zeros():
    """Weights begin as zeros: hundreds of millions of random numbers would say nothing more."""
    with _context.weights_from_file(200_000_000):
        yield


def trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)


@pytest.mark.parametrize(
    ("name", "arguments", "parameters"),
    [
        ("LeNet5", {}, 61_706),
        ("AlexNet", {}, 62_378_344),
        ("AlexNet", {"lrn": True, "dropout": 0.0}, 62_378_344),
        ("AlexNet", {"variant": "torchvision"}, 61_100_840),
        ("AlexNet", {"variant": "torchvision", "input_shape": (224, 224, 3)}, 61_100_840),
        ("VGG11", {}, 132_863_336),
        ("VGG13", {}, 133_047_848),
        ("VGG16", {}, 138_357_544),
        ("VGG19", {}, 143_667_240),
        ("ResNet18", {}, 11_689_512),
        ("ResNet34", {}, 21_797_672),
        ("ResNet50", {}, 25_557_032),
        ("ResNet101", {}, 44_549_160),
        ("ResNet152", {}, 60_192_808),
        # Table 6 of the paper: 0.27, 0.46, 0.66, 0.85 and 1.7 million.
        ("CIFARResNet", {"depth": 20}, 269_722),
        ("CIFARResNet", {"depth": 32}, 464_154),
        ("CIFARResNet", {"depth": 44}, 658_586),
        ("CIFARResNet", {"depth": 56}, 853_018),
        ("CIFARResNet", {"depth": 110}, 1_727_962),
        ("CIFARResNet", {"depth": 20, "plain": True}, 269_722),
        # W_s: 16 x 32 and 32 x 64 weights, with the normalisation's gammas and betas.
        ("CIFARResNet", {"depth": 20, "shortcut": "B"}, 269_722 + 512 + 2 * 32 + 2048 + 2 * 64),
    ],
)
def test_parameters(zeros, name, arguments, parameters):
    model = getattr(applications, name)(**arguments)
    assert trainable(model) == parameters
    # Moving means and variances are counted besides, two for each gamma and beta.
    statistics = sum(w.shape[0] for w in model.weights if w.name in ("gamma", "beta"))
    assert model.count_params() == parameters + statistics
    assert model.output_shape == (None, 1000 if name not in ("LeNet5", "CIFARResNet") else 10)


def shapes(model, *names):
    """(height, width, channels) behind each layer."""
    return [tuple(model.get_layer(name).output.shape[1:]) for name in names]


def test_lenet5_shapes():
    model = LeNet5()
    assert [w.shape for w in model.get_weights()] == [
        (5, 5, 1, 6), (6,), (5, 5, 6, 16), (16,), (400, 120), (120,), (120, 84), (84,), (84, 10),
        (10,),
    ]  # fmt: skip
    assert [tuple(layer.output.shape[1:]) for layer in model.layers] == [
        (28, 28, 6), (14, 14, 6), (10, 10, 16), (5, 5, 16), (400,), (120,), (84,), (10,),
    ]  # fmt: skip
    padded = LeNet5((28, 28, 1))
    assert tuple(padded.layers[0].output.shape[1:]) == (28, 28, 6)
    assert padded.count_params() == 61_706


def test_alexnet_shapes(zeros):
    names = ("conv1", "norm1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5", "pool5",
             "flatten", "fc6", "fc7", "predictions")  # fmt: skip
    assert shapes(AlexNet(lrn=True), *names) == [
        (55, 55, 96), (55, 55, 96), (27, 27, 96), (27, 27, 256), (13, 13, 256), (13, 13, 384),
        (13, 13, 384), (13, 13, 256), (6, 6, 256), (9216,), (4096,), (4096,), (1000,),
    ]  # fmt: skip
    narrow = AlexNet((224, 224, 3), variant="torchvision")
    assert shapes(narrow, "conv1", "pool1", "conv2", "conv3", "conv4", "pool5") == [
        (55, 55, 64), (27, 27, 64), (27, 27, 192), (13, 13, 384), (13, 13, 256), (6, 6, 256),
    ]  # fmt: skip


def test_alexnet_drops_where_its_papers_say():
    def order(**arguments):
        model = AlexNet((67, 67, 3), classes=3, **arguments)
        return [layer.name for layer in model.layers][-6:]

    assert order() == ["flatten", "fc6", "drop6", "fc7", "drop7", "predictions"]
    assert order(variant="torchvision") == [
        "flatten",
        "drop6",
        "fc6",
        "drop7",
        "fc7",
        "predictions",
    ]
    assert order(dropout=0)[-4:] == ["flatten", "fc6", "fc7", "predictions"]


@pytest.mark.parametrize(
    ("build", "convolutions"),
    [
        (VGG11, (1, 1, 2, 2, 2)),
        (VGG13, (2, 2, 2, 2, 2)),
        (VGG16, (2, 2, 3, 3, 3)),
        (VGG19, (2, 2, 4, 4, 4)),
    ],
)
def test_vgg_shapes(zeros, build, convolutions):
    model, names, right = build(), [], []
    for block, (count, filters) in enumerate(
        zip(convolutions, (64, 128, 256, 512, 512), strict=True), 1
    ):
        side = 224 >> (block - 1)
        names += [f"block{block}_conv{i + 1}" for i in range(count)] + [f"block{block}_pool"]
        right += count * [(side, side, filters)] + [(side // 2, side // 2, filters)]
    names += ["flatten", "fc1", "drop1", "fc2", "predictions"]
    right += [(25088,), (4096,), (4096,), (4096,), (1000,)]
    assert shapes(model, *names) == right
    assert len(model.layers) == 1 + len(names) + 1  # input; drop2


@pytest.mark.parametrize(
    ("build", "last", "filters"),
    [
        (ResNet18, (2, 2, 2, 2), (64, 128, 256, 512)),
        (ResNet34, (3, 4, 6, 3), (64, 128, 256, 512)),
        (ResNet50, (3, 4, 6, 3), (256, 512, 1024, 2048)),
        (ResNet101, (3, 4, 23, 3), (256, 512, 1024, 2048)),
        (ResNet152, (3, 8, 36, 3), (256, 512, 1024, 2048)),
    ],
)
def test_resnet_shapes(zeros, build, last, filters):
    model = build()
    ends = [f"conv{stage}_block{count}_out" for stage, count in enumerate(last, start=2)]
    assert shapes(model, "conv1_relu", "pool1_pool", *ends) == [
        (112, 112, 64),
        (56, 56, 64),
        *[(size, size, f) for size, f in zip((56, 28, 14, 7), filters, strict=True)],
    ]
    # The name counts layers with weights, without the projections: 1 + blocks + 1.
    convolutions = [one for one in model.layers if one.name.endswith("_conv")]
    main = [one for one in convolutions if not one.name.endswith("_0_conv")]
    assert len(main) + 1 == int(build.__name__.removeprefix("ResNet"))
    assert not any(one.use_bias for one in convolutions)
    strided = [one.name for one in main if one.strides == (2, 2)]
    place = 2 if filters[0] == 256 else 1
    assert strided == ["conv1_conv", *(f"conv{i}_block1_{place}_conv" for i in (3, 4, 5))]


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_cifar_resnet_shapes(shortcut):
    model = CIFARResNet(20, shortcut=shortcut)
    names = ("conv1_relu", "stage1_block3_out", "stage2_block1_out", "stage3_block3_out")
    assert shapes(model, *names) == [(32, 32, 16), (32, 32, 16), (16, 16, 32), (8, 8, 64)]
    adds = [layer for layer in model.layers if layer.name.endswith("_add")]
    assert len(adds) == 9
    assert not any(x.name.endswith("_add") for x in CIFARResNet(20, plain=True).layers)


def test_option_a_takes_every_second_pixel_and_adds_zeros(rng):
    model = CIFARResNet(8, (6, 6, 2), include_top=False, width=3)
    x = rng.standard_normal((2, 6, 6, 2)).astype("float32")
    before, after = (
        keras.Model(model.inputs, model.get_layer(name).output).predict(x, verbose=0)
        for name in ("stage1_block1_out", "stage2_block1_0_pad")
    )
    assert after.shape == (2, 3, 3, 6)
    np.testing.assert_array_equal(after[..., 1:4], before[:, ::2, ::2])
    assert not after[..., [0, 4, 5]].any()


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (ResNet18, {"input_shape": (32, 32, 3)}),
        (ResNet50, {"input_shape": (32, 32, 3)}),
        (CIFARResNet, {"input_shape": (8, 8, 3)}),
        (CIFARResNet, {"input_shape": (8, 8, 3), "shortcut": "B", "batch_normalization": False}),
    ],
)
def test_zero_weights_make_a_block_the_identity(build, arguments, rng):
    """With zero weights in F, y = relu(0 + x) = x, since x has gone through a relu before."""
    model = build(include_top=False, **arguments)
    first = "conv2" if build in (ResNet18, ResNet50) else "stage1"
    block = f"{first}_block2"
    for layer in model.layers:
        if layer.name.startswith(block) and layer.name.endswith("_conv"):
            layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    probe = keras.Model(
        model.inputs,
        [model.get_layer(f"{first}_block1_out").output, model.get_layer(f"{block}_out").output],
    )
    x = rng.standard_normal((2, *arguments["input_shape"])).astype("float32")
    before, after = probe.predict(x, verbose=0)
    assert before.max() > 0.1
    np.testing.assert_array_equal(after, before)


def test_zero_gamma_begins_as_the_identity(rng):
    model = ResNet18(include_top=False, input_shape=(32, 32, 3), zero_init_residual=True)
    probe = keras.Model(
        model.inputs, [model.get_layer(n).output for n in ("pool1_pool", "conv2_block2_out")]
    )
    before, after = probe.predict(rng.random((2, 32, 32, 3), dtype=np.float32), verbose=0)
    assert before.max() > 0.1
    np.testing.assert_array_equal(after, before)


def test_shrinking_weights_lead_to_the_identity(rng):
    """What L2 does: the smaller the weights of F, the closer a block is to its shortcut."""
    model = CIFARResNet(8, (8, 8, 3), include_top=False, shortcut="B", batch_normalization=False)
    probe = keras.Model(
        model.inputs, [model.get_layer(n).output for n in ("conv1_relu", "stage1_block1_out")]
    )
    x = rng.standard_normal((2, 8, 8, 3)).astype("float32")
    last = model.get_layer("stage1_block1_2_conv")
    kernel, bias = last.get_weights()
    distances = []
    for factor in (1.0, 0.1, 0.01):
        last.set_weights([factor * kernel, factor * bias])
        before, after = probe.predict(x, verbose=0)
        distances.append(np.linalg.norm(after - before))
    assert distances[0] > 5 * distances[1] > 25 * distances[2] > 0


def test_probabilities_and_logits(rng):
    x = rng.random((4, 32, 32, 1), dtype=np.float32)
    y = LeNet5().predict(x, verbose=0)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)
    assert not np.allclose(LeNet5(classifier_activation=None).predict(x, verbose=0).sum(axis=1), 1)


def test_tutorial_cnn():
    assert TutorialCNN().count_params() == 34_826
    assert TutorialCNN((28, 28, 3), classes=5).output_shape == (None, 5)
    with pytest.raises(ValueError, match="conv2d"):
        TutorialCNN((4, 4, 1))


@pytest.mark.parametrize("build", [VGG16, ResNet18])
def test_without_the_top(zeros, build):
    assert build(include_top=False).output_shape == (None, 7, 7, 512)
    any_size = build(include_top=False, input_shape=(None, None, 3), pooling="avg")
    assert any_size.output_shape == (None, 512)
    x = np.ones((1, 40, 56, 3), np.float32)
    assert any_size.predict(x, verbose=0).shape == (1, 512)
    assert build(include_top=False, pooling="max").output_shape == (None, 512)
    with pytest.raises(ValueError, match="pooling must be None, 'avg' or 'max', got 'mean'"):
        build(include_top=False, pooling="mean")


def test_the_others_without_the_top(zeros):
    assert LeNet5(include_top=False).output_shape == (None, 5, 5, 16)
    assert AlexNet(include_top=False).output_shape == (None, 6, 6, 256)
    assert CIFARResNet(include_top=False).output_shape == (None, 8, 8, 64)


def test_an_input_tensor(zeros):
    inputs = keras.Input((40, 48, 1))
    x = keras.layers.Conv2D(3, 1)(inputs)
    backbone = ResNet18(include_top=False, input_tensor=x, pooling="avg")
    model = keras.Model(inputs, keras.layers.Dense(2)(backbone.output))
    assert model.output_shape == (None, 2)
    with pytest.raises(ValueError, match="input_tensor has shape"):
        VGG16(input_tensor=inputs, input_shape=(32, 32, 3))
    with pytest.raises(TypeError, match="input_tensor must be"):
        VGG16(input_tensor="x")


@pytest.mark.parametrize(
    ("name", "least"),
    [("LeNet5", 16), ("AlexNet", 67), ("VGG11", 32), ("ResNet50", 32), ("CIFARResNet", 4)],
)
def test_the_smallest_pictures(zeros, name, least):
    build = getattr(applications, name)
    channels = 1 if name == "LeNet5" else 3
    assert build(input_shape=(least, least, channels)).output_shape[0] is None
    with pytest.raises(ValueError, match=f"^{name}: pictures must be at least {least}x{least}"):
        build(input_shape=(least, least - 1, channels))
    for shape, message in (
        ((least, least), "without the batch"),
        ((1, least, least, 3), "without the batch"),
        ((least, least, None), "number of channels"),
        ((least, least, 0), "number of channels"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: .*{message}"):
            build(input_shape=shape)
    with pytest.raises(TypeError, match=f"^{name}: input_shape"):
        build(input_shape=least)
    with pytest.raises(TypeError, match=f"^{name}: input_shape"):
        build(input_shape=(least, 1.5 * least, 3))


def test_the_smallest_torchvision_alexnet(zeros):
    model = AlexNet((63, 63, 3), variant="torchvision")
    assert shapes(model, "pool5") == [(1, 1, 256)]
    with pytest.raises(ValueError, match="at least 63x63"):
        AlexNet((62, 63, 3), variant="torchvision")


@pytest.mark.parametrize("name", ["LeNet5", "AlexNet", "VGG11"])
def test_dense_layers_need_a_size(name):
    with pytest.raises(ValueError, match=f"^{name}: height and width must be known"):
        getattr(applications, name)(input_shape=(None, None, 3))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="depth must be 6n \\+ 2 .* got 21"):
        CIFARResNet(21)
    with pytest.raises(TypeError, match="depth must be an integer"):
        CIFARResNet(20.0)
    with pytest.raises(ValueError, match="shortcut must be 'A' or 'B', got 'C'"):
        CIFARResNet(20, shortcut="C")
    with pytest.raises(ValueError, match="zero_init_residual needs shortcuts"):
        CIFARResNet(20, plain=True, zero_init_residual=True)
    with pytest.raises(ValueError, match="variant must be one of .* got 'caffe'"):
        AlexNet(variant="caffe")
    with pytest.raises(ValueError, match=r"AlexNet: dropout must be in \[0, 1\), got 1"):
        AlexNet(dropout=1)
    with pytest.raises(TypeError, match="VGG16: dropout must be a number"):
        VGG16(dropout="half")
    with pytest.raises(TypeError, match=r"ResNet50: include_top must be True or False, got \(224"):
        ResNet50((224, 224, 3))


@pytest.mark.parametrize("name", ["LeNet5", "AlexNet", "VGG11", "ResNet18", "CIFARResNet"])
def test_no_trained_weights_are_shipped(zeros, name):
    build = getattr(applications, name)
    with pytest.raises(ValueError, match=f"^{name}: cnnfast ships no trained weights.*'imagenet'"):
        build(weights="imagenet")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        build(weights="nowhere/weights.safetensors")
    with pytest.raises(TypeError, match="weights must be None or the path"):
        build(weights=True)


@pytest.mark.parametrize(
    ("build", "arguments"),
    [
        (LeNet5, {}),
        (ResNet18, {"input_shape": (32, 32, 3), "include_top": False}),
        (CIFARResNet, {"depth": 8, "width": 4}),
    ],
)
def test_weights_of_a_file(build, arguments, tmp_path, rng):
    model = build(**arguments)
    path = tmp_path / "weights.safetensors"
    model.save_weights(path)
    again = build(weights=path, **arguments)
    x = rng.random((2, *model.input_shape[1:]), dtype=np.float32)
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    model.save(tmp_path / "model.safetensors")
    loaded = keras.models.load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))


def test_alexnet_trains_at_its_size(rng):
    """One picture of 227x227 through all 62 million weights, with dropout and normalisation."""
    keras.set_random_seed(0)
    model = AlexNet(classes=10, lrn=True)
    model.compile(keras.optimizers.SGD(1e-3), "sparse_categorical_crossentropy")
    x, y = rng.random((1, 227, 227, 3), dtype=np.float32), np.array([3])
    losses = [model.train_on_batch(x, y) for _ in range(3)]
    assert np.isfinite(losses).all()
    assert model.test_on_batch(x, y) < losses[0]
