"""Receptive fields against the actual non-zero gradient of an output place, and by hand."""

import numpy as np
import pytest

import cnnfast
from cnnfast import _core, layers, ops
from cnnfast.models import _field_rules


def _sequential(shape, *stack):
    return cnnfast.Sequential([cnnfast.Input(shape), *stack])


class Branches(cnnfast.Model):
    """A 3x3 and a dilated 5x5 path of one stride, added, then pooled."""

    def __init__(self):
        super().__init__()
        self.near = layers.Conv2D(3, 3, strides=2, padding="same")
        self.far = layers.Conv2D(3, 5, strides=2, padding="same", dilation_rate=2)
        self.pool = layers.AveragePooling2D(2, 1)

    def call(self, x):
        return self.pool(self.near(x) + self.far(x))


class Hourglass(cnnfast.Model):
    """Down, up, and a shortcut past both."""

    def __init__(self):
        super().__init__()
        self.down = layers.Conv2D(4, 3, strides=2, padding="same")
        self.up = layers.Conv2DTranspose(2, 4, strides=2, padding="same")
        self.merge = layers.Add()

    def call(self, x):
        return self.merge([x, self.up(self.down(x))])


NETWORKS = {
    "one kernel": lambda: _sequential((15, 14, 2), layers.Conv2D(3, (3, 5))),
    "3x3 three times": lambda: _sequential(
        (15, 14, 1), *[layers.Conv2D(2, 3, padding="same", activation="tanh") for _ in range(3)]
    ),
    "strides and pools": lambda: _sequential(
        (73, 69, 1),
        layers.Conv2D(2, 5, strides=2),
        layers.MaxPooling2D(2),
        layers.Conv2D(2, 3, padding="same"),
        layers.AveragePooling2D(3, 2),
    ),
    "dilated": lambda: _sequential(
        (33, 34, 1),
        layers.Conv2D(2, 3, dilation_rate=2),
        layers.Conv2D(2, 3, dilation_rate=4, padding="same"),
    ),
    "separable": lambda: _sequential(
        (16, 16, 2),
        layers.SeparableConv2D(3, 3, padding="same"),
        layers.DepthwiseConv2D(3, strides=2),
    ),
    "transposed": lambda: _sequential((9, 8, 2), layers.Conv2DTranspose(2, 4, 2, "same")),
    "transposed with holes": lambda: _sequential((5, 6, 2), layers.Conv2DTranspose(2, 2, 3)),
    "down and up": lambda: _sequential(
        (24, 24, 1),
        layers.Conv2D(2, 3, strides=2, padding="same"),
        layers.Conv2D(2, 3, padding="same"),
        layers.Conv2DTranspose(1, 3, 2, "same"),
    ),
    "padding and normalising": lambda: _sequential(
        (12, 12, 2), layers.ZeroPadding2D(((1, 0), (2, 1))), layers.Conv2D(2, 3), layers.Softmax()
    ),
    "channels first": lambda: _sequential(
        (2, 14, 15),
        layers.Conv2D(3, 3, strides=(1, 2), data_format="channels_first"),
        layers.MaxPooling2D(2, 1, data_format="channels_first"),
    ),
    "a sequence": lambda: _sequential(
        (30, 2), layers.Conv1D(3, 3, padding="causal"), layers.Conv1D(2, 5, strides=2)
    ),
    "branches": Branches,
    "hourglass": Hourglass,
}
SHAPES = {"branches": (21, 20, 2), "hourglass": (16, 16, 2)}


def _made(name):
    model = NETWORKS[name]()
    if name in SHAPES:
        model.build((None, *SHAPES[name]))
    # Positive weights: no path cancels another.
    model.set_weights([np.abs(weight) + 0.01 for weight in model.get_weights()])
    return model


def _seen(model, place, axes, rng):
    """The hull of the input places whose gradient is not zero, over several random inputs."""
    shape = model.input_shape[1:]
    out = [size for i, size in enumerate(model.output_shape) if i in axes]
    found = np.zeros([shape[a - 1] for a in axes], bool)
    other = tuple(a for a in range(len(shape) + 1) if a not in axes)
    mask = np.zeros(out, "float32")
    mask[place] = 1
    # Weights that differ by channel: those of a softmax add up to one.
    channel = [size if i in other and i > 0 else 1 for i, size in enumerate(model.output_shape)]
    mask = np.expand_dims(mask, other) * rng.random(channel).astype("float32")
    gradient = cnnfast.grad(lambda x: ops.sum(model(x) * mask))
    for _ in range(60):  # a maximum sends its gradient to one place at a time
        x = (0.2 * rng.random((1, *shape))).astype("float32")
        found |= np.abs(gradient(x)).sum(other) > 0
    hull = []
    for axis in range(len(axes)):
        seen = np.flatnonzero(found.any(tuple(a for a in range(len(axes)) if a != axis)))
        hull.append((int(seen[0]), int(seen[-1]) + 1) if len(seen) else (0, 0))
    return hull


