"""One seasonal multivariate series whose test part has one anomaly of every kind."""

from typing import NamedTuple

import numpy as np
from scipy.signal import lfilter
from sklearn.utils import Bunch

from skanomaly.datasets._anomalies import (
    check_kinds,
    check_number,
    describe,
    draw_seeds,
    draw_size,
    drift_and_return,
    label_timesteps,
    paste,
    place,
    spike,
    stuck,
)

# Shortest and longest stretch of each kind, in periods.
_LENGTHS = {
    "point": (0, 0),
    "contextual": (0.15, 0.3),
    "collective": (1.0, 2.0),
    "trend": (3.0, 5.0),
    "correlation": (1.5, 3.0),
}
_KINDS = tuple(_LENGTHS)
# Shortest stretch of each kind in time steps, whatever the period.
_SHORTEST = {"point": 1, "contextual": 3, "collective": 8, "trend": 8, "correlation": 8}
_ROOM = 20
_LONG_SEASON = 7
_MEMORY = 0.6

_DESCR = """Seasonal series with labelled anomalies

{n_features} correlated features with a season of {period} time steps, a longer one of
{long_period:g}, harmonics, slowly varying amplitude and autocorrelated noise.

X_train, {n_train} time steps: all normal, hence without labels.
X_test, the {n_test} time steps that follow, with {n_found} anomalies of the kinds: {kinds}.
Labels: +1 normal, -1 anomalous. Each entry of `anomalies` names the half-open stretch of time
steps of X_test (`start`, `stop`), the `kind` and the altered `features`; `series` is 0.
"""


class _Season(NamedTuple):
    """The noise-free series as a function of time; H harmonics of both seasons together."""

    frequencies: np.ndarray  # (H,)
    angles: np.ndarray  # (H,)
    weights: np.ndarray  # (n_features, H)
    delays: np.ndarray  # (n_features,)
    swells: np.ndarray  # (2, 2): frequency and angle of the two waves of the amplitude


