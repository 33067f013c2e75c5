"""Networks drawn before there is a model: layers and ops called on ``Input``s.

``Input`` gives a :class:`Recorded`: a Tensor of no trace, that remembers the call that made it.
Whatever is called on it, a layer or an op, becomes a :class:`Node`, which a model replays whenever
it is traced: for training, for inference, for another batch size. Shapes come from a trial: the call
is traced once, on stand-ins, and the trace is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cnnfast import _nest, _trace
from cnnfast._trace import Attributes, Shape, Tensor, Trace

if TYPE_CHECKING:
    from cnnfast.layers.layer import Layer


class OpCall:
    """An op with its attributes, called on Tensors outside of any layer: ``x + y``."""

    def __init__(self, op: str, attributes: Attributes) -> None:
        self.op = op
        self.attributes = dict(attributes)

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        return _trace.apply(self.op, inputs, self.attributes)

    @property
    def label(self) -> str:
        return f"op {self.op!r}"


class Node:
    """One call: what was called, on what, and what it gave.

    Attributes:
        operation: a layer, or an :class:`OpCall`.
        args, kwargs: of the call, :class:`Recorded` among them.
        inputs: the Recorded among the arguments.
        outputs: what the call gave, flat.
    """

    __slots__ = ("args", "inputs", "kwargs", "nest", "operation", "outputs")

    def __init__(
        self, operation: Layer | OpCall, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self.operation = operation
        self.args = args
        self.kwargs = kwargs
        self.inputs = [x for x in _nest.leaves([args, kwargs]) if isinstance(x, Recorded)]
        self.outputs: list[Recorded] = []
        self.nest: Any = None

    def replay(self, replace: Callable[[Any], Any]) -> list[Any]:
        """Calls again, with other values for the Recorded; what it gives, flat."""
        args = _nest.mapped(replace, self.args)
        kwargs = _nest.mapped(replace, self.kwargs)
        return _nest.leaves(self.operation(*args, **kwargs))


class Recorded(Tensor):
    """The symbolic output of a call, outside of any trace.

    Attributes:
        node: the call that made it.
        index: which of its outputs it is.
    """

    __slots__ = ("index", "node")

    def __init__(
        self, node: Node, index: int, shape: Sequence[int | None], dtype: str, name: str = ""
    ) -> None:
        self.node = node
        self.index = index
        self.trace = _recorder
        self.value = -1
        self.shape: Shape = tuple(shape)
        self.dtype = dtype
        self.name = name

    @property
    def label(self) -> str:
        """How messages call it."""
        return f"the output of {self.node.operation.label} {self.shape}"


class _Recorder(Trace):
    """What ops find where other Tensors have their trace."""

    def __init__(self) -> None:
        # No graph: nothing is computed from what is drawn.
        pass

    def apply(
        self, op: str, inputs: Sequence[Any], attributes: Attributes, scope_name: str
    ) -> tuple[Tensor, ...]:
        call = OpCall(op, attributes)
        return tuple(_nest.leaves(record(call, tuple(inputs), {}, "")))


_recorder = _Recorder()


def draws(*arguments: Any) -> bool:
    """Is there a Recorded among these arguments?"""
    return any(isinstance(leaf, Recorded) for leaf in _nest.leaves(arguments))


def record(
    operation: Layer | OpCall, args: tuple[Any, ...], kwargs: dict[str, Any], name: str
) -> Any:
    """Tries a call on stand-ins and records it.

    Returns:
        The call's outputs, as Recorded.

    Raises:
        ValueError: Tensors of a trace among the arguments; whatever the call raises.
    """
    node = Node(operation, args, kwargs)
    trace = Trace()
    stand_ins = {id(x): trace.input(x.shape, x.dtype, x.name) for x in node.inputs}

    def stand_in(leaf: Any) -> Any:
        if isinstance(leaf, Recorded):
            return stand_ins[id(leaf)]
        if isinstance(leaf, Tensor):
            raise ValueError(
                f"{leaf!r} belongs to the call that is being traced and cannot be combined with "
                f"{node.inputs[0].label}, made outside of it; hand both to the layer as its inputs"
            )
        return leaf

    with trace.active():
        result = operation(*_nest.mapped(stand_in, args), **_nest.mapped(stand_in, kwargs))
    found = _nest.leaves(result)
    for index, leaf in enumerate(found):
        if not (isinstance(leaf, Tensor) and leaf.trace is trace):
            raise not_a_tensor(leaf)
        node.outputs.append(Recorded(node, index, leaf.shape, leaf.dtype, name))
    if not found:
        raise not_a_tensor(None)
    # A list or a tuple of one stays one.
    node.nest = _nest.packed(result, range(len(found)))
    return _nest.packed(result, node.outputs)


def new_input(layer: Layer, shape: Shape, dtype: str, name: str) -> Recorded:
    """The Tensor of an ``InputLayer``: nothing was called to make it."""
    node = Node(layer, (), {})
    node.nest = 0
    node.outputs.append(Recorded(node, 0, shape, dtype, name))
    return node.outputs[0]


def not_a_tensor(found: Any) -> TypeError:
    """The error for a call that gave ``found`` where a Tensor was due."""
    if found is None:
        return TypeError(
            "call returned None, or has None among its outputs; end it with `return` and the Tensor "
            "that ops made"
        )
    return TypeError(
        f"call must return what cnnfast.ops made of its input, got {type(found).__name__}; "
        "compute with the functions of cnnfast.ops instead of NumPy's"
    )
