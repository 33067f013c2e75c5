"""Tracing: ops on Tensors write a graph, ops on arrays compute at once.

Both go through :func:`apply`. A :class:`Tensor` is symbolic: shape, dtype and the graph it belongs
to. Arrays met on the way become constants, :class:`Variable` objects become graph variables, and
Python numbers take the dtype of what they are combined with.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np

from cnnfast import _core, _settings

Array: TypeAlias = np.ndarray[Any, Any]
Shape: TypeAlias = tuple[int | None, ...]
Attributes: TypeAlias = Mapping[str, "bool | int | float | str | Sequence[int]"]
TensorType: TypeAlias = tuple[tuple[int, ...], str]

DTYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")
_DTYPE_NAMES = {np.dtype(name): name for name in DTYPES}
_UPDATES = frozenset(
    {"assign", "accumulate", "increment", "moving_average", "accumulate_gradient", "ema_update"}
    | {f"{name}_update" for name in ("sgd", "adam", "rmsprop", "adagrad")}
)
_EAGER_PLANS = 512  # plans of single ops kept for arrays of shapes seen before


class _Arithmetic:
    """Operators shared by symbolic tensors and variables."""

    __slots__ = ()
    __array_ufunc__ = None  # array + tensor asks the tensor

    def __add__(self, other: Any) -> Any:
        return apply("add", [self, other])[0]

    def __radd__(self, other: Any) -> Any:
        return apply("add", [other, self])[0]

    def __sub__(self, other: Any) -> Any:
        return apply("subtract", [self, other])[0]

    def __rsub__(self, other: Any) -> Any:
        return apply("subtract", [other, self])[0]

    def __mul__(self, other: Any) -> Any:
        return apply("multiply", [self, other])[0]

    def __rmul__(self, other: Any) -> Any:
        return apply("multiply", [other, self])[0]

    def __truediv__(self, other: Any) -> Any:
        return apply("divide", [self, other])[0]

    def __rtruediv__(self, other: Any) -> Any:
        return apply("divide", [other, self])[0]

    def __pow__(self, other: Any) -> Any:
        return apply("power", [self, other])[0]

    def __rpow__(self, other: Any) -> Any:
        return apply("power", [other, self])[0]

    def __neg__(self) -> Any:
        return apply("negative", [self])[0]

    def __abs__(self) -> Any:
        return apply("abs", [self])[0]

    def __gt__(self, other: Any) -> Any:
        return apply("greater", [self, other])[0]

    def __ge__(self, other: Any) -> Any:
        return apply("greater_equal", [self, other])[0]

    def __lt__(self, other: Any) -> Any:
        return apply("less", [self, other])[0]

    def __le__(self, other: Any) -> Any:
        return apply("less_equal", [self, other])[0]

    def __getitem__(self, key: Any) -> Any:
        """Integers, slices, ``...`` and ``None``, as NumPy has them: ``x[:, 1:3, ::-1]``."""
        from cnnfast.ops.rearrange import indexed  # which is written with this module

        return indexed(self, key)  # type: ignore[arg-type]


class Tensor(_Arithmetic):
    """A value of a graph that is being traced; it has no contents yet.

    Attributes:
        shape: sizes, ``None`` where a size (the batch) is known only when a plan is made.
        dtype: NumPy's name of the element type.
    """

    __slots__ = ("dtype", "name", "shape", "trace", "value")

    def __init__(self, trace: Trace, value: int, name: str = "") -> None:
        shape, dtype = trace.graph.type_of(value)
        self.trace = trace
        self.value = value
        self.shape: Shape = tuple(None if size < 0 else size for size in shape)
        self.dtype = dtype
        self.name = name

    @property
    def ndim(self) -> int:
        return len(self.shape)

    rank = ndim

    def __repr__(self) -> str:
        label = f"'{self.name}', " if self.name else ""
        return f"Tensor({label}shape={self.shape}, dtype={self.dtype})"

    def _refuse(self, what: str) -> TypeError:
        return TypeError(
            f"{self!r} is symbolic: it has no values while a network is traced, so {what} cannot "
            "work on it; use the functions of cnnfast.ops instead of NumPy's"
        )

    def __getattr__(self, name: str) -> Any:
        text = f"a Tensor has no attribute {name!r}"
        if not name.startswith("_"):
            text += (
                ": it is symbolic and has no values while a network is traced; use the functions "
                "of cnnfast.ops"
            )
        raise AttributeError(text, name=name, obj=self)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._refuse("NumPy")

    def __bool__(self) -> bool:
        raise self._refuse("a Python condition")

    def __float__(self) -> float:
        raise self._refuse("float()")

    def __int__(self) -> int:
        raise self._refuse("int()")

    def __len__(self) -> int:
        raise self._refuse("len()")

    def __iter__(self) -> Iterator[Any]:
        raise self._refuse("iteration")


class Variable(_Arithmetic):
    """A buffer that outlives a run: a weight, a running statistic, optimizer state.

    Args:
        value: initial contents; copied. The dtype is the array's (float32 for Python floats).
        name: for messages and files.
        trainable: whether ``trainable_weights`` lists it.
    """

    __slots__ = ("__weakref__", "core", "name", "trainable")

    def __init__(self, value: Any, name: str = "", trainable: bool = True) -> None:
        array = as_array(value)
        self.core = _core.Variable(array.shape, str(array.dtype), name)
        self.core.assign(array)
        self.name = name
        self.trainable = trainable

    @property
    def shape(self) -> tuple[int, ...]:
        return self.core.shape

    @property
    def dtype(self) -> str:
        return self.core.dtype

    @property
    def ndim(self) -> int:
        return len(self.core.shape)

    rank = ndim

    def numpy(self) -> Array:
        """The contents as a read-only view, without a copy: it shows later updates too."""
        return self.core.view()

    @property
    def value(self) -> Array:
        return self.core.view()

    def assign(self, value: Any) -> None:
        """Overwrite the contents.

        Raises:
            ValueError: ``value`` has another shape.
        """
        array = np.asarray(value)
        if array.shape != self.shape:
            raise ValueError(
                f"Variable '{self.name}': expected shape {self.shape}, got {array.shape}"
            )
        if array.dtype.kind not in "fiub":
            raise TypeError(f"Variable '{self.name}': expected numbers, got dtype {array.dtype}")
        self.core.assign(np.require(array, dtype=self.dtype, requirements=["C", "A"]))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        view = self.core.view()
        return view.copy() if dtype is None else view.astype(dtype)

    def __repr__(self) -> str:
        return f"Variable('{self.name}', shape={self.shape}, dtype={self.dtype})"


def is_pure(op: str) -> bool:
    """Does the op only compute, without overwriting variables?"""
    return op not in _UPDATES


def is_symbolic(x: object) -> bool:
    """Is ``x`` a Tensor of a graph that is being traced?"""
    return isinstance(x, Tensor)


def dtype_name(dtype: np.dtype[Any]) -> str:
    """``dtype.name``, which NumPy puts together anew each time it is asked (3 us)."""
    return _DTYPE_NAMES.get(dtype) or dtype.name


def as_array(value: Any, dtype: str | None = None) -> Array:
    """``value`` as a C-ordered, aligned array of a dtype that cnnfast has.

    Python floats become float32, Python ints int64.
    """
    if type(value) is np.ndarray and dtype is None:  # nearly always as it should be
        if value.flags.carray and value.dtype in _DTYPE_NAMES:
            return value
    if isinstance(value, Variable):
        return value.numpy()
    if isinstance(value, Tensor):
        raise value._refuse("an array operation")
    if dtype is None and isinstance(value, float):
        dtype = "float32"
    array = np.asarray(value, dtype=dtype)
    if dtype is None and array.dtype == np.float64 and not hasattr(value, "dtype"):
        array = array.astype(np.float32)  # nested lists of Python floats
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if dtype_name(array.dtype) not in DTYPES:
        raise TypeError(
            f"dtype {array.dtype} is not supported; expected one of {', '.join(DTYPES)}: "
            "convert it with x.astype('float32')"
        )
    if not (array.flags.c_contiguous and array.flags.aligned):
        array = np.require(array, requirements=["C", "A"])
    return array


class _Scopes(threading.local):
    def __init__(self) -> None:
        self.names: list[str] = []
        self.traces: list[Trace] = []


_scopes = _Scopes()


@contextmanager
def scope(name: str) -> Iterator[None]:
    """Put a layer's name on the ops traced inside and in front of their error messages."""
    _scopes.names.append(name)
    try:
        yield
    finally:
        _scopes.names.pop()


