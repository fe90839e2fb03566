"""The score of the Numenta Anomaly Benchmark: early alerts count most, false ones cost."""

import math
from numbers import Real
from typing import NamedTuple

import numpy as np

from skanomaly.intervals import find_intervals
from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._inputs import read_pair
from skanomaly.metrics._pooled import just_below, rank

__all__ = ["BestNabScore", "best_nab_score", "nab_score"]

# What a false alert costs, and what a missed window does; a window found at once gains 1.
_PROFILES = {
    "standard": (0.11, 1.0),
    "reward_low_FP": (0.22, 1.0),
    "reward_low_FN": (0.11, 2.0),
}
# Of longer series, the probationary part is that of one as long as this.
_LONGEST = 5000
# So many window lengths after a window, a false alert costs all.
_FAR = 3.0


class BestNabScore(NamedTuple):
    """The highest NAB score and the threshold that reaches it.

    Parameters
    ----------
    score : float
        At most 100. NaN if there is no window.
    threshold : float
        Time steps whose anomaly score is above are alerts. NaN if there is no window.

    Examples
    --------
    >>> from skanomaly.metrics import best_nab_score
    >>> best = best_nab_score([1, 1, 1, 1, -1, -1, 1], [0.1, 0.2, 0.1, 0.0, 0.9, 0.3, 0.1])
    >>> best.score > 90, 0.3 <= best.threshold < 0.9
    (True, True)
    """

    score: float
    threshold: float


@with_docs
def nab_score(y_true, y_pred, *, profile="standard", probation=0.15):
    """Compute the score of the Numenta Anomaly Benchmark (NAB) from labels.

    Each anomalous interval is a window. Only its first alert counts: it gains 1 at the start of
    the window and falls along a sigmoid to about 0 at its end. A missed window and each alert
    outside cost what the profile says; alerts soon after a window cost less.

    Parameters
    ----------
    y_true : {y_true}
        NAB labels wide windows around anomalies, a tenth of each series together; labels of
        single points or of the anomaly itself give other scores.
    y_pred : array-like, nested as `y_true`
        Alerts: -1, else 1. Gains and costs of all series are added.
    profile : {"standard", "reward_low_FP", "reward_low_FN"}, default="standard"
        A false alert costs 0.11, in "reward_low_FP" 0.22. A missed window costs 1, in
        "reward_low_FN" 2.
    probation : float, default=0.15
        Share of each series, from 0 to below 1, in which a detector learns and nothing counts: at
        most that of 5000 time steps, 750 by default. 0 where `y_true` is a test part alone.

    Returns
    -------
    score : float
        100 for one alert at the start of each window and no other, 0 for no alerts at all; false
        alerts make it negative. NaN if there is no window after the probationary part.

    Raises
    ------
    ValueError
        If labels are not -1 and 1, if lengths differ, or if a parameter is out of its range.

    See Also
    --------
    best_nab_score : The threshold that makes the most of scores.

    Notes
    -----
    The formula is that of NAB's program, version 1.1, where it differs from the paper: at row
    :math:`i` of a window with the rows :math:`a` to :math:`b`, an alert gains
    :math:`s((b - i + 1) / (b - a + 1)) / s(1)` with :math:`s(x) = 2 / (1 + e^{-5x}) - 1`. After
    the window it costs the part :math:`s((i - b) / (b - a))` of a false alert, all of it three
    windows later and before the first window. Of a window of a single time step, where the latter
    is not defined, :math:`b - a` counts as 1.

    References
    ----------
    .. [1] A. Lavin and S. Ahmad, "Evaluating real-time anomaly detection algorithms - the Numenta
       Anomaly Benchmark", ICMLA 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.metrics import nab_score
    >>> y_true = np.where(np.arange(200) // 20 == 5, -1, 1)  # a window from 100 to 119
    >>> alerts = np.ones(200, dtype=int)
    >>> alerts[100] = -1
    >>> nab_score(y_true, alerts)
    100.0
    >>> alerts[[50, 100, 110]] = -1, 1, -1  # half a window late, and a false alert
    >>> round(nab_score(y_true, alerts), 2)
    87.49
    """
    truth, alerts = read_pair(y_true, y_pred, "y_pred")
    false_cost, missed_cost = _read_profile(profile, probation)
    parts = [_prepare(part, probation, false_cost) for part in truth]
    return _score(parts, alerts, missed_cost)


@with_docs
def best_nab_score(y_true, y_score, *, profile="standard", probation=0.15):
    """Compute the NAB score at the threshold where it is highest.

    The benchmark chooses one threshold for all series of a detector in this way, on the very
    labels that it is scored on: the score is what a detector could reach, not what it reaches.

    Parameters
    ----------
    y_true : {y_true}
    y_score : {y_score}
        All series have the same threshold.
    profile : {"standard", "reward_low_FP", "reward_low_FN"}, default="standard"
        What false alerts and missed windows cost, see :func:`nab_score`.
    probation : float, default=0.15
        Share of each series in which nothing counts, see :func:`nab_score`.

    Returns
    -------
    best : BestNabScore
        Named tuple ``(score, threshold)``. Of equal scores, the one of the highest threshold; as
        no alerts score 0, the best score is never negative.

    Raises
    ------
    ValueError
        If labels are not -1 and 1, if lengths differ, if a score is NaN or infinite, or if a
        parameter is out of its range.

    See Also
    --------
    nab_score : The score of labels.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.metrics import best_nab_score, nab_score
    >>> y_true = np.where(np.arange(200) // 20 == 5, -1, 1)
    >>> y_score = np.random.RandomState(0).uniform(size=200)
    >>> y_score[103] = 2
    >>> score, threshold = best_nab_score(y_true, y_score)
    >>> round(score, 2), int(np.sum(y_score > threshold))
    (99.25, 1)
    >>> nab_score(y_true, np.where(y_score > threshold, -1, 1)) == score
    True
    """
    truth, scores = read_pair(y_true, y_score, "y_score")
    false_cost, missed_cost = _read_profile(profile, probation)
    parts = [_prepare(part, probation, false_cost) for part in truth]
    if not any(len(part.windows) for part in parts):
        return BestNabScore(float("nan"), float("nan"))
    counted = [own[part.start :] for own, part in zip(scores, parts, strict=True)]
    levels, first = rank(np.concatenate(counted))
    gains = np.zeros(len(levels))
    ends = np.cumsum([len(own) for own in counted])[:-1]
    for part, own in zip(parts, np.split(first, ends), strict=True):
        _add_gains(gains, part, own, missed_cost)
    # No alerts come first: of equal gains, argmax takes the highest threshold.
    best = int(np.argmax(np.append(0.0, np.cumsum(gains))))
    threshold = float(levels[0] if best == 0 else just_below(levels[best - 1]))
    score = _score(parts, [own > threshold for own in scores], missed_cost)
    return BestNabScore(score, threshold)


