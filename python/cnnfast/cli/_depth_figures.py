"""The pictures of ``cnnfast study depth``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cnnfast.visualize._figure import BLUE, GREEN, GREY, ORANGE, new_figure, plain

if TYPE_CHECKING:
    from .study_depth import Trained


def _colours(results: Sequence[Trained]) -> dict[int, str]:
    depths = sorted({one.depth for one in results})
    return {depth: (BLUE, ORANGE, GREEN, GREY)[i % 4] for i, depth in enumerate(depths)}


def error_figure(results: Sequence[Trained], title: str | None = None) -> Any:
    """Error over the epochs, plain and residual side by side, as the paper's figure 6.

    Solid: training, dashed: test.

    Raises:
        ImportError: matplotlib is not installed.
    """
    made = new_figure(9.2, 3.8)
    panels: list[Any] = list(made.subplots(1, 2, sharey=True))
    colours = _colours(results)
    for axes, kind in zip(panels, ("plain", "residual"), strict=True):
        for one in results:
            if one.plain != (kind == "plain"):
                continue
            epochs = range(1, len(one.train_error) + 1)
            style = {"color": colours[one.depth], "linewidth": 1.8, "marker": "o", "ms": 3.5}
            train = [100 * e for e in one.train_error]
            test = [100 * e for e in one.test_error]
            axes.plot(epochs, train, "-", label=f"{one.depth} layers, training", **style)
            axes.plot(epochs, test, "--", label=f"{one.depth} layers, test", **style)
        axes.set_yscale("log")
        axes.yaxis.get_major_locator().set_params(subs=(1, 2, 5))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter("")
        axes.set_title(kind, fontsize=11)
        axes.set_xlabel("epoch", color=GREY)
        axes.xaxis.get_major_locator().set_params(integer=True)
        plain(axes)
        axes.legend(frameon=False, fontsize=9, handlelength=2.8)
    panels[0].set_ylabel("error, %", color=GREY)
    if title:
        made.suptitle(title, fontsize=12)
    return made


def gradient_figure(results: Sequence[Trained], title: str | None = None) -> Any:
    """Norm of every convolution's gradient before the first step, plain and residual.

    Raises:
        ImportError: matplotlib is not installed.
    """
    made = new_figure(9.2, 3.6)
    panels: list[Any] = list(made.subplots(1, 2, sharey=True))
    colours = _colours(results)
    for axes, kind in zip(panels, ("plain", "residual"), strict=True):
        for one in results:
            if one.plain == (kind == "plain"):
                axes.plot(
                    range(1, len(one.gradients) + 1),
                    one.gradients,
                    "o-",
                    color=colours[one.depth],
                    linewidth=1.4,
                    ms=3.5,
                    label=f"{one.depth} layers",
                )
        axes.set_yscale("log")
        axes.set_title(kind, fontsize=11)
        axes.set_xlabel("convolution, from the input", color=GREY)
        plain(axes)
        axes.legend(frameon=False, fontsize=9)
    panels[0].set_ylabel("norm of the gradient", color=GREY)
    if title:
        made.suptitle(title, fontsize=12)
    return made
