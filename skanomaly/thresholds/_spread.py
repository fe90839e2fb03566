"""Thresholds at a centre of the scores plus a multiple of their spread."""

import warnings
from numbers import Real

import numpy as np

from skanomaly.exceptions import ThresholdWarning
from skanomaly.thresholds._base import BaseThreshold
from skanomaly.validation import Interval

__all__ = ["IQRThreshold", "MADThreshold", "SigmaThreshold"]

# The standard deviation of a normal distribution over its median absolute deviation.
_NORMAL = 1.4826
_POSITIVE = [Interval(Real, 0, None, closed="neither")]


class SigmaThreshold(BaseThreshold):
    """Flag scores more than so many standard deviations above the mean.

    Parameters
    ----------
    n_sigmas : float, default=3.0
        How many standard deviations above the mean the threshold lies.

    Attributes
    ----------
    threshold_ : float
        ``mean + n_sigmas * standard deviation`` of the scores in fit.

    Warns
    -----
    ThresholdWarning
        If all scores in fit are the same. The threshold is then that score.

    See Also
    --------
    MADThreshold : The same with measures that anomalies in fit hardly move.

    Notes
    -----
    Three standard deviations leave 0.13 % of normally distributed scores above the threshold.
    Scores are seldom normally distributed, and anomalies among the scores in fit raise both mean
    and standard deviation, up to hiding themselves.

    Examples
    --------
    >>> from skanomaly.thresholds import SigmaThreshold
    >>> selector = SigmaThreshold(n_sigmas=2).fit([1.0, 3.0, 1.0, 3.0])
    >>> selector.threshold_
    4.0
    >>> selector.predict([3.9, 4.1])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {"n_sigmas": _POSITIVE}

    def __init__(self, *, n_sigmas=3.0):
        self.n_sigmas = n_sigmas

    def _select(self, scores, y):
        if np.ptp(scores) == 0:  # whose mean may differ from them by rounding
            return _above(self, scores[0], 0.0, "standard deviation")
        return _above(self, scores.mean(), self.n_sigmas * scores.std(), "standard deviation")


class MADThreshold(BaseThreshold):
    """Flag scores far above the median, measured by the median absolute deviation.

    Up to half of the scores in fit may be anomalies before they carry the threshold away.

    Parameters
    ----------
    n_deviations : float, default=3.5
        How many median absolute deviations, each times 1.4826, the threshold lies above the
        median. Times that factor, the deviation is the standard deviation of normally
        distributed scores.

    Attributes
    ----------
    threshold_ : float
        ``median + n_deviations * 1.4826 * median(abs(scores - median))`` of the scores in fit.

    Warns
    -----
    ThresholdWarning
        If at least half of the scores in fit are the same, so that their median absolute deviation
        is 0. The threshold is then the median.

    See Also
    --------
    SigmaThreshold : The same with mean and standard deviation.

    References
    ----------
    B. Iglewicz and D. C. Hoaglin, "How to Detect and Handle Outliers", ASQC Quality Press, 1993,
    recommend 3.5 deviations.

    Examples
    --------
    >>> from skanomaly.thresholds import MADThreshold
    >>> selector = MADThreshold().fit([1.0, 2.0, 3.0, 4.0, 1000.0])
    >>> round(selector.threshold_, 3)
    8.189
    >>> selector.predict([8.0, 9.0])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {"n_deviations": _POSITIVE}

    def __init__(self, *, n_deviations=3.5):
        self.n_deviations = n_deviations

    def _select(self, scores, y):
        centre = np.median(scores)
        deviation = _NORMAL * np.median(np.abs(scores - centre))
        distance = self.n_deviations * deviation
        return _above(self, centre, distance, "median absolute deviation")


class IQRThreshold(BaseThreshold):
    """Flag scores above the upper fence of a box plot.

    Parameters
    ----------
    factor : float, default=1.5
        How many interquartile ranges the threshold lies above the third quartile.

    Attributes
    ----------
    threshold_ : float
        ``q3 + factor * (q3 - q1)`` with the quartiles of the scores in fit, interpolated linearly.

    Warns
    -----
    ThresholdWarning
        If the quartiles of the scores in fit are the same. The threshold is then that score.

    See Also
    --------
    MADThreshold : Centre and spread by medians.

    Notes
    -----
    A factor of 1.5 leaves 0.35 % of normally distributed scores above the threshold, 3 leaves
    0.0001 %, and both leave far more of scores with a long upper tail, as errors have.

    References
    ----------
    J. W. Tukey, "Exploratory Data Analysis", Addison-Wesley, 1977.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.thresholds import IQRThreshold
    >>> selector = IQRThreshold().fit(np.arange(101.0))
    >>> selector.threshold_
    150.0
    >>> selector.predict([149.0, 151.0])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {"factor": _POSITIVE}

    def __init__(self, *, factor=1.5):
        self.factor = factor

    def _select(self, scores, y):
        first, third = np.quantile(scores, [0.25, 0.75])
        return _above(self, third, self.factor * (third - first), "interquartile range")


def _above(selector, centre, distance, measure):
    """Return the threshold at a distance above the centre; warn where there is no distance."""
    if distance == 0:
        warnings.warn(
            f"The {measure} of the scores is 0, so {type(selector).__name__} flags every score "
            f"above {centre:.6g}. Use QuantileThreshold or FixedThreshold for scores of which many "
            "are the same.",
            ThresholdWarning,
            stacklevel=2,
        )
    return centre + distance
