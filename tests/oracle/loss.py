"""Softmax and the losses, as Keras defines them, one loss a sample."""

import numpy as np

EPSILON = 1e-7


def softmax(x, axis=-1):
    x = np.asarray(x, np.float64)
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def log_softmax(x, axis=-1):
    x = np.asarray(x, np.float64)
    x = x - x.max(axis=axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=axis, keepdims=True))


def softmax_backward(y, dy, axis=-1):
    y, dy = np.asarray(y, np.float64), np.asarray(dy, np.float64)
    return y * (dy - (y * dy).sum(axis=axis, keepdims=True))


def _log_probabilities(y_pred, from_logits):
    if from_logits:
        return log_softmax(y_pred)
    p = np.asarray(y_pred, np.float64)
    p = p / p.sum(axis=-1, keepdims=True)
    return np.log(np.clip(p, EPSILON, 1 - EPSILON))


def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0):
    y_true = np.asarray(y_true, np.float64)
    y_true = y_true * (1 - label_smoothing) + label_smoothing / y_true.shape[-1]
    return -(y_true * _log_probabilities(y_pred, from_logits)).sum(axis=-1)


def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False):
    logs = _log_probabilities(y_pred, from_logits)
    return -np.take_along_axis(logs, np.asarray(y_true)[..., None].astype(int), axis=-1)[..., 0]


def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0):
    y = np.asarray(y_true, np.float64) * (1 - label_smoothing) + label_smoothing / 2
    z = np.asarray(y_pred, np.float64)
    if from_logits:
        return np.logaddexp(0, z) - y * z
    p = np.clip(z, EPSILON, 1 - EPSILON)
    return -(y * np.log(p) + (1 - y) * np.log(1 - p))


def mean_squared_error(y_true, y_pred):
    return np.square(np.asarray(y_true, np.float64) - y_pred).mean(axis=-1)


def mean_absolute_error(y_true, y_pred):
    return np.abs(np.asarray(y_true, np.float64) - y_pred).mean(axis=-1)
