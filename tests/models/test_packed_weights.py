"""Updates pack the weights that they change for the next step: what that must never change."""

import numpy as np
import pytest
from tests.ops.levels import levels

import cnnfast
from cnnfast import layers, optimizers

OPTIMIZERS = {
    "sgd": lambda **more: optimizers.SGD(0.05, **more),
    "momentum": lambda **more: optimizers.SGD(0.05, momentum=0.9, **more),
    "adam": lambda **more: optimizers.Adam(0.01, **more),
    "amsgrad": lambda **more: optimizers.Adam(0.01, amsgrad=True, **more),
    "rmsprop": lambda **more: optimizers.RMSprop(0.01, **more),
    "adagrad": lambda **more: optimizers.Adagrad(0.01, **more),
}


def batches(sizes, side=12):
    rng = np.random.default_rng(1)
    return [
        (rng.random((n, side, side, 3), dtype=np.float32), rng.integers(0, 4, n)) for n in sizes
    ]


def network(optimizer, channels=20, filters=36, side=12):
    """Winograd's weights forward, others backward, channels that fill no whole vector."""
    cnnfast.utils.set_random_seed(3)
    model = cnnfast.Sequential(
        [
            layers.Input((side, side, 3)),
            layers.Conv2D(channels, 3, padding="same", activation="tanh"),
            layers.Conv2D(filters, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(channels, 3, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )
    return compiled(model, optimizer)


def compiled(model, optimizer):
    model.compile(optimizer, cnnfast.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def packed(model, batch):
    """How many updates pack. Which kernels read packed weights depends on the instruction set."""
    steps = model.plan(batch, "train").steps()
    return sum(step["kernel"] == "update, pack" for step in steps)


def train(model, data, touched=False):
    """Losses. Weights that were touched are packed anew in front of the step."""
    losses = []
    for x, y in data:
        if touched:
            model.set_weights(model.get_weights())
        losses.append(float(np.asarray(model.train_on_batch(x, y)).ravel()[0]))
    return losses


def same(one, other):
    return all(
        np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True)
    )


def check_both_ways(make, data):
    """Packing behind the update is packing in front of the step, at every level."""
    found = 0
    for level in levels():
        kept, anew = make(), make()
        found += packed(kept, len(data[0][0]))
        assert train(kept, data) == train(anew, data, touched=True), level
        assert same(kept, anew), level
    assert found > 0


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name):
    check_both_ways(lambda: network(OPTIMIZERS[name]()), batches([4] * 4))


@pytest.mark.parametrize("channels", [16, 31, 64])
@pytest.mark.parametrize("filters", [16, 33, 48])
def test_every_number_of_channels(channels, filters):
    check_both_ways(
        lambda: network(optimizers.SGD(0.05), channels, filters, 8), batches([16] * 2, side=8)
    )


ROADS = {
    "strided": lambda: layers.Conv2D(40, 3, strides=2, padding="same"),
    "strided, few": lambda: layers.Conv2D(5, 3, strides=2),
    "dilated": lambda: layers.Conv2D(24, 3, dilation_rate=2, padding="same"),
    "5x5": lambda: layers.Conv2D(24, 5, padding="same"),
    "1x1": lambda: layers.Conv2D(33, 1),
    "groups": lambda: layers.Conv2D(24, 3, padding="same", groups=2),
    "transposed": lambda: layers.Conv2DTranspose(12, 3, strides=2, padding="same"),
}


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("channels", [4, 6, 20, 48])
def test_every_layout_of_weights(road, channels):
    def model():
        cnnfast.utils.set_random_seed(3)
        layered = cnnfast.Sequential(
            [
                layers.Input((12, 12, 3)),
                layers.Conv2D(channels, 3, padding="same", activation="tanh"),
                ROADS[road](),
                layers.GlobalAveragePooling2D(),
                layers.Dense(4),
            ]
        )
        return compiled(layered, optimizers.Adam(0.01))

    check_both_ways(model, batches([6] * 3))


def test_weights_set_between_steps_are_used():
    data = batches([4] * 3)
    model = network(optimizers.SGD(0.05))
    before = model.get_weights()
    first = train(model, data)
    model.set_weights(before)
    assert train(model, data) == first
    assert first[1] != first[0]


def test_plans_of_several_batch_sizes_see_each_others_updates():
    kept = network(optimizers.SGD(0.05))
    x = batches([8])[0][0]
    for batch in batches([8, 3, 8, 8, 3, 5, 8]):
        new = network(optimizers.SGD(0.05))  # whose plans have packed nothing yet
        new.set_weights(kept.get_weights())
        assert train(kept, [batch]) == train(new, [batch])
        assert same(kept, new)
        assert np.array_equal(kept.predict_on_batch(x), new.predict_on_batch(x))


@pytest.mark.parametrize(
    "more", [{"gradient_accumulation_steps": 2}, {"use_ema": True, "ema_overwrite_frequency": 2}]
)
def test_other_writers_of_weights(more):
    data = batches([4] * 7)
    kept, anew = network(optimizers.Adam(0.01, **more)), network(optimizers.Adam(0.01, **more))
    assert train(kept, data) == train(anew, data, touched=True)
    assert same(kept, anew)


def test_a_layer_used_twice():
    def shared():
        cnnfast.utils.set_random_seed(3)
        inputs = layers.Input((12, 12, 3))
        conv = layers.Conv2D(32, 3, padding="same", activation="relu")
        x = conv(layers.Conv2D(32, 3, padding="same")(inputs))
        x = conv(layers.MaxPooling2D(2)(x))
        y = layers.Dense(4)(layers.GlobalAveragePooling2D()(x))
        return compiled(cnnfast.Model(inputs, y), optimizers.SGD(0.05))

    check_both_ways(shared, batches([4] * 4))


def test_large_kernels_are_packed_where_they_are_used():
    small, large = network(optimizers.Adam(0.01)), network(optimizers.Adam(0.01), 160, 160)
    for level in levels():
        assert packed(large, 4) <= 1, level  # the first layer's three channels
    assert packed(small, 4) > packed(large, 4)


def test_fit_and_an_interruption(tmp_path):
    x = np.concatenate([x for x, _ in batches([8] * 3)])
    y = np.concatenate([y for _, y in batches([8] * 3)])
    whole = network(optimizers.Adam(0.01))
    whole.fit(x, y, batch_size=8, epochs=4, shuffle=False, verbose=0)
    half = network(optimizers.Adam(0.01))
    half.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    half.save(tmp_path / "half.cnnfast")
    again = cnnfast.models.load_model(tmp_path / "half.cnnfast")
    again.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    assert same(whole, again)
