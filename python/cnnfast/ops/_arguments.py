"""What people write for strides, padding, axes and arrays, made into what the core takes.

Every function raises ``ValueError`` or ``TypeError`` with the op, what was expected and what came.
"""

from __future__ import annotations

import numbers
import operator
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cnnfast._trace import DTYPES, Tensor, Variable, apply, dtype_name

#: What ops take: arrays, Tensors, Variables, Python numbers, (nested) lists of numbers.
Value: TypeAlias = Any
#: What ops return: an array where arrays came in, a Tensor where any operand was one.
Result: TypeAlias = Any
#: One integer for both directions, or (vertical, horizontal).
Pair: TypeAlias = int | Sequence[int]
#: "valid", "same", one integer, (vertical, horizontal) or ((top, bottom), (left, right)).
PaddingArgument: TypeAlias = str | int | Sequence[int] | Sequence[Sequence[int]]
Axis: TypeAlias = int | Sequence[int] | None
Shape: TypeAlias = Sequence[int | None]
Node: TypeAlias = Tensor | Variable | npt.NDArray[Any]

FLOATS = ("float32", "float64")
_FLOAT32 = np.dtype("float32")
_LEAST, _MOST = -(2**63), 2**63 - 1  # of int64


# ---- numbers ---------------------------------------------------------------------------------


@contextmanager
def named(op: str) -> Iterator[None]:
    """Puts ``op`` in front of the errors of the ops that it is composed of."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if str(error).startswith(f"{op}:"):
            raise
        raise type(error)(f"{op}: {error}") from None


def integer(op: str, name: str, value: object, least: int | None = None) -> int:
    """A Python int of 64 bits, at least ``least``; bools and floats are refused."""
    if type(value) is int and (_LEAST if least is None else least) <= value <= _MOST:
        return value
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{op}: {name} must be an integer, got {value!r}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(
            f"{op}: {name} must be an integer, got {_shown(value)} ({type(value).__name__})"
        ) from None
    if not _LEAST <= number <= _MOST:
        raise ValueError(f"{op}: {name} must fit in 64 bits, got {number}")
    if least is not None and number < least:
        raise ValueError(f"{op}: {name} must be at least {least}, got {number}")
    return number


def real(op: str, name: str, value: object) -> float:
    """A finite float."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (numbers.Real, np.number)):
        raise TypeError(
            f"{op}: {name} must be a number, got {_shown(value)} ({type(value).__name__})"
        )
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"{op}: {name} must be finite, got {number}")
    return number


def boolean(op: str, name: str, value: object) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{op}: {name} must be True or False, got {_shown(value)}")
    return bool(value)


def pair(op: str, name: str, value: object, least: int = 1) -> tuple[int, int]:
    """(vertical, horizontal) from one integer or two."""
    if isinstance(value, (list, tuple, np.ndarray)):
        if len(value) != 2:
            raise ValueError(
                f"{op}: {name} must be one integer or two (vertical, horizontal), "
                f"got {_shown(value)}"
            )
        return (
            integer(op, f"{name}[0]", value[0], least),
            integer(op, f"{name}[1]", value[1], least),
        )
    number = integer(op, name, value, least)
    return number, number


def single(op: str, name: str, value: object, least: int = 1) -> int:
    """One integer, alone or in a sequence."""
    if isinstance(value, (list, tuple, np.ndarray)):
        if len(value) != 1:
            raise ValueError(f"{op}: {name} must be one integer, got {_shown(value)}")
        value = value[0]
    return integer(op, name, value, least)


# ---- windows ---------------------------------------------------------------------------------


def padding(op: str, value: object) -> dict[str, str | list[int]]:
    """Attributes ``padding`` and, when explicit, ``pads`` = [top, bottom, left, right]."""
    if isinstance(value, str):
        mode = value.lower()
        if mode not in ("valid", "same"):
            raise ValueError(
                f"{op}: padding must be 'valid', 'same', an integer or "
                f"((top, bottom), (left, right)), got {value!r}"
            )
        return {"padding": mode}
    if isinstance(value, (list, tuple, np.ndarray)):
        if len(value) != 2:
            raise ValueError(
                f"{op}: explicit padding must be ((top, bottom), (left, right)), "
                f"got {_shown(value)}"
            )
        if all(isinstance(side, (list, tuple, np.ndarray)) for side in value):
            vertical = pair(op, "padding[0]", value[0], 0)
            horizontal = pair(op, "padding[1]", value[1], 0)
            return {"padding": "explicit", "pads": [*vertical, *horizontal]}
        high, wide = pair(op, "padding", value, 0)
        return {"padding": "explicit", "pads": [high, high, wide, wide]}
    every = integer(op, "padding", value, 0)
    return {"padding": "explicit", "pads": [every] * 4}


