"""Keras and torch as the comparisons need them."""

import functools

import pytest


@pytest.fixture(autouse=True)
def _contiguous_kernels(monkeypatch):
    """torch's own kernels refuse the gradient of a permuted view, which is what Keras hands them."""
    try:
        import torch
    except ImportError:
        return

    def contiguous(function):
        @functools.wraps(function)
        def call(inputs, weight, *args, **kwargs):
            return function(inputs.contiguous(), weight.contiguous(), *args, **kwargs)

        return call

    room = torch.nn.functional
    for name in ("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d"):
        monkeypatch.setattr(room, name, contiguous(getattr(room, name)))
