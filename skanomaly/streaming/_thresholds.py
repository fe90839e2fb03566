"""Thresholds of streams: one that stays, or one per stream that follows its scores."""

import copy
from numbers import Real

import numpy as np

from skanomaly.thresholds import SPOT

__all__ = ["AdaptiveThresholds", "FixedThresholds", "make_thresholds"]


def make_thresholds(detector, threshold, adaptive, n_streams):
    """Return the thresholds of n streams.

    Parameters
    ----------
    detector : BaseDetector
        Fitted; its threshold is taken where none is given.
    threshold : float, fitted threshold selector or None
        What the user gave.
    adaptive : bool
        Whether it follows the scores.
    n_streams : int
        Number of streams.
    """
    given = threshold
    if threshold is None:
        threshold = detector.step_threshold_
        given = None if detector._fitted_on_panel else detector.threshold_selector_
    if not adaptive:
        value = threshold if isinstance(threshold, Real) else _threshold_of(threshold)
        return FixedThresholds(float(value))
    if isinstance(given, SPOT):
        _threshold_of(given)
        return AdaptiveThresholds(given, n_streams)
    if given is None:
        raise ValueError(
            "threshold must be a fitted SPOT or DSPOT for adaptive=True where the detector was "
            "fitted on a panel, whose selector knows scores of whole series; got None. Fit one on "
            "anomaly scores of time steps: SPOT().fit(-np.ravel(detector.score_timesteps(X)))."
        )
    raise ValueError(
        "threshold must be a fitted SPOT or DSPOT for adaptive=True, for others do not follow a "
        f"stream; got {_describe(given)}. Fit the detector with threshold=SPOT(), or give a "
        "selector fitted on its anomaly scores: SPOT().fit(-detector.score_samples(X))."
    )


def _threshold_of(selector):
    if not hasattr(selector, "threshold_"):
        raise ValueError(
            "threshold must be a number, a fitted threshold selector or None; got "
            f"{_describe(selector)}. Fit the selector on anomaly scores first."
        )
    return selector.threshold_


def _describe(thing):
    return repr(thing) if isinstance(thing, (Real, str)) else type(thing).__name__


class FixedThresholds:
    """One threshold for all streams and times."""

    adaptive = False

    def __init__(self, value):
        self.value = value

    def follow(self, scores):
        """Return the threshold of each score: (n_streams, n) -> the same shape, or one for all."""
        return self.value

    def get_state(self):
        """Return what :meth:`set_state` takes: a dict of arrays."""
        return {"threshold": np.array([self.value])}

    def set_state(self, state):
        """Go on from a state."""
        self.value = float(state["threshold"][0])


class AdaptiveThresholds:
    """A selector per stream, all of which start as the given one is."""

    adaptive = True

    def __init__(self, selector, n_streams):
        self._selectors = [copy.deepcopy(selector) for _ in range(n_streams)]

    def follow(self, scores):
        """Return the threshold of each score, and learn from it; NaN teaches nothing."""
        thresholds = np.empty(scores.shape)
        for selector, row, out in zip(self._selectors, scores, thresholds, strict=True):
            stream, known = selector._stream, ~np.isnan(row)
            if known.all():
                out[:] = stream.follow(row)
                continue
            # What has no score is told the threshold of its time.
            for i in range(len(row)):
                out[i] = stream.follow(row[i : i + 1])[0] if known[i] else stream.next_threshold()
        return thresholds

    def get_state(self):
        """Return what :meth:`set_state` takes: a dict of arrays."""
        state = {}
        for i, selector in enumerate(self._selectors):
            stream, tail = selector._stream, selector._stream.tail
            numbers = [tail.level, tail.shape, tail.scale, tail.threshold, tail.n_scores]
            state[f"excesses_{i}"] = np.array(tail.excesses, dtype=np.float64)
            state[f"tail_{i}"] = np.array(numbers, dtype=np.float64)
            if hasattr(stream, "recent"):
                state[f"recent_{i}"] = np.array(stream.recent, dtype=np.float64)
                state[f"sum_{i}"] = np.array([stream.total, stream.n_added], dtype=np.float64)
        return state

    def set_state(self, state):
        """Go on from a state."""
        for i, selector in enumerate(self._selectors):
            stream, tail = selector._stream, selector._stream.tail
            tail.excesses = state[f"excesses_{i}"].tolist()
            tail.level, tail.shape, tail.scale, tail.threshold, n = state[f"tail_{i}"].tolist()
            tail.n_scores = int(n)
            if hasattr(stream, "recent"):
                stream.recent = type(stream.recent)(state[f"recent_{i}"].tolist())
                stream.total, added = state[f"sum_{i}"].tolist()
                stream.n_added = int(added)