class _Part(NamedTuple):
    """One series as NAB sees it.

    Attributes
    ----------
    start : int
        Row after the probationary part.
    windows : ndarray of shape (n_windows, 2), int
        First row of each window, from `start` on, and the row after its last.
    gains : ndarray of shape (n_timesteps,)
        What an alert gains: above 0 within windows if it is the first there, else below 0.
    outside : ndarray of shape (n_timesteps,), bool
        True where an alert is false: after `start`, in no window.
    """

    start: int
    windows: np.ndarray
    gains: np.ndarray
    outside: np.ndarray


def _read_profile(profile, probation):
    """Return the cost of a false alert and of a missed window."""
    if not isinstance(profile, str) or profile not in _PROFILES:
        choices = ", ".join(repr(choice) for choice in _PROFILES)
        raise ValueError(f"profile must be one of {choices}; got {profile!r}. Choose one of them.")
    is_number = isinstance(probation, Real) and not isinstance(probation, (bool, np.bool_))
    if not is_number or not 0 <= probation < 1:
        raise ValueError(
            "probation must be a share of the series from 0 to below 1; got "
            f"{probation!r}. Use 0 if y_true is a test part alone."
        )
    return _PROFILES[profile]


def _prepare(truth, probation, false_cost):
    """Find the windows of one series (n_timesteps,) and what an alert at each step gains."""
    n_timesteps = len(truth)
    start = math.ceil(min(math.floor(probation * n_timesteps), probation * _LONGEST))
    windows = find_intervals(truth)
    rows = np.arange(n_timesteps)
    last = windows[:, 1] - 1
    lengths = windows[:, 1] - windows[:, 0]
    # The window that a step is in, or the last one before it; -1 before all of them.
    window = np.searchsorted(windows[:, 0], rows, side="right") - 1
    outside, late = ~truth, window >= 0
    gains = np.full(n_timesteps, -false_cost)
    after = rows[outside & late]
    of = window[after]
    gains[after] *= _fall((after - last[of]) / np.maximum(lengths[of] - 1, 1))
    within, of = rows[truth], window[truth]
    gains[within] = _fall((last[of] - within + 1) / lengths[of]) / _fall(1.0)
    outside[:start] = False
    windows = np.maximum(windows[windows[:, 1] > start], start)
    return _Part(start, windows, gains, outside)


def _fall(distance):
    """Return the part of a gain or cost at a distance in windows: 0 at 0, about 1 from 1 on."""
    # tanh(2.5 x) is 2 / (1 + exp(-5 x)) - 1.
    return np.where(distance >= _FAR, 1.0, np.tanh(2.5 * distance))


def _score(parts, alerts, missed_cost):
    """Add up all series and set no alerts to 0, perfect alerts to 100."""
    gained, n_windows = 0.0, 0
    for part, flags in zip(parts, alerts, strict=True):
        rows = np.append(np.flatnonzero(flags), len(flags))
        firsts = rows[np.searchsorted(rows, part.windows[:, 0])]
        found = firsts < part.windows[:, 1]
        gained += part.gains[flags & part.outside].sum()
        gained += part.gains[firsts[found]].sum() - missed_cost * np.count_nonzero(~found)
        n_windows += len(found)
    if not n_windows:
        return float("nan")
    worst = -missed_cost * n_windows
    return float(100 * (gained - worst) / (n_windows - worst))


def _add_gains(gains, part, first, missed_cost):
    """Add to gains (n_levels,) what each level has over the one above it, from one series.

    first (n_counted,) numbers the level from which on each step after probation is an alert.
    """
    n_levels = len(gains)
    outside = part.outside[part.start :]
    own = part.gains[part.start :]
    gains += np.bincount(first[outside], own[outside], minlength=n_levels)
    lengths = part.windows[:, 1] - part.windows[:, 0]
    rows = np.flatnonzero(~outside)
    window = np.repeat(np.arange(len(lengths)), lengths)
    # The first alert of a window at each level is the least row so far. With the last window
    # first, the least row of a window is below all those before it, so that one pass does.
    order = np.lexsort((first[rows], -window))
    rows, window = rows[order], window[order]
    earliest = np.minimum.accumulate(rows)
    gained = own[earliest]
    before = np.append(-missed_cost, gained[:-1])
    before[1:][window[1:] != window[:-1]] = -missed_cost
    gains += np.bincount(first[rows], gained - before, minlength=n_levels)
