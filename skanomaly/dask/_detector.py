"""What a detector consists of: transformers, the one that scores, and whose threshold counts."""

import copy
from typing import Any, NamedTuple

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skanomaly._backend import choose_backend
from skanomaly.dask._tasks import Work
from skanomaly.detectors import BaseDetector, BaseNetworkDetector
from skanomaly.exceptions import BackendNotFoundError
from skanomaly.model_selection import (
    FixedThresholdDetector,
    ScoreEnsemble,
    TunedThresholdDetectorCV,
)
from skanomaly.preprocessing import SequenceTransformer
from skanomaly.sequences import Sequences, check_sequences
from skanomaly.windows import Reach

__all__ = ["check_features", "panel_work", "series_works", "take_apart"]

# Of a single series, samples are time steps.
_OF_SERIES = {"score_timesteps": "score_samples", "predict_timesteps": "predict"}


class Taken(NamedTuple):
    """A fitted detector, taken apart."""

    steps: list
    core: Any
    wrapper: Any  # FixedThresholdDetector or TunedThresholdDetectorCV, None for none
    n_outside: int  # how many of the steps come before the wrapper, or before the core


def take_apart(detector):
    """Go through pipelines, searches and wrappers until the detector that scores is there."""
    check_is_fitted(detector)
    steps, core, wrapper, n_outside = [], detector, None, 0
    while True:
        if isinstance(core, FrozenEstimator):
            core = core.estimator
        elif hasattr(core, "best_estimator_"):
            core = core.best_estimator_
        elif isinstance(core, Pipeline):
            steps += [one for _, one in core.steps[:-1] if one not in (None, "passthrough")]
            core = core.steps[-1][1]
        elif isinstance(core, (FixedThresholdDetector, TunedThresholdDetectorCV)):
            if core.response_method != "score_samples":
                raise ValueError(
                    "response_method must be 'score_samples' for scoring on Dask; got "
                    f"{core.response_method!r}. Score with the detector inside, or in memory."
                )
            if wrapper is None:
                wrapper, n_outside = core, len(steps)
            core = core.estimator_
        else:
            break
    if not _is_known(core):
        raise TypeError(
            "detector must be a fitted detector of skanomaly or scikit-learn, alone, in a Pipeline "
            f"or behind a threshold of skanomaly; got {type(core).__name__}. Score it in memory."
        )
    return Taken(steps, core, wrapper, len(steps) if wrapper is None else n_outside)


def _is_known(core):
    ours = isinstance(core, (BaseDetector, ScoreEnsemble))
    return ours or (type(core).__module__.startswith("sklearn.") and hasattr(core, "score_samples"))


def check_features(taken, example):
    """Raise unless X, with the columns of the example, is what the first step was fitted to."""
    first = taken.steps[0] if taken.steps else taken.core
    expected = getattr(first, "n_features_in_", example.shape[1])
    if expected != example.shape[1]:
        raise ValueError(
            f"X must have {expected} features, as in fit; got {example.shape[1]}. Give the same "
            "columns in the same order, and of a dataframe of many series the id_column."
        )
    check_sequences(copy.copy(first), example, reset=not hasattr(first, "n_features_in_"))


def series_works(taken, method, **options):
    """Describe what is done with one series: by each transformer, and by the detector."""
    threshold = None
    if taken.wrapper is not None and not method.startswith("score"):
        threshold = taken.wrapper._step_threshold()
    steps = [
        Work(step, "transform", _reach_of(step), id_column=options.get("id_column"))
        for step in taken.steps
    ]
    core = Work(
        _slim(taken.core),
        _OF_SERIES.get(method, method),
        _reach_of(taken.core),
        threshold=threshold,
        backend=_backend_of(taken.core),
        **options,
    )
    return [*steps, core]


def panel_work(taken, method, shape):
    """Describe what is done with a block of a panel (n_series, n_timesteps, n_features)."""
    estimator = _slim(taken.core) if taken.wrapper is None else taken.wrapper
    steps = tuple(taken.steps[: taken.n_outside])
    if not hasattr(taken.core, "score_timesteps"):
        raise ValueError(
            "X must be one series (n_timesteps, n_features) for "
            f"{type(taken.core).__name__}, which scores rows; got a panel of shape {shape}. Use a "
            "detector of skanomaly."
        )
    if any(hasattr(step, "upsample") for step in taken.steps):
        raise ValueError(
            "The detector must not be a pipeline with a Downsampler, which changes the number of "
            f"time steps; got {taken.steps!r}. Downsample X before it is scored."
        )
    if method in ("decision_function", "predict"):
        refuse = np.zeros((1, 1, shape[2]))  # a panel: refused where none was seen in fit
        if taken.wrapper is None:
            refuse = Sequences(refuse[0], np.array([0, 1]), "panel")
        estimator._threshold_for(refuse)
    return Work(estimator, method, steps=steps, backend=_backend_of(taken.core))


def _reach_of(step):
    """Tell how far a transformer or detector looks; refuse what cannot tell."""
    if hasattr(step, "_reach"):
        return step._reach()
    if hasattr(step, "transform"):
        return SequenceTransformer(step)._reach()  # which refuses what looks at other rows
    return Reach()  # detectors of scikit-learn score every row alone


def _slim(core):
    """Leave out what scoring does not need."""
    if not hasattr(core, "_optimizer_state"):
        return core
    core = copy.copy(core)
    core._optimizer_state = None
    return core


def _backend_of(core):
    """Name the backend that networks in it run on here; None for no networks or no backend."""
    if not _has_network(core):
        return None
    try:
        return choose_backend()
    except BackendNotFoundError:  # scores may be asked for where nothing can be computed
        return None


def _has_network(estimator):
    if isinstance(estimator, BaseNetworkDetector):
        return True
    if isinstance(estimator, ScoreEnsemble):
        return any(_has_network(one) for one in estimator.estimators_)
    if isinstance(estimator, Pipeline):
        return _has_network(estimator.steps[-1][1])
    return False
