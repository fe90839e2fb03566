"""Synthetic anomalies written into copies of real series; NumPy alone.

Series are lists of (n_timesteps_i, n_features) arrays, NaN where not observed. A function that
alters a stretch takes the untouched ``x`` (n_timesteps, n_features), the half-open stretch
``[start, stop)``, the ``features`` to alter, by how much in units of X ``by`` (n_altered,), and a
Generator; it returns the new values (stop - start, n_altered) and never writes to ``x``.
"""

from typing import NamedTuple

import numpy as np

from skanomaly.windows import carry_forward

__all__ = ["KINDS", "InjectedAnomaly", "inject", "margin_of", "robust_spread"]

#: A standard deviation, of normal values, in median absolute deviations.
_MAD = 1.4826
#: The least root mean square change of a stretch, in units of the spread, to be called anomalous.
_VISIBLE = 0.25
_N_DRAWS = 20
#: No stretch is longer than this share of its series.
_LONGEST = 0.25
#: Of a copy of a series, so much is altered at most, margins included.
_MOST_ALTERED = 0.5
#: No margin is longer than this share of its series: with the longest stretch, half of it.
_WIDEST_MARGIN = 0.125
_SPIKE = 3


class InjectedAnomaly(NamedTuple):
    """A stretch that was altered.

    Parameters
    ----------
    series : int
        Which series of X.
    start, stop : int
        The half-open stretch of its time steps.
    kind : str
        What was done to it.
    features : tuple of int
        The altered features.
    size : float
        How much, in units of the robust spread of each feature; what "flatline", "warp" and
        "displaced" do does not depend on it.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.model_selection import InjectionScorer
    >>> X = np.sin(np.arange(300) / 5).reshape(-1, 1)
    >>> (anomaly,) = InjectionScorer(n_injections=1, kinds=("spike",)).inject(X)[0].anomalies
    >>> anomaly.kind, anomaly.features, anomaly.stop > anomaly.start
    ('spike', (0,), True)
    """

    series: int
    start: int
    stop: int
    kind: str
    features: tuple
    size: float


def robust_spread(parts):
    """Measure each feature: (n_features,) float64, 0 for those that never change.

    1.4826 times the median absolute deviation; where more than half of the values are the same,
    the standard deviation.
    """
    x = np.concatenate(parts).astype(np.float64)
    spread = np.zeros(x.shape[1])
    for j, column in enumerate(x.T):
        column = column[~np.isnan(column)]
        if len(column) and column.min() < column.max():
            mad = _MAD * np.median(np.abs(column - np.median(column)))
            spread[j] = mad if mad > 0 else column.std()
    return spread


# ---------------------------------------------------------------------------------- alterations


def _spike(x, start, stop, features, by, rng):
    """Throw each feature off by its own sign."""
    return x[start:stop, features] + by * rng.choice([-1.0, 1.0], size=len(features))


def _level_shift(x, start, stop, features, by, rng):
    """Add a constant."""
    return x[start:stop, features] + by * rng.choice([-1.0, 1.0])


def _flatline(x, start, stop, features, by, rng):
    """Hold the last value."""
    held = carry_forward(x[:start, features])[-1:]
    return np.repeat(held, stop - start, axis=0)


def _noise(x, start, stop, features, by, rng):
    """Add white noise."""
    return x[start:stop, features] + by * rng.normal(size=(stop - start, len(features)))


def _drift(x, start, stop, features, by, rng):
    """Move away linearly, then snap back."""
    ramp = np.arange(1, stop - start + 1)[:, None] / (stop - start)
    return x[start:stop, features] + by * rng.choice([-1.0, 1.0]) * ramp


def _warp(x, start, stop, features, by, rng):
    """Play the surroundings at another speed: faster or slower, at most threefold."""
    speed = rng.uniform(1.5, 3.0) ** rng.choice([-1.0, 1.0])
    middle = (start + stop - 1) / 2
    when = middle + speed * (np.arange(start, stop) - middle)
    last = len(x) - 1
    when = last - np.abs(last - np.abs(when))  # turns round at either end of the series
    filled = carry_forward(x[:, features])
    return np.column_stack([np.interp(when, np.arange(len(x)), column) for column in filled.T])


def _displaced(x, start, stop, features, by, rng):
    """Put the values of another time: normal ones, but neither in their place nor in company."""
    length = stop - start
    sources = np.arange(len(x) - length + 1)
    sources = sources[np.abs(sources - start) >= length]
    if not len(sources):
        return x[start:stop, features]
    source = rng.choice(sources)
    return x[source : source + length, features]


def _amplitude(x, start, stop, features, by, rng):
    """Swing more widely, or less, around the mean of the stretch."""
    stretch = x[start:stop, features]
    observed = ~np.isnan(stretch)
    mean = np.where(observed, stretch, 0.0).sum(axis=0) / np.maximum(observed.sum(axis=0), 1)
    size = np.sqrt(np.mean(np.where(observed, stretch - mean, 0.0) ** 2, axis=0))
    # A swing of `by`, seen against that of the stretch: a sine of unit spread and by = 2 triples.
    factor = 1 + by / np.where(size > 0, size, 1.0)
    return mean + (stretch - mean) * factor ** rng.choice([-1.0, 1.0])


