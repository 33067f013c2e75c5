"""A figure in the house's style, outside pyplot: nothing global, nothing to close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito 2008: told apart by colour-blind readers too.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
MAX_TILES = 400


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("cnnfast.visualize needs matplotlib: pip install cnnfast[plot]") from None
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tiles(
    count: int, columns: int, width: float, height: float, title: str | None
) -> tuple[Figure, list[Axes]]:
    """A grid of bare axes, ``width`` x ``height`` inches each."""
    columns = max(1, min(columns, count))
    rows = max(1, -(-count // columns))
    figure = new_figure(columns * width, rows * height + (0.4 if title else 0.05))
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)  # type: ignore[union-attr, call-arg]
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    if title:
        figure.suptitle(title, fontsize=11)
    return figure, list(grid[:count])


def plain(axes: Axes) -> None:
    """Light grid, no box: the curves carry the ink."""
    axes.grid(True, color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(colors=GREY, labelsize=9)


def show(axes: Axes, image: Any, **options: Any) -> None:
    axes.imshow(image, interpolation="nearest", **options)
