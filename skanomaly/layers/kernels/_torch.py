"""The kernel within PyTorch: an autograd function on the memory of the tensors.

It runs in the calling thread. PyTorch's own threads wait in a loop when other work has the cores,
and detectors keep them off for that reason.
"""

import torch

from skanomaly.layers.kernels._layout import layout, layout_of_backward
from skanomaly.layers.kernels._numba import backward, forward

__all__ = ["lstm", "obstacle"]


def obstacle():
    """Say why the kernel cannot run, or return None."""
    if torch.accelerator.is_available():
        return f"PyTorch must run on a CPU; it has {torch.accelerator.current_accelerator()}"
    return None


def lstm(x, mask, kernel, recurrent, bias, h, c, return_sequences, x_drop, h_drop):
    """Run an LSTM over all time steps; see :func:`skanomaly.layers.kernels.lstm`."""
    if mask is None:
        mask = torch.zeros((0, 0), dtype=torch.bool)
    x_drop, h_drop = (
        x.new_zeros((0, 0)) if drop is None else drop.detach() for drop in (x_drop, h_drop)
    )
    inputs = (x, kernel, recurrent, bias, h, c)
    train = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    arguments = x, mask, kernel, recurrent, bias, h, c, x_drop, h_drop
    hs, h, c = _LSTM.apply(*arguments, train, train or return_sequences)
    return (hs if return_sequences else None), h, c


def _arrays(*tensors):
    """See tensors as NumPy arrays on the same memory."""
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, mask, kernel, recurrent, bias, h0, c0, x_drop, h_drop, train, keep_states):
        batch, n_steps, n_inputs = x.shape
        n_networks, n, _ = recurrent.shape
        dropped = bool(x_drop.numel() or h_drop.numel())
        shapes = layout(batch, n_steps, n_inputs, n, n_networks, train, dropped)
        gates, cs, scratch = (x.new_empty(shape) for shape in shapes)
        hs = x.new_empty((batch, n_steps, n) if keep_states else (0, 0, 0))
        h, c = x.new_empty((batch, n)), x.new_empty((batch, n))
        if x.device.type == "cpu":  # Keras asks for shapes with tensors that have no memory
            read = _arrays(x, mask, kernel, recurrent, bias, h0, c0, x_drop, h_drop)
            written = _arrays(gates, hs, cs, h, c, scratch)
            for piece in range(len(scratch)):
                forward(*read, *written, piece)
        if train:
            ctx.save_for_backward(x, mask, kernel, recurrent, h0, c0, x_drop, h_drop)
            ctx.written = gates, hs.detach(), cs
        ctx.set_materialize_grads(False)
        return hs, h, c

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, dhs, dh, dc):
        x, mask, kernel, recurrent, h0, c0, x_drop, h_drop = ctx.saved_tensors
        n_networks, n_inputs, width = kernel.shape
        n = width // 4
        dropped = bool(x_drop.numel() or h_drop.numel())
        scratch = layout_of_backward(*x.shape, n, n_networks, dropped)
        scratch = x.new_empty(scratch)
        dhs = x.new_empty((0, 0, 0)) if dhs is None else dhs
        dh, dc = (torch.zeros_like(h0) if d is None else d for d in (dh, dc))
        dx = torch.empty_like(x) if ctx.needs_input_grad[0] else x.new_empty((0, 0, 0))
        dh0, dc0 = torch.empty_like(h0), torch.empty_like(c0)
        added = x.new_empty((len(scratch), n_inputs + n + 1, width))
        read = _arrays(*ctx.saved_tensors, *ctx.written, dhs, dh, dc)
        written = _arrays(dx, dh0, dc0, added, scratch)
        for piece in range(len(scratch)):
            backward(*read, *written, piece)
        added = added.reshape(n_networks, -1, n_inputs + n + 1, width).sum(dim=1)
        d_kernel, d_recurrent, d_bias = added.split((n_inputs, n, 1), dim=1)
        dx = dx if ctx.needs_input_grad[0] else None
        return dx, None, d_kernel, d_recurrent, d_bias[:, 0], dh0, dc0, None, None, None, None
