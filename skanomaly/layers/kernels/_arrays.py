"""The kernel on NumPy arrays, for what scores without a backend."""

import functools

import numpy as np

from skanomaly.layers.kernels._layout import layout
from skanomaly.layers.kernels._numba import forward

__all__ = ["lstm"]

_NO_MASK = np.zeros((0, 0), dtype=bool)
_NO_DROP = np.zeros((0, 0), dtype=np.float32)
_NOTHING = np.zeros((0, 0, 0), dtype=np.float32)
# A call for one step would take a third of its time to find the same shapes again.
_layout = functools.lru_cache(maxsize=64)(layout)


def lstm(x, kernel, recurrent, bias, h, c, return_sequences):
    """Run an LSTM over all time steps; see :func:`skanomaly.layers.kernels.lstm_of_arrays`."""
    _check(x, kernel, recurrent, bias, h, c)
    batch, n_steps, n_inputs = x.shape
    n_networks, n, _ = recurrent.shape
    arrays = [np.ascontiguousarray(one) for one in (x, kernel, recurrent, bias, h, c)]
    shapes = _layout(batch, n_steps, n_inputs, n, n_networks, False)
    gates, cs, scratch = (np.empty(shape, np.float32) for shape in shapes)
    hs = np.empty((batch, n_steps, n), np.float32) if return_sequences else _NOTHING
    h_last, c_last = np.empty((batch, n), np.float32), np.empty((batch, n), np.float32)
    for piece in range(len(gates)):
        forward(
            arrays[0], _NO_MASK, *arrays[1:], _NO_DROP, _NO_DROP,
            gates, hs, cs, h_last, c_last, scratch, piece,
        )  # fmt: skip
    return (hs if return_sequences else None), h_last, c_last


def _check(x, kernel, recurrent, bias, h, c):
    """Refuse what the loops would read wrongly; without Keras, for that takes as long as they."""
    if x.ndim != 3 or recurrent.ndim != 3 or 0 in x.shape[:2] or len(x) % len(recurrent):
        raise ValueError(
            "x must be (batch, time, n_inputs), the batch a multiple of the number of networks, "
            f"and recurrent (n_networks, n, 4 * n); they are {x.shape} and {recurrent.shape}."
        )
    batch, n_networks, n = len(x), len(recurrent), recurrent.shape[1]
    expected = {
        "x": (x, x.shape),
        "kernel": (kernel, (n_networks, x.shape[2], 4 * n)),
        "recurrent": (recurrent, (n_networks, n, 4 * n)),
        "bias": (bias, (n_networks, 4 * n)),
        "h": (h, (batch, n)),
        "c": (c, (batch, n)),
    }
    for name, (array, shape) in expected.items():
        if array.shape != shape or array.dtype != np.float32:
            raise ValueError(
                f"{name} must be of shape {shape} and dtype float32; it is of shape {array.shape} "
                f"and dtype {array.dtype}."
            )
