"""Learning rate schedules: Keras' and torch's numbers, and the same numbers inside a plan."""

import numpy as np
import pytest

import cnnfast as ours
from cnnfast import layers, ops, optimizers
from cnnfast.optimizers import schedules

STEPS = np.arange(0, 45)

KERAS = [
    ("ExponentialDecay", (0.1, 7, 0.9), {}),
    ("ExponentialDecay", (0.1, 7, 0.9), {"staircase": True}),
    ("InverseTimeDecay", (0.1, 5, 0.5), {}),
    ("InverseTimeDecay", (0.1, 5, 0.5, True), {}),
    ("PolynomialDecay", (0.1, 20), {"power": 2.0}),
    ("PolynomialDecay", (0.1, 20, 0.01), {"power": 0.5}),
    ("PolynomialDecay", (0.1, 7, 0.01), {"cycle": True}),
    ("PiecewiseConstantDecay", ([5, 11, 30], [0.4, 0.3, 0.2, 0.1]), {}),
    ("CosineDecay", (0.1, 30), {}),
    ("CosineDecay", (0.01, 20), {"alpha": 0.1, "warmup_target": 0.2, "warmup_steps": 10}),
    ("CosineDecayRestarts", (0.1, 6), {}),
    ("CosineDecayRestarts", (0.1, 6), {"t_mul": 1.0, "m_mul": 0.8, "alpha": 0.05}),
]


@pytest.mark.parametrize(("name", "arguments", "more"), KERAS)
def test_keras_numbers(name, arguments, more):
    keras = pytest.importorskip("keras")
    made = getattr(schedules, name)(*arguments, **more)
    theirs = getattr(keras.optimizers.schedules, name)(*arguments, **more)
    expected = np.array([float(theirs(int(step))) for step in STEPS])
    np.testing.assert_allclose(made(STEPS), expected, rtol=2e-5, atol=2e-8)
    assert made(3) == made(np.array([3]))[0] and isinstance(made(3), float)
    assert set(made.get_config()) == set(theirs.get_config())
    assert np.ptp(expected) > 0


@pytest.mark.parametrize(
    "more",
    [{}, {"anneal_strategy": "linear"}, {"three_phase": True, "pct_start": 0.4},
     {"pct_start": 0.1, "div_factor": 10.0, "final_div_factor": 100.0}],
)  # fmt: skip
def test_one_cycle_is_torch(more):
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], 0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.5, total_steps=40, cycle_momentum=False, **more
    )
    made = schedules.OneCycle(0.5, 40, **more)
    for step in range(40):
        assert made(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9), step
        optimizer.step()
        if step < 39:
            theirs.step()
    assert made(1000) == made(39)


CYCLES = [
    {},
    {"anneal_strategy": "linear", "base_momentum": 0.0},
    {"three_phase": True, "pct_start": 0.4, "base_momentum": 0.5, "max_momentum": 0.9},
]


@pytest.mark.parametrize("more", CYCLES)
@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_momentum_cycles_as_in_torch(name, more):
    torch = pytest.importorskip("torch")
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = getattr(torch.optim, name)([weight], 0.1)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=40, **more)
    made = schedules.OneCycle(0.5, 40, cycle_momentum=True, **more)
    group = optimizer.param_groups[0]
    seen = []
    for step in range(40):
        seen.append(group["momentum"] if name == "SGD" else group["betas"][0])
        assert made(step) == pytest.approx(group["lr"], rel=1e-9), step
        optimizer.step()
        if step < 39:
            theirs.step()
    np.testing.assert_allclose([made.momentum(step) for step in range(40)], seen, rtol=1e-12)
    np.testing.assert_allclose(made.momentum(np.arange(40)), seen, rtol=1e-12)
    assert np.ptp(seen) > 0.09
    assert schedules.deserialize(schedules.serialize(made)).get_config() == made.get_config()


UPDATES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"gradient_accumulation_steps": 3, "clipnorm": 1.0}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "epsilon": 1e-3, "beta_2": 0.9}),
    ("AdamW", {"weight_decay": 0.05}),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), UPDATES)
