"""Normalisations and their gradients, from their definitions, in float64."""

import numpy as np


def _float64(*arrays):
    return tuple(None if a is None else np.asarray(a, np.float64) for a in arrays)


def batch_norm(x, gamma, beta, epsilon=1e-3):
    """Channels last. Returns y, mean, biased variance."""
    x, gamma, beta = _float64(x, gamma, beta)
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    variance = ((x - mean) ** 2).mean(axes)
    y = gamma * (x - mean) / np.sqrt(variance + epsilon) + beta
    return y, mean, variance


def batch_norm_backward(x, dy, gamma, epsilon=1e-3):
    """dx, dgamma, dbeta through the statistics (Ioffe and Szegedy, 2015, section 3)."""
    x, dy, gamma = _float64(x, dy, gamma)
    axes = tuple(range(x.ndim - 1))
    n = x.size // x.shape[-1]
    d = x - x.mean(axes)
    deviation = np.sqrt((d**2).mean(axes) + epsilon)
    normal = d / deviation
    dgamma, dbeta = (dy * normal).sum(axes), dy.sum(axes)
    dx = gamma / deviation * (dy - dbeta / n - normal * dgamma / n)
    return dx, dgamma, dbeta


def _normalise(x, axes, epsilon):
    mean = x.mean(axes, keepdims=True)
    variance = ((x - mean) ** 2).mean(axes, keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon), np.sqrt(variance + epsilon)


def _normalise_backward(normal, deviation, g, axes):
    """d loss / d x for the gradient g of ``normal``."""
    along = (g * normal).mean(axes, keepdims=True)
    return (g - g.mean(axes, keepdims=True) - normal * along) / deviation


def layer_norm(x, gamma, beta, axes=(-1,), epsilon=1e-3):
    """gamma and beta must broadcast against x."""
    x, gamma, beta = _float64(x, gamma, beta)
    return _normalise(x, axes, epsilon)[0] * gamma + beta


def layer_norm_backward(x, dy, gamma, epsilon=1e-3):
    """Over the last axis: dx, dgamma, dbeta."""
    x, dy, gamma = _float64(x, dy, gamma)
    normal, deviation = _normalise(x, (-1,), epsilon)
    axes = tuple(range(x.ndim - 1))
    dx = _normalise_backward(normal, deviation, dy * gamma, (-1,))
    return dx, (dy * normal).sum(axes), dy.sum(axes)


def _grouped(x, groups):
    return x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)


def group_norm(x, groups, gamma, beta, epsilon=1e-3):
    """Channels last."""
    x, gamma, beta = _float64(x, gamma, beta)
    normal, _ = _normalise(_grouped(x, groups), (1, 3), epsilon)
    return normal.reshape(x.shape) * gamma + beta


def group_norm_backward(x, dy, groups, gamma, epsilon=1e-3):
    """dx, dgamma, dbeta."""
    x, dy, gamma = _float64(x, dy, gamma)
    normal, deviation = _normalise(_grouped(x, groups), (1, 3), epsilon)
    dx = _normalise_backward(normal, deviation, _grouped(dy * gamma, groups), (1, 3))
    axes = tuple(range(x.ndim - 1))
    return dx.reshape(x.shape), (dy * normal.reshape(x.shape)).sum(axes), dy.sum(axes)


def _windows(values, size):
    """Sum over the channels from c - size // 2 on."""
    total = np.zeros_like(values)
    channels = values.shape[-1]
    for c in range(channels):
        first = c - size // 2
        total[..., c] = values[..., max(first, 0) : max(first + size, 0)].sum(-1)
    return total


def local_response(x, size, alpha, beta, k):
    """torch's convention: alpha is divided by size."""
    (x,) = _float64(x)
    return x * (k + alpha / size * _windows(x**2, size)) ** -beta


def local_response_backward(x, dy, size, alpha, beta, k):
    """dx, by the definition: dy[c] d y[c] / d x[i] summed over c."""
    x, dy = _float64(x, dy)
    u = k + alpha / size * _windows(x**2, size)
    dx = dy * u**-beta
    channels = x.shape[-1]
    for c in range(channels):
        first = c - size // 2
        for i in range(max(first, 0), min(first + size, channels)):
            dx[..., i] -= (
                2 * alpha / size * beta * dy[..., c] * x[..., c] * x[..., i]
                * u[..., c] ** (-beta - 1)
            )  # fmt: skip
    return dx
