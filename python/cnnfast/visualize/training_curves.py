"""Loss and metrics over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ._figure import BLUE, GREEN, GREY, ORANGE, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def _draw(axes: Axes, values: Mapping[str, Sequence[float]], name: str, colour: str) -> None:
    for key, style, label in ((name, "-", "training"), (f"val_{name}", "--", "validation")):
        if key in values:
            curve = [float(v) for v in values[key]]
            epochs = range(1, len(curve) + 1)
            axes.plot(
                epochs, curve, style, color=colour, linewidth=1.8, marker="o", ms=3.5, label=label
            )
            axes.annotate(
                f"{curve[-1]:.4g}",
                (len(curve), curve[-1]),
                textcoords="offset points",
                xytext=(6, 0),
                va="center",
                fontsize=8,
                color=colour,
            )
    axes.set_title(name, fontsize=11)
    axes.set_xlabel("epoch", color=GREY)
    axes.xaxis.get_major_locator().set_params(integer=True)  # type: ignore[call-arg]
    axes.margins(x=0.08)
    plain(axes)
    axes.legend(frameon=False, fontsize=9, handlelength=2.8)


def training_curves(history: Any, title: str | None = None) -> Figure:
    """Draw how loss and metrics went, training and validation together.

    Args:
        history: what ``fit`` returned, or its ``.history``: lists of numbers by name.
        title: over the figure.

    Returns:
        A figure with one panel for the loss and one for each metric.

    Raises:
        TypeError: not a history.
        ValueError: an empty one.
        ImportError: matplotlib is not installed.

    Example:
        >>> figure = training_curves({"loss": [0.9, 0.4], "accuracy": [0.7, 0.9]})
        >>> figure.savefig("curves.png")  # doctest: +SKIP
    """
    values = getattr(history, "history", history)
    if not isinstance(values, Mapping):
        raise TypeError(
            "training_curves: expected the History that fit returned or a dict of lists, "
            f"got {type(history).__name__}"
        )
    names = list(dict.fromkeys(key.removeprefix("val_") for key in values if len(values[key])))
    if "acc" in names and "accuracy" in names:
        names.remove("acc")
    names = [n for n in names if n not in ("lr", "learning_rate")]
    # Figures that are arrays, one value a class, have no curve.
    names = [n for n in names if not getattr((values.get(n) or values[f"val_{n}"])[0], "ndim", 0)]
    if not names:
        raise ValueError("training_curves: the history is empty; train at least one epoch")
    figure = new_figure(4.6 * len(names), 3.4)
    panels = figure.subplots(1, len(names), squeeze=False)[0]
    for index, (axes, name) in enumerate(zip(panels, names, strict=True)):
        _draw(axes, values, name, (BLUE, ORANGE, GREEN)[index % 3])
    if title:
        figure.suptitle(title, fontsize=12)
    return figure
