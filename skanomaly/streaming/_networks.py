"""What a network says of the last step of windows, computed by NumPy or Numba without its backend.

A backend takes longer to start than a small network to compute. Here the layers are applied to
arrays, in the order in which :mod:`skanomaly.architectures` lays them, and only what the last step
of a window depends on. Rows of the members of an ensemble lie member after member, (n_members *
n_windows, ...), and weights have a leading axis of members, which a single network has too.
"""

import numpy as np

from skanomaly.windows import fill_gaps

__all__ = [
    "ENGINES",
    "ArrayNetwork",
    "KerasNetwork",
    "choose_engine",
    "forecast_layers",
    "latest_leads",
    "numpy_lstm",
]

ENGINES = ("auto", "numba", "numpy")

# As keras.layers.LayerNormalization has it, and the bound of logarithms of variances.
_EPSILON = np.float32(1e-3)
_LARGEST_LOG = np.float32(10.0)


def choose_engine(engine):
    """Return the engine that runs, "numba" or "numpy", and its LSTM.

    Parameters
    ----------
    engine : {"auto", "numba", "numpy"}
        What was asked for; "auto" is "numba" where that is installed.
    """
    if engine == "numpy":
        return "numpy", numpy_lstm
    from skanomaly.layers import kernels

    reason = kernels.array_obstacle()
    if reason is None:
        return "numba", kernels.lstm_of_arrays
    if engine == "numba":
        raise ValueError(
            f"engine must be 'auto' or 'numpy' where Numba cannot run; got 'numba', and {reason}"
        )
    return "numpy", numpy_lstm


def numpy_lstm(x, kernel, recurrent, bias, h, c, return_sequences):
    """Run an LSTM over all time steps; see :func:`skanomaly.layers.kernels.lstm_of_arrays`."""
    n = h.shape[1]
    hs = np.empty((*x.shape[:2], n), np.float32) if return_sequences else None
    # sigmoid(s) = tanh(s / 2) / 2 + 1 / 2, so that one call of tanh serves all four gates.
    scale = np.full(4 * n, 0.5, np.float32)
    scale[2 * n : 3 * n] = 1.0
    sums = _affine(x, kernel * scale, bias * scale)
    recurrent = recurrent * scale
    for t in range(x.shape[1]):
        gates = (h.reshape(len(recurrent), -1, n) @ recurrent).reshape(-1, 4 * n)
        gates = np.tanh(gates + sums[:, t]) * scale + (1 - scale)
        c = gates[:, n : 2 * n] * c + gates[:, :n] * gates[:, 2 * n : 3 * n]
        h = gates[:, 3 * n :] * np.tanh(c)
        if hs is not None:
            hs[:, t] = h
    return hs, h, c


