"""Pooling, one output place at a time."""

import numpy as np

from oracle.windows import Windows, pair


def _each_window(shape, pool_size, strides, padding):
    """((output place), (row range), (column range)) clipped to the image."""
    window = pair(pool_size)
    at = Windows(shape[1:3], window, window if strides is None else strides, padding)
    (top, _), (left, _) = at.pads
    for i in range(at.out[0]):
        for j in range(at.out[1]):
            row, column = i * at.strides[0] - top, j * at.strides[1] - left
            rows = range(max(row, 0), min(row + window[0], shape[1]))
            columns = range(max(column, 0), min(column + window[1], shape[2]))
            yield (i, j), rows, columns


def _out_shape(shape, pool_size, strides, padding):
    window = pair(pool_size)
    at = Windows(shape[1:3], window, window if strides is None else strides, padding)
    return shape[0], *at.out, shape[3]


def _inside(x, rows, columns):
    """(N, places, C): the window's values in row order."""
    values = x[:, rows.start : rows.stop, columns.start : columns.stop]
    return values.reshape(x.shape[0], -1, x.shape[3])


def max_pool2d(x, pool_size=2, strides=None, padding="valid"):
    x = np.asarray(x, np.float64)
    y = np.zeros(_out_shape(x.shape, pool_size, strides, padding))
    for (i, j), rows, columns in _each_window(x.shape, pool_size, strides, padding):
        y[:, i, j] = _inside(x, rows, columns).max(axis=1)
    return y


def max_pool2d_backward(x, dy, pool_size=2, strides=None, padding="valid"):
    x, dy = np.asarray(x, np.float64), np.asarray(dy, np.float64)
    dx = np.zeros(x.shape)
    for (i, j), rows, columns in _each_window(x.shape, pool_size, strides, padding):
        winners = _inside(x, rows, columns).argmax(axis=1)  # (N, C), the first of equals
        for n in range(x.shape[0]):
            for c in range(x.shape[3]):
                a, b = divmod(winners[n, c], len(columns))
                dx[n, rows[a], columns[b], c] += dy[n, i, j, c]
    return dx


def avg_pool2d(x, pool_size=2, strides=None, padding="valid"):
    x = np.asarray(x, np.float64)
    y = np.zeros(_out_shape(x.shape, pool_size, strides, padding))
    for (i, j), rows, columns in _each_window(x.shape, pool_size, strides, padding):
        y[:, i, j] = _inside(x, rows, columns).mean(axis=1)
    return y


def avg_pool2d_backward(dy, input_shape, pool_size=2, strides=None, padding="valid"):
    dy = np.asarray(dy, np.float64)
    dx = np.zeros(input_shape)
    for (i, j), rows, columns in _each_window(input_shape, pool_size, strides, padding):
        share = dy[:, i, j] / (len(rows) * len(columns))
        dx[:, rows.start : rows.stop, columns.start : columns.stop] += share[:, None, None]
    return dx
