"""Ten steps of every optimizer and of everything around it, equal to Keras' on the same numbers."""

import numpy as np
import pytest

import cnnfast
from cnnfast import optimizers

keras = pytest.importorskip("keras")

SHAPES = [(3, 5), (5,), (2, 1, 7)]
RATE = 2.0**-5  # float32 has it exactly, so float64 can be compared closely

CASES = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", {"momentum": 0.8, "nesterov": True}),
    ("Adam", {}),
    ("Adam", {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "amsgrad": True}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.1, "amsgrad": True, "use_ema": True, "ema_momentum": 0.9}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.7, "momentum": 0.6}),
    ("RMSprop", {"centered": True, "weight_decay": 0.02, "epsilon": 1e-4}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "epsilon": 1e-4}),
    ("Adagrad", {}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "epsilon": 1e-2, "weight_decay": 0.1}),
    ("SGD", {"clipnorm": 1.5}),
    ("Adam", {"global_clipnorm": 0.7}),
    ("RMSprop", {"clipvalue": 0.3}),
    ("SGD", {"momentum": 0.9, "gradient_accumulation_steps": 3}),
    ("SGD", {"gradient_accumulation_steps": 2, "weight_decay": 0.1, "clipnorm": 1.0}),
    ("Adam", {"gradient_accumulation_steps": 4, "amsgrad": True, "global_clipnorm": 1.0}),
    ("RMSprop", {"gradient_accumulation_steps": 3, "centered": True, "momentum": 0.3}),
    ("Adagrad", {"gradient_accumulation_steps": 5}),
    ("SGD", {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3}),
    ("Adam", {"use_ema": True, "ema_overwrite_frequency": 2, "gradient_accumulation_steps": 3}),
    ("SGD", {"loss_scale_factor": 8.0}),
]  # fmt: skip


def _name(case):
    return case[0] + "".join(f"-{key}" for key in case[1])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=_name)
def test_ten_steps(case, dtype, rng):
    import torch

    name, arguments = case
    ours = getattr(optimizers, name)(RATE, **arguments)
    theirs = getattr(keras.optimizers, name)(RATE, **arguments)
    # Keras takes these numbers through float32 on their way into float64.
    through = ("decay", "clip", "ema", "AdamW")
    rounded = any(part in "".join([name, *arguments]) for part in through)
    starts = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    weights = [cnnfast.Variable(start, name="w") for start in starts]
    variables = [keras.Variable(start, dtype=dtype, name="w") for start in starts]
    for step in range(10):
        gradients = [(2 * rng.standard_normal(s)).astype(dtype) for s in SHAPES]
        ours.apply(gradients, weights)
        theirs.apply([torch.tensor(g) for g in gradients], variables)
        limit = 3e-6 if dtype == "float32" else 3e-7 if rounded else 1e-11
        for weight, variable in zip(weights, variables, strict=True):
            expected = variable.numpy()
            np.testing.assert_allclose(
                weight.numpy(), expected, limit, limit, err_msg=f"step {step}"
            )
        assert int(ours.iterations.numpy()) == int(theirs.iterations)
    assert np.abs(weights[0].numpy() - starts[0]).max() > 0.01
    ours.finalize_variable_values(weights)
    theirs.finalize_variable_values(variables)
    np.testing.assert_allclose(weights[1].numpy(), variables[1].numpy(), limit, limit)


def test_weights_excluded_from_decay(rng):
    import torch

    names = ["kernel", "bias", "gamma"]
    starts = [rng.standard_normal(4).astype("float32") for _ in names]
    weights = [cnnfast.Variable(s, name=n) for s, n in zip(starts, names, strict=True)]
    variables = [keras.Variable(s, name=n) for s, n in zip(starts, names, strict=True)]
    ours, theirs = optimizers.AdamW(0.1, 0.5), keras.optimizers.AdamW(0.1, 0.5)
    ours.exclude_from_weight_decay(var_list=[weights[2]], var_names=["bias"])
    theirs.exclude_from_weight_decay(var_list=[variables[2]], var_names=["bias"])
    for _ in range(3):
        gradients = [rng.standard_normal(4).astype("float32") for _ in names]
        ours.apply(gradients, weights)
        theirs.apply([torch.tensor(g) for g in gradients], variables)
    for weight, variable in zip(weights, variables, strict=True):
        np.testing.assert_allclose(weight.numpy(), variable.numpy(), rtol=1e-5, atol=1e-6)
    assert ours.decay_of(weights[0]) == 0.5
    assert ours.decay_of(weights[1]) == ours.decay_of(weights[2]) == 0.0
    with pytest.raises(ValueError, match="before the optimizer's first step"):
        ours.exclude_from_weight_decay(var_names=["kernel"])


def test_configurations_have_keras_keys():
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"):
        ours = getattr(optimizers, name)().get_config()
        theirs = getattr(keras.optimizers, name)().get_config()
        assert set(ours) == set(theirs), name
        same = set(theirs) - {"name", "learning_rate"}
        assert {key: ours[key] for key in same} == {key: theirs[key] for key in same}
        assert ours["learning_rate"] == pytest.approx(theirs["learning_rate"], rel=1e-6)