@pytest.mark.parametrize("name", NETWORKS)
def test_the_field_is_where_the_gradient_is_not_zero(name, rng):
    model = _made(name)
    field = model.receptive_field()
    axes = [2, 3] if name == "channels first" else list(range(1, len(model.input_shape) - 1))
    out = [model.output_shape[a] for a in axes]
    centre = tuple(size // 2 for size in out)
    for place in {centre, tuple(c + 1 for c in centre), (0,) * len(out)}:
        region = [(s.start, s.stop) for s in field.region(*place)]
        if any(end <= begin for begin, end in region):  # a hole: nothing is seen
            region = [(0, 0)] * len(region)
        seen = _seen(model, place, axes, rng)
        if any(place):
            assert region == seen, f"{name} at {place}"
        else:  # at a border, padding between layers can hide some of it
            assert all(a <= c and d <= b for (a, b), (c, d) in zip(region, seen, strict=True))
    whole = name == "transposed with holes"
    inside = [s.stop - s.start for s in field.region(*centre)]
    assert whole or all(a <= b for a, b in zip(inside, field.size, strict=True))


def test_by_hand():
    """LeNet-5 up to its last pooling: 5, 6, 14, 16 pixels, two and four apart."""
    model = _sequential(
        (32, 32, 1),
        layers.Conv2D(6, 5, activation="tanh", name="c1"),
        layers.AveragePooling2D(2, name="s2"),
        layers.Conv2D(16, 5, activation="tanh", name="c3"),
        layers.AveragePooling2D(2, name="s4"),
        layers.Flatten(name="flat"),
        layers.Dense(10, name="f5"),
    )
    fields = model.receptive_field(["c1", "s2", "c3", "s4", "flat", "f5"])
    assert [f.size for f in fields] == [(n, n) for n in (5, 6, 14, 16, 32, 32)]
    assert [f.stride for f in fields] == [(n, n) for n in (1, 2, 2, 4, 0, 0)]
    assert all(f.padding == (0, 0) for f in fields)
    assert [f.layer for f in fields] == ["c1", "s2", "c3", "s4", "flat", "f5"]
    assert fields[3].region(1, 2) == (slice(4, 20), slice(8, 24))
    assert fields[5].size == model.receptive_field().size
    assert model.receptive_field(2) == model.receptive_field(model.layers[2]) == fields[2]


def test_drawn_models_with_several_inputs_and_shared_layers():
    image, other = cnnfast.Input((12, 12, 1), name="image"), cnnfast.Input((12, 12, 1))
    shared = layers.Conv2D(2, 3, padding="same", name="shared")
    deep = shared(image)
    joined = layers.Add(name="joined")([deep, layers.Conv2D(2, 5, padding="same")(image)])
    both = layers.Add()([joined, shared(other)])
    model = cnnfast.Model([image, other], layers.Conv2D(1, 3, name="top")(both))
    fields = model.receptive_field(["shared", "joined", "top"], "image")
    assert [field.size for field in fields] == [(3, 3), (5, 5), (7, 7)]
    assert model.receptive_field(input=1).size == (5, 5)
    with pytest.raises(ValueError, match="does not depend on this input"):
        model.receptive_field("joined", 1)
    with pytest.raises(ValueError, match="input must be one of 'image'"):
        model.receptive_field(input="picture")


def test_padding_and_fractions():
    model = _sequential((16, 16, 1), *[layers.Conv2D(2, 3, padding="same") for _ in range(2)])
    assert model.receptive_field().padding == (2, 2)
    # SAME with stride 2 on an even size pads the end only.
    model = _sequential((16, 16, 1), layers.Conv2D(2, 3, 2, "same"))
    assert model.receptive_field().padding == (0, 0)
    up = _sequential((8, 8, 1), layers.Conv2DTranspose(1, 4, 2, "same"))
    assert (up.receptive_field().stride, up.receptive_field().size) == ((0.5, 0.5), (2, 2))


def test_unknown_sizes():
    model = cnnfast.Sequential(
        [cnnfast.Input((None, None, 3)), layers.Conv2D(4, 3, padding="same"), layers.Conv2D(2, 3)]
    )
    field = model.receptive_field()
    assert (field.size, field.stride, field.padding) == ((5, 5), (1, 1), (1, 1))
    assert field.region(10, 0) == (slice(9, 14), slice(0, 4))


def test_every_op_a_network_is_made_of_has_a_rule():
    """Ops that only training or metrics add may go without one."""
    elsewhere = {
        "gradients", "fill", "draw_affine", "draw_uniform", "accumulate_gradient", "adagrad_update",
        "binary_crossentropy", "ema_update", "in_top_k", "learning_rate_schedule", "rmsprop_update",
        "moving_average",
        "accumulate", "assign", "increment", "sgd_update", "adam_update",
        "categorical_accuracy", "sparse_categorical_accuracy", "categorical_crossentropy",
        "sparse_categorical_crossentropy", "conv2d_backward_kernel", "dense_backward_input",
        "dense_backward_kernel",
    }  # fmt: skip
    known = _field_rules.SAME_PLACE | _field_rules.REDUCTIONS | set(_field_rules.RULES)
    for op in set(_core.op_names()) - elsewhere:
        if op.endswith("_backward"):
            continue
        assert op in known, f"give {op!r} a rule in models/_field_rules.py"


def test_bad_input():
    model = _sequential((8, 8, 1), layers.Conv2D(2, 3, name="only"))
    with pytest.raises(ValueError, match="no layer named 'other'"):
        model.receptive_field("other")
    with pytest.raises(ValueError, match="no layer 3"):
        model.receptive_field(3)
    with pytest.raises(ValueError, match="takes a layer of the model"):
        model.receptive_field(layers.Conv2D(1, 1))
    with pytest.raises(ValueError, match="2 indices"):
        model.receptive_field().region(1)
    with pytest.raises(ValueError, match="not known before the model is built"):
        Branches().receptive_field()

    class TwoSpeeds(cnnfast.Model):
        def __init__(self):
            super().__init__()
            self.slow = layers.Conv2D(1, 3, strides=2, padding="same")
            self.fast = layers.Conv2D(1, 5)

        def call(self, x):
            return self.slow(x) + self.fast(x)

    model = TwoSpeeds()
    model.build((None, 8, 8, 1))
    with pytest.raises(ValueError, match=r"strides 1/1 and 2/1|strides 2/1 and 1/1"):
        model.receptive_field()