class ArrayNetwork:
    """The network of a fitted LSTM detector, as layers that take arrays.

    Parameters
    ----------
    detector : BaseLSTMDetector
        Fitted; its Keras model is built once, to tell which weights are of which layer.
    lstm : callable
        As :func:`numpy_lstm`.

    Attributes
    ----------
    name : str
        The architecture.
    options : dict
        Its own options, as the detector names them.
    units : tuple of int
        Units of its layers.
    n_members : int
        Networks in it.
    """

    def __init__(self, detector, lstm):
        self.name, self.options = detector._architecture()
        if self.name not in _SPOKEN:
            raise ValueError(
                f"The network of a stream must be one of {', '.join(sorted(_SPOKEN))}; got "
                f"{self.name!r} of {type(detector).__name__}. Call score_samples with the last "
                "windows instead."
            )
        self._lstm = lstm
        units = detector.hidden_units
        self.units = tuple(units) if isinstance(units, (tuple, list)) else (int(units),)
        self.n_members = int(detector.n_estimators)
        self.n_features = detector.n_features_in_
        self.normalised = bool(detector.layer_normalization)
        self.indicator, self.causal = bool(detector._indicator), bool(detector._causal)
        self.n_draws = 0
        if getattr(detector, "score_by", None) == "reconstruction_probability":
            self.n_draws = int(detector.n_samples)
        members = (lambda w: w) if self.n_members > 1 else (lambda w: w[None])
        self._weights = {
            layer.name: [members(np.asarray(w, np.float32)) for w in layer.get_weights()]
            for layer in detector.model_.layers
        }

    def __call__(self, windows):
        """Say what the network says of the last step of windows.

        Parameters
        ----------
        windows : ndarray of float32, shape (n_windows, window_size, n_features)
            NaN where nothing was observed.

        Returns
        -------
        said : ndarray of float32, shape (n_windows, n_columns) or (n_windows, n_members, n_columns)
        """
        said = _SPOKEN[self.name](self, self.tile(self.read(windows)))
        return self.unfold(said)

    def read(self, windows):
        """Arrange what the network reads: gaps filled, and which values were observed."""
        x = fill_gaps(windows, self.causal)
        if not self.indicator:
            return x
        return np.concatenate([x, (~np.isnan(windows)).astype(np.float32)], axis=-1)

    def tile(self, x):
        """Repeat rows for each member."""
        return x if self.n_members == 1 else np.concatenate([x] * self.n_members)

    def unfold(self, said):
        """Give members an axis of their own: (n_members * n, ..., k) -> (n, ..., n_members, k)."""
        if self.n_members == 1:
            return said
        return np.moveaxis(said.reshape(self.n_members, -1, *said.shape[1:]), 0, -2)

    def state(self, name, n_rows):
        """Return the states h and c of an LSTM layer before the first step."""
        n = self._weights[name][1].shape[1]
        return np.zeros((n_rows, n), np.float32), np.zeros((n_rows, n), np.float32)

    def lstm(self, name, x, state=None, sequences=True):
        """Run a layer; return its outputs (rows, time, n) or last output, and its last states."""
        state = state or self.state(name, len(x))
        hs, *state = self._lstm(x, *self._weights[name], *state, sequences)
        return (hs if sequences else state[0]), tuple(state)

    def norm(self, name, x):
        """Normalise over the last axis, if the network does."""
        if not self.normalised:
            return x
        gamma, beta = self._weights[f"{name}_norm"]
        centred = x - x.mean(axis=-1, keepdims=True)
        x = centred / np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + _EPSILON)
        rows = x.reshape(self.n_members, -1, x.shape[-1])
        return (rows * gamma[:, None] + beta[:, None]).reshape(x.shape)

    def dense(self, name, x):
        """Apply a dense layer: (rows, ..., n) -> (rows, ..., m)."""
        return _affine(x, *self._weights[name])

    def bias(self, name, n_rows):
        """Return the only weight of a layer for each row: (n_rows, n)."""
        return np.repeat(self._weights[name][0], n_rows // self.n_members, axis=0)


class KerasNetwork:
    """The network of a fitted detector, computed by Keras: for networks that no array code knows.

    Parameters
    ----------
    detector : BaseNetworkDetector
        Fitted, with a window size.
    """

    def __init__(self, detector):
        self._detector = detector

    def __call__(self, windows):
        """Say what the network says of the last step of windows; see :class:`ArrayNetwork`."""
        return self._detector._say(windows)[:, -1]


def _affine(x, kernel, bias):
    """Multiply each member's rows by its own matrix: (rows, ..., n) -> (rows, ..., m)."""
    y = x.reshape(len(kernel), -1, kernel.shape[1]) @ kernel + bias[:, None]
    return y.reshape(*x.shape[:-1], kernel.shape[2])


# ------------------------------------------------------------------------------- architectures


def _encode(net, x, *, bidirectional=False, sequences=True):
    """Return outputs of the last layer of the encoder, of all steps or the last, and its states."""
    for i in range(len(net.units)):
        name, every = f"encoder_{i}", sequences or i < len(net.units) - 1
        y, state = net.lstm(name, x, sequences=every)
        if bidirectional:
            back, back_state = net.lstm(f"{name}_backward", x[:, ::-1], sequences=every)
            back = back[:, ::-1] if every else back
            y = np.concatenate([y, back], axis=-1)
            pairs = zip(state, back_state, strict=True)
            state = tuple(np.concatenate(pair, axis=-1) for pair in pairs)
        x = net.norm(name, y)
    return x, state


def _decode(net, code, state=None):
    """Return what the decoder says after the last step of its input: (rows, n_columns)."""
    last = len(net.units) - 1
    for i in range(last + 1):
        name = f"decoder_{i}"
        code, _ = net.lstm(name, code, state if i == 0 else None, sequences=i < last)
        code = net.norm(name, code)
    return net.dense("output", code)


def _repeat(code, n_steps):
    return np.repeat(code[:, None], n_steps, axis=1)


def _sequence_autoencoder(net, x):
    return _decode(net, *_encode(net, x))


def _bottleneck_autoencoder(net, x):
    both = net.options["bidirectional"]
    code, state = _encode(net, x, bidirectional=both, sequences=False)
    # Decoded in reverse order, the last step comes first.
    return _decode(net, _repeat(code, 1 if net.options["reverse_decoding"] else x.shape[1]), state)


def _variational_autoencoder(net, x):
    encoded, _ = _encode(net, x, bidirectional=net.options["bidirectional"], sequences=False)
    mean = net.dense("latent_mean", encoded)
    log_variance = _bounded(net.dense("latent_log_variance", encoded))
    terms = np.exp(log_variance) + np.square(mean) - 1 - log_variance
    share = 0.5 * terms.sum(axis=-1, keepdims=True) / (net.n_features * x.shape[1])
    rest = [_bounded(net.bias("log_variance", len(x))), share]
    if not net.n_draws:
        return np.concatenate([_decode(net, _repeat(mean, x.shape[1])), *rest], axis=-1)
    deviation = np.exp(log_variance / 2)
    latent = mean[:, None] + deviation[:, None] * _points(net.n_draws, mean.shape[1])
    latent = latent.reshape(-1, mean.shape[1])
    draws = _decode(net, _repeat(latent, x.shape[1])).reshape(len(x), net.n_draws, -1)
    return np.concatenate([draws.mean(axis=1), *rest, draws.var(axis=1)], axis=-1)


def _bounded(log_variance):
    return _LARGEST_LOG * np.tanh(log_variance / _LARGEST_LOG)


def _points(n_draws, latent_dim):
    """Draw the standard normal points of every window, as the architecture does."""
    points = np.random.RandomState(0).normal(size=(1, n_draws, latent_dim))
    return points.astype(np.float32)


def _forecaster(net, x):
    before = np.concatenate([np.zeros_like(x[:, :1]), x[:, :-1]], axis=1)
    said, _ = forecast_layers(net, before, [None] * len(net.units), net.options["horizon"])
    return latest_leads(said, net.options["horizon"])[:, -1]


def forecast_layers(net, x, states, n_last=None):
    """Run the layers of a forecaster over x (rows, time, n) from given states.

    Returns
    -------
    said : ndarray of shape (rows, n_last, horizon * n_features)
        Of the last steps; None is of all.
    states : list
        Of the layers after the last step.
    """
    after = []
    for i, state in enumerate(states):
        x, state = net.lstm(f"forecaster_{i}", x, state)
        x = net.norm(f"forecaster_{i}", x)
        after.append(state)
    return net.dense("output", x if n_last is None else x[:, -n_last:]), after


def latest_leads(said, horizon):
    """Put beside each other what was forecast of a step: (rows, time, horizon * n) kept.

    The first ``horizon - 1`` steps lack forecasts, and are left out.
    """
    n, n_steps = said.shape[-1] // horizon, said.shape[1] - horizon + 1
    leads = [
        said[:, horizon - 1 - lead : horizon - 1 - lead + n_steps, lead * n : (lead + 1) * n]
        for lead in range(horizon)
    ]
    return leads[0] if horizon == 1 else np.concatenate(leads, axis=-1)


_SPOKEN = {
    "sequence_autoencoder": _sequence_autoencoder,
    "bottleneck_autoencoder": _bottleneck_autoencoder,
    "variational_autoencoder": _variational_autoencoder,
    "forecaster": _forecaster,
}
