"""The figures are drawn, say what they should, and refuse what they cannot draw."""

import sys

import numpy as np
import pytest

from cnnfast import visualize

pytest.importorskip("matplotlib")

HISTORY = {
    "loss": [0.9, 0.5, 0.4],
    "accuracy": [0.6, 0.8, 0.9],
    "val_loss": [0.8, 0.6, 0.5],
    "val_accuracy": [0.7, 0.8, 0.85],
    "learning_rate": [1e-3, 1e-3, 1e-4],
}


def texts(figure):
    import matplotlib.text

    return [t.get_text() for t in figure.findobj(matplotlib.text.Text) if t.get_text()]


def png(figure, tmp_path):
    path = tmp_path / "figure.png"
    figure.savefig(path)
    assert path.read_bytes()[:4] == b"\x89PNG"
    return path


def test_training_curves(tmp_path):
    figure = visualize.training_curves(HISTORY, title="toy")
    png(figure, tmp_path)
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    loss, accuracy = figure.axes
    assert [list(line.get_ydata()) for line in loss.lines] == [HISTORY["loss"], HISTORY["val_loss"]]
    assert list(accuracy.lines[0].get_xdata()) == [1, 2, 3]
    assert {"training", "validation", "toy"} <= set(texts(figure))


def test_training_curves_of_a_history_object():
    class History:
        history = HISTORY

    assert len(visualize.training_curves(History()).axes) == 2
    with pytest.raises(TypeError, match="got list"):
        visualize.training_curves([1, 2])
    with pytest.raises(ValueError, match="empty"):
        visualize.training_curves({"loss": []})


@pytest.mark.parametrize(
    ("shape", "panels"), [((5, 5, 1, 6), 6), ((3, 3, 3, 10), 10), ((3, 3, 4, 5), 20)]
)
def test_filters(tmp_path, shape, panels):
    kernel = np.random.default_rng(0).standard_normal(shape)
    figure = visualize.filters(kernel)
    png(figure, tmp_path)
    drawn = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert len(drawn) == panels
    if shape[2] == 1:
        np.testing.assert_array_equal(drawn[4], kernel[:, :, 0, 4])
    if shape[2] == 4:
        np.testing.assert_array_equal(drawn[1 * 5 + 2], kernel[:, :, 1, 2])


def test_filters_of_a_model_and_a_layer():
    class Layer:
        def __init__(self, name, *weights):
            self.name, self.weights = name, weights

        def get_weights(self):
            return list(self.weights)

    class Model:
        layers = (
            Layer("flatten"),
            Layer("first", np.ones((3, 3, 1, 2)), np.ones(2)),
            Layer("second", np.ones((3, 3, 2, 5))),
        )

    assert "first: 2 filters, 3×3×1" in texts(visualize.filters(Model()))
    assert "second: 5 filters, 3×3×2" in texts(visualize.filters(Model(), layer="second"))
    assert "second: 5 filters, 3×3×2" in texts(visualize.filters(Model(), layer=2))
    assert "first: 2 filters, 3×3×1" in texts(visualize.filters(Model.layers[1]))
    with pytest.raises(ValueError, match="no layer 'third'"):
        visualize.filters(Model(), layer="third")
    with pytest.raises(ValueError, match="no convolution kernel"):
        visualize.filters(Model.layers[0])
    with pytest.raises(ValueError, match="expected a model, a layer or a kernel"):
        visualize.filters(np.ones((3, 3)))


def test_confusion_matrix(tmp_path):
    true = [0, 0, 1, 1, 2]
    scores = np.eye(3)[[0, 1, 1, 1, 2]]
    figure = visualize.confusion_matrix(true, scores, ["ant", "bee", "cat"])
    png(figure, tmp_path)
    assert "4 of 5 right (80.00 %)" in texts(figure)
    cells = {(t.get_position()): t.get_text() for t in figure.axes[0].texts}
    assert cells == {(0, 0): "1", (1, 0): "1", (1, 1): "2", (2, 2): "1"}
    np.testing.assert_allclose(figure.axes[0].images[0].get_array()[0] ** 2, [0.5, 0.5, 0])


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([0, 1], [0], "y_true has 2, y_pred has 1"),
        ([], [], "at least one label"),
        ([-1, 0], [0, 0], "class numbers >= 0"),
        ([0.5, 0], [0, 0], "fractions"),
        (np.zeros((2, 2, 2)), [0, 0], "shape .2, 2, 2."),
    ],
)
def test_confusion_matrix_refuses(true, predicted, message):
    with pytest.raises(ValueError, match=message):
        visualize.confusion_matrix(true, predicted)


def test_mistakes_shows_the_worst_first(tmp_path):
    x = np.arange(5 * 16, dtype=np.uint8).reshape(5, 4, 4)
    x[:, 0, 0] = np.arange(5) * 50  # told apart after scaling
    y = [0, 1, 0, 1, 1]
    scores = [[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.95, 0.05], [0.1, 0.9]]
    figure = visualize.mistakes(x, y, scores, class_names=["no", "yes"])
    png(figure, tmp_path)
    assert "3 of 5 wrong, the worst first" in texts(figure)
    labels = [[t.get_text() for t in axes.texts] for axes in figure.axes if axes.texts]
    assert labels == [["yes", "no  95 %"], ["no", "yes  70 %"], ["yes", "no  60 %"]]
    first = next(axes for axes in figure.axes if axes.images).images[0].get_array()
    np.testing.assert_allclose(first, (x[3] - x[3].min()) / np.ptp(x[3]))


def test_mistakes_without_any(tmp_path):
    figure = visualize.mistakes(np.zeros((1, 4, 4)), [0], [[1.0, 0.0]])
    png(figure, tmp_path)
    assert "0 of 1 wrong" in texts(figure)


def test_mistakes_refuses():
    x = np.zeros((2, 4, 4))
    with pytest.raises(ValueError, match="probabilities"):
        visualize.mistakes(x, [0, 1], [0, 1])
    with pytest.raises(ValueError, match="x has 2, y_true has 1"):
        visualize.mistakes(x, [0], np.zeros((2, 2)))
    with pytest.raises(ValueError, match="label 5 has no column"):
        visualize.mistakes(x, [0, 5], np.zeros((2, 2)))
    with pytest.raises(ValueError, match="count must be at least 1"):
        visualize.mistakes(x, [0, 1], np.zeros((2, 2)), count=0)


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 8, 8, 1), (3, 8, 8, 3)])
def test_images(tmp_path, shape):
    figure = visualize.images(np.random.default_rng(0).random(shape), [0, 1, 2], title="three")
    png(figure, tmp_path)
    assert {"three", "0", "1", "2"} <= set(texts(figure))


def test_images_refuses():
    with pytest.raises(ValueError, match="images .n, height, width."):
        visualize.images(np.zeros((3, 8)))
    with pytest.raises(ValueError, match="at least one image"):
        visualize.images(np.zeros((0, 8, 8)))
    with pytest.raises(ValueError, match="class_names has 1 names, label 2 needs 3"):
        visualize.images(np.zeros((1, 8, 8)), [2], class_names=["a"])


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install cnnfast\[plot\]"):
        visualize.training_curves(HISTORY)
