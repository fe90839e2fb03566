"""The members of an ensemble of detectors: what they are, and their scores of time steps."""

import numpy as np

from skanomaly.model_selection._responses import last_step
from skanomaly.model_selection._walk import put_back, reach, score_steps

__all__ = ["detectors_among", "feature_errors", "fit_to", "read_members", "step_errors"]


def read_members(estimators, weights):
    """Check members and weights.

    Returns
    -------
    members : list of (str, estimator)
        Those that are not "drop".
    weights : ndarray of shape (n_members,)
        Theirs, of mean 1.
    """
    _check_pairs(estimators)
    kept = [i for i, (_, one) in enumerate(estimators) if not isinstance(one, str)]
    if not kept:
        raise ValueError(
            'estimators must hold at least one detector; got "drop" for each. Set one of them.'
        )
    members = [tuple(estimators[i]) for i in kept]
    for name, one in members:
        if isinstance(one, type) or not (hasattr(one, "fit") and hasattr(one, "score_samples")):
            raise ValueError(
                "estimators must be outlier detectors with fit and score_samples, instances of "
                f"them; got {one!r} for {name!r}. Of LocalOutlierFactor use novelty=True."
            )
    return members, _read_weights(weights, len(estimators), kept)


def detectors_among(estimators):
    """Return the detectors among what may be members, for what is asked before `fit` checks it."""
    pairs = [pair for pair in estimators if isinstance(pair, (tuple, list)) and len(pair) == 2]
    return [one for _, one in pairs if not isinstance(one, (str, type))]


def _check_pairs(estimators):
    for pair in estimators:
        good = isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], str)
        if not good or (isinstance(pair[1], str) and pair[1] != "drop"):
            raise ValueError(
                'estimators must be a list of (name, detector), or (name, "drop"); got '
                f"{pair!r} in it. Use for example [('linear', LinearForecaster())]."
            )
    if not estimators:
        raise ValueError(
            "estimators must hold at least one (name, detector); got an empty list. Use for "
            "example [('linear', LinearForecaster())]."
        )


def _read_weights(weights, n_estimators, kept):
    if weights is None:
        return np.ones(len(kept))
    read = np.asarray(weights, dtype=np.float64)
    if read.shape != (n_estimators,) or not np.isfinite(read).all() or read.min() < 0:
        raise ValueError(
            f"weights must be {n_estimators} numbers, one per member, none negative; got "
            f"{weights!r}. Use None to weigh all the same."
        )
    read = read[kept]
    if not read.any():
        raise ValueError(
            f"weights must not all be zero for members that are not dropped; got {weights!r}. Use "
            "None to weigh all the same."
        )
    return read / read.mean()


def _takes_rows(member, sequences):
    """Tell whether a member must be given the time steps of all series as rows of one table."""
    if sequences.nesting == "series" or hasattr(last_step(member), "score_timesteps"):
        return False
    if last_step(member) is not member:
        raise ValueError(
            f"X must be one series for a {type(member).__name__} that ends in "
            f"{type(last_step(member)).__name__}, which scores rows; got a {sequences.nesting} "
            f"panel of {sequences.n_series} series. Put the steps of the pipeline before the "
            "ensemble, or use a detector of skanomaly."
        )
    return True


def fit_to(member, X, sequences):
    """Fit a member to X, or to its rows."""
    return member.fit(_all_rows(sequences) if _takes_rows(member, sequences) else X, None)


def step_errors(member, X, sequences):
    """Ask a fitted member for anomaly scores of all time steps: (n_timesteps,) float64."""
    if _takes_rows(member, sequences):
        return -np.asarray(member.score_samples(_all_rows(sequences)), dtype=np.float64)
    return np.concatenate(score_steps(member, X, sequences.lengths))


def feature_errors(member, X, sequences):
    """Ask a fitted member for anomaly scores of all values: (n_timesteps, n_features) float64."""
    detector, method, inner, stages = reach(member, X, ("score_features",))
    scores = put_back(getattr(detector, method)(inner), stages)
    parts = [scores] if sequences.nesting == "series" else list(scores)
    errors = -np.concatenate([np.asarray(part, dtype=np.float64) for part in parts])
    shape = (sequences.n_timesteps, sequences.n_features)
    if errors.shape != shape:
        raise ValueError(
            f"Members must score the values of X, {shape}, for score_features; got "
            f"{errors.shape} from {type(detector).__name__}. Leave out steps that change the "
            "features, or put them before the ensemble."
        )
    return errors


def _all_rows(sequences):
    return sequences.read(0, sequences.n_timesteps)
