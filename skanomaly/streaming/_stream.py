"""A fitted detector that follows one stream of time steps, or many at once."""

from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from skanomaly.scoring import fit_threshold
from skanomaly.sequences import check_sequences
from skanomaly.streaming._followers import make_follower
from skanomaly.streaming._inputs import check_step, read_steps
from skanomaly.streaming._networks import ENGINES
from skanomaly.streaming._smoothing import StreamSmoother
from skanomaly.streaming._snapshots import check_snapshot, describe_detector
from skanomaly.streaming._thresholds import make_thresholds
from skanomaly.thresholds import QuantileThreshold
from skanomaly.validation import HasMethods, Interval, StrOptions, validate_params

__all__ = ["Stream", "StreamResult"]

# Values of windows that are judged at once: 1 MiB in float32.
_PART = 2**18


class StreamResult(NamedTuple):
    """What a stream says of the time steps it was given.

    Of one step of one stream these are numbers, and `errors` is (n_features,). A block adds an axis
    of steps, and several streams one of streams before it: (n_streams, n_timesteps).

    Parameters
    ----------
    step : int or ndarray of int
        Number of the step in its stream, from 0; the streams share it.
    score : float or ndarray of float64
        As of ``score_samples``: higher is more normal. NaN in the warm-up, and for a step that was
        dropped because it, or a later one, had been there before.
    decision : float or ndarray of float64
        `score` plus the threshold of its time: negative means anomalous. NaN where `score` is.
    label : int or ndarray of int
        -1 for anomalies, +1 for the rest, and where `score` is NaN.
    errors : ndarray of float64
        The errors that make up the score, per feature: higher is more anomalous, as
        ``score_features`` with the sign turned. NaN where there is none.
    scored : bool or ndarray of bool
        False for steps that were dropped.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import MeanDetector
    >>> from skanomaly.streaming import Stream
    >>> detector = MeanDetector().fit(np.random.default_rng(0).normal(size=(100, 2)))
    >>> result = Stream(detector).update([0.1, 9.0])
    >>> int(result.step), int(result.label), result.errors.shape
    (0, -1, (2,))
    >>> bool(result.decision < 0)
    True
    """

    step: Any
    score: Any
    decision: Any
    label: Any
    errors: Any
    scored: Any


