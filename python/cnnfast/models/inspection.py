"""A look into the plan of a model: which algorithms run, and what each step costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cnnfast.models.feeding import whole_number
from cnnfast.models.programs import Signature

if TYPE_CHECKING:
    from cnnfast import _core, _trace
    from cnnfast.models.model import Model
    from cnnfast.models.programs import Spec


class ModelPlan:
    """The plan of one batch size.

    Attributes:
        core: the plan itself (``_core.Plan``).
    """

    def __init__(self, core: _core.Plan, variables: list[_trace.Variable]) -> None:
        self.core = core
        self._variables = variables

    def explain(self) -> str:
        """Every step: op, implementation, why faster ones declined, barriers, memory."""
        return self.core.explain()

    def steps(self) -> list[dict[str, Any]]:
        """The same as data."""
        return self.core.steps()

    def profile(self, repeats: int = 20) -> list[dict[str, Any]]:
        """Runs the plan on zeros and times every step (median seconds).

        Weights and optimizer state are put back afterwards.
        """
        inputs = [np.zeros(shape, dtype) for shape, dtype in self.core.input_types]
        kept = [np.array(variable.numpy()) for variable in self._variables]
        try:
            return self.core.profile(inputs, whole_number("profile", "repeats", repeats))
        finally:
            for variable, value in zip(self._variables, kept, strict=True):
                variable.assign(value)

    @property
    def flops(self) -> float:
        """Floating point operations of one run."""
        return self.core.flops

    @property
    def arena_bytes(self) -> int:
        """What the temporaries need."""
        return self.core.arena_bytes

    @property
    def threads(self) -> int:
        """How many threads run it."""
        return self.core.threads

    def __repr__(self) -> str:
        return f"<ModelPlan steps={len(self.core.steps())} threads={self.core.threads}>"


def plan_of(model: Model, batch_size: int, mode: str) -> ModelPlan:
    """See ``Model.plan``."""
    batch = whole_number(model.label, "batch_size", batch_size)
    assert model.input_ports is not None
    for port in model.input_ports:
        if None in port.shape[1:]:
            raise ValueError(
                f"{model.label}: plan needs an input_shape without None, it has {port.shape}"
            )
    x = tuple(
        (_known(port.shape), model.input_dtype(place))
        for place, port in enumerate(model.input_ports)
    )
    if mode == "predict":
        return ModelPlan(model._programs.plan(Signature("predict", x), batch), [])
    if mode != "train":
        raise ValueError(f"{model.label}: mode must be 'predict' or 'train', got {mode!r}")
    compiled = model.compiled
    assert model.output_ports is not None
    compiled.bind(model.output_ports.names)
    y: list[Spec | None] = []
    for head, port in zip(compiled.heads, model.output_ports, strict=True):
        target = _known(port.shape)
        labels = (target[:-1], "int64") if head.sparse_targets else (target, model.dtype)
        y.append(labels if head.wants_targets else None)
    core = model._programs.plan(Signature("train", x, tuple(y), (None,) * len(y)), batch)
    states = [s for layer in model.flatten_layers() for s in getattr(layer, "random_states", ())]
    return ModelPlan(core, [*model.weights, *compiled.optimizer.variables, *states])


def _known(shape: tuple[int | None, ...]) -> tuple[int, ...]:
    return tuple(int(size) for size in shape[1:] if size is not None)