def current_scope() -> str:
    return _scopes.names[-1] if _scopes.names else ""


def scope_depth() -> int:
    """How many layers' calls are under way, one inside the other."""
    return len(_scopes.names)


class Trace:
    """One graph being written."""

    def __init__(self) -> None:
        self.graph = _core.Graph()
        self.inputs: list[Tensor] = []
        self._variables: dict[int, tuple[Variable, int]] = {}

    def input(self, shape: Sequence[int | None], dtype: str = "float32", name: str = "") -> Tensor:
        """A new input of the graph; ``None`` marks a size that is known only when planned."""
        sizes = tuple(-1 if size is None else size for size in shape)
        tensor = Tensor(self, self.graph.input(sizes, dtype, name), name)
        self.inputs.append(tensor)
        return tensor

    @contextmanager
    def active(self) -> Iterator[Trace]:
        """Ops on Variables alone are traced into this graph inside, not computed at once.

        Without it ``ops.square(weight)`` in a layer or a regulariser would be a constant of the
        moment, and no gradient would reach the weight.
        """
        _scopes.traces.append(self)
        try:
            yield self
        finally:
            _scopes.traces.pop()

    def _value(self, x: Any, dtype: str | None) -> int:
        if isinstance(x, Tensor):
            if x.trace is not self:
                raise ValueError(
                    f"{x!r} belongs to another graph; a Tensor can be used only in the function "
                    "or model that it was traced in; hand it over as an input"
                )
            return x.value
        if isinstance(x, Variable):
            known = self._variables.get(id(x))
            if known is None:
                known = (x, self.graph.variable(x.core))
                self._variables[id(x)] = known
            return known[1]
        if isinstance(x, (bool, int, float)) and dtype is not None:
            return self.graph.constant(_number(x, dtype))
        return self.graph.constant(as_array(x))

    def apply(
        self, op: str, inputs: Sequence[Any], attributes: Attributes, scope_name: str
    ) -> tuple[Tensor, ...]:
        dtype = _common_dtype(inputs)
        values = [self._value(x, dtype) for x in inputs]
        outputs = self.graph.op(op, values, attributes, scope_name)
        return tuple(Tensor(self, value) for value in outputs)

    def update(self, op: str, inputs: Sequence[Any], attributes: Attributes | None = None) -> None:
        """An op without outputs that overwrites variables: ``adam_update``, ``accumulate`` ..."""
        self.apply(op, inputs, attributes or {}, current_scope())

    def gradients(self, loss: Tensor, wrt: Sequence[Tensor | Variable]) -> list[Tensor]:
        """d loss / d each of ``wrt``; zeros where no path leads there."""
        values = [self._value(x, None) for x in wrt]
        return [Tensor(self, value) for value in self.graph.gradients(loss.value, values)]

    def plan(
        self,
        outputs: Sequence[Tensor],
        input_types: Sequence[TensorType] | None = None,
        arena: _core.Arena | None = None,
    ) -> _core.Plan:
        """An executable for concrete input types (those of the inputs where all are known)."""
        if input_types is None:
            input_types = [
                (tuple(-1 if size is None else size for size in t.shape), t.dtype)
                for t in self.inputs
            ]
        return _core.Plan(
            self.graph,
            [t.value for t in outputs],
            list(input_types),
            arena if arena is not None else _core.Arena(),
            threads=0,
            strict_math=_settings.strict_math,
            deterministic=_settings.deterministic,
        )


