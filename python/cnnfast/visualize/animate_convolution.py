"""A convolution as a moving picture: the window, the products, the sum."""

from __future__ import annotations

import base64
import html
import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ._convolution_steps import Steps, convolution_steps
from ._figure import BLUE, GREY, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL = 0.36  # inches
_SUFFIXES = (".gif", ".html")
_PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Convolution</title>
<style>body { font: 14px sans-serif; text-align: center } img { max-width: 100% }</style>
<img id="picture" alt="input, kernel, products and output of one step">
<p>
<button id="back">&#9664; step</button>
<button id="play">pause</button>
<button id="on">step &#9654;</button>
<input id="place" type="range" min="0" value="0">
<span id="count"></span>
</p>
<script>
const frames = FRAMES;
const get = id => document.getElementById(id);
let at = 0, timer = null;
get("place").max = frames.length - 1;
function show(to) {
  at = (to + frames.length) % frames.length;
  get("picture").src = "data:image/png;base64," + frames[at];
  get("place").value = at;
  get("count").textContent = (at + 1) + " / " + frames.length;
}
function run(go) {
  clearInterval(timer);
  timer = go ? setInterval(() => show(at + 1), WAIT) : null;
  get("play").textContent = go ? "pause" : "play";
}
get("back").onclick = () => { run(false); show(at - 1); };
get("on").onclick = () => { run(false); show(at + 1); };
get("play").onclick = () => run(timer === null);
get("place").oninput = () => { run(false); show(Number(get("place").value)); };
show(0);
run(true);
</script>
</html>
"""


class _Grid:
    """A matrix drawn as coloured cells with numbers, some of them framed."""

    def __init__(
        self,
        axes: Axes,
        title: str,
        shape: tuple[int, int],
        room: tuple[int, int],
        pads: tuple[int, int, int, int],
        peak: float,
        frame: str,
    ) -> None:
        from matplotlib.patches import Rectangle

        rows, columns = shape
        self.peak = peak or 1.0
        self.image = axes.imshow(
            np.zeros(shape), cmap="RdBu_r", vmin=-1.6 * self.peak, vmax=1.6 * self.peak
        )
        axes.set_title(title, fontsize=8, color=GREY, pad=4)
        # As many rows as the tallest matrix, so that all cells are of one size.
        middle, centre = (rows - 1) / 2, (columns - 1) / 2
        axes.set_xlim(centre - room[1] / 2 - 0.05, centre + room[1] / 2 + 0.05)
        axes.set_ylim(middle + room[0] / 2 + 0.05, middle - room[0] / 2 - 0.05)
        axes.hlines(np.arange(-0.5, rows), -0.5, columns - 0.5, "#dddddd", linewidth=0.6)
        axes.vlines(np.arange(-0.5, columns), -0.5, rows - 0.5, "#dddddd", linewidth=0.6)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        top, bottom, left, right = pads
        inside = Rectangle(
            (left - 0.5, top - 0.5), columns - left - right, rows - top - bottom,
            fill=False, edgecolor=GREY, linewidth=1.2, zorder=3,
        )  # fmt: skip
        axes.add_patch(inside)
        self.texts = {}
        self.frames = {}
        for row, column in np.ndindex(shape):
            padding = not (top <= row < rows - bottom and left <= column < columns - right)
            self.texts[row, column] = axes.text(
                column, row, "", ha="center", va="center", fontsize=7,
                color="#888888" if padding else "black", zorder=4,
            )  # fmt: skip
            self.frames[row, column] = Rectangle(
                (column - 0.5, row - 0.5), 1, 1,
                fill=False, edgecolor=frame, linewidth=1.8, visible=False, zorder=5,
            )  # fmt: skip
            axes.add_patch(self.frames[row, column])

    def show(
        self, values: npt.NDArray[np.float64], framed: tuple[list[int], list[int]] | None
    ) -> None:
        self.image.set_data(np.nan_to_num(values))
        for place, text in self.texts.items():
            text.set_text(number(values[place]))
        for (row, column), frame in self.frames.items():
            frame.set_visible(framed is not None and row in framed[0] and column in framed[1])


def number(value: float) -> str:
    """At most five characters; nothing for NaN."""
    if np.isnan(value):
        return ""
    if abs(value - round(value)) < 1e-9 and abs(value) < 1e4:
        return str(round(value))
    if abs(value) >= 1e4 or abs(value) < 0.005:
        return f"{value:.0e}".replace("e+0", "e").replace("e-0", "e-")
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


class ConvolutionAnimation:
    """What :func:`animate_convolution` returns; a notebook shows it.

    Attributes:
        steps: all that is shown, as arrays.
        output: (OH, OW) the result.
        frames: how many pictures there are.
        seconds: each is shown.
    """

    def __init__(self, steps: Steps, transposed: bool, seconds: float) -> None:
        self.steps = steps
        self.transposed = transposed
        self.seconds = seconds
        self.figure = self._prepare()

    @property
    def output(self) -> npt.NDArray[np.float64]:
        return self.steps.output

    @property
    def frames(self) -> int:
        return len(self.steps.steps)

    def _prepare(self) -> Any:
        all_steps = self.steps
        output_shape = all_steps.outputs[0].shape
        shapes = [all_steps.input.shape, all_steps.kernel.shape, all_steps.kernel.shape]
        shapes.append(output_shape)
        rows = max(3, *(shape[0] for shape in shapes))
        # Titles need the width of four cells.
        widths = [max(shape[1], 4) for shape in shapes]
        figure = new_figure(_CELL * sum(widths) + 0.8, _CELL * rows + 0.75)
        axes = figure.subplots(1, 4, width_ratios=widths)
        rooms = [(rows, width) for width in widths]
        products = max(float(np.abs(step.products).max()) for step in all_steps.steps)
        written = max(float(np.nanmax(np.abs(one))) for one in all_steps.outputs)
        none = (0, 0, 0, 0)
        self._grids = [
            _Grid(axes[0], "input", shapes[0], rooms[0], all_steps.input_pads,
                  float(np.abs(all_steps.input).max()), ORANGE),
            _Grid(axes[1], "kernel", shapes[1], rooms[1], none,
                  float(np.abs(all_steps.kernel).max()), BLUE),
            _Grid(axes[2], "value × kernel" if self.transposed else "window × kernel", shapes[2],
                  rooms[2], none, products, BLUE),
            _Grid(axes[3], "output", output_shape, rooms[3], all_steps.output_pads, written, BLUE),
        ]  # fmt: skip
        self._caption = figure.supxlabel(" ", fontsize=9, color="black")
        # Laid out once: no picture jumps, and each is drawn faster.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        return figure

    def draw(self, frame: int) -> None:
        """Put one step on ``figure``.

        Raises:
            ValueError: there is no such step.
        """
        if not 0 <= frame < self.frames:
            raise ValueError(
                f"animate_convolution: no frame {frame}, there are {self.frames}, from 0"
            )
        step = self.steps.steps[frame]
        given, kernel, products, output = self._grids
        given.show(self.steps.input, step.read)
        kernel.show(self.steps.kernel, None)
        products.show(step.products, None)
        output.show(self.steps.outputs[frame], step.wrote)
        self._caption.set_text(self._sentence(frame))

    def _sentence(self, frame: int) -> str:
        step = self.steps.steps[frame]
        if step.total is None:
            row, column = step.read[0][0], step.read[1][0]
            value = number(float(self.steps.input[row, column]))
            return f"input[{row}, {column}] = {value}: {value} × kernel is added to the output"
        terms = [number(value) for value in step.products.ravel()]
        row, column = step.wrote[0][0], step.wrote[1][0]
        total = f"output[{row}, {column}] = "
        if len(terms) <= 9:
            terms = [f"({term})" if term.startswith("-") else term for term in terms]
            total += " + ".join(terms) + " = "
        return total + number(step.total)

    def _pictures(self) -> list[Any]:
        from PIL import Image

        pictures = []
        for frame in range(self.frames):
            self.draw(frame)
            canvas: Any = self.figure.canvas
            canvas.draw()
            pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]))
        return pictures

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a GIF or a page of its own, as the name says (``.gif``, ``.html``).

        Raises:
            ValueError: another ending.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in _SUFFIXES:
            raise ValueError(
                f"animate_convolution: save takes a name that ends in {' or '.join(_SUFFIXES)}, "
                f"got {path.name!r}"
            )
        if suffix == ".html":
            path.write_text(self.to_html(), encoding="utf-8")
        else:
            path.write_bytes(self.to_gif())

    def to_gif(self) -> bytes:
        """The bytes of a GIF that repeats, with a rest after the last step."""
        pictures = self._pictures()
        # One palette: the pictures differ in few cells, and only those are stored.
        palette = pictures[-1].quantize(64)
        pictures = [one.quantize(palette=palette, dither=0) for one in pictures]
        rests = [round(1000 * self.seconds)] * len(pictures)
        rests[-1] *= 3
        file = io.BytesIO()
        pictures[0].save(
            file, format="GIF", save_all=True, append_images=pictures[1:], duration=rests,
            loop=0, optimize=True,
        )  # fmt: skip
        return file.getvalue()

    def to_html(self) -> str:
        """A page with buttons to step through; it needs nothing else."""
        frames = []
        for picture in self._pictures():
            file = io.BytesIO()
            picture.quantize(64).save(file, format="PNG", optimize=True)
            frames.append(base64.b64encode(file.getvalue()).decode())
        page = _PAGE.replace("WAIT", str(round(1000 * self.seconds)))
        return page.replace("FRAMES", json.dumps(frames))

    def _repr_html_(self) -> str:
        # A frame of its own: several of them on one page of a notebook do not share names.
        return (
            f'<iframe srcdoc="{html.escape(self.to_html())}" style="border:0" '
            f'width="100%" height="{round(96 * self.figure.get_figheight()) + 90}"></iframe>'
        )


def animate_convolution(
    x: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    transposed: bool = False,
    *,
    output_padding: Any = None,
    seconds: float = 0.6,
) -> ConvolutionAnimation:
    """A convolution step by step: the window over the input, its products with the kernel, the sum.

    A convolution here does not flip its kernel, as in every deep-learning library. A transposed one
    shows the reverse: every input value paints the kernel, scaled by it, onto the output, and what
    overlaps adds up; what ``padding`` crops of the output is grey.

    Args:
        x: (height, width).
        kernel: (height, width).
        strides: one integer or (vertical, horizontal).
        padding: "valid", "same", one integer, (vertical, horizontal) or
            ((top, bottom), (left, right)), as for ``ops.conv2d``.
        dilation_rate: one integer or (vertical, horizontal).
        transposed: ``ops.conv2d_transpose`` instead of ``ops.conv2d``.
        output_padding: rows and columns added at the end; for a transposed convolution only.
        seconds: each step is shown.

    Returns:
        An animation: ``save("convolution.gif")``, ``save("convolution.html")``, ``to_html()``; its
        ``output`` is the op's.

    Raises:
        ValueError: not matrices, more than 24 rows or columns or 256 positions, arguments that the
            op refuses.
        ImportError: matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> moving = animate_convolution(np.arange(16).reshape(4, 4), [[1, 0], [0, -1]])
        >>> moving.output[0], moving.frames
        (array([-5., -5., -5.]), 9)
    """
    if not (isinstance(seconds, (int, float)) and 0.02 <= seconds <= 60):
        raise ValueError(
            f"animate_convolution: seconds must be from 0.02 to 60 a step, got {seconds!r}"
        )
    steps = convolution_steps(
        x, kernel, strides, padding, dilation_rate, transposed, output_padding
    )
    if not steps.steps:
        raise ValueError(
            "animate_convolution: the window fits nowhere: kernel "
            f"{steps.kernel.shape} on a padded input {steps.input.shape}"
        )
    return ConvolutionAnimation(steps, bool(transposed), float(seconds))
