"""The recurrence, the loss and their gradients as plain loops over float64, to test against."""

import numpy as np

__all__ = ["lstm", "lstm_gradients", "output_loss"]


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _step(sums, c):
    """Compute the gates, side by side (4 * n), and the states h and c (n) after one step."""
    i, f, g, o = np.split(sums, 4)
    i, f, g, o = _sigmoid(i), _sigmoid(f), np.tanh(g), _sigmoid(o)
    c = f * c + i * g
    return np.concatenate([i, f, g, o]), o * np.tanh(c), c


def _exists(mask, row, t):
    return mask is None or mask[row, t]


def lstm(x, mask, kernel, recurrent, bias, h0, c0):
    """Run over all time steps; arguments as for :func:`skanomaly.layers.kernels.lstm`.

    Returns
    -------
    hs, cs : ndarray of float64, shape (batch, time + 1, n)
        States before the first step and after each.
    gates : ndarray of float64, shape (batch, time, 4 * n)
        Activated gates; zero at steps that do not exist.
    """
    x, kernel, recurrent, bias = map(np.float64, (x, kernel, recurrent, bias))
    batch, n_steps, _ = x.shape
    n = recurrent.shape[1]
    hs, cs = np.zeros((2, batch, n_steps + 1, n))
    gates = np.zeros((batch, n_steps, 4 * n))
    hs[:, 0], cs[:, 0] = h0, c0
    for row in range(batch):
        network = row * len(kernel) // batch
        for t in range(n_steps):
            hs[row, t + 1], cs[row, t + 1] = hs[row, t], cs[row, t]
            if _exists(mask, row, t):
                sums = x[row, t] @ kernel[network] + hs[row, t] @ recurrent[network] + bias[network]
                gates[row, t], hs[row, t + 1], cs[row, t + 1] = _step(sums, cs[row, t])
    return hs, cs, gates


def lstm_gradients(x, mask, kernel, recurrent, bias, h0, c0, dhs, dh_last, dc_last):
    """Compute the gradients of sum(hs * dhs) + sum(h * dh_last) + sum(c * dc_last).

    Returns
    -------
    dx, d_kernel, d_recurrent, d_bias, dh0, dc0 : ndarray of float64
        Gradients by the arguments of the same names, and their shapes.
    """
    hs, cs, gates = lstm(x, mask, kernel, recurrent, bias, h0, c0)
    x, kernel, recurrent = map(np.float64, (x, kernel, recurrent))
    dx, d_kernel, d_recurrent, d_bias = map(np.zeros_like, (x, kernel, recurrent, np.float64(bias)))
    dh0, dc0 = np.array(dh_last, float), np.array(dc_last, float)
    for row in range(len(x)):
        network = row * len(kernel) // len(x)
        for t in reversed(range(x.shape[1])):
            dh0[row] += dhs[row, t]
            if not _exists(mask, row, t):
                continue
            i, f, g, o = np.split(gates[row, t], 4)
            tanh_c = np.tanh(cs[row, t + 1])
            dc = dc0[row] + dh0[row] * o * (1 - tanh_c**2)
            d_sums = np.concatenate(
                [
                    dc * g * i * (1 - i),
                    dc * cs[row, t] * f * (1 - f),
                    dc * i * (1 - g**2),
                    dh0[row] * tanh_c * o * (1 - o),
                ]
            )
            d_kernel[network] += np.outer(x[row, t], d_sums)
            d_recurrent[network] += np.outer(hs[row, t], d_sums)
            d_bias[network] += d_sums
            dx[row, t], dh0[row] = kernel[network] @ d_sums, recurrent[network] @ d_sums
            dc0[row] = dc * f
    return dx, d_kernel, d_recurrent, d_bias, dh0, dc0


def output_loss(h, x, kernel, bias, counts):
    """Compute the loss and its gradients; arguments as for :mod:`skanomaly.layers.kernels`.

    Returns
    -------
    loss : float
    dh, d_kernel, d_bias : ndarray of float64
        Gradients by the arguments of the same names, and their shapes.
    """
    h, x, kernel, bias, counts = map(np.float64, (h, x, kernel, bias, counts))
    loss = 0.0
    dh, d_kernel, d_bias = np.zeros_like(h), np.zeros_like(kernel), np.zeros_like(bias)
    for row, t in np.ndindex(counts.shape):
        error = h[row, t] @ kernel + bias - x[row, t]
        loss += counts[row, t] * error @ error / x.size
        d_said = 2 * counts[row, t] * error / x.size
        dh[row, t] = kernel @ d_said
        d_kernel += np.outer(h[row, t], d_said)
        d_bias += d_said
    return loss, dh, d_kernel, d_bias
