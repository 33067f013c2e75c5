"""compile, grad and value_and_grad."""

import numpy as np
import pytest

import cnnfast
from cnnfast import ops


def test_value_and_grad_of_a_small_network():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 6, 6, 2)), rng.standard_normal((3, 3, 2, 3))

    def loss(x, w):
        return ops.mean(ops.square(ops.tanh(ops.conv2d(x, w, padding="same"))))

    value, (dx, dw) = cnnfast.value_and_grad(loss, argnums=(0, 1))(x, w)
    assert value.dtype == np.float64
    for array, gradient in ((x, dx), (w, dw)):
        flat = array.reshape(-1)
        for i in range(0, flat.size, 7):
            step = np.zeros_like(flat)
            step[i] = 1e-6
            plus, minus = (flat + step).reshape(array.shape), (flat - step).reshape(array.shape)
            args = [(plus, w), (minus, w)] if array is x else [(x, plus), (x, minus)]
            high, low = (cnnfast.compile(loss)(*a) for a in args)
            np.testing.assert_allclose(gradient.reshape(-1)[i], (high - low) / 2e-6, rtol=1e-5)


def test_gradient_of_a_gradient():
    def slope(x):
        return ops.sum(ops.multiply(ops.power(x, 3.0), 1.0))

    x = np.float64([0.5, -2.0, 3.0])
    np.testing.assert_allclose(cnnfast.grad(slope)(x), 3 * x**2, rtol=1e-12)


def test_arguments_that_do_not_matter_get_zeros():
    gradient = cnnfast.grad(lambda x, y: ops.sum(x), argnums=1)(np.ones(3), np.ones((2, 2)))
    np.testing.assert_array_equal(gradient, np.zeros((2, 2)))


def test_compile_keeps_structure_and_follows_shapes():
    calls = []

    def f(x, scale, options=None):
        calls.append(1)
        return {"scaled": x * scale, "both": (ops.relu(x), [ops.sum(x), "text"])}

    planned = cnnfast.compile(f)
    for size in (3, 4, 3):
        x = np.arange(size, dtype=np.float32) - 1
        result = planned(x, 2.0)
        np.testing.assert_array_equal(result["scaled"], 2 * x)
        np.testing.assert_array_equal(result["both"][0], np.maximum(x, 0))
        assert result["both"][1][1] == "text"
    assert len(calls) == 2  # traced once for each shape
    planned(np.ones(3, np.float32), 3.0)
    assert len(calls) == 3  # a static argument changed


def test_variables_are_read_at_every_call():
    w = cnnfast.Variable(np.float32([1, 2]), name="w")
    f = cnnfast.compile(lambda x: x * w)
    x = np.ones(2, np.float32)
    np.testing.assert_array_equal(f(x), [1, 2])
    w.assign([5, 6])
    np.testing.assert_array_equal(f(x), [5, 6])


def test_what_cannot_be_differentiated_says_so():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match="must return a scalar, got shape"):
        cnnfast.grad(lambda x: x * 2.0)(x)
    with pytest.raises(TypeError, match="must return a Tensor"):
        cnnfast.grad(lambda x: 3.0)(x)
    with pytest.raises(ValueError, match="argnums names argument 4"):
        cnnfast.grad(lambda x: ops.sum(x), argnums=4)(x)
    with pytest.raises(TypeError, match="float32 or float64"):
        cnnfast.grad(lambda x: ops.sum(ops.cast(x, "float32")))(np.ones(3, np.int64))
    with pytest.raises(TypeError, match="expected a function"):
        cnnfast.grad(3)


def test_numpy_on_a_tensor_names_the_remedy():
    with pytest.raises(TypeError, match="use the functions of cnnfast.ops"):
        cnnfast.compile(lambda x: np.exp(np.asarray(x)))(np.ones(2, np.float32))
    with pytest.raises(TypeError, match="Python condition"):
        cnnfast.compile(lambda x: x if x > 0 else -x)(np.ones(2, np.float32))


def test_a_tensor_cannot_leave_its_graph():
    kept = []
    cnnfast.compile(lambda x: kept.append(x) or x)(np.ones(2, np.float32))
    with pytest.raises(ValueError, match="belongs to another graph"):
        cnnfast.compile(lambda x: x + kept[0])(np.ones(2, np.float32))


def test_read_only_view_and_assign_of_a_variable():
    v = cnnfast.Variable(np.zeros((2, 2), np.float32), name="weights")
    view = v.numpy()
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1
    v.assign(np.eye(2))
    np.testing.assert_array_equal(view, np.eye(2))  # the same memory
    with pytest.raises(ValueError, match=r"'weights': expected shape \(2, 2\), got \(3,\)"):
        v.assign(np.zeros(3))
    del v
    np.testing.assert_array_equal(view, np.eye(2))  # the buffer lives as long as the view


@pytest.mark.parametrize("activation", [ops.relu, ops.tanh, ops.sigmoid])
@pytest.mark.parametrize("pool_size, strides", [(2, 2), (3, 2), (3, 1)])
def test_gradient_through_activation_and_max_pooling(activation, pool_size, strides):
    # The plan takes the activation's mask over the pooled map; here that is exact too.
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((2, 9, 8, 1)), rng.standard_normal((3, 3, 1, 2))

    def loss(w):
        y = activation(ops.conv2d(x, w))
        return ops.sum(ops.square(ops.max_pool2d(y, pool_size, strides=strides)))

    gradient = cnnfast.grad(loss)(w)
    for i in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[i] = 1e-6
        high, low = cnnfast.compile(loss)(w + step), cnnfast.compile(loss)(w - step)
        np.testing.assert_allclose(gradient[i], (high - low) / 2e-6, rtol=2e-5, atol=1e-6)
