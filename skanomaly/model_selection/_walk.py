"""From an estimator around a detector to the detector, and to one score for each time step."""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skanomaly.sequences import nesting

__all__ = ["put_back", "reach", "score_steps"]


def reach(estimator, X, methods):
    """Go through pipelines, searches and wrappers until one of the methods is there.

    Parameters
    ----------
    estimator : estimator
        Fitted: a detector, or what ends in one.
    X : array-like, frame or list of them
        What the estimator takes.
    methods : tuple of str
        Any of them will do; the first that is there is named.

    Returns
    -------
    detector : estimator
        The one that has the method.
    method : str
        Its name.
    X : array, frame or list
        As it reaches the detector.
    stages : list of (transformer, X)
        The transformers gone through, each with what it was given.

    Raises
    ------
    TypeError
        If nothing inside has any of the methods.
    """
    stages, found, named = [], estimator, estimator
    while True:
        if isinstance(found, Pipeline):
            for _, step in found.steps[:-1]:
                if step is not None and step != "passthrough":
                    stages.append((step, X))
                    X = step.transform(X)
            found = named = found.steps[-1][1]
            continue
        if isinstance(found, FrozenEstimator):  # it has all methods of a pipeline in it
            found = named = found.estimator
            continue
        inner = _inside(found)
        method = next((name for name in methods if hasattr(found, name)), None)
        # A search has the methods of its best estimator, a pipeline perhaps.
        if method is not None and not hasattr(found, "best_estimator_"):
            return found, method, X, stages
        if inner is None:
            raise TypeError(
                f"estimator must have the method {' or '.join(methods)} for such X and y; got "
                f"{type(named).__name__}, which has not. Use a detector of skanomaly, alone or at "
                "the end of a Pipeline, or for a panel labels per series, (n_series,)."
            )
        found = inner
        if not hasattr(named, "estimator_"):  # which a forest has too, one tree of it
            named = inner


def _inside(estimator):
    """Return the fitted estimator that another one wraps, None where there is none."""
    for name in ("best_estimator_", "estimator_"):
        if hasattr(estimator, name):
            return getattr(estimator, name)
    return None


def put_back(values, stages):
    """Put values of time steps back on the time axis of X, where a step downsampled it."""
    for step, before in reversed(stages):
        if hasattr(step, "upsample"):
            values = step.upsample(values, before)
    return values


def score_steps(estimator, X, lengths):
    """Score every time step of X: a list of (n_timesteps_i,) float64, higher is more anomalous.

    `lengths` are those of the series of X. What a step of a pipeline downsampled is put back on
    the time axis of X.
    """
    check_is_fitted(estimator)
    one_series = nesting(X) == "series"
    methods = ("score_timesteps", "score_samples") if one_series else ("score_timesteps",)
    detector, method, inner, stages = reach(estimator, X, methods)
    scores = put_back(getattr(detector, method)(inner), stages)
    parts = [scores] if one_series else list(scores)
    parts = [-np.asarray(part, dtype=np.float64).ravel() for part in parts]
    found = [len(part) for part in parts]
    if found != list(lengths):
        raise ValueError(
            f"estimator must give one score for each time step of X, {_short(lengths)} for its "
            f"series; got {_short(found)}. Leave out steps that drop or add time steps; "
            "Downsampler is undone."
        )
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError(
            f"estimator must give finite scores; got NaN or infinity from {type(detector).__name__}"
            ". Fill missing values before it."
        )
    return parts


def _short(lengths):
    lengths = [int(length) for length in lengths]
    return ", ".join(map(str, lengths[:5])) + (", ..." if len(lengths) > 5 else "")
