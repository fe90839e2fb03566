"""The kernel within JAX: traced, compiled and differentiated like any other function."""

import functools

import jax
import jax.numpy as jnp

from skanomaly.layers.kernels._layout import layout, output_layout
from skanomaly.layers.kernels._numba import backward_piece, forward_piece, output_loss_piece
from skanomaly.layers.kernels._xla import Handler

__all__ = ["lstm", "obstacle", "output_loss"]

_FORWARD, _BACKWARD = "skanomaly_lstm_forward", "skanomaly_lstm_backward"
_OUTPUT_LOSS = "skanomaly_output_loss"
_HANDLERS = (
    (_FORWARD, forward_piece, 13),
    (_BACKWARD, backward_piece, 17),
    (_OUTPUT_LOSS, output_loss_piece, 10),
)


def obstacle():
    """Register the kernel with XLA, once; say why that is impossible, or return None."""
    if jax.default_backend() != "cpu":
        return f"JAX must run on a CPU; it runs on {jax.default_backend()!r}"
    for name, piece, n_arrays in _HANDLERS:
        handler = Handler(piece, n_arrays)
        jax.ffi.register_ffi_target(name, handler.capsule(), platform="cpu", api_version=1)
        if reason := handler.unfit():
            return reason
    return None


def lstm(x, mask, kernel, recurrent, bias, h, c, return_sequences):
    """Run an LSTM over all time steps; see :func:`skanomaly.layers.kernels.lstm`."""
    if mask is None:
        mask = jnp.zeros((0, 0), bool)
    hs, h, c = _lstm(return_sequences, x, mask, kernel, recurrent, bias, h, c)
    return (hs if return_sequences else None), h, c


def _floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


_NOTHING = (0, 0, 0)


def _call(name, results):
    return jax.ffi.ffi_call(name, results, vmap_method="sequential")


def _forward(x, mask, kernel, recurrent, bias, h, c, *, train, return_sequences):
    batch, n_steps, _ = x.shape
    n_networks, n, _ = recurrent.shape
    gates, cs, scratch = layout(batch, n_steps, n, n_networks, train)
    results = (
        _floats(*gates),
        _floats(*((batch, n_steps, n) if train or return_sequences else _NOTHING)),
        _floats(*cs),
        _floats(batch, n),
        _floats(batch, n),
        _floats(*scratch),
    )
    return _call(_FORWARD, results)(x, mask, kernel, recurrent, bias, h, c)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _lstm(return_sequences, *arguments):
    _, hs, _, h, c, _ = _forward(*arguments, train=False, return_sequences=return_sequences)
    return hs, h, c


def _remember(return_sequences, *arguments):
    values = [argument.value for argument in arguments]
    gates, hs, cs, h, c, _ = _forward(*values, train=True, return_sequences=True)
    said = hs if return_sequences else jnp.zeros(_NOTHING, jnp.float32)
    x, mask, kernel, recurrent, _, h0, c0 = values
    # What says whether x needs a gradient must be a structure, not a value.
    needed = () if arguments[0].perturbed else None
    return (said, h, c), (needed, (x, mask, kernel, recurrent, h0, c0, gates, hs, cs))


def _differentiate(return_sequences, remembered, gradients):
    needed, (x, mask, kernel, recurrent, h0, c0, *written) = remembered
    dhs, dh, dc = gradients
    if isinstance(dhs, jax.custom_derivatives.SymbolicZero):
        dhs = jnp.zeros(_NOTHING, jnp.float32)
    dh, dc = (
        jnp.zeros(d.shape, d.dtype) if isinstance(d, jax.custom_derivatives.SymbolicZero) else d
        for d in (dh, dc)
    )
    n_networks, n_inputs, width = kernel.shape
    n = width // 4
    states = _floats(*h0.shape)
    *_, scratch = layout(*x.shape[:2], n, n_networks, True)
    results = (
        _floats(*(x.shape if needed is not None else _NOTHING)),
        states,
        states,
        _floats(scratch[0], n_inputs + n + 1, width),
        _floats(*scratch),
    )
    dx, dh0, dc0, added, _ = _call(_BACKWARD, results)(
        x, mask, kernel, recurrent, h0, c0, *written, dhs, dh, dc
    )
    added = added.reshape(n_networks, -1, n_inputs + n + 1, width).sum(axis=1)
    d_kernel, d_recurrent, d_bias = jnp.split(added, (n_inputs, n_inputs + n), axis=1)
    return (
        dx if needed is not None else None,
        None,
        d_kernel,
        d_recurrent,
        d_bias[:, 0],
        dh0,
        dc0,
    )


_lstm.defvjp(_remember, _differentiate, symbolic_zeros=True)


def output_loss(h, x, kernel, bias, counts):
    """Compare outputs with x; see :func:`skanomaly.layers.kernels.output_loss`."""
    return _output_loss(h, x, kernel, bias, counts)


@jax.custom_vjp
def _output_loss(h, x, kernel, bias, counts):
    losses = _compare(h, x, kernel, bias, counts, train=False)[1]
    return losses.sum() / x.size


def _compare(h, x, kernel, bias, counts, *, train):
    """Return dh, losses, and the gradients by bias and kernel, of a loss not yet divided."""
    wide = x.shape[2] >= h.shape[2]
    weights = kernel if wide else kernel.T
    n_pieces, size = output_layout(*x.shape[::2])
    results = (
        _floats(*(h.shape if train else _NOTHING)),
        _floats(n_pieces, 1),
        _floats(n_pieces, x.shape[2]),
        _floats(n_pieces, *weights.shape),
        _floats(n_pieces, size),
    )
    dh, losses, d_bias, d_weights, _ = _call(_OUTPUT_LOSS, results)(
        h, x, weights[None], bias[None], counts
    )
    d_weights = d_weights.sum(axis=0)
    return dh, losses, d_bias.sum(axis=0), d_weights if wide else d_weights.T


def _compare_and_keep(*arguments):
    dh, losses, d_bias, d_kernel = _compare(*arguments, train=True)
    scale = 1 / arguments[1].size
    return losses.sum() * scale, (scale, dh, d_kernel, d_bias)


def _scale_gradients(kept, gradient):
    scale, dh, d_kernel, d_bias = kept
    scale *= gradient
    # x and counts are data, by which nobody differentiates.
    return scale * dh, None, scale * d_kernel, scale * d_bias, None


_output_loss.defvjp(_compare_and_keep, _scale_gradients)