def channels_first(op: str, data_format: object) -> bool:
    if data_format is None or data_format == "channels_last":
        return False
    if data_format == "channels_first":
        return True
    raise ValueError(
        f"{op}: data_format must be 'channels_last' or 'channels_first', got {_shown(data_format)}"
    )


def to_channels_last(op: str, name: str, x: Node) -> Node:
    """(N, C, H, W) to (N, H, W, C)."""
    if rank(x) != 4:
        raise ValueError(f"{op}: {name} must be (N, C, H, W), got shape {shown_shape(x)}")
    turned: Node = apply("transpose", [x], {"permutation": [0, 2, 3, 1]})[0]
    return turned


def to_channels_first(x: Node) -> Node:
    """(N, H, W, C) to (N, C, H, W)."""
    turned: Node = apply("transpose", [x], {"permutation": [0, 3, 1, 2]})[0]
    return turned


# ---- axes and shapes -------------------------------------------------------------------------


def axis(op: str, value: object, of_rank: int, name: str = "axis") -> int:
    """One axis, counted from the front."""
    number = integer(op, name, value)
    if not -of_rank <= number < of_rank:
        raise ValueError(
            f"{op}: {name} {number} is out of range for {of_rank} "
            f"{'axis' if of_rank == 1 else 'axes'}"
        )
    return number % of_rank


def axes(op: str, value: object, of_rank: int) -> list[int]:
    """Sorted axes, counted from the front; None is all of them."""
    if value is None:
        return list(range(of_rank))
    several = value if isinstance(value, (list, tuple)) else (value,)
    found = sorted(axis(op, one, of_rank) for one in several)
    if len(set(found)) != len(found):
        raise ValueError(f"{op}: axis {_shown(value)} names an axis twice")
    return found


def sizes(op: str, name: str, value: object, *, least: int = 0, unknown: bool = False) -> list[int]:
    """A shape. With ``unknown``, None and -1 stand for a size that is not known: -1."""
    if not isinstance(value, (list, tuple, np.ndarray)):
        raise TypeError(f"{op}: {name} must be a tuple of integers, got {_shown(value)}")
    if all(type(size) is int and least <= size <= _MOST for size in value):
        return list(value)
    found = []
    for place, size in enumerate(value):
        if unknown and (size is None or (not isinstance(size, bool) and size == -1)):
            found.append(-1)
        else:
            found.append(integer(op, f"{name}[{place}]", size, least))
    return found


def image_shape(op: str, name: str, value: object, first: bool) -> list[int]:
    """(N, H, W, C), N possibly -1, from a shape given in either data format."""
    found = sizes(op, name, value, unknown=True)
    if len(found) != 4:
        expected = "(N, C, H, W)" if first else "(N, H, W, C)"
        raise ValueError(f"{op}: {name} must be {expected}, got {_shown(value)}")
    if first:
        found = [found[0], found[2], found[3], found[1]]
    if min(found[1:]) < 0:
        raise ValueError(f"{op}: only the batch size of {name} may be unknown, got {_shown(value)}")
    return found


def rank(x: Node) -> int:
    return len(x.shape)


def known_shape(op: str, name: str, x: Node) -> tuple[int, ...]:
    """x's sizes, none of which may be open."""
    known = tuple(-1 if size is None else int(size) for size in x.shape)
    if -1 in known:
        raise ValueError(f"{op}: every size of {name} must be known, got {shown_shape(x)}")
    return known


def shown_shape(x: Node) -> str:
    return str(tuple(x.shape))


# ---- values ----------------------------------------------------------------------------------


def dtype_of(x: Node) -> str:
    return dtype_name(x.dtype) if isinstance(x.dtype, np.dtype) else str(x.dtype)


def dtype(op: str, value: object) -> str:
    """The name of a dtype that the core has."""
    try:
        name = np.dtype(value).name  # type: ignore[call-overload]
    except TypeError:
        name = ""
    if name not in DTYPES or value is None:
        raise ValueError(f"{op}: dtype must be one of {', '.join(DTYPES)}; got {_shown(value)}")
    return str(name)


