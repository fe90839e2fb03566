"""Threshold from the tail of the scores, by extreme value theory."""

from numbers import Real

from skanomaly.thresholds._base import BaseThreshold
from skanomaly.thresholds._pareto import TAIL_FITS, excesses_above, tail_quantile
from skanomaly.validation import Interval, StrOptions

__all__ = ["TAIL_CONSTRAINTS", "PeaksOverThreshold"]

#: Constraints of the parameters that describe a tail.
TAIL_CONSTRAINTS: dict = {
    "alpha": [Interval(Real, 0, 1, closed="neither")],
    "level": [Interval(Real, 0, 1, closed="neither")],
    "method": [StrOptions(set(TAIL_FITS))],
}


class PeaksOverThreshold(BaseThreshold):
    """Flag scores that normal ones exceed with a given small probability, by their fitted tail.

    What exceeds a high level follows a generalised Pareto distribution, whatever the distribution
    of the scores, if the level is high enough. Fitted to the excesses, it tells of scores higher
    than any seen in fit.

    Parameters
    ----------
    alpha : float, default=1e-3
        Probability that a normal score is flagged, below the share of scores above the level.
    level : float, default=0.98
        The quantile of the scores above which they belong to the tail. The lower it is, the more
        scores the fit is based on, and the less they need to follow the Pareto distribution.
    method : {"profile", "mle", "pwm"}, default="profile"
        How the distribution is fitted. "profile" and "mle" maximise the likelihood among shapes of
        at least -1, "profile" along a line [1]_, which cannot miss the maximum nearby, "mle" by a
        simplex search. "pwm" takes probability-weighted moments [2]_, which vary less when there
        are few excesses, and need a shape below 1; a fitted tail that would end below the highest
        excess ends there instead [3]_.

    Attributes
    ----------
    threshold_ : float
        Scores above it are anomalies.
    level_ : float
        The score at the level.
    shape_ : float
        Shape of the fitted distribution: above 0 for heavy tails, below 0 for tails that end.
    scale_ : float
        Scale of the fitted distribution, in units of the scores.
    n_excesses_ : int
        Number of scores in fit above ``level_``.

    Raises
    ------
    ValueError
        If fewer than 10 different scores lie above the level, or `alpha` is not below the share of
        scores above it.

    See Also
    --------
    SPOT : The same for streams.
    QuantileThreshold : A quantile among the scores, for larger probabilities.

    Notes
    -----
    ``threshold_ = level_ + scale_ / shape_ * (r ** -shape_ - 1)`` with the probability r = alpha *
    n_scores / n_excesses that an excess is flagged. Neighbouring scores of a series depend on each
    other: the probability holds for scores, while alarms come in groups.

    References
    ----------
    .. [1] S. D. Grimshaw, "Computing maximum likelihood estimates for the generalized Pareto
       distribution", Technometrics 35(2), 1993.
    .. [2] J. R. M. Hosking and J. R. Wallis, "Parameter and quantile estimation for the
       generalized Pareto distribution", Technometrics 29(3), 1987.
    .. [3] D. J. Dupuis and M. Tsao, "A hybrid estimator for generalized Pareto and extreme-value
       distributions", Communications in Statistics 27(4), 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.thresholds import PeaksOverThreshold
    >>> scores = np.random.default_rng(0).exponential(size=5000)
    >>> selector = PeaksOverThreshold(alpha=1e-4, level=0.9).fit(scores)
    >>> bool(7.5 < selector.threshold_ < 11.5)  # of which it exceeds 9.2 with this probability
    True
    >>> selector.predict([5.0, 20.0])
    array([ 1, -1])
    """

    _parameter_constraints: dict = TAIL_CONSTRAINTS

    def __init__(self, *, alpha=1e-3, level=0.98, method="profile"):
        self.alpha = alpha
        self.level = level
        self.method = method

    def _select(self, scores, y):
        self.level_, excesses = excesses_above(scores, self.level, self.alpha, type(self).__name__)
        self.shape_, self.scale_ = TAIL_FITS[self.method](excesses)
        self.n_excesses_ = len(excesses)
        flagged = self.alpha * len(scores) / self.n_excesses_
        return self.level_ + tail_quantile(self.shape_, self.scale_, flagged)