def test_updates_with_a_cycling_momentum(name, arguments, dtype, rng):
    """Each step is that of an optimizer whose momentum and rate are the step's, state carried on."""
    cycle = schedules.OneCycle(0.25, 12, cycle_momentum=True)
    start = rng.standard_normal((3, 5)).astype(dtype)
    weight, twin = ours.Variable(start, name="w"), ours.Variable(start, name="w")
    optimizer = getattr(optimizers, name)(cycle, **arguments)
    key = "momentum" if name == "SGD" else "beta_1"
    state = None
    for step in range(12):
        gradient = rng.standard_normal((3, 5)).astype(dtype)
        optimizer.apply([gradient], [weight])
        fixed = {**arguments, key: cycle.momentum(step)}
        plain = getattr(optimizers, name)(cycle(step), **fixed)
        plain.build([twin])
        for place, variable in plain.state().items():
            if state is not None and place != "learning_rate":
                variable.assign(state[place])
        plain.apply([gradient], [twin])
        state = {place: np.array(v.numpy()) for place, v in plain.state().items()}
        limit = 2e-6 if dtype == "float32" else 1e-7  # rates are float32 there
        np.testing.assert_allclose(weight.numpy(), twin.numpy(), limit, limit, err_msg=str(step))
    assert np.abs(weight.numpy() - start).max() > 0.05


def test_a_cycling_momentum_in_fit_and_in_files(rng, tmp_path):
    x = rng.standard_normal((12, 3)).astype("float32")
    y = x.sum(1, keepdims=True)

    def make():
        return _model(optimizers.SGD(schedules.OneCycle(0.05, 12, cycle_momentum=True)))

    whole, part = make(), make()
    whole.fit(x, y, 2, epochs=2, verbose=0, shuffle=False)
    part.fit(x, y, 2, epochs=1, verbose=0, shuffle=False)
    part.save(tmp_path / "m.safetensors")
    again = ours.models.load_model(tmp_path / "m.safetensors")
    assert again.optimizer.momentum_cycles
    again.fit(x, y, 2, epochs=1, verbose=0, shuffle=False)
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_optimizers_without_a_momentum_to_cycle():
    cycle = schedules.OneCycle(0.1, 10, cycle_momentum=True)
    for name in ("RMSprop", "Adagrad"):
        with pytest.raises(ValueError, match=f"{name}: it has no momentum that OneCycle could cyc"):
            getattr(optimizers, name)(cycle)
    weight = ours.Variable(np.zeros(2, "float32"))
    late = optimizers.SGD(schedules.OneCycle(0.1, 10))
    late.apply([np.ones(2, "float32")], [weight])
    late.learning_rate = cycle
    with pytest.raises(ValueError, match="came behind steps without one; make the optimizer with"):
        late.apply([np.ones(2, "float32")], [weight])


ALL = [
    *(getattr(schedules, name)(*arguments, **more) for name, arguments, more in KERAS),
    schedules.OneCycle(0.5, 12),
]


@pytest.mark.parametrize("schedule", ALL, ids=lambda s: type(s).__name__)
def test_rates_inside_the_plan(schedule):
    """With a gradient of 1, each step of descent takes the learning rate off a weight."""
    for dtype in ("float32", "float64"):
        weight = ours.Variable(np.zeros(2, dtype))
        optimizer = optimizers.SGD(schedule)
        before = 0.0
        for step in range(14):
            assert optimizer.learning_rate == schedule(step)
            optimizer.apply([np.ones(2, dtype)], [weight])
            now = weight.numpy()[0]
            assert before - now == pytest.approx(schedule(step), rel=1e-4, abs=1e-6)
            before = float(now)


