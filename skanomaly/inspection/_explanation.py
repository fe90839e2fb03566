"""Why an alarm was raised: features, time steps, and what would have prevented it."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from skanomaly.inspection._attribution import feature_contributions
from skanomaly.inspection._counterfactual import Counterfactual, find_counterfactual
from skanomaly.inspection._inputs import check_detector, feature_names, nameless
from skanomaly.inspection._table import html_table, number, percent, text_table
from skanomaly.sequences import check_sequences
from skanomaly.validation import Interval, validate_params

__all__ = ["Counterfactual", "Explanation", "explain"]


@dataclass(frozen=True, repr=False)
class Explanation:
    """What :func:`explain` found; prints as tables.

    Parameters
    ----------
    interval : tuple of int
        Start and stop, half-open.
    features : ndarray of shape (n_features_shown,), int
        The features that contribute most, the largest first.
    feature_names : list of str
        Their names.
    shares : ndarray of shape (n_features_shown,), float64
        Share of each in the anomaly scores of the interval.
    steps : ndarray of shape (n_steps_shown,), int
        The time steps of the interval with the highest anomaly scores, the highest first.
    step_scores : ndarray of shape (n_steps_shown,), float64
        Their anomaly scores, higher meaning more anomalous.
    step_threshold : float
        What is above it is flagged.
    flagged : ndarray of int
        Time steps of the interval that are flagged.
    contributions : ndarray of shape (stop - start, n_features), float64
        Of all features at the steps of the interval.
    counterfactual : Counterfactual
        The series after the smallest change found that removes the alarm.
    changes : list of dict
        One per changed feature: "feature", "name", "n_steps", "largest" (the largest change, with
        its sign, in units of X), "in_errors" (its size in units of ``error_scale_``) and "in_std"
        (in standard deviations of the feature over X).

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.inspection import explain
    >>> X = np.sin(np.arange(300) / 5).reshape(-1, 1)
    >>> detector = PersistenceDetector().fit(X)
    >>> X[100] += 1.0
    >>> explanation = explain(detector, X, (98, 104))
    >>> explanation.flagged, bool((explanation.step_scores > explanation.step_threshold)[0])
    (array([100, 101]), True)
    """

    interval: tuple
    features: np.ndarray
    feature_names: list
    shares: np.ndarray
    steps: np.ndarray
    step_scores: np.ndarray
    step_threshold: float
    flagged: np.ndarray
    contributions: np.ndarray
    counterfactual: Counterfactual
    changes: list

    @property
    def conclusion(self):
        """Say what the counterfactual shows, in a sentence or two."""
        found = self.counterfactual
        if not len(self.flagged):
            return "No step of the interval is flagged: nothing need be changed."
        if found.success:
            way = {"reconstruction": "the reconstruction", "line": "a straight line across it"}
            return (
                f"No step would be flagged after changing {len(self.changes)} feature(s) at "
                f"{len(found.steps)} step(s) towards {way[found.filled_with]}:"
            )
        return (
            f"No change was found that removes the alarm: {len(found.still_flagged)} of "
            f"{len(self.flagged)} flagged steps stay flagged after changing {len(found.features)} "
            "feature(s). The cause may lie beside the interval, for windows reach beyond it: try a "
            "wider one, or more features (max_features)."
        )

    def _tables(self):
        """Arrange what is printed: (header, rows) of features, steps and changes."""
        features = [
            (name, percent(share))
            for name, share in zip(self.feature_names, self.shares, strict=True)
        ]
        steps = [
            (str(step), number(score), "yes" if step in self.flagged else "no")
            for step, score in zip(self.steps, self.step_scores, strict=True)
        ]
        changes = [
            (
                change["name"],
                str(change["n_steps"]),
                f"{change['largest']:+.4g}",
                number(change["in_errors"]),
                number(change["in_std"]),
            )
            for change in self.changes
        ]
        header = "change of", "steps", "largest", "in error_scale_", "in std"
        return (
            (("feature", "share of score"), features),
            (("step", "score", "flagged"), steps),
            (header, changes),
        )

    def __str__(self):
        """Write features, steps and the counterfactual."""
        features, steps, changes = (text_table(*table) for table in self._tables())
        start, stop = self.interval
        parts = [
            f"Steps {start} to {stop - 1}: {len(self.flagged)} of {stop - start} flagged "
            f"(score above {number(self.step_threshold)}).",
            features,
            steps,
            self.conclusion,
        ]
        return "\n\n".join([*parts, changes] if self.changes else parts)

    __repr__ = __str__

    def _repr_html_(self):
        """Write the same for notebooks."""
        features, steps, changes = (html_table(*table) for table in self._tables())
        return f"{features}{steps}<p>{self.conclusion}</p>{changes if self.changes else ''}"


@validate_params(
    {
        "n_features": [Interval(Integral, 1, None, closed="left")],
        "n_steps": [Interval(Integral, 1, None, closed="left")],
        "max_features": [Interval(Integral, 1, None, closed="left"), None],
    },
    prefer_skip_nested_validation=True,
)
def explain(detector, X, interval, *, n_features=5, n_steps=5, max_features=None):
    """Explain an alarm: the features and steps behind it, and what would have prevented it.

    Parameters
    ----------
    detector : detector
        Fitted.
    X : array-like of shape (n_timesteps, n_features)
        One series, with rows in time order. Of a panel pass one series, ``X[i]``. It need hold no
        more than the interval and some windows before and after it, which costs less time.
    interval : tuple of two int
        Start and stop of the alarm in X, half-open.
    n_features : int, default=5
        How many features to show.
    n_steps : int, default=5
        How many time steps to show.
    max_features : int or None, default=None
        How many features the counterfactual may change; None is all of them.

    Returns
    -------
    explanation : Explanation
        Prints as tables.

    Raises
    ------
    TypeError
        If the detector lacks a method that is needed.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.
    ValueError
        If X is not one series, or the interval is empty or not within it.

    See Also
    --------
    feature_contributions : The numbers behind the shares.

    Notes
    -----
    The counterfactual is found by a greedy search. The feature that contributes most to the
    flagged steps is replaced, within the interval, by the reconstruction of the detector; again
    for the new reconstruction that this changes; then a further feature, until no step of the
    interval is flagged. If all features do not help, a straight line from before the interval to
    after it is tried instead. Then everything not needed is taken back: features, the time steps
    with the smallest changes, and, by bisection, a part of the rest. What remains is a small
    change, not always the smallest. It takes two to four scoring passes per feature, and some 20
    more.

    References
    ----------
    .. [1] S. Wachter, B. Mittelstadt and C. Russell, "Counterfactual explanations without opening
       the black box", Harvard Journal of Law & Technology 31 (2), 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.inspection import explain
    >>> t = np.arange(300)
    >>> X = np.column_stack([np.sin(t / 5), np.cos(t / 9)])
    >>> detector = PersistenceDetector().fit(X)
    >>> X[100, 1] += 1.0
    >>> explanation = explain(detector, X, (100, 102))
    >>> explanation.feature_names[0], explanation.flagged
    ('x1', array([100, 101]))
    >>> explanation.counterfactual.success
    True
    >>> [change["name"] for change in explanation.changes]
    ['x1']
    """
    check_detector(
        detector, "score_features", "score_timesteps", "predict_timesteps", "reconstruct"
    )
    sequences = check_sequences(detector, X, reset=False)
    if sequences.nesting != "series":
        raise ValueError(
            "X must be one series (n_timesteps, n_features); got a "
            f"{sequences.nesting} panel of {sequences.n_series} series. Pass the one with the "
            "alarm, X[i]."
        )
    x = sequences.values.astype(np.float64)
    interval = _check_interval(interval, len(x))
    names = feature_names(detector, x.shape[1])
    bare = nameless(detector)
    contributions = feature_contributions(bare, sequences.values)[interval]
    scores = -np.asarray(bare.score_timesteps(sequences.values))[interval]
    labels = np.asarray(bare.predict_timesteps(sequences.values))[interval]
    totals = np.nan_to_num(contributions).sum(axis=0)
    top = np.argsort(-totals, kind="stable")[:n_features]
    steps = np.argsort(-scores, kind="stable")[:n_steps]
    found = find_counterfactual(bare, x, interval, min(max_features or x.shape[1], x.shape[1]))
    return Explanation(
        interval=(interval.start, interval.stop),
        features=top,
        feature_names=[names[j] for j in top],
        shares=totals[top] / totals.sum() if totals.sum() else totals[top],
        steps=interval.start + steps,
        step_scores=scores[steps],
        step_threshold=float(detector.step_threshold_),
        flagged=interval.start + np.flatnonzero(labels == -1),
        contributions=contributions,
        counterfactual=found,
        changes=_changes(x, found, np.asarray(detector.error_scale_), names),
    )


def _check_interval(interval, n_timesteps):
    """Return the interval as a slice, or raise ValueError."""
    start, stop = interval
    if not 0 <= start < stop <= n_timesteps:
        raise ValueError(
            f"interval must be (start, stop) with 0 <= start < stop <= {n_timesteps}, the number "
            f"of time steps of X; got {interval!r}. Count the steps from 0; stop is not included."
        )
    return slice(int(start), int(stop))


def _changes(x, found, error_scale, names):
    """Describe the change of each changed feature: list of dict."""
    change = np.nan_to_num(found.X - x)
    rows = []
    for j in found.features:
        largest = float(change[np.argmax(np.abs(change[:, j])), j])
        std = float(np.nanstd(x[:, j]))
        rows.append(
            {
                "feature": int(j),
                "name": names[j],
                "n_steps": int(np.count_nonzero(change[:, j])),
                "largest": largest,
                "in_errors": abs(largest) / float(error_scale[j]),
                "in_std": abs(largest) / std if std else np.inf,
            }
        )
    return rows
