"""Architectures: what reads and writes what, as functions on Keras tensors.

An architecture is a function ``(x, mask, n_outputs, **options) -> y``, x of shape (batch,
window_size, n_inputs), y of (batch, window_size, n_outputs) or with more columns, which its
objective knows. `mask` (batch, window_size) is True where a step exists; it is None when every
window is full, which spares the slower masked recurrence. The members of an ensemble lie one after
the other along the batch axis, so that an architecture sees n_members times as many windows and
needs to know of members only to make layers.
"""

import numpy as np

from skanomaly._backend import load_keras
from skanomaly.layers import (
    LSTM,
    EnsembleDense,
    EnsembleLayerNormalization,
    EnsembleLSTM,
    LogVariance,
    OverDraws,
    bounded,
)

keras = load_keras()

__all__ = [
    "bottleneck_autoencoder",
    "forecaster",
    "sequence_autoencoder",
    "variational_autoencoder",
]


def sequence_autoencoder(x, mask, n_outputs, *, hidden_units, **layers):
    """Model 1: the decoder reads the encoder's output at every step and starts from its state."""
    encoded, state = _encode(x, mask, hidden_units, **layers)
    return _decode(encoded, state, mask, n_outputs, hidden_units, **layers)


def bottleneck_autoencoder(
    x, mask, n_outputs, *, hidden_units, reverse_decoding, bidirectional=False, **layers
):
    """Model 2: the decoder sees the encoder's last output, repeated, and starts from its state."""
    encoded, state = _encode(
        x, mask, hidden_units, bidirectional=bidirectional, return_sequences=False, **layers
    )
    if bidirectional:
        hidden_units = tuple(2 * units for units in hidden_units)
    if x.shape[1] is None:  # whole series, of any length
        code = keras.ops.expand_dims(encoded, 1) * keras.ops.ones_like(x[:, :, :1])
    else:
        code = keras.layers.RepeatVector(x.shape[1], name="repeat", dtype="float32")(encoded)
    if reverse_decoding and mask is not None:
        mask = keras.ops.flip(mask, axis=1)  # padding then comes first and leaves the state alone
    return _decode(
        code, state, mask, n_outputs, hidden_units, reverse_decoding=reverse_decoding, **layers
    )


def forecaster(
    x,
    mask,
    n_outputs,
    *,
    hidden_units,
    dropout,
    recurrent_dropout,
    horizon,
    layer_normalization=False,
    n_members=1,
):
    """Forecast each step from those before it: (batch, time, horizon * n_outputs).

    At step t stand side by side the forecasts of step t from the steps before t, before t - 1 and
    so on, NaN where the window has none. `mask` is not needed: padding comes after all that is
    read.
    """
    said = _later(x, 1, 0.0)
    for i, units in enumerate(hidden_units):
        layer = _lstm(f"forecaster_{i}", units, dropout, recurrent_dropout, n_members=n_members)
        said = layer(said)
        if layer_normalization:
            said = _normalization(f"forecaster_{i}_norm", n_members)(said)
    said = _dense("output", horizon * n_outputs, n_members)(said)
    if horizon == 1:
        return said
    by_lead = [
        _later(said[:, :, lead * n_outputs : (lead + 1) * n_outputs], lead, np.nan)
        for lead in range(horizon)
    ]
    return keras.ops.concatenate(by_lead, axis=-1)


def _later(x, n_steps, fill):
    """Move (batch, time, n) by some steps, with `fill` before them: shape kept."""
    if not n_steps:
        return x
    head = keras.ops.full_like(x[:, :n_steps], fill)
    return keras.ops.concatenate([head, x[:, :-n_steps]], axis=1)


def variational_autoencoder(
    x,
    mask,
    n_outputs,
    *,
    hidden_units,
    latent_dim,
    n_samples,
    bidirectional=False,
    n_members=1,
    **layers,
):
    """Gaussian latent between encoder and decoder: (batch, time, 2 * n_outputs + 1).

    Side by side stand the mean of each value, the logarithm of its variance, which is one per
    feature, and the divergence of the latent, spread evenly over the values of the window. With
    `n_samples` the mean is over so many draws of the latent, and the variance over them comes
    last: (batch, time, 3 * n_outputs + 1).
    """
    ops = keras.ops
    layers = layers | {"n_members": n_members}
    encoded, _ = _encode(
        x, mask, hidden_units, bidirectional=bidirectional, return_sequences=False, **layers
    )
    mean, log_variance = (
        _dense(name, latent_dim, n_members)(encoded)
        for name in ("latent_mean", "latent_log_variance")
    )
    log_variance = bounded(log_variance)
    deviation, steps = ops.exp(log_variance / 2), ops.ones_like(x[:, :, :1])
    if n_samples:
        latent = ops.expand_dims(mean, 1) + ops.expand_dims(deviation, 1) * _points(
            n_samples, latent_dim
        )
        latent = ops.reshape(latent, (-1, latent_dim))
        decoder_steps = ops.repeat(steps, n_samples, axis=0)
    else:  # noise in training alone
        noise = keras.layers.GaussianNoise(1.0, seed=0, dtype="float32", name="sampling")
        latent, decoder_steps = mean + deviation * noise(ops.zeros_like(mean)), steps
    code = ops.expand_dims(latent, 1) * decoder_steps
    # No mask: padding comes last, after all that the decoder says of the window.
    said = _decode(code, None, None, n_outputs, hidden_units, **layers)
    rest = [
        LogVariance(n_outputs, n_members, dtype="float32", name="log_variance")(steps),
        _share_of_values(_divergence(mean, log_variance), steps, mask, n_outputs),
    ]
    if n_samples:
        over_draws = OverDraws(n_samples, dtype="float32", name="over_draws")(said)
        said = over_draws[:, :, :n_outputs]
        rest.append(over_draws[:, :, n_outputs:])
    return ops.concatenate([said, *rest], axis=-1)