def value(op: str, name: str, x: Value) -> Node:
    """One operand: Tensors and Variables as they are, anything else as an array.

    Python floats, alone or in lists, become float32 as in Keras; integers int64.
    """
    if isinstance(x, (Tensor, Variable)):
        return x
    if isinstance(x, np.ndarray):
        array: npt.NDArray[Any] = x
    else:
        if x is None:
            raise TypeError(f"{op}: {name} is missing (None); pass an array or a Tensor")
        try:
            array = np.asarray(x)
        except (ValueError, TypeError, OverflowError) as error:
            raise TypeError(f"{op}: {name} is not an array: {error}") from None
        weak = isinstance(x, (float, list, tuple)) and not hasattr(x, "dtype")
        if weak and array.dtype == np.float64:
            array = array.astype(np.float32)
    if dtype_name(array.dtype) not in DTYPES:
        raise TypeError(
            f"{op}: {name} is of dtype {array.dtype}; expected one of {', '.join(DTYPES)}: "
            f"convert it first, e.g. {name}.astype('float32')"
        )
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def floating(op: str, name: str, x: Value) -> Node:
    """One operand of float32 or float64."""
    node = value(op, name, x)
    if dtype_of(node) not in FLOATS:
        raise TypeError(
            f"{op}: {name} must be float32 or float64, got {dtype_of(node)}; "
            f"convert it first with ops.cast({name}, 'float32')"
        )
    return node


def same_dtype(op: str, *, bias: Value | None = None, **operands: Value) -> list[Node]:
    """Floating operands of one dtype; the bias is last, and left out when it is None."""
    given = list(operands.values())
    if bias is not None:
        given.append(bias)
    if all(type(x) is np.ndarray and x.dtype is _FLOAT32 for x in given):
        return given  # nearly always: 2 us less
    nodes = {name: floating(op, name, x) for name, x in operands.items()}
    if bias is not None:
        nodes["bias"] = floating(op, "bias", bias)
    _refuse_mixed(op, nodes)
    return list(nodes.values())


def together(op: str, **operands: Value) -> list[Node]:
    """Operands of one dtype, any; a Python number takes the dtype of the others."""
    nodes: dict[str, Node] = {}
    for name, x in operands.items():
        if not _is_plain_number(x):
            nodes[name] = value(op, name, x)
    _refuse_mixed(op, nodes)
    if not nodes:
        plain = np.asarray(list(operands.values()))
        kind = np.float32 if plain.dtype.kind == "f" else plain.dtype
        return [np.asarray(x, kind) for x in operands.values()]
    kind_name = dtype_of(next(iter(nodes.values())))
    return [
        nodes[name] if name in nodes else _number_as(op, name, x, kind_name)
        for name, x in operands.items()
    ]


def _is_plain_number(x: object) -> bool:
    # np.float64 is a Python float too, and what np.sqrt(64) gives: it counts as a plain number.
    return isinstance(x, (bool, int, float)) and not isinstance(x, np.ndarray)


def _number_as(op: str, name: str, x: Any, kind: str) -> npt.NDArray[Any]:
    if kind in FLOATS:
        try:
            return np.asarray(float(x), kind)
        except OverflowError:
            raise ValueError(f"{op}: {name} is too large for {kind}: {_shown(x)}") from None
    if kind == "bool":
        fits = isinstance(x, bool)
    else:
        fits = isinstance(x, int) and not isinstance(x, bool)
    if not fits:
        raise TypeError(
            f"{op}: {name} is {x!r} but the other operand is {kind}; "
            f"ops.cast the other operand to a dtype that holds it"
        )
    if kind != "bool" and not np.iinfo(kind).min <= x <= np.iinfo(kind).max:
        raise ValueError(f"{op}: {name} does not fit in {kind}: {_shown(x)}")
    return np.asarray(x, kind)


def _refuse_mixed(op: str, nodes: dict[str, Node]) -> None:
    kinds = {name: dtype_of(x) for name, x in nodes.items()}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        raise TypeError(
            f"{op}: operands must share one dtype, got {listed}; convert one with ops.cast"
        )


def _shown(x: object, most: int = 80) -> str:
    text = repr(x)
    return text if len(text) <= most else text[: most - 3] + "..."
