"""Anomaly scores of any outlier detector, whichever way its own scores point.

A pipeline passes on ``score_samples`` and ``predict`` alone, so that its last step is asked itself.
"""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from skanomaly.model_selection._walk import put_back, reach
from skanomaly.sequences import nesting

__all__ = [
    "RESPONSE_DOC",
    "RESPONSE_METHODS",
    "ask_for_samples",
    "ask_for_timesteps",
    "last_step",
    "sample_scores",
    "timestep_scores",
]

RESPONSE_METHODS = ("score_samples", "decision_function", "pyod")

#: For docstrings of meta-estimators.
RESPONSE_DOC = """{"score_samples", "decision_function", "pyod"}, default="score_samples"
        What to ask the detector for, and which way it points. The first two are as in
        scikit-learn, higher meaning more normal, and are turned round to anomaly scores. "pyod"
        is a ``decision_function`` as detectors of PyOD have it, higher meaning more anomalous. A
        detector that shows the opposite convention is refused: "pyod" for what has
        ``score_samples``, the others for what has ``decision_scores_``."""


def last_step(estimator):
    """Return the detector inside pipelines, searches and frozen estimators."""
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif isinstance(estimator, Pipeline):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


def sample_scores(estimator, X, response_method="score_samples"):
    """Ask a fitted detector for anomaly scores, (n_samples,), higher is more anomalous."""
    _check_convention(estimator, response_method)
    method = "decision_function" if response_method == "pyod" else response_method
    scores = np.asarray(ask_for_samples(estimator, X, method), dtype=np.float64)
    if response_method != "pyod":
        scores = -scores
    if scores.ndim != 1:
        raise ValueError(
            f"{type(estimator).__name__}.{response_method} must return one score per sample; got "
            f"shape {scores.shape}. Wrap an outlier detector, or another response_method of it."
        )
    return scores


def timestep_scores(estimator, X):
    """Ask a fitted detector for anomaly scores of time steps, (n_timesteps_i,) per series."""
    scores = ask_for_timesteps(estimator, X, "score_timesteps")
    return [-np.asarray(part, dtype=np.float64) for part in scores]


def ask_for_samples(estimator, X, method):
    """Call a method that returns one value per sample: per time step of a series, per series."""
    if nesting(X) == "series":
        return ask_for_timesteps(estimator, X, method)
    return getattr(estimator, method)(X)


def ask_for_timesteps(estimator, X, method):
    """Call a method of the detector at the end of a pipeline that returns one value per step."""
    detector, method, inner, stages = reach(estimator, X, (method,))
    return put_back(getattr(detector, method)(inner), stages)


def _check_convention(estimator, response_method):
    """Raise for a detector that shows by its attributes that its scores point the other way."""
    detector = last_step(estimator)
    name = type(detector).__name__
    if response_method == "pyod" and hasattr(detector, "score_samples"):
        raise ValueError(
            "response_method='pyod' is for detectors whose decision_function is higher for "
            f"anomalies; got {name}, whose score_samples tells that it follows scikit-learn. Use "
            "response_method='score_samples'."
        )
    if response_method == "pyod":
        return
    if hasattr(detector, "decision_scores_"):
        raise ValueError(
            f"response_method={response_method!r} is for detectors whose scores are higher for "
            f"what is normal; got {name}, whose decision_scores_ tells that it follows PyOD. Use "
            "response_method='pyod' of FixedThresholdDetector or TunedThresholdDetectorCV."
        )
    if not hasattr(detector, response_method):
        raise TypeError(
            f"response_method={response_method!r} needs a detector with that method; got {name}, "
            "which has not. Use another response_method; of LocalOutlierFactor use novelty=True; "
            "wrap a detector of PyOD in FixedThresholdDetector(..., response_method='pyod')."
        )
