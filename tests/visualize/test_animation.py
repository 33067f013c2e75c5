"""The animation shows what ops.conv2d and ops.conv2d_transpose compute, step by step."""

import base64
import io
import json
import re

import numpy as np
import pytest

from check import assert_close
from cnnfast import ops, visualize
from cnnfast.visualize._convolution_steps import convolution_steps
from cnnfast.visualize.animate_convolution import number

X = np.array([[1, 2, 0, 1], [0, 1, 3, 1], [2, 0, 1, 0]])
SOBEL = [[1, 0, -1], [2, 0, -2], [1, 0, -1]]

GRID = [
    dict(strides=strides, padding=padding, dilation_rate=dilation)
    for strides in (1, 2, (3, 1))
    for padding in ("valid", "same", 1, ((2, 0), (0, 1)))
    for dilation in (1, (1, 2))
]


@pytest.mark.parametrize("options", GRID, ids=str)
def test_convolution(rng, options):
    x, kernel = rng.standard_normal((6, 7)), rng.standard_normal((3, 2))
    found = convolution_steps(x, kernel, **options)
    expected = ops.conv2d(x[None, ..., None], kernel[..., None, None], **options)[0, ..., 0]
    np.testing.assert_array_equal(found.output, expected)
    assert_close(found.outputs[-1], expected, rtol=1e-12, atol=1e-12)
    assert len(found.steps) == expected.size
    top, bottom, left, right = found.input_pads
    inside = found.input[top : found.input.shape[0] - bottom, left : found.input.shape[1] - right]
    np.testing.assert_array_equal(inside, x)
    assert np.abs(found.input).sum() == pytest.approx(np.abs(x).sum())
    for at, step in enumerate(found.steps):
        np.testing.assert_array_equal(found.input[np.ix_(*step.read)] * kernel, step.products)
        assert step.total == pytest.approx(expected[step.wrote[0][0], step.wrote[1][0]])
        assert np.isfinite(found.outputs[at]).sum() == at + 1


TRANSPOSED = [
    *(dict(one, output_padding=None) for one in GRID if one["padding"] != ((2, 0), (0, 1))),
    dict(strides=2, padding="valid", dilation_rate=1, output_padding=1),
    dict(strides=3, padding=1, dilation_rate=2, output_padding=(2, 0)),
]


@pytest.mark.parametrize("options", TRANSPOSED, ids=str)
def test_transposed_convolution(rng, options):
    x, kernel = rng.standard_normal((4, 3)), rng.standard_normal((3, 2))
    found = convolution_steps(x, kernel, transposed=True, **options)
    expected = ops.conv2d_transpose(x[None, ..., None], kernel[..., None, None], **options)
    expected = expected[0, ..., 0]
    np.testing.assert_array_equal(found.output, expected)
    assert len(found.steps) == x.size
    top, bottom, left, right = found.output_pads
    assert min(found.output_pads) >= 0
    last = np.nan_to_num(found.outputs[-1])
    cropped = last[top : last.shape[0] - bottom, left : last.shape[1] - right]
    assert_close(cropped, expected, rtol=1e-12, atol=1e-12)
    total = np.zeros_like(last)
    for step, at in zip(found.steps, np.ndindex(x.shape), strict=True):
        np.testing.assert_array_equal(step.products, x[at] * kernel)
        total[np.ix_(*step.wrote)] += step.products
    assert_close(total, last, rtol=1e-12, atol=1e-12)


def test_a_worked_example():
    moving = convolution_steps([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 0], [0, -1]])
    assert [step.total for step in moving.steps] == [-4, -4, -4, -4]
    assert moving.steps[1].read == ([0, 1], [1, 2])
    np.testing.assert_array_equal(moving.steps[1].products, [[2, 0], [0, -6]])


# ---- drawn -------------------------------------------------------------------------------------


def shown(moving):
    """The numbers that are legible in each of the four matrices, and the sentence below."""
    axes = moving.figure.axes
    texts = [[t.get_text() for t in one.texts if t.get_text()] for one in axes]
    return texts, moving.figure._supxlabel.get_text()


def framed(axes):
    return {
        (round(patch.get_y() + 0.5), round(patch.get_x() + 0.5))
        for patch in axes.patches
        if patch.get_visible() and patch.get_width() == 1 and patch.get_zorder() == 5
    }


