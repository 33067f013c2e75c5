"""The graphs of a model and their plans: traced once, planned for each batch size, kept in bounds.

A program is a traced graph: ``predict`` (x), ``test`` (x, y, weights), ``train`` (the same, and the
weights change) and ``fit``, which takes the whole arrays with the indices of a batch and gathers
it itself. Each is planned for concrete sizes; a model's plans share one arena.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnfast import _core, _nest, _trace, ops
from cnnfast.layers import _context, holder

if TYPE_CHECKING:
    from cnnfast.models.compiled import Compiled
    from cnnfast.models.model import Model

Spec = tuple[tuple[int, ...], str]  # the shape of one sample, the dtype
Specs = tuple[Spec | None, ...]  # one for each input or output

# Plans keep packed weights. Shapes that come and go must not grow memory (docs: 1,000 shapes).
_MOST_PLANS = 24
_MOST_PROGRAMS = 16
_MOST_PACKED_BYTES = 512 << 20


@dataclass(frozen=True)
class Signature:
    """What a program is traced for: mode, and one sample of each input, target and weight."""

    mode: str
    x: Specs
    y: Specs = ()
    weights: Specs = ()


class Program:
    """A traced graph and what it hands back."""

    def __init__(self, trace: _trace.Trace, outputs: list[Any], totals: list[Any]) -> None:
        self.trace = trace
        self.outputs = outputs
        self.totals = totals


class Programs:
    """The programs and plans of one model, the least recently used dropped first."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.arena = _core.Arena()
        self._programs: OrderedDict[Any, Program] = OrderedDict()
        self._plans: OrderedDict[Any, _core.Plan] = OrderedDict()

    def clear(self) -> None:
        """Forgets everything: the architecture or ``compile`` changed."""
        self._programs.clear()
        self._plans.clear()

    def __len__(self) -> int:
        return len(self._plans)

    def program(self, signature: Signature) -> Program:
        """The traced graph of a signature."""
        key = (signature, holder.structure_version)
        found = self._programs.get(key)
        if found is None:
            found = _trace_program(self._model, signature)
            self._programs[key] = found
            while len(self._programs) > _MOST_PROGRAMS:
                self._programs.popitem(last=False)
        self._programs.move_to_end(key)
        return found

    def plan(self, signature: Signature, rows: int, batch: int | None = None) -> _core.Plan:
        """The plan for ``rows`` samples, or for ``batch`` of ``rows`` samples in mode "fit"."""
        key = (
            signature,
            rows,
            batch,
            holder.structure_version,
            _trace.plan_environment(),
        )
        found = self._plans.get(key)
        if found is not None:
            self._plans.move_to_end(key)
            return found
        program = self.program(signature)
        types = [
            ((rows, *spec[0]), spec[1])
            for spec in (*signature.x, *signature.y, *signature.weights)
            if spec is not None
        ]
        if batch is not None:
            types.append(((batch,), "int64"))
        found = program.trace.plan(program.outputs, types, self.arena)
        self._plans[key] = found
        self._drop_old()
        return found

    def _drop_old(self) -> None:
        held = sum(plan.persistent_bytes for plan in self._plans.values())
        if len(self._plans) > _MOST_PLANS or held > _MOST_PACKED_BYTES:
            self._model._forget_quick()  # they hold plans too
        while len(self._plans) > 1 and (
            len(self._plans) > _MOST_PLANS or held > _MOST_PACKED_BYTES
        ):
            _, dropped = self._plans.popitem(last=False)
            held -= dropped.persistent_bytes


def _trace_program(model: Model, signature: Signature) -> Program:
    trace = _trace.Trace()
    with trace.active():
        xs, ys, weights = (
            [
                None if spec is None else trace.input((None, *spec[0]), spec[1], f"{name} {place}")
                for place, spec in enumerate(specs)
            ]
            for name, specs in (
                ("x", signature.x),
                ("y", signature.y),
                ("weights", signature.weights),
            )
        )
        if signature.mode == "fit":
            indices = trace.input((None,), "int64", "indices")
            xs = [_gathered(x, indices, model.input_dtype(i)) for i, x in enumerate(xs)]
            ys = [_gathered(y, indices) for y in ys]
            weights = [_gathered(w, indices) for w in weights]
        if signature.mode == "predict":
            return Program(trace, _outputs(model, xs, False), [])
        return _trace_step(model, trace, xs, ys, weights, signature.mode)


def _gathered(x: Any, indices: Any, dtype: str = "") -> Any:
    return None if x is None else _trace.apply("gather", [x, indices], {"dtype": dtype})[0]


def _trace_step(
    model: Model,
    trace: _trace.Trace,
    xs: list[Any],
    ys: list[Any],
    weights: list[Any],
    mode: str,
) -> Program:
    compiled: Compiled = model.compiled
    training = mode != "test"
    with _context.collected_losses() as penalties:
        y_preds = _outputs(model, xs, training)
    trainable = model.trainable_weights
    changed = {id(weight) for weight in trainable}
    for weight, penalty in model.penalties():
        if id(weight) in changed:
            penalties.append(penalty(weight))
    with _trace.scope("loss"):
        losses = compiled.trace_loss(ys, y_preds, weights, penalties)
    with _trace.scope("metrics"):
        sums = compiled.trace_sums(ys, y_preds, weights)
    outputs = [*losses, *sums]
    totals: list[Any] = []
    if training and trainable:
        with _trace.scope("optimizer"):
            loss = compiled.optimizer.scale_loss(losses[0])
            gradients = trace.gradients(loss, trainable)
            compiled.optimizer.trace_updates(trace, gradients, trainable)
    if training:
        for layer in model.flatten_layers():
            for state in getattr(layer, "random_states", ()):
                trace.update("increment", [state], {"index": 1, "by": 1})
    if mode == "fit":
        totals = compiled.totals(outputs)
        with _trace.scope("metrics"):
            for total, value in zip(totals, outputs, strict=True):
                trace.update("accumulate", [total, value])
        outputs = []
    return Program(trace, outputs, totals)


def _outputs(model: Model, xs: list[Any], training: bool) -> list[Any]:
    """The model's outputs, flat, floating ones in its dtype."""
    ports = model.input_ports
    outputs = model(xs[0] if ports is None else ports.pack(xs), training=training)
    return [
        ops.cast(y, model.dtype) if y.dtype != model.dtype else y for y in _nest.leaves(outputs)
    ]
