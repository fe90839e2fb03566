"""Thresholds that follow a stream of scores, by extreme value theory."""

import copy
from collections import deque
from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skanomaly.thresholds._base import BaseThreshold, check_scores
from skanomaly.thresholds._pareto import TAIL_FITS, excesses_above, tail_quantile
from skanomaly.thresholds._peaks import TAIL_CONSTRAINTS
from skanomaly.validation import Interval, fit_context

__all__ = ["DSPOT", "SPOT"]


class SPOT(BaseThreshold):
    """Peaks over threshold for streams: a threshold that each score makes more precise.

    ``fit`` starts a stream with initial scores, ``partial_fit`` goes on with it, and ``predict``
    labels scores as the continuation of the stream without changing the selector. Each score is
    compared with the threshold that the scores before it gave. If it is above, it is an alarm and
    nothing is learned from it. If it is above the level alone, the tail is fitted anew; until the
    next such score the threshold stays.

    Parameters
    ----------
    alpha : float, default=1e-3
        Probability that a normal score is flagged, below the share of initial scores above the
        level.
    level : float, default=0.98
        The quantile of the initial scores above which scores belong to the tail.
    method : {"profile", "mle", "pwm"}, default="profile"
        How the generalised Pareto distribution is fitted, see :class:`PeaksOverThreshold`.
        "profile" is Grimshaw's, which the authors of SPOT use. "mle" is many times slower.

    Attributes
    ----------
    threshold_ : float
        The threshold for the score that comes next, never below ``level_``. A detector with this
        selector uses it for all scores; to follow a stream, give its scores to the selector.
    level_ : float
        The score at the level; it stays as fit chose it.
    shape_, scale_ : float
        Shape and scale of the distribution fitted last.
    n_excesses_ : int
        Number of excesses so far.
    n_scores_ : int
        Number of scores learned from, those that were alarms left out.

    Raises
    ------
    ValueError
        If fewer than 10 different initial scores lie above the level, or `alpha` is not below the
        share of initial scores above it.

    See Also
    --------
    DSPOT : For scores that drift.
    PeaksOverThreshold : The same without a stream.

    Notes
    -----
    A stream is the same in one piece or in many. Of n scores about ``(1 - level) * n`` are
    excesses, and each fit looks at all excesses so far: the cost grows with the square of n. For
    long streams "pwm" is about ten times faster than "profile".

    That alarms are left out keeps anomalies out of the tail, and with them the highest normal
    scores: among normal scores, more are flagged than `alpha` says.

    References
    ----------
    A. Siffer, P.-A. Fouque, A. Termier and C. Largouet, "Anomaly detection in streams with extreme
    value theory", KDD 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.thresholds import SPOT
    >>> scores = np.random.default_rng(0).exponential(size=6000)
    >>> selector = SPOT(alpha=1e-4).fit(scores[:1000])
    >>> selector.n_excesses_
    19
    >>> labels = selector.predict(scores[1000:2000])  # the selector stays as it is
    >>> selector = selector.partial_fit(scores[1000:])
    >>> bool(selector.n_excesses_ > 100)
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
        self._stream = _Stream(_Tail(scores, self))
        return self._publish()

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, scores, y=None):
        """Go on with the stream, learning from its scores; the first call is ``fit``.

        Parameters
        ----------
        scores : array-like of shape (n_scores,)
            Anomaly scores in time order, higher meaning more anomalous.
        y : None
            Ignored; there for the conventions of scikit-learn.

        Returns
        -------
        self : object
            The selector.
        """
        if not hasattr(self, "threshold_"):
            return self.fit(scores)
        self._stream.follow(check_scores(scores))
        self.threshold_ = self._publish()
        return self

    def thresholds(self, scores):
        """Return the threshold that each score of a continuation of the stream is compared with.

        Parameters
        ----------
        scores : array-like of shape (n_scores,)
            Anomaly scores in time order, higher meaning more anomalous.

        Returns
        -------
        thresholds : ndarray of shape (n_scores,), float64
            In units of the scores.
        """
        check_is_fitted(self)
        return copy.deepcopy(self._stream).follow(check_scores(scores))

    def predict(self, scores):
        """Label scores as the continuation of the stream, which stays as it is.

        Parameters
        ----------
        scores : array-like of shape (n_scores,)
            Anomaly scores in time order, higher meaning more anomalous.

        Returns
        -------
        labels : ndarray of shape (n_scores,), int
            -1 where a score exceeds the threshold of its time, else +1.
        """
        scores = check_scores(scores)
        return np.where(scores > self.thresholds(scores), -1, 1)

    def _publish(self):
        """Set the attributes from the stream; return the threshold for the next score."""
        tail = self._stream.tail
        self.level_, self.shape_, self.scale_ = tail.level, tail.shape, tail.scale
        self.n_excesses_, self.n_scores_ = len(tail.excesses), tail.n_scores
        return self._stream.next_threshold()


class DSPOT(SPOT):
    """SPOT for scores that drift: it looks at how far scores are above those just before.

    The mean of the last `depth` scores that were no alarms is subtracted from each score. On the
    differences it is :class:`SPOT`, with the same methods.

    Parameters
    ----------
    alpha : float, default=1e-3
        Probability that a normal score is flagged, below the share of initial differences above
        the level.
    level : float, default=0.98
        The quantile of the initial differences above which they belong to the tail.
    method : {"profile", "mle", "pwm"}, default="profile"
        How the generalised Pareto distribution is fitted, see :class:`PeaksOverThreshold`.
    depth : int, default=10
        Number of scores in the mean.

    Attributes
    ----------
    threshold_ : float
        The threshold for the score that comes next, in units of the scores: it moves with their
        mean. A detector with this selector uses it for all scores; to follow a stream, give its
        scores to the selector.
    level_ : float
        The difference at the level; it stays as fit chose it.
    shape_, scale_ : float
        Shape and scale of the distribution fitted last.
    n_excesses_ : int
        Number of excesses so far.
    n_scores_ : int
        Number of differences learned from.

    Raises
    ------
    ValueError
        If there are not more than `depth` initial scores, or the differences are refused as
        :class:`SPOT` refuses scores.

    See Also
    --------
    SPOT : For scores that do not drift.

    Notes
    -----
    Alarms do not enter the mean. After one extremely low score, all that follow may be alarms, and
    the mean stays where it is: keep `depth` large where scores can be as far below as above.

    References
    ----------
    A. Siffer, P.-A. Fouque, A. Termier and C. Largouet, "Anomaly detection in streams with extreme
    value theory", KDD 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.thresholds import DSPOT
    >>> noise = np.random.default_rng(0).exponential(size=4000)
    >>> scores = noise + 0.01 * np.arange(4000)
    >>> selector = DSPOT(alpha=1e-4, depth=20).fit(scores[:1000])
    >>> scores[3000] += 20
    >>> np.flatnonzero(selector.predict(scores[1000:]) == -1)
    array([2000])
    """

    _parameter_constraints: dict = {
        **TAIL_CONSTRAINTS,
        "depth": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, *, alpha=1e-3, level=0.98, method="profile", depth=10):
        super().__init__(alpha=alpha, level=level, method=method)
        self.depth = depth

    def _select(self, scores, y):
        if len(scores) <= self.depth:
            raise ValueError(
                f"depth must be below the number of scores, {len(scores)}; got {self.depth}. Use "
                "a smaller depth or more scores."
            )
        recent = np.lib.stride_tricks.sliding_window_view(scores, self.depth)[:-1]
        tail = _Tail(scores[self.depth :] - recent.mean(axis=1), self)
        self._stream = _DriftingStream(tail, scores[-self.depth :])
        return self._publish()


class _Tail:
    """What is known of the tail of a stream: its excesses, their fit and the threshold."""

    def __init__(self, scores, selector):
        self.alpha, self.fit = selector.alpha, TAIL_FITS[selector.method]
        name = type(selector).__name__
        self.level, excesses = excesses_above(scores, selector.level, self.alpha, name)
        self.excesses = excesses.tolist()
        self.n_scores = len(scores)
        self._refit()

    def add(self, score):
        """Learn from a score between level and threshold, already counted in n_scores."""
        self.excesses.append(float(score) - self.level)
        self._refit()

    def _refit(self):
        self.shape, self.scale = self.fit(np.array(self.excesses))
        flagged = min(self.alpha * self.n_scores / len(self.excesses), 1.0)
        self.threshold = self.level + tail_quantile(self.shape, self.scale, flagged)


class _Stream:
    """The state of SPOT."""

    def __init__(self, tail):
        self.tail = tail

    def next_threshold(self):
        return self.tail.threshold

    def follow(self, scores):
        """Learn from scores (n_scores,); return the threshold that each was compared with."""
        tail = self.tail
        thresholds = np.empty(len(scores))
        done = 0
        # What is not above the level is counted, and changes nothing else.
        for i in np.flatnonzero(scores > tail.level):
            thresholds[done : i + 1] = tail.threshold
            tail.n_scores += int(i) - done
            if scores[i] <= tail.threshold:
                tail.n_scores += 1
                tail.add(scores[i])
            done = int(i) + 1
        thresholds[done:] = tail.threshold
        tail.n_scores += len(scores) - done
        return thresholds


class _DriftingStream:
    """The state of DSPOT."""

    def __init__(self, tail, recent):
        self.tail = tail
        self.recent = deque(recent.tolist())
        self.total, self.n_added = sum(self.recent), 0

    def next_threshold(self):
        return self.tail.threshold + self.total / len(self.recent)

    def follow(self, scores):
        """Learn from scores (n_scores,); return the threshold that each was compared with."""
        tail, depth = self.tail, len(self.recent)
        thresholds = np.empty(len(scores))
        for i, score in enumerate(scores.tolist()):
            mean = self.total / depth
            thresholds[i] = mean + tail.threshold
            if score > thresholds[i]:
                continue
            tail.n_scores += 1
            if score - mean > tail.level:
                tail.add(score - mean)
            self._remember(score)
        return thresholds

    def _remember(self, score):
        self.total += score - self.recent.popleft()
        self.recent.append(score)
        self.n_added += 1
        if self.n_added % len(self.recent) == 0:  # or rounding errors would add up
            self.total = sum(self.recent)