def test_what_a_frame_shows():
    pytest.importorskip("matplotlib")
    moving = visualize.animate_convolution(X, SOBEL, padding="same")
    assert moving.frames == 12
    moving.draw(5)
    (given, kernel, products, output), sentence = shown(moving)
    assert len(given) == 5 * 6 and kernel == ["1", "0", "-1", "2", "0", "-2", "1", "0", "-1"]
    assert products == ["1", "0", "0", "0", "0", "-6", "2", "0", "-1"]
    assert output == [number(v) for v in moving.output.ravel()[:6]]
    assert sentence == "output[1, 1] = 1 + 0 + 0 + 0 + 0 + (-6) + 2 + 0 + (-1) = -4"
    assert framed(moving.figure.axes[0]) == {(r, c) for r in (1, 2, 3) for c in (1, 2, 3)}
    assert framed(moving.figure.axes[3]) == {(1, 1)}


def test_what_a_transposed_frame_shows():
    pytest.importorskip("matplotlib")
    moving = visualize.animate_convolution(X[:2, :2], [[1, 2], [3, 4]], strides=2, transposed=True)
    moving.draw(1)
    (given, _, products, output), sentence = shown(moving)
    assert given == ["1", "2", "0", "1"] and products == ["2", "4", "6", "8"]
    assert output == ["1", "2", "2", "4", "3", "4", "6", "8"]
    assert sentence == "input[0, 1] = 2: 2 × kernel is added to the output"
    assert framed(moving.figure.axes[0]) == {(0, 1)}
    assert framed(moving.figure.axes[3]) == {(0, 2), (0, 3), (1, 2), (1, 3)}


def test_gif(tmp_path):
    pytest.importorskip("matplotlib")
    from PIL import Image

    moving = visualize.animate_convolution(X[:2, :3], [[1, -1]], seconds=0.2)
    moving.save(tmp_path / "edge.gif")
    with Image.open(tmp_path / "edge.gif") as gif:
        assert gif.n_frames == moving.frames == 4
        assert gif.info["loop"] == 0 and gif.info["duration"] == 200
        first = np.asarray(gif.convert("RGB"))
        gif.seek(3)
        assert gif.info["duration"] == 600
        assert (np.asarray(gif.convert("RGB")) != first).any()


def test_html_needs_nothing_else(tmp_path):
    pytest.importorskip("matplotlib")
    from PIL import Image

    moving = visualize.animate_convolution(X[:2, :3], [[1, -1]])
    moving.save(tmp_path / "edge.html")
    page = (tmp_path / "edge.html").read_text()
    assert page == moving.to_html()
    assert "http" not in page and page.startswith("<!DOCTYPE html>")
    frames = json.loads(re.search(r"const frames = (\[.*?\]);", page)[1])
    assert len(frames) == 4
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(f))).convert("RGB")) for f in frames
    ]
    assert all(one.shape == pictures[0].shape for one in pictures)
    assert (pictures[0] != pictures[3]).any()
    assert moving._repr_html_().startswith("<iframe srcdoc=")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"), (-12, "-12"), (0.5, "0.50"), (-1.234, "-1.23"), (12.34, "12.3"),
        (123456.0, "1e5"), (0.0001, "1e-4"), (0.0, "0"), (np.nan, ""), (2 - 1e-12, "2"),
    ],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("x", "kernel", "options", "message"),
    [
        (np.zeros((2, 2, 1)), [[1]], {}, "x must be a matrix .* got shape .2, 2, 1."),
        (X, [1, 2], {}, "kernel must be a matrix"),
        (np.zeros((0, 3)), [[1]], {}, "x must be a matrix"),
        (np.zeros((30, 3)), [[1]], {}, "padded input is 30x3, at most 24x24"),
        (np.zeros((20, 20)), [[1]], {}, "400 positions of the window, at most 256"),
        (np.zeros((9, 9)), [[1]], {"transposed": True, "strides": 3}, "full output is 25x25"),
        (X, np.ones((4, 4)), {}, "conv2d: "),
        (X, SOBEL, {"strides": 0}, "strides must be at least 1"),
        (X, SOBEL, {"padding": "full"}, "padding must be 'valid', 'same'"),
        (X, SOBEL, {"dilation_rate": 0}, "dilation_rate must be at least 1"),
        (X, SOBEL, {"output_padding": 1}, "needs transposed=True"),
        (X, SOBEL, {"seconds": 0}, "seconds must be from 0.02 to 60"),
    ],
)
def test_refuses(x, kernel, options, message):
    with pytest.raises(ValueError, match=f"animate_convolution: .*{message}|{message}"):
        visualize.animate_convolution(x, kernel, **options)


def test_refuses_what_is_not_numbers():
    with pytest.raises(TypeError, match="x must be numbers"):
        visualize.animate_convolution([["a"]], [[1]])
    pytest.importorskip("matplotlib")
    moving = visualize.animate_convolution(X, SOBEL)
    with pytest.raises(ValueError, match=r"\.gif or \.html, got 'x.mp4'"):
        moving.save("x.mp4")
    with pytest.raises(ValueError, match="no frame 2, there are 2"):
        moving.draw(2)