def make_series(
    *,
    n_train=2000,
    n_test=2000,
    n_features=3,
    anomalies=_KINDS,
    n_anomalies=1,
    noise=0.05,
    period=50,
    random_state=None,
):
    """Make one seasonal series whose test part has labelled anomalies.

    The features share a season of ``period`` time steps and one seven times as long, both with
    harmonics and slowly varying amplitude, and have autocorrelated noise. They are correlated,
    and have about unit variance. The training part is all normal; the test part follows it in
    time.

    Parameters
    ----------
    n_train : int, default=2000
        Number of time steps of the training part, at least 2.
    n_test : int, default=2000
        Number of time steps of the test part, at least 20 per anomaly. The training part does
        not depend on it.
    n_features : int, default=3
        Number of features. The kind ``"correlation"`` needs at least 2.
    anomalies : tuple of str, default=all kinds
        The kinds of anomalies. The stretches get shorter where the test part is short.

        - ``"point"``: a spike of one time step in one or several features.
        - ``"contextual"``: values that are normal in range, at the wrong time of the season.
        - ``"collective"``: a stretch that is flat, twice as fast, or a square wave.
        - ``"trend"``: a slow drift away and back.
        - ``"correlation"``: one feature runs out of step with the others, although its values
          alone look normal.
    n_anomalies : int, default=1
        Number of anomalies of each kind. With 0 the same ``random_state`` gives the
        anomaly-free twin of ``X_test``.
    noise : float, default=0.05
        Standard deviation of the noise of every feature.
    period : float, default=50
        Length of the shorter season in time steps, at least 4.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same series in every call. None draws fresh entropy and leaves
        NumPy's global random state alone.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the following attributes.

        X_train : ndarray of shape (n_train, n_features), dtype=float64
            The normal series.
        X_test : ndarray of shape (n_test, n_features), dtype=float64
            Its continuation, with anomalies.
        y_test : ndarray of shape (n_test,), dtype=int64
            -1 at exactly the time steps that an anomaly changed, else +1.
        anomalies : list of dict
            One per anomaly, in time order: ``series`` (always 0), ``start`` and ``stop``
            (half-open, in ``X_test``), ``kind``, ``features`` (indices). None overlap.
        feature_names : list of str
            ``"sensor_0"`` and so on.
        DESCR : str
            Description of the data.

    Raises
    ------
    ValueError
        If a parameter is out of its range, ``anomalies`` names an unknown kind, ``n_test`` is
        too small for the anomalies, or ``"correlation"`` is asked of a single feature.

    See Also
    --------
    make_flights : A panel of flights with labelled anomalies.

    Examples
    --------
    >>> from skanomaly.datasets import make_series
    >>> data = make_series(n_train=500, n_test=500, random_state=0)
    >>> data.X_test.shape, data.y_test.shape
    ((500, 3), (500,))
    >>> sorted(anomaly["kind"] for anomaly in data.anomalies)
    ['collective', 'contextual', 'correlation', 'point', 'trend']
    """
    kinds = _check(n_train, n_test, n_features, anomalies, n_anomalies, noise, period)
    season_seed, noise_seed, anomaly_seed = draw_seeds(random_state, 3)
    season = _draw_season(n_features, period, np.random.RandomState(season_seed))
    time = np.repeat(np.arange(n_train + n_test)[:, None], n_features, axis=1)
    rest = _draw_noise(n_train + n_test, n_features, noise, np.random.RandomState(noise_seed))
    clean = _evaluate(season, time) + rest
    series = clean.copy()
    found = []
    rng = np.random.RandomState(anomaly_seed)
    planned = rng.permutation(kinds * int(n_anomalies)).tolist()
    longest = n_test // (2 * max(len(planned), 1))
    lengths = [_draw_length(kind, period, longest, rng) for kind in planned]
    for kind, start, length in zip(planned, place(lengths, n_test, rng), lengths, strict=True):
        start += n_train
        stop = start + length
        most = 1 if kind == "correlation" else n_features
        features = np.sort(rng.choice(n_features, size=rng.randint(1, most + 1), replace=False))
        values = _alter(kind, clean, rest, season, start, stop, features, rng)
        series[start:stop, features] = values
        found.append(describe(0, start - n_train, stop - n_train, kind, features))
    return Bunch(
        X_train=series[:n_train].copy(),
        X_test=series[n_train:].copy(),
        y_test=label_timesteps(found, 1, n_test)[0],
        anomalies=found,
        feature_names=[f"sensor_{feature}" for feature in range(n_features)],
        DESCR=_DESCR.format(
            n_train=n_train,
            n_test=n_test,
            n_features=n_features,
            period=period,
            long_period=_LONG_SEASON * period,
            n_found=len(found),
            kinds=", ".join(kinds if found else ["none"]),
        ),
    )


def _check(n_train, n_test, n_features, anomalies, n_anomalies, noise, period):
    """Check all parameters and return the kinds of anomalies."""
    for name, value, low, remedy in (
        ("n_train", n_train, 2, "Ask for a longer training part."),
        ("n_test", n_test, 2, "Ask for a longer test part."),
        ("n_features", n_features, 1, "Ask for one or more features."),
        ("n_anomalies", n_anomalies, 0, "Use 0 for a test part without anomalies."),
    ):
        check_number(name, value, low=low, integer=True, remedy=remedy)
    check_number("noise", noise, low=0, remedy="Use 0 for a series without noise.")
    check_number("period", period, low=4, remedy="A shorter season cannot be sampled.")
    kinds = check_kinds(anomalies, _KINDS)
    if "correlation" in kinds and n_anomalies and n_features < 2:
        raise ValueError(
            f"n_features must be at least 2 for anomalies of kind 'correlation'; got {n_features}. "
            "Use more features, or leave 'correlation' out of anomalies."
        )
    n_found = len(kinds) * n_anomalies
    if n_test < _ROOM * n_found:
        raise ValueError(
            f"n_test must be at least {_ROOM * n_found}, {_ROOM} time steps for each of "
            f"{n_found} anomalies; got {n_test}. Use a longer test part or fewer anomalies."
        )
    return kinds


