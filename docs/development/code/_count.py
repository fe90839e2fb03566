"""Threshold above a given number of scores."""

from numbers import Integral

import numpy as np

from skanomaly.thresholds._base import BaseThreshold
from skanomaly.validation import Interval

__all__ = ["CountThreshold"]


class CountThreshold(BaseThreshold):
    """Flag a given number of the scores seen in fit: as many as someone can look at.

    Parameters
    ----------
    n_flagged : int, default=10
        How many scores lie above the threshold; fewer where the next one equals the last of them.

    Attributes
    ----------
    threshold_ : float
        The highest score that is not flagged.

    Raises
    ------
    ValueError
        In fit: if there are no more than `n_flagged` scores.

    Examples
    --------
    >>> from skanomaly.thresholds import CountThreshold
    >>> selector = CountThreshold(n_flagged=2).fit([0.1, 0.7, 0.3, 0.9])
    >>> selector.threshold_
    0.3
    >>> selector.predict([0.3, 0.4])
    array([ 1, -1])
    """

    _parameter_constraints: dict = {"n_flagged": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, *, n_flagged=10):
        self.n_flagged = n_flagged

    def _select(self, scores, y):
        if self.n_flagged >= len(scores):
            raise ValueError(
                f"n_flagged must be less than {len(scores)}, the number of scores; got "
                f"{self.n_flagged}. Flag fewer, or give more scores."
            )
        return np.partition(scores, -self.n_flagged - 1)[-self.n_flagged - 1]
