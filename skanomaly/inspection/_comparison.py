"""Errors of a detector beside those of simple rivals, on the same observed values."""

import numpy as np
from sklearn.base import clone

from skanomaly.inspection._inputs import nameless, window_size
from skanomaly.inspection._probes import aligned

__all__ = ["compare", "explained_by_copy", "persistence", "untrained_twin"]


def untrained_twin(detector, parts, seed):
    """Fit the detector again with max_epochs=0; None if it does not train in epochs.

    The twin has the same initial weights if random_state of the detector is an int.
    """
    params = detector.get_params(deep=False)
    if "max_epochs" not in params:
        return None
    changes = {"max_epochs": 0, "threshold": None, "callbacks": None, "after_fit": None}
    if not isinstance(params.get("random_state", 0), int):
        changes["random_state"] = seed
    if params.get("window_size") is not None:
        changes["window_size"] = min(window_size(detector), min(map(len, parts)))
    stride = params.get("stride", 1)
    changes["stride"] = min(stride, changes.get("window_size", stride))
    twin = clone(detector).set_params(**{k: v for k, v in changes.items() if k in params})
    return nameless(twin.fit(parts))


def persistence(parts):
    """Expect each value to be the one before: list of (n_timesteps_i, n_features)."""
    return [np.concatenate([np.full_like(x[:1], np.nan), x[:-1]]) for x in parts]


def compare(parts, outputs, marginals):
    """Measure the errors of reconstructions of X, as they are and from step to step.

    Parameters
    ----------
    parts : list of ndarray of shape (n_timesteps_i, n_features)
        The series of X.
    outputs : dict of {str: list of ndarray}
        Name and reconstruction; that of the detector first.
    marginals : Marginals
        Of X.

    Returns
    -------
    errors : dict of {str: dict}
        Per name, that of the mean included: "mse" and "explained"; "mse_of_changes" and
        "explained_of_changes", where the change of the reconstruction from step to step is
        compared with that of X. Only values count that were observed and that all have an
        opinion on.
    """
    level = _errors(parts, outputs, marginals.mean, marginals)
    changes = {name: [np.diff(y, axis=0) for y in output] for name, output in outputs.items()}
    change = _errors([np.diff(x, axis=0) for x in parts], changes, 0.0, marginals)
    return {
        name: {
            "mse": level[name][0],
            "explained": level[name][1],
            "mse_of_changes": change[name][0],
            "explained_of_changes": change[name][1],
        }
        for name in level
    }


def _errors(parts, outputs, centre, marginals):
    """Return {name: (mean squared error, share explained)}, the mean included."""
    x = np.concatenate(parts).astype(np.float64)[:, marginals.varies]
    outputs = {name: np.concatenate(y)[:, marginals.varies] for name, y in outputs.items()}
    known = np.isfinite(x) & np.all([np.isfinite(y) for y in outputs.values()], axis=0)
    counts = known.sum(axis=0)
    if not counts.any():
        raise ValueError(
            "X must have time steps that were observed after an observed one and on which the "
            "detector has an opinion; got none. Give longer series with more observed values."
        )
    # The mean is taken over the values compared, so that no constant does better.
    if np.ndim(centre):
        centre = np.where(known, x, 0.0).sum(axis=0) / np.maximum(counts, 1)
    outputs = {**outputs, "mean": np.broadcast_to(centre, x.shape)}
    squares = {n: np.where(known, x - y, 0.0) ** 2 for n, y in outputs.items()}
    per_feature = {n: s.sum(axis=0) / np.maximum(counts, 1) for n, s in squares.items()}
    some = per_feature["mean"] > 0
    return {
        name: (
            float(squares[name].sum() / counts.sum()),
            float(np.mean(np.maximum(1.0 - errors[some] / per_feature["mean"][some], 0.0)))
            if some.any()
            else 0.0,
        )
        for name, errors in per_feature.items()
    }


def explained_by_copy(parts, lag, marginals):
    """Share of X that a copy explains, `lag` steps late and scaled as fits each feature best."""
    if lag == 0:
        return 1.0
    centred = [(x - marginals.mean)[:, marginals.varies] for x in parts]
    pairs = list(aligned(centred, centred, lag))
    if not pairs:
        return 0.0
    x, y = (np.concatenate(side).astype(np.float64) for side in zip(*pairs, strict=True))
    known = np.isfinite(x) & np.isfinite(y)
    x, y = np.where(known, x, 0.0), np.where(known, y, 0.0)
    product, sizes = (x * y).sum(axis=0), (x**2).sum(axis=0) * (y**2).sum(axis=0)
    return float(np.mean(product[sizes > 0] ** 2 / sizes[sizes > 0])) if sizes.any() else 0.0
