"""The recurrence as a scan of JAX, which runs on any device and needs no Numba."""

import functools

import jax
import jax.numpy as jnp

__all__ = ["lstm", "obstacle", "output_errors", "output_loss"]


def obstacle():
    """Say why the kernel cannot run, or return None."""
    return None


def lstm(x, mask, kernel, recurrent, bias, h, c, return_sequences, x_drop, h_drop):
    """Run an LSTM over all time steps; see :func:`skanomaly.layers.kernels.lstm`."""
    inputs = jax.vmap(lambda step: _product(step, kernel, x_drop), in_axes=1)(x)
    inputs += jnp.repeat(bias, len(x) // len(bias), axis=0)
    exists = jnp.ones(x.shape[:2], bool) if mask is None else mask
    step = functools.partial(_step, recurrent, h_drop)
    (h, c), hs = jax.lax.scan(step, (h, c), (inputs, exists.T[:, :, None]))
    return (hs.transpose(1, 0, 2) if return_sequences else None), h, c


def _step(recurrent, h_drop, states, told):
    """Compute the states (batch, n) after one step, and the output that a scan collects."""
    h, c = states
    inputs, exists = told
    i, f, g, o = jnp.split(inputs + _product(h, recurrent, h_drop), 4, axis=-1)
    c_new = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    h_new = jax.nn.sigmoid(o) * jnp.tanh(c_new)
    h, c = jnp.where(exists, h_new, h), jnp.where(exists, c_new, c)
    return (h, c), h


def _product(values, weights, drop):
    """Multiply (batch, k), rows network after network, by weights (n_networks, k, 4 * n)."""
    if drop is not None:  # each gate reads values scaled by factors of its own
        gates = zip(jnp.split(drop, 4, axis=1), jnp.split(weights, 4, axis=2), strict=True)
        parts = [_product(values * factors, part, None) for factors, part in gates]
        return jnp.concatenate(parts, axis=1)
    by_network = values.reshape(len(weights), -1, values.shape[1])
    return (by_network @ weights).reshape(len(values), -1)


def output_errors(h, x, kernel, bias):
    """Compute outputs and errors; see :func:`skanomaly.layers.kernels.output_errors`."""
    said = h @ kernel + bias
    return said, jnp.nanmean(jnp.square(said - x), axis=2)


def output_loss(h, x, kernel, bias, counts):
    """Compute the mean squared error; see :func:`skanomaly.layers.kernels.output_loss`."""
    x, counts = jax.lax.stop_gradient((x, counts))
    return jnp.sum(counts[:, :, None] * jnp.square(h @ kernel + bias - x)) / x.size
