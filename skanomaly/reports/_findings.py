"""What a report says, as plain arrays and texts, before it is drawn."""

from dataclasses import dataclass

import numpy as np
from sklearn.pipeline import Pipeline

from skanomaly.inspection import feature_contributions, identity_report
from skanomaly.intervals import find_intervals

__all__ = ["Findings", "find"]

_IDENTITY_STEPS = 5000


@dataclass(frozen=True)
class Findings:
    """What a detector says of one series.

    Parameters
    ----------
    detector : detector
        Fitted; the last step of a pipeline.
    names : list of str
        Of the features of X.
    X : ndarray of shape (n_timesteps, n_features), float64
        As given, NaN where not observed.
    index : ndarray of shape (n_timesteps,)
        Names of the time steps: numbers or datetime64.
    scores : ndarray of shape (n_timesteps,)
        Anomaly scores, higher meaning more anomalous.
    threshold : float
        Scores above it are flagged.
    intervals : ndarray of shape (n_intervals, 2)
        Flagged time steps, half-open, in order.
    y : ndarray of shape (n_timesteps,) or None
        True labels, -1 or 1.
    contributions : ndarray of shape (n_timesteps, n_inner) or None
        Of the features that the detector sees; None where it cannot tell.
    inner_names : list of str
        Names of those features.
    identity : IdentityReport or None
        None where the detector has no reconstruction, or nobody asked.
    """

    detector: object
    names: list
    X: np.ndarray
    index: np.ndarray
    scores: np.ndarray
    threshold: float
    intervals: np.ndarray
    y: np.ndarray | None
    contributions: np.ndarray | None
    inner_names: list
    identity: object


def find(estimator, X, y, index, identity):
    """Ask a fitted detector, or a pipeline that ends in one, all that the report tells."""
    names = [str(name) for name in getattr(X, "columns", range(np.shape(X)[1]))]
    values = np.asarray(X, dtype=np.float64)
    inner, detector = X, estimator
    if isinstance(estimator, Pipeline):
        detector = estimator[-1]
        for _, step in estimator.steps[:-1]:
            inner = step.transform(inner)
    inner_values = np.asarray(inner, dtype=np.float64)
    scores = -np.asarray(detector.score_samples(inner), dtype=np.float64)
    threshold = float(getattr(detector, "step_threshold_", -detector.offset_))
    contributions = None
    if len(inner_values) == len(values) and hasattr(detector, "score_features"):
        contributions = feature_contributions(detector, inner)
    same = inner_values.shape[1] == values.shape[1]
    report = None
    if identity and hasattr(detector, "reconstruct"):
        report = identity_report(detector, inner, max_timesteps=_IDENTITY_STEPS, random_state=0)
    return Findings(
        detector=detector,
        names=names,
        X=values,
        index=np.arange(len(values)) if index is None else np.asarray(index),
        scores=scores,
        threshold=threshold,
        intervals=find_intervals(scores > threshold),
        y=None if y is None else np.asarray(y),
        contributions=contributions,
        inner_names=names if same else [f"x{j}" for j in range(inner_values.shape[1])],
        identity=report,
    )