def _number(x: bool | int | float, dtype: str) -> Array:
    if isinstance(x, float) and not dtype.startswith("float"):
        raise TypeError(
            f"the number {x} cannot be combined with {dtype} values; "
            "convert them with cnnfast.ops.cast(x, 'float32')"
        )
    try:
        return np.asarray(x, dtype=dtype)
    except OverflowError:
        raise ValueError(f"the number {x} does not fit in {dtype}; use a smaller one") from None


def _common_dtype(inputs: Sequence[Any]) -> str | None:
    """The dtype that Python numbers among the inputs take: the first array's."""
    for x in inputs:
        if isinstance(x, (Tensor, Variable)):
            return x.dtype
        if isinstance(x, (np.ndarray, np.generic)):
            return dtype_name(x.dtype)
    return None


_eager_arena = _core.Arena()
_eager_plans: OrderedDict[Any, _core.Plan] = OrderedDict()
_eager_lock = threading.Lock()


def plan_environment() -> tuple[Any, ...]:
    """What a plan depends on besides its graph and input types."""
    return (
        _core.isa(),
        _core.threads(),
        _settings.strict_math,
        _settings.deterministic,
        _core.environment(),
    )


def _compute(
    op: str, inputs: Sequence[Any], attributes: Attributes, scope_name: str
) -> tuple[Array, ...]:
    dtype = _common_dtype(inputs)
    arrays = [
        _number(x, dtype)
        if isinstance(x, (bool, int, float)) and dtype is not None
        else as_array(x)
        for x in inputs
    ]
    types: tuple[TensorType, ...] = tuple([(a.shape, dtype_name(a.dtype)) for a in arrays])
    frozen = tuple([tuple(v) if type(v) is list else v for v in attributes.values()])
    key = (op, *attributes, frozen, types, plan_environment())
    with _eager_lock:
        plan = _eager_plans.get(key)
        if plan is not None:
            _eager_plans.move_to_end(key)
    if plan is None:
        graph = _core.Graph()
        values = [graph.input(shape, kind, f"input {i}") for i, (shape, kind) in enumerate(types)]
        outputs = graph.op(op, values, attributes, scope_name)
        plan = _core.Plan(
            graph,
            outputs,
            list(types),
            _eager_arena,
            strict_math=_settings.strict_math,
            deterministic=_settings.deterministic,
        )
        with _eager_lock:
            _eager_plans[key] = plan
            while len(_eager_plans) > _EAGER_PLANS:
                _eager_plans.popitem(last=False)
    return plan.run(*arrays)


def apply(
    op: str,
    inputs: Sequence[Any],
    attributes: Attributes | None = None,
    *,
    scope: str | None = None,
) -> tuple[Any, ...]:
    """Trace ``op`` when an input is a Tensor, otherwise compute it. Returns all outputs."""
    scope_name = current_scope() if scope is None else scope
    attributes = attributes or {}
    for x in inputs:
        if isinstance(x, Tensor):
            return x.trace.apply(op, inputs, attributes, scope_name)
    if _scopes.traces and any(isinstance(x, Variable) for x in inputs):
        return _scopes.traces[-1].apply(op, inputs, attributes, scope_name)
    if op in _UPDATES:
        trace = Trace()
        trace.apply(op, inputs, attributes, scope_name)
        trace.plan([]).run()
        return ()
    return _compute(op, inputs, attributes, scope_name)
