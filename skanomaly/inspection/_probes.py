"""Probes: inputs without the structure of X, and how much of an input comes back.

All series here are lists of arrays (n_timesteps_i, n_features). What comes back is measured as a
share, the same for every probe: one minus the squared distance of output and input, over the
squared distance of the input from its centre; averaged over the features, none counting less than
nothing. It is 1 for a copy, 0 for a constant output and for one unrelated to the input. An output
that lags behind is compared with the input at its best lag.
"""

from dataclasses import dataclass

import numpy as np

#: Probes on short series are repeated until they have this many time steps.
_ENOUGH_STEPS = 1000
#: Corrupted steps are one window apart, within these bounds.
_CLOSEST, _FARTHEST = 16, 64
_LONGEST_LAG = 512
#: Shares closer than this are equal.
_CHANCE = 0.02


@dataclass(frozen=True)
class Marginals:
    """Mean and standard deviation of each feature of X, and which features vary."""

    mean: np.ndarray
    std: np.ndarray
    varies: np.ndarray

    @classmethod
    def of(cls, parts):
        """Measure them on the observed values: (n_features,) each."""
        x = np.concatenate(parts).astype(np.float64)
        observed = ~np.isnan(x).all(axis=0)
        low, high, mean, std = np.zeros((4, x.shape[1]))
        x = x[:, observed]
        low[observed], high[observed] = np.nanmin(x, axis=0), np.nanmax(x, axis=0)
        mean[observed], std[observed] = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
        # By the range: rounding gives a constant feature a tiny standard deviation.
        varies = high > low
        return cls(mean, np.where(varies, std, 0.0), varies)


def reconstruct(detector, parts):
    """Ask for the reconstructions: list of (n_timesteps_i, n_features), float64."""
    return [np.asarray(y, float) for y in detector.reconstruct([np.float32(x) for x in parts])]


# ------------------------------------------------------------------------------------- inputs


def white_noise(parts, marginals, rng):
    """Draw noise with the mean and standard deviation of each feature, missing where X is."""
    return [
        np.where(np.isnan(x), np.nan, rng.normal(marginals.mean, marginals.std, x.shape))
        for x in enough(parts)
    ]


def shuffled(parts, rng):
    """Put the time steps of each series in random order; the features of a step stay together."""
    return [rng.permutation(x) for x in enough(parts)]


def flat_lines(parts, marginals):
    """Hold every feature at one standard deviation above its mean, and below."""
    n_timesteps = max(map(len, parts))
    return [
        np.tile(marginals.mean + sign * marginals.std, (n_timesteps, 1)) for sign in (1.0, -1.0)
    ]


def corruptions(parts, marginals, window, rng):
    """Draw what to add to single time steps: one standard deviation up or down, else zero."""
    spacing = int(np.clip(window, _CLOSEST, _FARTHEST))
    changes = []
    for x in parts:
        change = np.zeros(x.shape)
        steps = np.arange(min(spacing, len(x)) // 2, len(x), spacing)
        change[steps] = rng.choice([-1.0, 1.0], (len(steps), x.shape[1])) * marginals.std
        changes.append(change)
    return changes


def enough(parts):
    """Repeat the list of series until it has enough time steps to measure shares on."""
    return parts * max(1, -(-_ENOUGH_STEPS // sum(map(len, parts))))


# ------------------------------------------------------------------------------------ outputs


def returned(inputs, outputs, marginals, centre, lags):
    """Measure which share of the inputs comes back, at the best of some lags.

    Parameters
    ----------
    inputs, outputs : list of ndarray of shape (n_timesteps_i, n_features)
        The output at t + lag is compared with the input at t.
    marginals : Marginals
        Units and selection of the features.
    centre : ndarray of shape (n_features,) or float
        What a constant output would be.
    lags : iterable of int
        The lags to try, those preferred first.

    Returns
    -------
    share : float
    lag : int
    """
    inputs, outputs = (standardise(part, marginals, centre) for part in (inputs, outputs))
    shares = {lag: _share(inputs, outputs, lag) for lag in dict.fromkeys(lags)}
    best = max(shares, key=shares.get)
    # Where next to nothing comes back, the best lag is chance: keep to the first.
    first = next(lag for lag, share in shares.items() if share >= shares[best] - _CHANCE)
    return shares[first], first


def standardise(parts, marginals, centre):
    """Centre and scale the features that vary: list of (n_timesteps_i, n_varying)."""
    std = marginals.std[marginals.varies]
    return [(x - centre)[:, marginals.varies] / std for x in parts]


def _share(inputs, outputs, lag):
    """Return the share of centred inputs that comes back `lag` steps later."""
    distance, size = 0.0, 0.0
    for x, y in aligned(inputs, outputs, lag):
        known = np.isfinite(x) & np.isfinite(y)
        distance = distance + np.where(known, (y - x) ** 2, 0.0).sum(axis=0)
        size = size + np.where(known, x**2, 0.0).sum(axis=0)
    known = np.asarray(size) > 0
    if not known.any():
        return 0.0
    shares = 1.0 - np.asarray(distance)[known] / size[known]
    return float(np.mean(np.maximum(shares, 0.0)))


def aligned(inputs, outputs, lag):
    """Yield inputs at t with outputs at t + lag: pairs of (n_timesteps_i - |lag|, n_features)."""
    for x, y in zip(inputs, outputs, strict=True):
        if len(x) > abs(lag):
            yield x[max(-lag, 0) : len(x) - max(lag, 0)], y[max(lag, 0) : len(y) - max(-lag, 0)]


def likeliest_lag(inputs, outputs, marginals):
    """Return the lag at which outputs correlate most with inputs of which no two are alike."""
    longest = min(_LONGEST_LAG, max(map(len, inputs)) // 2)
    inputs, outputs = (standardise(part, marginals, marginals.mean) for part in (inputs, outputs))
    total = np.zeros(2 * longest + 1)
    for x, y in zip(inputs, outputs, strict=True):
        n = len(x) + longest
        fx, fy = (np.fft.rfft(np.nan_to_num(part), n, axis=0) for part in (x, y))
        circular = np.fft.irfft(fy * fx.conj(), n, axis=0).sum(axis=1)
        total += circular[np.arange(-longest, longest + 1)]
    return int(np.argmax(total)) - longest


def slope(changes, responses, marginals, lag):
    """Return d output[t + lag] / d input[t], averaged over corrupted steps and features."""
    product, square = 0.0, 0.0
    changes, responses = (standardise(part, marginals, 0.0) for part in (changes, responses))
    for x, y in aligned(changes, responses, lag):
        known = np.isfinite(y)
        product += np.sum(x[known] * y[known])
        square += np.sum(x[known] ** 2)
    return float(product / square) if square else 0.0
