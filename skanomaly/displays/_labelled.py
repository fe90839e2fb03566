"""Scores of all series of X, for displays that compare them with labels."""

import numpy as np
from sklearn.pipeline import Pipeline

from skanomaly.displays._inputs import _check_attributes, score_series, split_pipeline
from skanomaly.sequences import nesting


def last_step(detector):
    """Return the detector at the end of a pipeline."""
    return detector[-1] if isinstance(detector, Pipeline) else detector


def score_all(detector, X):
    """Score every time step of X: anomaly scores, nested as the labels of X, and the threshold."""
    final = last_step(detector)
    if nesting(X) == "series":
        return score_series(detector, final, X)
    _check_attributes(final, "score_timesteps", "step_threshold_")
    _, X = split_pipeline(detector, X)
    scores = [-np.asarray(part) for part in final.score_timesteps(X)]
    return scores, float(final.step_threshold_)


def check_some_anomalous(y_true):
    """Raise ValueError unless labels, nested or not, hold an anomaly."""
    parts = y_true if isinstance(y_true, (list, tuple)) and np.ndim(y_true[0]) else [y_true]
    if not any(np.any(np.asarray(part) == -1) for part in parts):
        raise ValueError(
            "y_true must hold at least one anomaly, -1, for curves to be drawn; got none. Draw "
            "scores without anomalies with skanomaly.displays.ScoreDisplay."
        )