class Warm(schedules.LearningRateSchedule):
    """As a user writes one."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        return ops.where(ops.less(step, 3.0), self.rate * step / 3.0, self.rate)

    def get_config(self):
        return {"rate": self.rate}


class Half(schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.5


def test_a_schedule_of_ones_own():
    weight = ours.Variable(np.zeros(1, "float32"))
    optimizer = optimizers.SGD(Warm(0.3))
    seen = [0.0]
    for _ in range(5):
        optimizer.apply([np.ones(1, "float32")], [weight])
        seen.append(-float(weight.numpy()[0]))
    np.testing.assert_allclose(np.diff(seen), [0, 0.1, 0.2, 0.3, 0.3], rtol=1e-5, atol=1e-7)
    optimizers.SGD(Half()).apply([np.ones(1, "float32")], [weight])
    assert -float(weight.numpy()[0]) - seen[-1] == pytest.approx(0.5)
    config = optimizers.serialize(optimizer)
    with pytest.raises(ValueError, match="unknown learning rate schedule 'Warm'"):
        optimizers.get(config)
    assert optimizers.get(config, {"Warm": Warm}).learning_rate == 0.0


def _model(optimizer):
    ours.set_random_seed(0)
    made = ours.Sequential([ours.Input((3,)), layers.Dense(1)])
    made.compile(optimizer, "mse")
    return made


def test_saved_and_loaded_with_the_model(tmp_path, rng):
    x = rng.standard_normal((8, 3)).astype("float32")
    y = x.sum(1, keepdims=True)

    def make():
        schedule = schedules.CosineDecay(0.1, 10, warmup_target=0.2, warmup_steps=3)
        return optimizers.Adam(schedule)

    whole = _model(make())
    whole.fit(x, y, 2, epochs=2, verbose=0, shuffle=False)
    part = _model(make())
    part.fit(x, y, 2, epochs=1, verbose=0, shuffle=False)
    part.save(tmp_path / "m.safetensors")
    again = ours.models.load_model(tmp_path / "m.safetensors")
    assert again.optimizer.learning_rate == part.optimizer.learning_rate
    again.fit(x, y, 2, epochs=1, verbose=0, shuffle=False)
    for a, b in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_setting_rates(rng):
    model = _model(optimizers.SGD(schedules.ExponentialDecay(0.1, 1, 0.5)))
    with pytest.raises(TypeError, match="follows ExponentialDecay"):
        model.optimizer.learning_rate = 0.1
    x, y = np.ones((2, 3), "float32"), np.ones((2, 1), "float32")
    model.train_on_batch(x, y)
    assert model.optimizer.learning_rate == pytest.approx(0.05)
    model.optimizer.learning_rate = schedules.PiecewiseConstantDecay([5], [0.0, 1.0])
    before = model.get_weights()[0].copy()
    model.train_on_batch(x, y)  # planned anew: the rate is 0 now
    np.testing.assert_array_equal(model.get_weights()[0], before)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: schedules.ExponentialDecay(0.1, 0, 0.9), ValueError, "decay_steps must be above"),
        (lambda: schedules.PolynomialDecay("fast", 10), TypeError, "initial_learning_rate"),
        (lambda: schedules.PiecewiseConstantDecay([1, 2], [0.1]), ValueError, "one value more"),
        (lambda: schedules.PiecewiseConstantDecay([2, 1], [0.1] * 3), ValueError, "must increase"),
        (lambda: schedules.OneCycle(0.1, 10, anneal_strategy="x"), ValueError, "'cos' or 'linear'"),
        (lambda: schedules.OneCycle(0.1, 10, max_momentum=1.0), ValueError, "must be below 1"),
        (lambda: schedules.OneCycle(0.1, 10, base_momentum=0.96), ValueError, "base_momentum must"),
        (lambda: schedules.OneCycle(0.1, 10, base_momentum="x"), TypeError, "base_momentum must"),
        (lambda: schedules.CosineDecayRestarts(0.1, 5, t_mul=0.5), ValueError, "t_mul"),
        (lambda: schedules.ExponentialDecay(0.1, 5, 0.9)("x"), TypeError, "step must be a number"),
        (lambda: optimizers.SGD(lambda: 0.1), TypeError, "a number or a schedule"),
        (lambda: schedules.deserialize({"class_name": "Nope"}), ValueError, "unknown learning"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
