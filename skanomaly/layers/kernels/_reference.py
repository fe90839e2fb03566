"""The recurrence, the loss and their gradients as plain loops over float64, to test against."""

import numpy as np

__all__ = ["lstm", "lstm_gradients", "output_errors", "output_loss"]


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


def _by_gate(values, factors):
    """Scale values (k) by factors (4 * k) or None: what each gate reads, (4, k)."""
    return values * (np.ones((4, 1)) if factors is None else np.reshape(factors, (4, -1)))


def _product(read, weights):
    """Multiply what each gate reads (4, k) by its columns of the weights (k, 4 * n)."""
    by_gate = zip(read, np.split(weights, 4, axis=1), strict=True)
    return np.concatenate([one @ columns for one, columns in by_gate])


def _product_back(d_sums, weights, factors):
    """Give the gradient by the values (k) that each gate reads scaled."""
    by_gate = zip(np.split(d_sums, 4), np.split(weights, 4, axis=1), strict=True)
    d_read = np.array([columns @ d for d, columns in by_gate])
    return (d_read if factors is None else d_read * np.reshape(factors, (4, -1))).sum(axis=0)


def _outer(read, d_sums):
    """Give the gradient by the weights (k, 4 * n)."""
    by_gate = zip(read, np.split(d_sums, 4), strict=True)
    return np.concatenate([np.outer(one, d) for one, d in by_gate], axis=1)


def _of_row(factors, row):
    return None if factors is None else np.float64(factors[row])


def lstm(x, mask, kernel, recurrent, bias, h0, c0, x_drop=None, h_drop=None):
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
        of_x, of_h = _of_row(x_drop, row), _of_row(h_drop, row)
        for t in range(n_steps):
            hs[row, t + 1], cs[row, t + 1] = hs[row, t], cs[row, t]
            if _exists(mask, row, t):
                sums = _product(_by_gate(x[row, t], of_x), kernel[network]) + bias[network]
                sums += _product(_by_gate(hs[row, t], of_h), recurrent[network])
                gates[row, t], hs[row, t + 1], cs[row, t + 1] = _step(sums, cs[row, t])
    return hs, cs, gates


def lstm_gradients(
    x, mask, kernel, recurrent, bias, h0, c0, dhs, dh_last, dc_last, x_drop=None, h_drop=None
):
    """Compute the gradients of sum(hs * dhs) + sum(h * dh_last) + sum(c * dc_last).

    Returns
    -------
    dx, d_kernel, d_recurrent, d_bias, dh0, dc0 : ndarray of float64
        Gradients by the arguments of the same names, and their shapes.
    """
    hs, cs, gates = lstm(x, mask, kernel, recurrent, bias, h0, c0, x_drop, h_drop)
    x, kernel, recurrent = map(np.float64, (x, kernel, recurrent))
    dx, d_kernel, d_recurrent, d_bias = map(np.zeros_like, (x, kernel, recurrent, np.float64(bias)))
    dh0, dc0 = np.array(dh_last, float), np.array(dc_last, float)
    for row in range(len(x)):
        network = row * len(kernel) // len(x)
        of_x, of_h = _of_row(x_drop, row), _of_row(h_drop, row)
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
            d_kernel[network] += _outer(_by_gate(x[row, t], of_x), d_sums)
            d_recurrent[network] += _outer(_by_gate(hs[row, t], of_h), d_sums)
            d_bias[network] += d_sums
            dx[row, t] = _product_back(d_sums, kernel[network], of_x)
            dh0[row] = _product_back(d_sums, recurrent[network], of_h)
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


def output_errors(h, x, kernel, bias):
    """Compute outputs and their errors; arguments as for :mod:`skanomaly.layers.kernels`.

    Returns
    -------
    said, errors : ndarray of float64
        Of shapes (batch, time, n_outputs) and (batch, time).
    """
    h, x, kernel, bias = map(np.float64, (h, x, kernel, bias))
    said, errors = np.empty_like(x), np.full(x.shape[:2], np.nan)
    for row, t in np.ndindex(errors.shape):
        said[row, t] = h[row, t] @ kernel + bias
        known = ~np.isnan(x[row, t])
        if known.any():
            errors[row, t] = np.mean((said[row, t] - x[row, t])[known] ** 2)
    return said, errors