_ALTERATIONS = {
    "spike": _spike,
    "level_shift": _level_shift,
    "flatline": _flatline,
    "noise": _noise,
    "drift": _drift,
    "warp": _warp,
    "displaced": _displaced,
    "amplitude": _amplitude,
}
KINDS = tuple(_ALTERATIONS)


# ------------------------------------------------------------------------------------ injection


def margin_of(n_timesteps, margin):
    """Return how many steps beside a stretch do not count, in a series of some length."""
    return min(margin, int(_WIDEST_MARGIN * n_timesteps))


def inject(parts, *, kinds, n_injections, window_size, margin, size, seed):
    """Write anomalies into as many copies of the series as it takes.

    Parameters
    ----------
    parts : list of ndarray of shape (n_timesteps_i, n_features)
        The untouched series; at least one has 8 time steps and a feature that changes.
    kinds : tuple of str
        Kinds of anomalies, all equally often.
    n_injections : int
        How many. Fewer come out where a kind changes nothing to speak of.
    window_size : int
        Stretches last from a quarter of it to twice as long, log-uniformly.
    margin : int
        Time steps beside a stretch that are not to be near another one.
    size : tuple of (low, high)
        Smallest and largest size in units of `robust_spread`, drawn log-uniformly.
    seed : int
        Determines everything, given the series.

    Returns
    -------
    copies : list of (values, anomalies)
        values : list of ndarray, as `parts`, float64; anomalies : list of InjectedAnomaly.
    """
    rng = np.random.default_rng(seed)
    clean = [part.astype(np.float64) for part in parts]
    spread = robust_spread(clean)
    deck = [k for _ in range(-(-n_injections // len(kinds))) for k in rng.permutation(kinds)]
    copies = [_Copy(clean, margin)]
    for kind in deck[:n_injections]:
        drawn = _draw(clean, str(kind), window_size, size, spread, rng)
        if drawn is None:
            continue
        anomaly, values = drawn
        room = next((copy for copy in copies if copy.has_room(anomaly)), None)
        if room is None:
            room = _Copy(clean, margin)
            copies.append(room)
        room.write(anomaly, values)
    return [(copy.values, copy.anomalies) for copy in copies if copy.anomalies]


class _Copy:
    """A copy of the series, and what was altered in it."""

    def __init__(self, clean, margin):
        self.values = [x.copy() for x in clean]
        self.anomalies = []
        self._margin = margin

    def has_room(self, new):
        """Tell whether the margins of a stretch are free, and enough of the series is left."""
        here = [old for old in self.anomalies if old.series == new.series]
        n_timesteps = len(self.values[new.series])
        margin = margin_of(n_timesteps, self._margin)
        altered = sum(a.stop - a.start + 2 * margin for a in [*here, new])
        apart = max(2 * margin, 1)
        return not here or (
            altered <= _MOST_ALTERED * n_timesteps
            and all(new.start - old.stop >= apart or old.start - new.stop >= apart for old in here)
        )

    def write(self, anomaly, values):
        stretch = slice(anomaly.start, anomaly.stop)
        self.values[anomaly.series][stretch, list(anomaly.features)] = values
        self.anomalies.append(anomaly)


def _draw(clean, kind, window_size, size, spread, rng):
    """Draw an anomaly that can be seen, and its values; None if none was found."""
    for _ in range(_N_DRAWS):
        anomaly = _draw_place(clean, kind, window_size, size, spread, rng)
        if anomaly is None:
            return None
        series, start, stop, _, features, drawn_size = anomaly
        features = list(features)
        x = clean[series]
        values = _ALTERATIONS[kind](x, start, stop, features, drawn_size * spread[features], rng)
        before = x[start:stop, features]
        values = np.where(np.isnan(before) | np.isnan(values), before, values)
        change = np.where(np.isnan(before), 0.0, values - before) / spread[features]
        if np.sqrt(np.mean(change**2, axis=0)).max() >= min(_VISIBLE, drawn_size / 2):
            return anomaly, values
    return None


def _draw_place(clean, kind, window_size, size, spread, rng):
    """Draw series, stretch, features and size."""
    lengths = np.array([len(x) if len(x) >= 8 else 0 for x in clean])
    eligible = np.flatnonzero(spread)
    if not lengths.any() or not len(eligible):
        return None
    series = rng.choice(len(clean), p=lengths / lengths.sum())
    longest = max(int(_LONGEST * lengths[series]), 2)
    if kind == "spike":
        length = rng.integers(1, min(_SPIKE, longest) + 1)
    else:
        length = round(_log_uniform(rng, max(window_size / 4, 4), max(2 * window_size, 4)))
        length = min(length, longest)
    start = rng.integers(1, lengths[series] - length + 1)
    n_altered = round(_log_uniform(rng, 1, len(eligible)))
    features = np.sort(rng.choice(eligible, size=n_altered, replace=False))
    return InjectedAnomaly(
        int(series),
        int(start),
        int(start + length),
        kind,
        tuple(features.tolist()),
        float(_log_uniform(rng, *size)),
    )


def _log_uniform(rng, low, high):
    return np.exp(rng.uniform(np.log(low), np.log(high)))
