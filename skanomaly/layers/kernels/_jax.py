"""The kernel within JAX: traced, compiled and differentiated like any other function.

Where Keras divides batches among devices, each device runs the kernel on its own rows.
"""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from skanomaly._backend import load_keras
from skanomaly.layers.kernels._layout import layout, layout_of_backward, output_layout
from skanomaly.layers.kernels._pieces import (
    backward_piece,
    forward_piece,
    output_errors_piece,
    output_loss_piece,
)
from skanomaly.layers.kernels._xla import Handler

keras = load_keras()

__all__ = ["lstm", "obstacle", "output_errors", "output_loss"]

_FORWARD, _BACKWARD = "skanomaly_lstm_forward", "skanomaly_lstm_backward"
_OUTPUT_ERRORS, _OUTPUT_LOSS = "skanomaly_output_errors", "skanomaly_output_loss"
_HANDLERS = (
    (_FORWARD, forward_piece, 15),
    (_BACKWARD, backward_piece, 19),
    (_OUTPUT_ERRORS, output_errors_piece, 8),
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


def lstm(x, mask, kernel, recurrent, bias, h, c, return_sequences, x_drop, h_drop):
    """Run an LSTM over all time steps; see :func:`skanomaly.layers.kernels.lstm`."""
    if mask is None:
        mask = jnp.zeros((0, 0), bool)
    x_drop, h_drop = (jnp.zeros((0, 0)) if drop is None else drop for drop in (x_drop, h_drop))
    arguments = x, mask, kernel, recurrent, bias, h, c, x_drop, h_drop
    n_networks = len(kernel)
    run = functools.partial(_lstm, return_sequences)
    mesh = _mesh(len(x) // n_networks)
    if mesh is not None:
        run = _on_own_rows(run, *mesh, n_networks, arguments, return_sequences)
    hs, h, c = run(*arguments)
    return (hs if return_sequences else None), h, c


def _mesh(n_rows):
    """Return the mesh of devices that share so many rows and the name of its axis, or None."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return None
    mesh, axis = distribution.device_mesh.backend_mesh, distribution.batch_dim_name
    # Rows that do not divide stay together: Keras makes some up to learn the shapes of outputs.
    return None if n_rows % mesh.shape[axis] else (mesh, axis)


def _on_own_rows(run, mesh, axis, n_networks, arguments, return_sequences):
    """Make each device run an LSTM on its rows of every network; rows lie network after network."""
    rows, all_of_it = PartitionSpec(None, axis), PartitionSpec()
    weights = (2, 3, 4)  # places of kernel, recurrent and bias; what is absent has no elements
    given = tuple(
        all_of_it if i in weights or not argument.size else rows
        for i, argument in enumerate(arguments)
    )
    said = (rows if return_sequences else all_of_it, rows, rows)

    def fold(array, spec):
        return array.reshape(-1, *array.shape[2:]) if spec is rows else array

    def unfold(array, spec):
        return array.reshape(n_networks, -1, *array.shape[1:]) if spec is rows else array

    def of_device(*arguments):
        results = run(*map(fold, arguments, given))
        return tuple(map(unfold, results, said))

    divided = _divide(of_device, mesh, given, said)
    return lambda *arguments: map(fold, divided(*map(unfold, arguments, given)), said)


def _divide(function, mesh, given, said):
    """Run a function on the share of each device; outputs are not checked to be the same."""
    return jax.shard_map(function, mesh=mesh, in_specs=given, out_specs=said, check_vma=False)


def _floats(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


_NOTHING = (0, 0, 0)


def _call(name, results):
    return jax.ffi.ffi_call(name, results, vmap_method="sequential")


def _forward(x, mask, kernel, recurrent, bias, h, c, x_drop, h_drop, *, train, return_sequences):
    batch, n_steps, n_inputs = x.shape
    n_networks, n, _ = recurrent.shape
    dropped = bool(x_drop.size or h_drop.size)
    gates, cs, scratch = layout(batch, n_steps, n_inputs, n, n_networks, train, dropped)
    results = (
        _floats(*gates),
        _floats(*((batch, n_steps, n) if train or return_sequences else _NOTHING)),
        _floats(*cs),
        _floats(batch, n),
        _floats(batch, n),
        _floats(*scratch),
    )
    return _call(_FORWARD, results)(x, mask, kernel, recurrent, bias, h, c, x_drop, h_drop)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _lstm(return_sequences, *arguments):
    _, hs, _, h, c, _ = _forward(*arguments, train=False, return_sequences=return_sequences)
    return hs, h, c


def _remember(return_sequences, *arguments):
    values = [argument.value for argument in arguments]
    gates, hs, cs, h, c, _ = _forward(*values, train=True, return_sequences=True)
    said = hs if return_sequences else jnp.zeros(_NOTHING, jnp.float32)
    x, mask, kernel, recurrent, _, h0, c0, *drops = values
    # What says whether x needs a gradient must be a structure, not a value.
    needed = () if arguments[0].perturbed else None
    return (said, h, c), (needed, (x, mask, kernel, recurrent, h0, c0, *drops, gates, hs, cs))


def _differentiate(return_sequences, remembered, gradients):
    needed, (x, mask, kernel, recurrent, h0, c0, x_drop, h_drop, *written) = remembered
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
    dropped = bool(x_drop.size or h_drop.size)
    scratch = layout_of_backward(*x.shape, n, n_networks, dropped)
    results = (
        _floats(*(x.shape if needed is not None else _NOTHING)),
        states,
        states,
        _floats(scratch[0], n_inputs + n + 1, width),
        _floats(*scratch),
    )
    dx, dh0, dc0, added, _ = _call(_BACKWARD, results)(
        x, mask, kernel, recurrent, h0, c0, x_drop, h_drop, *written, dhs, dh, dc
    )
    added = _sum_of_pieces(added.reshape(n_networks, -1, n_inputs + n + 1, width), 1)
    d_kernel, d_recurrent, d_bias = jnp.split(added, (n_inputs, n_inputs + n), axis=1)
    return (
        dx if needed is not None else None,
        None,
        d_kernel,
        d_recurrent,
        d_bias[:, 0],
        dh0,
        dc0,
        None,
        None,
    )


def _sum_of_pieces(added, axis):
    """Sum over an axis: half and half added, until one is left.

    XLA's own sum of a few large arrays takes 10 to 30 times as long (JAX 0.10).
    """
    parts = jnp.moveaxis(added, axis, 0)
    while len(parts) > 1:
        half = len(parts) // 2
        rest = parts[2 * half :]
        parts = parts[:half] + parts[half : 2 * half]
        parts = jnp.concatenate([parts, rest]) if len(rest) else parts
    return parts[0]


_lstm.defvjp(_remember, _differentiate, symbolic_zeros=True)


def output_errors(h, x, kernel, bias):
    """Compute outputs and their errors; see :func:`skanomaly.layers.kernels.output_errors`."""
    n_pieces, _ = output_layout(*x.shape[::2])
    per_step = _floats(*x.shape[:2])
    # The last result holds nothing: its size says how many pieces there are.
    results = _floats(*x.shape), per_step, per_step, _floats(n_pieces, 1)
    call = _call(_OUTPUT_ERRORS, results)
    said, totals, counts, _ = call(h, x, _long_rows(kernel)[None], bias[None])
    # Divided here, as JAX would wait for what has hardly any operations but those of kernels.
    return said, totals / counts


def _long_rows(kernel):
    """Lay out the weights of an output layer so that its inner loops are long."""
    return kernel if kernel.shape[1] >= kernel.shape[0] else kernel.T


def output_loss(h, x, kernel, bias, counts):
    """Compare outputs with x; see :func:`skanomaly.layers.kernels.output_loss`."""
    mesh = _mesh(len(x))
    if mesh is None:
        return _output_loss(h, x, kernel, bias, counts)
    rows, all_of_it = PartitionSpec(mesh[1]), PartitionSpec()
    losses = _divide(
        lambda *arguments: _output_loss(*arguments)[None],
        mesh[0],
        (rows, rows, all_of_it, all_of_it, rows),
        rows,
    )
    return losses(h, x, kernel, bias, counts).mean()  # shares are of one size


@jax.custom_vjp
def _output_loss(h, x, kernel, bias, counts):
    losses = _compare(h, x, kernel, bias, counts, train=False)[1]
    return losses.sum() / x.size


def _compare(h, x, kernel, bias, counts, *, train):
    """Return dh, losses, and the gradients by bias and kernel, of a loss not yet divided."""
    weights = _long_rows(kernel)
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
    d_bias, d_weights = _sum_of_pieces(d_bias, 0), _sum_of_pieces(d_weights, 0)
    wide = kernel.shape[1] >= kernel.shape[0]
    return dh, losses, d_bias, d_weights if wide else d_weights.T


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
