"""Thresholds with a guaranteed rate of false alarms, by conformal p-values."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skanomaly.exceptions import ThresholdWarning
from skanomaly.thresholds._base import BaseThreshold, check_scores
from skanomaly.validation import Interval, StrOptions

__all__ = ["ConformalThreshold"]


class ConformalThreshold(BaseThreshold):
    """Flag scores so that normal ones are flagged at most at a given rate, for any distribution.

    The scores in fit calibrate: they must be of normal data that the detector did not learn from.
    A new score has the p-value (1 + number of calibration scores that are not lower) / (1 + number
    of calibration scores), and is flagged where that is at most `alpha`.

    Parameters
    ----------
    alpha : float, default=0.01
        Rate of false alarms among normal scores, or with "benjamini-hochberg" the expected share
        of false alarms among all alarms of a call of ``predict``.
    method : {"per-score", "benjamini-hochberg"}, default="per-score"
        "per-score" judges each score by itself. "benjamini-hochberg" judges the scores of a call
        of ``predict`` together: the i-th lowest of m p-values may be i / m times `alpha`.
    block_size : int, default=1
        Calibrate on the maxima of blocks of so many consecutive scores; an incomplete block at the
        end of the scores in fit is left out. The rate is then one of blocks: at most `alpha` of
        the normal blocks of this length hold a flagged score. With "benjamini-hochberg", the blocks
        of the scores in ``predict`` are what is judged together.

    Attributes
    ----------
    threshold_ : float
        The threshold for a score judged by itself: the k-th highest calibration score, with the
        highest k for which k / (n + 1) is at most alpha. Infinite where there is none.
    calibration_scores_ : ndarray of shape (n_calibration,), float64
        Scores in fit, or maxima of their blocks, rising.

    Raises
    ------
    ValueError
        If there are fewer scores in fit than a block holds.

    Warns
    -----
    ThresholdWarning
        If there are fewer than 1 / alpha - 1 calibration scores: no score by itself can then be
        flagged.

    See Also
    --------
    QuantileThreshold : A share of the scores in fit, without a guarantee for new ones.

    Notes
    -----
    The guarantee needs exchangeability: a new normal score is as likely as any calibration score to
    be the highest, the second highest and so on. Its probability to be flagged is then
    floor(alpha * (n + 1)) / (n + 1) if no scores are equal, and less otherwise. This is a mean over
    calibration sets: with one set at hand, the rate varies around it with a standard deviation of
    about sqrt(alpha * (1 - alpha) / n).

    Neighbouring scores of a series are not exchangeable. If blocks are long against the memory of
    the scores, their maxima nearly are, so that the rate per block holds. No block length helps
    against drift, nor against calibrating on the data that the detector was fitted on, whose errors
    are too small.

    "benjamini-hochberg" bounds the expected share of false alarms, for conformal p-values of
    independent scores depend on each other in a way that the procedure bears [2]_. At the lowest a
    p-value is 1 / (n + 1): one anomaly among m scores is found only if n + 1 is at least m / alpha.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World", Springer,
       2005.
    .. [2] S. Bates, E. Candès, L. Lei, Y. Romano and M. Sesia, "Testing for outliers with conformal
       p-values", Annals of Statistics 51(1), 2023.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.thresholds import ConformalThreshold
    >>> selector = ConformalThreshold(alpha=0.05).fit(np.arange(1.0, 100.0))
    >>> selector.threshold_
    95.0
    >>> selector.p_values([50.0, 95.5, 200.0])
    array([0.51, 0.05, 0.01])
    >>> selector.predict([50.0, 95.5, 200.0])
    array([ 1, -1, -1])
    """

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, 1, closed="neither")],
        "method": [StrOptions({"per-score", "benjamini-hochberg"})],
        "block_size": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, alpha=0.01, method="per-score", block_size=1):
        self.alpha = alpha
        self.method = method
        self.block_size = block_size

    def _select(self, scores, y):
        n_calibration = len(scores) // self.block_size
        if not n_calibration:
            raise ValueError(
                f"block_size must be at most the number of scores, {len(scores)}; got "
                f"{self.block_size}. Use shorter blocks or more scores."
            )
        blocks = scores[: n_calibration * self.block_size].reshape(n_calibration, -1)
        self.calibration_scores_ = np.sort(blocks.max(axis=1))
        ranks = np.arange(1, n_calibration + 1) / (n_calibration + 1)
        n_above = int(np.searchsorted(ranks, self.alpha, side="right"))
        if not n_above:
            warnings.warn(
                f"alpha={self.alpha} needs at least {int(np.ceil(1 / self.alpha - 1))} calibration "
                f"scores; got {n_calibration}, so that no score by itself is flagged and "
                "threshold_ is infinite. Use more scores, a higher alpha or shorter blocks.",
                ThresholdWarning,
                stacklevel=2,
            )
            return np.inf
        return self.calibration_scores_[-n_above]

    def p_values(self, scores):
        """Return the conformal p-value of each score.

        Parameters
        ----------
        scores : array-like of shape (n_scores,)
            Anomaly scores, higher meaning more anomalous.

        Returns
        -------
        p_values : ndarray of shape (n_scores,), float64
            In (0, 1], lower meaning more anomalous. With a `block_size` above 1, the p-value of a
            block is the lowest of its scores.
        """
        check_is_fitted(self)
        scores = check_scores(scores)
        n_calibration = len(self.calibration_scores_)
        n_lower = np.searchsorted(self.calibration_scores_, scores, side="left")
        return (1 + n_calibration - n_lower) / (1 + n_calibration)

    def predict(self, scores):
        """Label scores.

        Parameters
        ----------
        scores : array-like of shape (n_scores,)
            Anomaly scores, higher meaning more anomalous. With "benjamini-hochberg" they are judged
            together, and if `block_size` is above 1 they start a block.

        Returns
        -------
        labels : ndarray of shape (n_scores,), int
            -1 for anomalies, +1 for the rest.
        """
        p_values = self.p_values(scores)
        limit = self.alpha
        if self.method == "benjamini-hochberg":
            starts = np.arange(0, len(p_values), self.block_size)
            limit = _step_up(np.minimum.reduceat(p_values, starts), self.alpha)
        return np.where(p_values <= limit, -1, 1)


def _step_up(p_values, alpha):
    """Return the p-value up to which Benjamini and Hochberg reject, 0 if they reject none."""
    ordered = np.sort(p_values)
    limits = alpha * np.arange(1, len(ordered) + 1) / len(ordered)
    # Conformal p-values often equal a limit, which rounding must not turn into a miss.
    passing = np.flatnonzero(ordered <= limits * (1 + 1e-12))
    return ordered[passing[-1]] if len(passing) else 0.0
