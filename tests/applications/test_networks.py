import numpy as np
import pytest

from cnnfast.applications import LeNet5, TutorialCNN


def test_lenet5_is_the_known_network():
    model = LeNet5()
    assert model.count_params() == 61_706
    assert [w.shape for w in model.get_weights()] == [
        (5, 5, 1, 6), (6,), (5, 5, 6, 16), (16,), (400, 120), (120,), (120, 84), (84,), (84, 10),
        (10,),
    ]  # fmt: skip
    assert model.output_shape == (None, 10)


def test_lenet5_takes_28x28():
    model = LeNet5(input_shape=(28, 28, 1), classes=7)
    assert model.count_params() == 61_706 - 3 * 85
    y = model.predict(np.zeros((3, 28, 28, 1), np.float32), verbose=0)
    assert y.shape == (3, 7)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)


def test_logits():
    rng = np.random.default_rng(0)
    y = LeNet5(classifier_activation=None).predict(
        rng.random((4, 32, 32, 1), dtype=np.float32), verbose=0
    )
    assert not np.allclose(y.sum(axis=1), 1)


def test_tutorial_cnn():
    assert TutorialCNN().count_params() == 34_826
    assert TutorialCNN((28, 28, 3), classes=5).output_shape == (None, 5)


@pytest.mark.parametrize("build", [LeNet5, TutorialCNN])
def test_too_small_an_image_is_refused(build):
    with pytest.raises(ValueError, match="conv2d"):
        build(input_shape=(4, 4, 1))