class Stream:
    """Follow streams of time steps with a fitted detector.

    From the first full window on, scores are those that ``score_samples`` gives for the series as
    a whole, to rounding, but computed from what has come so far alone. Only what later steps depend
    on is kept: memory does not grow, but for adaptive thresholds, which keep a few scores in a
    hundred.

    Parameters
    ----------
    detector : BaseDetector or ScoreEnsemble
        Fitted, with ``aggregation="last"`` and ``stride=1`` where it has windows, and
        ``smoothing_causal=True`` where it smooths; an ensemble with ``causal=True`` and such
        members.
    n_streams : int, default=1
        Streams that advance together, each as if alone: one network call serves all.
    carry_state : bool, default=False
        For :class:`~skanomaly.LSTMForecaster` only: let its network read each step once and never
        forget, instead of reading the last window anew for each step. A step then costs one step of
        the network, not `window_size` of them. The forecasts rest on all that came before, so that
        scores are others than those of ``score_samples``: see :meth:`calibrate`.
    threshold : float, fitted threshold selector or None, default=None
        Anomaly scores above it are flagged. None takes that of the detector for time steps.
    adaptive : bool, default=False
        Let each stream's threshold follow its scores: `threshold`, or the selector of the detector,
        must be a :class:`~skanomaly.thresholds.SPOT` or :class:`~skanomaly.thresholds.DSPOT`.
        Steps without any observed value teach it nothing.
    engine : {"auto", "numba", "numpy"}, default="auto"
        What computes LSTM networks. "auto" is Numba where it is installed (``pip install
        'skanomaly[fast]'``), which is many times faster than NumPy here. The network of a
        :class:`~skanomaly.KerasDetector` is computed by Keras.
    late : {"drop", "raise"}, default="drop"
        What to do with steps that were there before, which only a `step` number given to
        :meth:`update` can tell: leave them out, or refuse them.
    max_gap : int, default=10000
        Most steps that may be missing between two calls of :meth:`update`. They count as not
        observed.

    Attributes
    ----------
    n_seen : int
        Steps taken in so far: the number of the step that comes next.
    warm_up : int
        First steps of a stream that get no score: ``window_size_ - 1`` of detectors with windows,
        the smallest lag of forecasters without a network, 0 of :class:`~skanomaly.MeanDetector`.
    engine_used : {"numba", "numpy", "keras"} or None
        What computes the network; None where there is none.

    Raises
    ------
    ValueError
        If the detector would have to look ahead or cannot be followed. The message names the
        remedy.

    See Also
    --------
    write_snapshot : Write a snapshot to a file.

    Notes
    -----
    *Warm-up.* Before the first full window a step has no score: NaN, label +1. ``score_samples``
    judges these steps by the first window, most of which comes after them. What is smoothed equals
    the batch scores as soon as no step of the warm-up is within reach.

    *Gaps.* NaN is not observed, as everywhere; a step of NaN alone scores as the median of the
    training data and is never flagged. :class:`~skanomaly.PersistenceDetector` has no opinion on a
    feature before its first observed value, where ``score_samples`` takes one that comes later.

    *Not safe for threads.* Update a stream from one thread at a time. When ``update`` is
    interrupted in the middle, restore the last snapshot.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import LinearForecaster
    >>> from skanomaly.streaming import Stream
    >>> X = np.sin(np.arange(300) / 5)[:, None] + 0.1 * np.random.default_rng(0).normal(
    ...     size=(300, 1)
    ... )
    >>> detector = LinearForecaster(lags=5).fit(X[:200])
    >>> stream = Stream(detector)
    >>> results = [stream.update(x) for x in X]
    >>> bool(np.allclose([one.score for one in results[1:]], detector.score_samples(X)[1:]))
    True
    >>> stream.update([5.0]).label
    -1
    """

    @validate_params(
        {
            "detector": [HasMethods(["fit", "predict"])],
            "n_streams": [Interval(Integral, 1, None, closed="left")],
            "carry_state": ["boolean"],
            "threshold": [
                Interval(Real, None, None, closed="neither"),
                HasMethods("predict"),
                None,
            ],
            "adaptive": ["boolean"],
            "engine": [StrOptions(set(ENGINES))],
            "late": [StrOptions({"drop", "raise"})],
            "max_gap": [Interval(Integral, 0, None, closed="left")],
        },
        prefer_skip_nested_validation=True,
    )
    def __init__(
        self,
        detector,
        *,
        n_streams=1,
        carry_state=False,
        threshold=None,
        adaptive=False,
        engine="auto",
        late="drop",
        max_gap=10_000,
    ):
        check_is_fitted(detector)
        self.detector = detector
        self.n_streams = int(n_streams)
        self.carry_state = bool(carry_state)
        self.late = late
        self.max_gap = int(max_gap)
        self.engine = engine
        self._begin()
        self._thresholds = make_thresholds(detector, threshold, adaptive, self.n_streams)
        self._unknown = float(detector._unknown_step)

    def _begin(self):
        """Forget all steps."""
        detector = self.detector
        self._follower, self.engine_used = make_follower(
            detector,
            self.n_streams,
            self._follow_member,
            carry_state=self.carry_state,
            engine=self.engine,
        )
        self.n_seen, self.warm_up = 0, self._follower.warm_up
        self._smoother = None
        if getattr(detector, "smoothing", None) is not None:
            if not detector.smoothing_causal:
                raise ValueError(
                    "smoothing_causal must be True in a stream, where later steps are not there "
                    "yet; got False. Fit with smoothing_causal=True, or smoothing=None."
                )
            self._smoother = StreamSmoother(
                detector.smoothing,
                int(detector.smoothing_span),
                self.n_streams,
                detector.n_features_in_,
            )
        width = self.n_streams * (self.warm_up + 1) * detector.n_features_in_
        self._steps_at_once = max(1, _PART // width)

    def _follow_member(self, member):
        """Make the stream of a member of an ensemble; its labels are not asked for."""
        return Stream(member, n_streams=self.n_streams, engine=self.engine)

    # ------------------------------------------------------------------------------- following

    def update(self, x, *, step=None):
        """Take in the next step, or a block of steps, and judge it.

        Parameters
        ----------
        x : array-like of shape (n_features,) or (n_timesteps, n_features)
            One step or a block. With several streams (n_streams, n_features) or (n_streams,
            n_timesteps, n_features). Numbers; NaN means not observed, also for a stream that has no
            news.
        step : int or None, default=None
            Number of the (first) step, counted from 0. Steps below ``n_seen`` were there before, as
            after a restart or a second delivery: they are dropped or refused, as `late` says.
            Steps that are missing before this one count as not observed. None is the next one.

        Returns
        -------
        result : StreamResult
            One entry for each step given, also for those dropped.

        Raises
        ------
        ValueError
            If x has another shape, holds what is no number or infinite, or `step` is not possible.
            The stream is then as it was before.
        """
        x, one = read_steps(x, self.detector, self.n_streams)
        if step is None:
            return self._shape(self.n_seen, 0, one, *self._judge(x))
        n_late = check_step(step, x.shape[1], self.n_seen, late=self.late, most=self.max_gap)
        if n_late:
            return self._shape(int(step), n_late, one, *self._judge_rest(x, n_late))
        if step > self.n_seen:
            nothing = (self.n_streams, int(step) - self.n_seen, x.shape[2])
            self._judge(np.full(nothing, np.nan, np.float32))
        return self._shape(int(step), 0, one, *self._judge(x))

    def _judge_rest(self, x, n_late):
        """Judge the steps after the first few, which are not taken in again."""
        scores, decisions = np.full((2, *x.shape[:2]), np.nan)
        errors, labels = np.full(x.shape, np.nan), np.ones(x.shape[:2], np.int64)
        if n_late < x.shape[1]:
            new = self._judge(x[:, n_late:])
            for target, found in zip((scores, decisions, labels, errors), new, strict=True):
                target[:, n_late:] = found
        return scores, decisions, labels, errors

    def _judge(self, x):
        """Take in x (n_streams, n, n_features); return anomaly scores, decisions, labels, errors.

        Of these all but the errors are (n_streams, n).
        """
        n, most = x.shape[1], self._steps_at_once
        if n <= most:
            return self._judge_part(x)
        parts = [self._judge_part(x[:, i : i + most]) for i in range(0, n, most)]
        return tuple(np.concatenate(same, axis=1) for same in zip(*parts, strict=True))

    def _judge_part(self, x):
        n = x.shape[1]
        errors = self._follower.errors(x)
        n_warming = min(max(self.warm_up - self.n_seen, 0), n)
        if n_warming:
            errors[:, :n_warming] = np.nan
        if self._smoother is not None:
            errors = self._smoother.next(errors)
        scores = self._follower.scores(errors)
        thresholds = self._thresholds.follow(scores)
        labels = np.where(scores > thresholds, -1, 1)
        unknown = np.isnan(scores)
        if unknown.any():
            scores = np.where(unknown, np.minimum(self._unknown, thresholds), scores)
            scores[:, :n_warming] = np.nan
        self.n_seen += n
        return scores, thresholds - scores, labels, errors

    def _shape(self, first, n_late, one, scores, *rest):
        """Arrange what was found as x was: without the axes of streams and steps it lacked."""
        parts = -scores, *rest
        if one and self.n_streams == 1:
            score, decision, label, errors = (part[0, 0] for part in parts)
            return StreamResult(
                first, float(score), float(decision), int(label), errors, not n_late
            )
        if one:
            return StreamResult(first, *(part[:, 0] for part in parts), not n_late)
        if self.n_streams == 1:
            parts = tuple(part[0] for part in parts)
        n = scores.shape[1]
        return StreamResult(first + np.arange(n), *parts, np.arange(n) >= n_late)

    def reset(self):
        """Forget all steps, as at a restart of what is watched; thresholds stay.

        Returns
        -------
        self : Stream
            The stream, in its warm-up.
        """
        self._begin()
        return self

    def calibrate(self, X):
        """Set the threshold from the scores that a stream like this one gives to X.

        With ``carry_state=True`` scores are others than those that the threshold of the detector
        was chosen from. The selector is of the kind that the detector has.

        Parameters
        ----------
        X : array-like of shape (n_timesteps, n_features), \
(n_series, n_timesteps, n_features), or list of (n_timesteps_i, n_features)
            Mostly normal: the training data, better others. Each series is a stream of its own.

        Returns
        -------
        self : Stream
            The stream, with a new threshold; where it stands does not change.
        """
        sequences = check_sequences(self.detector, X, reset=False)
        scores = []
        for series in sequences.split():
            other = Stream(self.detector, carry_state=self.carry_state, engine=self.engine)
            anomaly_scores = -other.update(series).score
            known = ~np.isnan(series).all(axis=1) & ~np.isnan(anomaly_scores)
            scores.append(anomaly_scores[known])
        selector = self.detector.threshold
        if selector is None:
            selector = QuantileThreshold(contamination=self.detector.contamination)
        fitted, self._unknown = fit_threshold(clone(selector), np.concatenate(scores))
        adaptive = self._thresholds.adaptive
        self._thresholds = make_thresholds(self.detector, fitted, adaptive, self.n_streams)
        return self

    # --------------------------------------------------------------------------------- restart

    def snapshot(self):
        """Write down where the stream stands.

        Returns
        -------
        snapshot : dict
            Numbers, strings, dicts of them and NumPy arrays, which no later step changes. For
            :meth:`restore`, or :func:`write_snapshot`.
        """
        return {
            "schema": 1,
            "detector": describe_detector(self.detector),
            "options": {
                "n_streams": self.n_streams,
                "carry_state": self.carry_state,
                "adaptive": self._thresholds.adaptive,
                "late": self.late,
                "max_gap": self.max_gap,
            },
            "n_seen": self.n_seen,
            "unknown": self._unknown,
            **{name: _copies(part.get_state()) for name, part in self._parts().items()},
            "thresholds": self._thresholds.get_state(),
        }

    def _parts(self):
        """Return by name what remembers steps."""
        parts = {"follower": self._follower, "smoother": self._smoother}
        return {name: _NO_STATE if part is None else part for name, part in parts.items()}

    def get_state(self):
        """Return what is remembered of steps, without what else a snapshot tells.

        Returns
        -------
        state : dict of ndarray
            The arrays themselves, not copies.
        """
        return {
            f"{name}.{key}": value
            for name, part in self._parts().items()
            for key, value in part.get_state().items()
        }

    def set_state(self, state):
        """Go on from a state, without checking it; :meth:`restore` does.

        Parameters
        ----------
        state : dict of ndarray
            As :meth:`get_state` returned it.
        """
        for name, part in self._parts().items():
            part.set_state({key: state[f"{name}.{key}"] for key in part.get_state()})

    @classmethod
    def restore(cls, detector, snapshot, *, threshold=None, engine="auto"):
        """Make the stream that a snapshot was taken of, to go on from there.

        Parameters
        ----------
        detector : BaseDetector
            The fitted detector that the stream followed, or an equal one.
        snapshot : dict
            From :meth:`snapshot` or :func:`read_snapshot`.
        threshold : fitted threshold selector or None, default=None
            The selector of an adaptive stream that was given one, to be given again; its state is
            in the snapshot. Other thresholds are in the snapshot as a whole.
        engine : {"auto", "numba", "numpy"}, default="auto"
            As for :class:`Stream`; it need not be the one that ran before.

        Returns
        -------
        stream : Stream
            Which says of all later steps what the other one would.

        Raises
        ------
        ValueError
            If the snapshot is none, or is of another detector.
        """
        check_is_fitted(detector)
        check_snapshot(snapshot, detector)
        stream = cls(detector, threshold=threshold, engine=engine, **snapshot["options"])
        for name, part in stream._parts().items():
            _check_state(part.get_state(), snapshot[name], name)
            part.set_state(_copies(snapshot[name]))
        _refuse_others(stream._thresholds.get_state(), snapshot["thresholds"], "thresholds")
        stream._thresholds.set_state(snapshot["thresholds"])
        stream.n_seen, stream._unknown = snapshot["n_seen"], float(snapshot["unknown"])
        return stream


class _NoState:
    """Remembers nothing."""

    def get_state(self):
        return {}

    def set_state(self, state):
        pass


_NO_STATE = _NoState()


def _copies(state):
    return {name: np.array(value) for name, value in state.items()}


def _refuse_others(state, given, part):
    """Raise unless two states have the same arrays, told by their names."""
    if set(state) != set(given):
        raise ValueError(
            f"snapshot[{part!r}] must hold {sorted(state)}; got {sorted(given)}. Restore it with "
            "the detector and the threshold that the stream had."
        )


def _check_state(state, given, part):
    """Raise unless the arrays of a snapshot have the names, shapes and dtypes of those here."""
    _refuse_others(state, given, part)
    for name, value in given.items():
        value, own = np.asarray(value), state[name]
        if value.shape != own.shape or value.dtype != own.dtype:
            raise ValueError(
                f"snapshot[{part!r}][{name!r}] must be of shape {own.shape} and dtype {own.dtype}; "
                f"got {value.shape} and {value.dtype}. Restore it with the detector that the "
                "stream followed."
            )
