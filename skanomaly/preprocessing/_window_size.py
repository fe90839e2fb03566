"""How many time steps a window should hold, as the data suggest it."""

from numbers import Integral

import numpy as np
from scipy import fft
from sklearn.base import BaseEstimator

from skanomaly.sequences import check_sequences, nesting
from skanomaly.validation import Interval, validate_params

__all__ = ["suggest_window_size"]

# What is read of X, and how many of the values read are used.
_MAX_TIMESTEPS = 2**17
_MAX_SERIES = 256
_MAX_VALUES = 2**21

# Lags up to four of the largest windows resolve the period that would fill one.
_LAGS_PER_WINDOW = 4
# After four times the lag of 1/e, an exponential memory is down to 2 %.
_LAGS_OF_MEMORY = 4
# A period explains about half of what its autocorrelation peak rises by: at least a tenth.
_MIN_RISE = 0.2
_MAX_CANDIDATES = 12
# Peaks below this share of the highest may be side lobes of the taper.
_LEAST = 0.005
_MAX_MULTIPLE = 8
_NEARLY_AS_HIGH = 0.8


@validate_params(
    {
        "min_size": [Interval(Integral, 1, None, closed="left")],
        "max_size": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def suggest_window_size(X, *, min_size=8, max_size=512):
    """Suggest how many time steps a window should hold: one period, or the memory of the data.

    Parameters
    ----------
    X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
        One series with rows in time order (array, pandas or polars frame), a panel of series of
        equal length, or a list of series of any lengths. NaN means not observed. At most the first
        131 072 time steps of at most 256 evenly chosen series are read and checked.
    min_size : int, default=8
        The smallest size to suggest, at least 1; also the answer for white noise and constants.
    max_size : int, default=512
        The largest size to suggest, at least ``min_size``.

    Returns
    -------
    window_size : int
        From ``min_size`` to ``max_size``, but never more than the length of the shortest series.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or X is not as described.

    See Also
    --------
    Downsampler : Fewer time steps, where a period has more of them than a window can hold.

    Notes
    -----
    1. Values far outside the range of their feature are cut off, so that no single anomaly decides.
       The linear trend of each feature in each series is removed, and each feature brought to unit
       variance. Constant features are left out.
    2. The autocorrelation is computed by fast Fourier transforms from all pairs of values that
       were both observed, pooled over features and series. The transform of this autocorrelation,
       tapered, is the smoothed periodogram.
    3. The peaks of the periodogram, the highest first, are candidates for the period. One is
       confirmed if the autocorrelation has a peak there too, which makes the period exact. The
       peak must rise above the values half a period before and after it by at least 0.2 and by
       three standard errors, more the more lags there are; and it must be higher than one over
       the number of periods that it compares, so that two that happen to be alike are not
       enough. Where the autocorrelation is still higher at a small multiple that is in the
       periodogram too, as for a wave whose overtones are louder than itself, the first multiple
       with nearly the highest value is the period.
    4. Without a period, the size is 4 times the lag at which the autocorrelation first falls below
       1/e, or below two standard errors. Such lags grow with the length of series that wander like
       a random walk, which end at ``max_size``.

    A period is found if a series holds it twice, or more often where there is noise. At most
    2 097 152 values are used, of evenly chosen series and features, in a time of O(n log n).

    It is a suggestion for a start: a detector may do better with a fraction or a multiple of it.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.preprocessing import suggest_window_size
    >>> steps = np.arange(1000)
    >>> noise = np.random.default_rng(0).normal(size=1000)
    >>> suggest_window_size((np.sin(2 * np.pi * steps / 48) + 0.3 * noise).reshape(-1, 1))
    48
    >>> suggest_window_size(noise.reshape(-1, 1))
    8
    """
    if max_size < min_size:
        raise ValueError(
            f"max_size must be at least min_size={min_size}; got {max_size}. Use a larger max_size "
            "or a smaller min_size."
        )
    part, shortest = _read(X)
    sequences = check_sequences(BaseEstimator(), part, reset=True, dtype=[np.float64, np.float32])
    size = _suggest(sequences.values, sequences.offsets, _LAGS_PER_WINDOW * max_size)
    return int(min(max(size, min_size), max_size, shortest))


def _read(X):
    """Return a bounded part of X, nested like X, and the length of the shortest series."""
    form = nesting(X)
    if not isinstance(X, (list, tuple)) and not hasattr(X, "shape"):
        X = np.asarray(X)
    if form == "series":
        return _head(X, _MAX_TIMESTEPS), max(np.shape(X)[0], 1)
    lengths = [X.shape[1]] * len(X) if form == "panel" else [len(part) for part in X]
    if not lengths or min(lengths) < 1:
        return X, 1  # for check_sequences to refuse
    n_timesteps = min(max(lengths), _MAX_TIMESTEPS)
    n_values = n_timesteps * (np.shape(X[0])[-1] or 1)
    n_series = min(_MAX_SERIES, max(1, _MAX_VALUES // n_values))
    chosen = _evenly(len(lengths), n_series)
    if form == "panel":
        return X[chosen, :n_timesteps], min(lengths)
    return [_head(X[i], n_timesteps) for i in chosen], min(lengths)


def _head(series, n_timesteps):
    if np.shape(series)[0] <= n_timesteps:
        return series
    return (series.iloc if hasattr(series, "iloc") else series)[:n_timesteps]


def _evenly(n, n_chosen):
    """Return min(n, n_chosen) of the integers below n, as evenly spaced as possible."""
    return np.linspace(0, n - 1, min(n, n_chosen)).round().astype(int)


def _suggest(values, offsets, n_lags):
    """(n_total_timesteps, n_features), of which some NaN -> the size before it is clipped."""
    n_features = max(1, _MAX_VALUES // len(values))
    values = values[:, _evenly(values.shape[1], n_features)]
    longest = int(np.diff(offsets).max())
    n_lags = min(n_lags, 3 * longest // 4, longest - 1)
    residuals = _residuals(values, offsets)
    if n_lags < 1 or not residuals.shape[1]:
        return 1
    correlation, n_pairs = _autocorrelation(residuals, offsets, n_lags)
    band = np.maximum(np.exp(-1), 2 / np.sqrt(n_pairs))
    decayed = np.flatnonzero(correlation[1:] < band[1:])
    memory = 1 + int(decayed[0]) if len(decayed) else n_lags
    return _dominant_period(correlation, n_pairs, memory) or _LAGS_OF_MEMORY * memory


def _residuals(values, offsets):
    """(n_total_timesteps, n_features) -> float64 without trends, constant features and scales."""
    precision = 8 * np.finfo(values.dtype).eps
    scales = np.fmax.reduce(np.abs(values), axis=0)
    varying = scales > 0  # not where NaN
    residuals = values[:, varying] / scales[varying].astype(np.float64)
    for feature in residuals.T:
        _cut_off(feature)
    for start, stop in zip(offsets[:-1], offsets[1:], strict=True):
        _remove_trend(residuals[start:stop])
    n_observed = np.isfinite(residuals).sum(axis=0)
    deviations = np.sqrt(np.nansum(residuals**2, axis=0) / n_observed)
    varying = deviations > precision
    return residuals[:, varying] / deviations[varying]


def _cut_off(feature):
    """Clip a feature (n_total_timesteps,) in place to three times its range without 2 %."""
    low, high = np.quantile(feature[~np.isnan(feature)], [0.01, 0.99])
    if low < high:
        np.clip(feature, 2 * low - high, 2 * high - low, out=feature)


def _remove_trend(series):
    """Subtract the line of least squares of each feature of (n_timesteps, n_features) in place."""
    observed = ~np.isnan(series)
    n_observed = np.maximum(observed.sum(axis=0), 1)
    steps = np.arange(len(series), dtype=np.float64)[:, None]
    steps = np.where(observed, steps - (steps * observed).sum(axis=0) / n_observed, 0)
    series -= np.nansum(series, axis=0) / n_observed
    slopes = np.nansum(steps * series, axis=0) / np.maximum((steps**2).sum(axis=0), 1)
    series -= slopes * steps


def _autocorrelation(residuals, offsets, n_lags):
    """(n_total_timesteps, n_features) -> autocorrelation and pairs per feature, (n_lags + 1,).

    Sums of products over the number of pairs, over all features and series.
    """
    sums, n_pairs = np.zeros(n_lags + 1), np.zeros(n_lags + 1)
    for start, stop in zip(offsets[:-1], offsets[1:], strict=True):
        series = residuals[start:stop]
        observed = ~np.isnan(series)
        n_found = min(n_lags + 1, len(series))
        sums[:n_found] += _lagged_products(np.where(observed, series, 0), n_found)
        if observed.all():
            n_pairs[:n_found] += series.shape[1] * np.arange(len(series), len(series) - n_found, -1)
        else:
            n_pairs[:n_found] += _lagged_products(observed.astype(np.float64), n_found).round()
    correlation = sums / np.maximum(n_pairs, 1)
    return correlation / correlation[0], np.maximum(n_pairs / residuals.shape[1], 1)


def _lagged_products(series, n_found):
    """(n_timesteps, n_features) -> sums of x[t] * x[t + lag] for lags from 0, (n_found,)."""
    n_padded = fft.next_fast_len(len(series) + n_found, real=True)
    power = np.zeros(n_padded // 2 + 1)
    for feature in series.T:
        power += np.abs(fft.rfft(feature, n_padded)) ** 2
    return fft.irfft(power, n_padded)[:n_found]


def _dominant_period(correlation, n_pairs, memory):
    """Return the lag of the highest periodogram peak that the autocorrelation confirms, or 0."""
    n_lags = len(correlation) - 1
    variance = (1 + 2 * (correlation[1 : memory + 1] ** 2).sum()) / n_pairs
    margins = max(3, 2.2 * np.sqrt(np.log(n_lags / memory))) * np.sqrt(variance)
    frequencies, power = _periodogram_peaks(correlation)
    for place in np.argsort(-power)[:_MAX_CANDIDATES]:
        about = 1 / frequencies[place]
        period = _nearest_peak(correlation, about)
        if not 0 < period <= n_lags / 1.5 or correlation[period] < period / n_pairs[period]:
            continue
        troughs = correlation[[period // 2, round(1.5 * period)]]
        if correlation[period] - troughs.mean() > max(_MIN_RISE, margins[period]):
            return _repetition(correlation, margins, about, period, frequencies)
    return 0


def _periodogram_peaks(correlation):
    """Return frequency and power of the peaks of the periodogram, smoothed by Blackman's taper."""
    n_lags = len(correlation) - 1
    angles = np.pi * np.arange(n_lags + 1) / (n_lags + 1)
    taper = 0.42 + 0.5 * np.cos(angles) + 0.08 * np.cos(2 * angles)
    n_padded = fft.next_fast_len(8 * (n_lags + 1), real=True)
    even = np.zeros(n_padded)
    even[: n_lags + 1] = correlation * taper
    even[-n_lags:] = even[n_lags:0:-1]
    power = fft.rfft(even).real
    after = np.append(power[2:], -np.inf)  # the highest frequency may be a peak, zero may not
    found = (power[1:] > power[:-1]) & (power[1:] >= after) & (power[1:] > _LEAST * power.max())
    peaks = 1 + np.flatnonzero(found)
    return peaks / n_padded, power[peaks]


def _nearest_peak(correlation, about):
    """Return the lag of the peak of the autocorrelation near a period, or 0 if there is none."""
    n_lags = len(correlation) - 1
    share = max(0.6 * about / n_lags, 0.06)
    first = max(2, int(about * (1 - share)) - 1)
    last = min(n_lags - 1, int(np.ceil(about * (1 + share))) + 1)
    if first > last:
        return 0
    lag = first + int(correlation[first : last + 1].argmax())
    return lag if correlation[lag] >= correlation[[lag - 1, lag + 1]].max() else 0


def _repetition(correlation, margins, about, period, frequencies):
    """Return the period, or the first of its multiples with nearly the highest autocorrelation."""
    n_lags = len(correlation) - 1
    lags = [period]
    for multiple in range(2, _MAX_MULTIPLE + 1):
        longer = multiple * about
        lag = _nearest_peak(correlation, longer)
        in_periodogram = np.abs(frequencies * longer - 1) <= 0.02 + 0.25 * longer / n_lags
        if period < lag <= n_lags / 1.2 and in_periodogram.any():
            lags.append(lag)
    highest = max(lags, key=correlation.__getitem__)
    if correlation[highest] - correlation[period] <= margins[highest] / 2:
        return period
    return next(lag for lag in lags if correlation[lag] >= _NEARLY_AS_HIGH * correlation[highest])