def _points(n_samples, latent_dim):
    """Draw standard normal points, the same ones whoever asks: (1, n_samples, latent_dim)."""
    points = np.random.RandomState(0).normal(size=(1, n_samples, latent_dim))
    return points.astype(np.float32)


def _divergence(mean, log_variance):
    """Kullback-Leibler divergence from the standard normal: (batch, latent_dim) -> (batch,)."""
    terms = keras.ops.exp(log_variance) + keras.ops.square(mean) - 1.0 - log_variance
    return 0.5 * keras.ops.sum(terms, axis=-1)


def _share_of_values(total, steps, mask, n_features):
    """Spread (batch,) over the values of the steps that exist: (batch, time, 1)."""
    exists = steps if mask is None else keras.ops.cast(keras.ops.expand_dims(mask, -1), "float32")
    n_steps = keras.ops.maximum(keras.ops.sum(exists, axis=1, keepdims=True), 1.0)
    return keras.ops.reshape(total, (-1, 1, 1)) / (n_features * n_steps) * steps


def _encode(
    sequence,
    mask,
    hidden_units,
    *,
    bidirectional=False,
    return_sequences=True,
    layer_normalization=False,
    n_members=1,
    **dropouts,
):
    """Stack LSTM layers; return the output of the last, and its states h and c.

    Those of both directions stand side by side: (batch, 2 * units).
    """
    for i, units in enumerate(hidden_units):
        options = dropouts | {
            "n_members": n_members,
            "return_state": True,
            "return_sequences": return_sequences or i < len(hidden_units) - 1,
        }
        encoded, *state = _lstm(f"encoder_{i}", units, **options)(sequence, mask=mask)
        if bidirectional:
            # Flipped, padding comes first and leaves the state alone.
            back, *back_state = _lstm(f"encoder_{i}_backward", units, **options)(
                keras.ops.flip(sequence, axis=1),
                mask=None if mask is None else keras.ops.flip(mask, axis=1),
            )
            if options["return_sequences"]:
                back = keras.ops.flip(back, axis=1)
            encoded = keras.ops.concatenate([encoded, back], axis=-1)
            state = [
                keras.ops.concatenate(pair, axis=-1) for pair in zip(state, back_state, strict=True)
            ]
        sequence = encoded
        if layer_normalization:
            sequence = _normalization(f"encoder_{i}_norm", n_members)(sequence)
    return sequence, state


def _decode(
    sequence,
    state,
    mask,
    n_features,
    hidden_units,
    dropout,
    recurrent_dropout,
    *,
    layer_normalization=False,
    reverse_decoding=False,
    n_members=1,
):
    """Mirror of the encoder: (batch, time, units) -> (batch, time, n_features)."""
    for i, units in enumerate(reversed(hidden_units)):
        layer = _lstm(f"decoder_{i}", units, dropout, recurrent_dropout, n_members=n_members)
        sequence = layer(sequence, mask=mask, initial_state=state if i == 0 else None)
        if layer_normalization:
            sequence = _normalization(f"decoder_{i}_norm", n_members)(sequence)
    if reverse_decoding:
        sequence = keras.ops.flip(sequence, axis=1)
    return _dense("output", n_features, n_members)(sequence)


# Zeros and a fixed seed: weights and seeds are set later, and drawing them here would use the
# global random state of the user.


def _lstm(
    name,
    units,
    dropout,
    recurrent_dropout,
    *,
    n_members=1,
    return_state=False,
    return_sequences=True,
):
    options = {
        "dropout": dropout,
        "recurrent_dropout": recurrent_dropout,
        "return_sequences": return_sequences,
        "return_state": return_state,
        "dtype": "float32",
        "name": name,
    }
    if n_members > 1:
        return EnsembleLSTM(n_members, units, **options)
    return LSTM(
        units,
        kernel_initializer="zeros",
        recurrent_initializer="zeros",
        unit_forget_bias=False,
        bias_initializer="zeros",
        seed=0,
        **options,
    )


def _dense(name, units, n_members=1):
    if n_members > 1:
        return EnsembleDense(n_members, units, dtype="float32", name=name)
    return keras.layers.Dense(units, kernel_initializer="zeros", dtype="float32", name=name)


def _normalization(name, n_members=1):
    if n_members > 1:
        return EnsembleLayerNormalization(n_members, dtype="float32", name=name)
    return keras.layers.LayerNormalization(dtype="float32", name=name)