def _draw_season(n_features, period, rng):
    """Draw the noise-free series: five harmonics, a little different in every feature."""
    long_period = _LONG_SEASON * period
    frequencies = np.array([1 / period, 2 / period, 3 / period, 1 / long_period, 2 / long_period])
    common = np.array([1.0, 0.5, 0.3, 0.5, 0.25]) * rng.uniform(0.6, 1.2, 5)
    weights = common * (1 + 0.2 * rng.standard_normal((n_features, 5)))
    weights *= np.sqrt(2 / np.sum(weights**2, axis=1, keepdims=True))
    # Some features fall while the others rise.
    weights *= rng.choice((-1.0, 1.0), size=(n_features, 1), p=(0.3, 0.7))
    waves = 1 / (period * np.array([11.3, 23.9]))
    return _Season(
        frequencies=frequencies,
        angles=rng.uniform(0, 2 * np.pi, 5),
        weights=weights,
        delays=rng.uniform(-0.04, 0.04, n_features) * period,
        swells=np.column_stack([waves, rng.uniform(0, 2 * np.pi, 2)]),
    )


def _evaluate(season, time, features=slice(None)):
    """Return the noise-free values at ``time``, both of shape (n_timesteps, n_selected)."""
    delayed = 2 * np.pi * (time + season.delays[features])
    weights = season.weights[features]
    values = np.zeros(delayed.shape)
    for harmonic, (frequency, angle) in enumerate(
        zip(season.frequencies, season.angles, strict=True)
    ):
        values += weights[:, harmonic] * np.sin(frequency * delayed + angle)
    amplitude = 1 + 0.12 * sum(np.sin(f * 2 * np.pi * time + angle) for f, angle in season.swells)
    return amplitude * values


def _draw_noise(n_timesteps, n_features, noise, rng):
    """Return AR(1) noise, shape (n_timesteps, n_features), stationary from the first step on."""
    first = rng.standard_normal((1, n_features))
    white = rng.standard_normal((n_timesteps, n_features))
    fresh = np.sqrt(1 - _MEMORY**2)
    return noise * lfilter([fresh], [1, -_MEMORY], white, axis=0, zi=_MEMORY * first)[0]


def _draw_length(kind, period, longest, rng):
    low, high = _LENGTHS[kind]
    length = round(period * rng.uniform(low, high))
    return min(max(length, _SHORTEST[kind]), longest)


def _alter(kind, clean, rest, season, start, stop, features, rng):
    """Return the anomalous values (stop - start, len(features)) of a stretch of ``clean``.

    ``clean`` is ``season`` plus the noise ``rest``, both (n_train + n_test, n_features).
    """
    if kind == "point":
        return spike(clean, start, stop, features, rng)
    if kind == "trend":
        return drift_and_return(clean, start, stop, features, rng)
    if kind == "contextual":
        sources = np.arange(len(clean) - (stop - start) + 1)
        return paste(clean, start, stop, features, rng, sources=sources)
    if kind == "correlation":
        time = _out_of_step(start, stop, 1 / season.frequencies[0], rng)
    else:
        shape = rng.choice(("flat", "square", "fast"))
        if shape == "flat":
            return stuck(clean, start, stop, features, rng)
        if shape == "square":
            return _square(clean[start:stop, features])
        # One step ahead: at the first step the fast season is already off.
        time = start + 1 + 2 * np.arange(stop - start)
    time = np.repeat(time[:, None], len(features), axis=1)
    return _evaluate(season, time, features) + rest[start:stop, features]


def _out_of_step(start, stop, period, rng):
    """Return the time (stop - start,) of a feature that leaves the season and comes back."""
    step = np.arange(1, stop - start + 1)
    slide = min(period / 4, (stop - start) / 3)
    away = np.clip(np.minimum(step, step[::-1]) / slide, 0, 1)
    return start + step - 1 + away * draw_size(rng, 0.35, 0.65) * period


def _square(values):
    """Return a square wave with the level and spread of ``values`` (length, n_selected)."""
    centre = values.mean(axis=0)
    return centre + values.std(axis=0) * np.where(values > centre, 1, -1)
