"""Functions of arrays, planned and differentiated: ``compile``, ``grad``, ``value_and_grad``."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cnnfast import _core
from cnnfast._trace import Tensor, Trace, Variable, as_array, plan_environment

__all__ = ["compile", "grad", "value_and_grad"]

_PLANS = 64  # plans kept for each function


class _Planned:
    """Plans of one function, one for each combination of shapes, dtypes and static arguments."""

    def __init__(self, build: Callable[[Trace, list[Any]], tuple[list[Tensor], Any]]) -> None:
        self._build = build
        self._arena = _core.Arena()
        self._plans: OrderedDict[Any, tuple[_core.Plan, Any]] = OrderedDict()

    def __call__(self, args: Sequence[Any], arrays: dict[int, Any]) -> tuple[Sequence[Any], Any]:
        types = tuple((a.shape, str(a.dtype)) for a in arrays.values())
        # True, 1 and 1.0 are equal, and mean different things: the type is part of the key.
        static = tuple((type(x), x) for i, x in enumerate(args) if i not in arrays)
        key = (tuple(arrays), types, static, plan_environment())
        known = self._plans.get(key)
        if known is None:
            trace = Trace()
            symbolic = list(args)
            for i, array in arrays.items():
                symbolic[i] = trace.input(array.shape, str(array.dtype), f"argument {i}")
            with trace.active():
                outputs, structure = self._build(trace, symbolic)
            known = (trace.plan(outputs, list(types), self._arena), structure)
            self._plans[key] = known
            while len(self._plans) > _PLANS:
                self._plans.popitem(last=False)
        else:
            self._plans.move_to_end(key)
        plan, structure = known
        return plan.run(*arrays.values()), structure


def _array_arguments(name: str, args: Sequence[Any], also: Sequence[int] = ()) -> dict[int, Any]:
    """Arrays among the arguments by position; everything else is static and must be hashable."""
    arrays = {}
    for i, x in enumerate(args):
        if isinstance(x, (np.ndarray, np.generic, list)) or i in also:
            arrays[i] = as_array(x)
            continue
        if isinstance(x, Tensor):
            raise TypeError(
                f"{name}: argument {i} is {x!r}; call it on arrays, or call the plain function "
                "inside a traced one"
            )
        try:
            hash(x)
        except TypeError:
            raise TypeError(
                f"{name}: argument {i} must be an array or hashable, got {type(x).__name__}"
            ) from None
    return arrays


def _flatten(name: str, result: Any, tensors: list[Tensor]) -> Any:
    """Replaces the Tensors of nested tuples, lists and dicts by their position."""
    if isinstance(result, Tensor):
        tensors.append(result)
        return _Slot(len(tensors) - 1)
    if isinstance(result, (tuple, list)):
        return type(result)([_flatten(name, x, tensors) for x in result])
    if isinstance(result, dict):
        return {key: _flatten(name, x, tensors) for key, x in result.items()}
    return result


class _Slot:
    def __init__(self, index: int) -> None:
        self.index = index


def _unflatten(structure: Any, arrays: Sequence[Any]) -> Any:
    if isinstance(structure, _Slot):
        return arrays[structure.index]
    if isinstance(structure, (tuple, list)):
        return type(structure)([_unflatten(x, arrays) for x in structure])
    if isinstance(structure, dict):
        return {key: _unflatten(x, arrays) for key, x in structure.items()}
    return structure


def _checked_function(name: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(f"{name}: expected a function, got {type(f).__name__}")


def compile(f: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a function written with ``cnnfast.ops`` into one that runs as a single plan.

    The function is traced once for each combination of array shapes and dtypes; arguments that are
    not arrays are static (a new value traces again). Variables it reads are read at every call.

    Args:
        f: takes arrays, returns a Tensor or a nest of tuples, lists and dicts of them.

    Returns:
        A function of NumPy arrays.

    >>> import cnnfast
    >>> import numpy as np
    >>> from cnnfast import ops
    >>> scaled = cnnfast.compile(lambda x, y: ops.relu(x) * y)
    >>> scaled(np.float32([-1, 2]), np.float32([3, 4]))
    array([0., 8.], dtype=float32)
    """
    _checked_function("compile", f)

    def build(trace: Trace, args: list[Any]) -> tuple[list[Tensor], Any]:
        tensors: list[Tensor] = []
        structure = _flatten("compile", f(*args), tensors)
        return tensors, structure

    planned = _Planned(build)

    @functools.wraps(f)
    def call(*args: Any) -> Any:
        arrays, structure = planned(args, _array_arguments("compile", args))
        return _unflatten(structure, arrays)

    return call


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0
) -> Callable[..., tuple[Any, Any]]:
    """Differentiate a scalar function written with ``cnnfast.ops``.

    Args:
        f: takes arrays, returns a scalar Tensor.
        argnums: the argument (or arguments) to differentiate with respect to.

    Returns:
        A function that returns ``(value, gradient)``; a tuple of gradients for a tuple ``argnums``.
        float64 arguments are computed in float64.

    Raises:
        ValueError: ``f`` does not return a scalar.
        TypeError: ``f`` returns no Tensor, or an argument is not floating.

    >>> import cnnfast
    >>> import numpy as np
    >>> from cnnfast import ops
    >>> value, gradient = cnnfast.value_and_grad(lambda x: ops.sum(x * x))(np.float32([1, 2]))
    >>> float(value), gradient
    (5.0, array([2., 4.], dtype=float32))
    """
    _checked_function("value_and_grad", f)
    several = not isinstance(argnums, (int, np.integer))
    wanted = tuple(int(i) for i in argnums) if several else (int(argnums),)  # type: ignore[union-attr, arg-type]
    if not wanted or any(i < 0 for i in wanted) or len(set(wanted)) != len(wanted):
        raise ValueError(
            f"value_and_grad: argnums must be different positions from 0 on, got {argnums!r}"
        )

    def build(trace: Trace, args: list[Any]) -> tuple[list[Tensor], Any]:
        loss = f(*args)
        if not isinstance(loss, Tensor):
            raise TypeError(
                "value_and_grad: the function must return a Tensor made with cnnfast.ops, got "
                f"{type(loss).__name__}"
            )
        if loss.shape != ():
            raise ValueError(
                f"value_and_grad: the function must return a scalar, got shape {loss.shape}; "
                "reduce it with ops.sum or ops.mean"
            )
        return [loss, *trace.gradients(loss, [args[i] for i in wanted])], None

    planned = _Planned(build)

    @functools.wraps(f)
    def call(*args: Any) -> tuple[Any, Any]:
        for i in wanted:
            if i >= len(args):
                raise ValueError(
                    f"value_and_grad: argnums names argument {i}, the call has {len(args)}"
                )
            if isinstance(args[i], Variable):
                raise TypeError(
                    f"value_and_grad: argument {i} is a Variable; pass its array (variable.numpy())"
                )
        outputs, _ = planned(args, _array_arguments("value_and_grad", args, wanted))
        gradients = tuple(outputs[1:])
        return outputs[0][()], gradients if several else gradients[0]

    return call


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Like :func:`value_and_grad`, returning the gradient only."""
    both = value_and_grad(f, argnums)

    @functools.wraps(f)
    def call(*args: Any) -> Any:
        return both(*args)[1]

    return call
