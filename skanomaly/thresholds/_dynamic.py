"""Thresholds that suit each window of scores, without assuming a distribution."""

from numbers import Integral, Real

import numpy as np
from scipy.ndimage import maximum_filter1d
from sklearn.utils.validation import check_is_fitted

from skanomaly.intervals import find_intervals
from skanomaly.thresholds._base import BaseThreshold, check_scores
from skanomaly.validation import Interval

__all__ = ["DynamicThreshold"]


class DynamicThreshold(BaseThreshold):
    """Flag what makes mean and spread of a window of scores drop most when it is left out.

    Thresholds to try lie from ``min_sigmas`` to ``max_sigmas`` standard deviations above the mean
    of a window. Each window takes the one with the greatest relative drop of mean and standard
    deviation, divided by the number of flagged scores and the squared number of sequences of them.
    Sequences whose highest score does not stand out are then pruned.

    Parameters
    ----------
    window_size : int or None, default=None
        Number of scores that a threshold is chosen from. None takes all at once.
    stride : int or None, default=None
        Number of scores from one window to the next, at most `window_size`. Each window labels its
        last `stride` scores, the first one all of its own. The last window ends with the scores.
        None is `window_size`.
    min_sigmas : float, default=2.5
        Lowest threshold to try, in standard deviations of the window above its mean.
    max_sigmas : float, default=12.0
        Thresholds to try lie below this. It is the threshold where none of them serves.
    sigma_step : float, default=0.5
        From one threshold to try to the next.
    buffer : int, default=0
        Scores to flag on both sides of a score above the threshold. They join sequences.
    max_sequences : int or None, default=None
        Thresholds with more flagged sequences in a window are not taken. None has no limit.
    pruning : float, default=0.13
        From the highest sequence downwards, and on to the highest score that is not flagged, the
        relative drop of the maximum must reach this value for the sequences before it to stay
        flagged. 0 keeps all.

    Attributes
    ----------
    threshold_ : float
        The threshold of the last window in fit, raised to the highest score that pruning took back.
        A detector with this selector uses it for all scores; ``predict`` does not use it.

    Raises
    ------
    ValueError
        If `stride` is above `window_size` or `min_sigmas` is not below `max_sigmas`.

    See Also
    --------
    DSPOT : Another threshold that moves, with a probability of false alarms.

    Notes
    -----
    ``predict`` judges scores by themselves: each of its windows has its own threshold, and what
    was seen in ``fit`` has no part in it. Its cost grows with the number of scores times
    ``window_size / stride``: all thresholds to try are rated in one pass over the window.

    A threshold that flags half of a window or more is never taken. Where scores of a window are
    negative, drops are relative to the distance from the lowest of them, for the original is made
    for errors, which are not negative.

    The method expects smoothed errors: use `smoothing` of the detector. The original smooths
    exponentially, looks at windows of 2100 errors with a stride of 70, a buffer of 99 and at most 5
    sequences, and repeats all for unusually low errors, which is left out here.

    References
    ----------
    K. Hundman, V. Constantinou, C. Laporte, I. Colwell and T. Soderstrom, "Detecting spacecraft
    anomalies using LSTMs and nonparametric dynamic thresholding", KDD 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.thresholds import DynamicThreshold
    >>> scores = np.abs(np.random.default_rng(0).normal(size=500))
    >>> scores[200:205] = [8, 9, 12, 9, 8]
    >>> selector = DynamicThreshold().fit(scores)
    >>> np.flatnonzero(selector.predict(scores) == -1)
    array([200, 201, 202, 203, 204])
    >>> bool(scores[:200].max() < selector.threshold_ < 8)
    True
    """

    _parameter_constraints: dict = {
        "window_size": [Interval(Integral, 2, None, closed="left"), None],
        "stride": [Interval(Integral, 1, None, closed="left"), None],
        "min_sigmas": [Interval(Real, 0, None, closed="neither")],
        "max_sigmas": [Interval(Real, 0, None, closed="neither")],
        "sigma_step": [Interval(Real, 0, None, closed="neither")],
        "buffer": [Interval(Integral, 0, None, closed="left")],
        "max_sequences": [Interval(Integral, 1, None, closed="left"), None],
        "pruning": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(
        self,
        *,
        window_size=None,
        stride=None,
        min_sigmas=2.5,
        max_sigmas=12.0,
        sigma_step=0.5,
        buffer=0,
        max_sequences=None,
        pruning=0.13,
    ):
        self.window_size = window_size
        self.stride = stride
        self.min_sigmas = min_sigmas
        self.max_sigmas = max_sigmas
        self.sigma_step = sigma_step
        self.buffer = buffer
        self.max_sequences = max_sequences
        self.pruning = pruning

    def _select(self, scores, y):
        self._check_parameters()
        size = min(self.window_size or len(scores), len(scores))
        return self._judge(scores[-size:])[1]

    def thresholds(self, scores):
        """Return the threshold of the window that labels each score.

        Parameters
        ----------
        scores : array-like of shape (n_scores,)
            Anomaly scores in time order, higher meaning more anomalous.

        Returns
        -------
        thresholds : ndarray of shape (n_scores,), float64
            Raised to the highest score that pruning took back. Scores above them are flagged;
            ``predict`` also flags lower ones of the sequences that stay.
        """
        return self._judge_windows(scores)[1]

    def predict(self, scores):
        """Label scores, each by the threshold of its window.

        Parameters
        ----------
        scores : array-like of shape (n_scores,)
            Anomaly scores in time order, higher meaning more anomalous.

        Returns
        -------
        labels : ndarray of shape (n_scores,), int
            -1 for the sequences that pruning left, with `buffer`; +1 for the rest.
        """
        return np.where(self._judge_windows(scores)[0], -1, 1)

    def _judge_windows(self, scores):
        """Return for each score, (n_scores,), whether it is flagged, and its threshold."""
        check_is_fitted(self)
        scores = check_scores(scores)
        self._check_parameters()
        n_scores = len(scores)
        size = min(self.window_size or n_scores, n_scores)
        stride = self.stride or size
        flags, thresholds = np.empty(n_scores, dtype=bool), np.empty(n_scores)
        done, stop = 0, size
        while done < n_scores:
            window_flags, threshold = self._judge(scores[stop - size : stop])
            flags[done:stop] = window_flags[done - stop :]
            thresholds[done:stop] = threshold
            done, stop = stop, min(stop + stride, n_scores)
        return flags, thresholds

    def _judge(self, window):
        """Return the flags, (window_size,), and the threshold of a window."""
        if np.ptp(window) == 0:  # whose mean may differ from them by rounding
            return np.zeros(len(window), dtype=bool), window[0]
        z = np.arange(self.min_sigmas, self.max_sigmas, self.sigma_step)
        candidates = window.mean() + np.append(z, self.max_sigmas) * window.std()
        exceeded = np.searchsorted(candidates, window)
        spread = exceeded
        if self.buffer:
            spread = maximum_filter1d(exceeded, 2 * self.buffer + 1, mode="nearest")
        gains = _gains(window, exceeded, spread, len(z), self.max_sequences)
        # Of equally good thresholds the highest; where none is any good, that of max_sigmas.
        best = len(z)
        if gains.max() >= 0:
            best = len(z) - 1 - int(np.argmax(gains[::-1]))
        flags = _prune(window, spread > best, self.pruning)
        taken_back = window[(exceeded > best) & ~flags]
        return flags, max(candidates[best], taken_back.max(initial=-np.inf))

    def _check_parameters(self):
        if self.stride is not None and (self.window_size or self.stride) < self.stride:
            raise ValueError(
                f"stride must be at most window_size, {self.window_size}, so that no score is left "
                f"out; got {self.stride}. Use a smaller stride."
            )
        if not self.min_sigmas < self.max_sigmas:
            raise ValueError(
                f"min_sigmas must be below max_sigmas, {self.max_sigmas}; got {self.min_sigmas}. "
                "Use a smaller min_sigmas."
            )


def _gains(window, exceeded, spread, n_candidates, max_sequences):
    """Rate thresholds to try by what flagging the scores above them gains: (n_candidates,).

    `exceeded` counts the thresholds below each score, (window_size,), and `spread` the same with
    the buffer around it. Sums over the scores of each count, added up from the lowest, are what a
    pass per threshold would give.
    """
    counts = np.bincount(exceeded, minlength=n_candidates + 2)[:n_candidates]
    offset = min(window.min(), 0.0)
    centre = window[exceeded == 0].mean()  # near most scores, so that little cancels out
    moments = [
        np.bincount(exceeded, (window - centre) ** power, n_candidates + 2)[:n_candidates]
        for power in (1, 2)
    ]
    n_below = np.cumsum(counts)
    mean_below = np.cumsum(moments[0]) / n_below
    variance_below = np.cumsum(moments[1]) / n_below - mean_below**2
    sd_below = np.sqrt(np.maximum(variance_below, 0))
    mean, sd = window.mean(), window.std()
    drop = (mean - centre - mean_below) / (mean - offset) + (sd - sd_below) / sd

    n_flagged = len(window) - np.cumsum(np.bincount(spread, minlength=n_candidates))
    n_flagged = n_flagged[:n_candidates]
    before = np.concatenate([[0], spread[:-1]])
    rising = spread > before
    starts = np.bincount(before[rising], minlength=n_candidates + 2)
    starts -= np.bincount(spread[rising], minlength=n_candidates + 2)
    n_sequences = np.cumsum(starts)[:n_candidates]

    good = (n_flagged > 0) & (n_flagged < len(window) / 2)
    if max_sequences is not None:
        good &= n_sequences <= max_sequences
    return np.where(good, drop / np.maximum(n_flagged + n_sequences**2, 1), -np.inf)


def _prune(window, flags, least_drop):
    """Take back flags of the sequences that do not stand out: (window_size,), bool."""
    runs = find_intervals(flags)
    if not len(runs):
        return flags
    heights = window - min(window.min(), 0.0)
    highest = np.array([heights[start:stop].max() for start, stop in runs])
    order = np.argsort(-highest, kind="stable")
    falling = np.append(highest[order], heights[~flags].max(initial=0.0))
    # Written without a division, which might be one by zero.
    enough = np.flatnonzero(falling[:-1] - falling[1:] >= least_drop * falling[:-1])
    n_kept = enough[-1] + 1 if len(enough) else 0
    pruned = flags.copy()
    for start, stop in runs[order[n_kept:]]:
        pruned[start:stop] = False
    return pruned
