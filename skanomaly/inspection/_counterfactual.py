"""The smallest change of the input that removes an alarm, found by search."""

from dataclasses import dataclass

import numpy as np

from skanomaly.inspection._attribution import feature_contributions

__all__ = ["Counterfactual", "find_counterfactual"]

# The reconstruction changes with the input: this often it is taken again for one set of features,
# and this often when no feature is left to add.
_ROUNDS, _LAST_ROUNDS = 2, 10
_HALVINGS = 10


@dataclass(frozen=True)
class Counterfactual:
    """A changed series that raises no alarm in the interval, close to the original.

    Parameters
    ----------
    success : bool
        Whether no step of the interval is flagged any more.
    X : ndarray of shape (n_timesteps, n_features), float64
        The changed series; the last one tried if `success` is False.
    features : ndarray of shape (n_changed,), int
        Features that were changed, those with the largest contributions first.
    steps : ndarray of int
        Time steps at which something was changed.
    filled_with : {"reconstruction", "line", "nothing"}
        What the values were moved towards: the detector's reconstruction, or a straight line
        between the values before and after the interval.
    still_flagged : ndarray of int
        Time steps of the interval that are still flagged.
    n_passes : int
        How often the detector was asked.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.inspection import explain
    >>> X = np.sin(np.arange(300) / 5).reshape(-1, 1)
    >>> detector = PersistenceDetector().fit(X)
    >>> X[100] += 1.0
    >>> found = explain(detector, X, (100, 102)).counterfactual
    >>> bool((detector.predict(found.X)[100:102] == 1).all())
    True
    """

    success: bool
    X: np.ndarray
    features: np.ndarray
    steps: np.ndarray
    filled_with: str
    still_flagged: np.ndarray
    n_passes: int


class _Search:
    """What all steps of the search share: the detector, the original, the interval."""

    def __init__(self, detector, x, interval):
        self.detector, self.x, self.interval = detector, x, interval
        self.n_passes = 0

    def flagged(self, x):
        """Return the flagged steps of the interval: (n_flagged,)."""
        self.n_passes += 1
        labels = np.asarray(self.detector.predict_timesteps(np.float32(x)))
        return self.interval.start + np.flatnonzero(labels[self.interval] == -1)

    def clear(self, x):
        """Tell whether no step of the interval is flagged."""
        return not len(self.flagged(x))

    def ranking(self, x, steps):
        """Order the features by their contribution to some steps, the largest first."""
        self.n_passes += 1
        contributions = feature_contributions(self.detector, np.float32(x))[steps]
        return np.argsort(-np.nan_to_num(contributions).sum(axis=0), kind="stable")

    def reconstruction(self, x):
        """Replacement in the interval: (n_timesteps, n_features), NaN outside."""
        self.n_passes += 1
        return self._inside(np.asarray(self.detector.reconstruct(np.float32(x))))

    def line(self, x):
        """Replacement by a straight line between the last values before and the first after."""
        values = np.full(x.shape, np.nan)
        inside = np.arange(self.interval.start, self.interval.stop)
        outside = np.ones(len(x), bool)
        outside[inside] = False
        for j in range(x.shape[1]):
            known = np.flatnonzero(outside & ~np.isnan(x[:, j]))
            if len(known):
                values[inside, j] = np.interp(inside, known, x[known, j])
        return values

    def _inside(self, values):
        result = np.full(values.shape, np.nan)
        result[self.interval] = values[self.interval]
        return result


def find_counterfactual(detector, x, interval, max_features):
    """Search for the smallest change of x (n_timesteps, n_features) that clears the interval.

    Features are replaced one after the other, the one that contributes most to what is still
    flagged first. Then what was not needed is taken back: features, time steps, and a part of the
    change.
    """
    search = _Search(detector, x, interval)
    flagged = search.flagged(x)
    if not len(flagged):
        return _result(search, x, [], "nothing", flagged)
    best = None
    for name, fill in (("reconstruction", search.reconstruction), ("line", search.line)):
        changed, features, left = _replace(search, fill, flagged, max_features)
        if not len(left):
            changed, features = _spare(search, changed, features)
            return _result(search, changed, features, name, search.flagged(changed))
        if best is None or len(left) < len(best[-1]):
            best = changed, features, name, left
    return _result(search, *best)


def _result(search, changed, features, name, flagged):
    different = np.nan_to_num(changed) != np.nan_to_num(search.x)
    return Counterfactual(
        success=not len(flagged),
        X=changed,
        features=np.array([j for j in features if different[:, j].any()], dtype=int),
        steps=np.flatnonzero(different.any(axis=1)),
        filled_with=name,
        still_flagged=flagged,
        n_passes=search.n_passes,
    )


def _replace(search, fill, flagged, max_features):
    """Replace ever more features until nothing is flagged: changed x, features, what is left."""
    changed, features = search.x, []
    while len(flagged) and len(features) < max_features:
        features.append(next(j for j in search.ranking(changed, flagged) if j not in features))
        rounds = _LAST_ROUNDS if len(features) == max_features else _ROUNDS
        for _ in range(rounds):
            values = fill(changed)[:, features]
            changed = changed.copy()
            # What was not observed stays so, and what the detector has no opinion on stays as is.
            keep = np.isnan(values) | np.isnan(search.x[:, features])
            changed[:, features] = np.where(keep, changed[:, features], values)
            flagged = search.flagged(changed)
            if not len(flagged):
                break
    return changed, features, flagged


def _spare(search, changed, features):
    """Take back what is not needed: features, then time steps, then a part of the change."""
    for j in features[::-1]:
        without = changed.copy()
        without[:, j] = search.x[:, j]
        if len(features) > 1 and search.clear(without):
            changed, features = without, [k for k in features if k != j]
    change = np.nan_to_num(changed - search.x)
    change = _fewest_steps(search, change)
    enough, too_little = 1.0, 0.0
    for _ in range(_HALVINGS):
        part = (enough + too_little) / 2
        if search.clear(search.x + part * change):
            enough = part
        else:
            too_little = part
    return search.x + enough * change, features


def _fewest_steps(search, change):
    """Keep the largest changes only, as many time steps as it takes: shape kept."""
    order = np.argsort(-np.abs(change).max(axis=1), kind="stable")
    too_few, enough = 0, int(np.count_nonzero(np.abs(change).max(axis=1)))
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        part = np.zeros_like(change)
        part[order[:middle]] = change[order[:middle]]
        if search.clear(search.x + part):
            enough = middle
        else:
            too_few = middle
    part = np.zeros_like(change)
    part[order[:enough]] = change[order[:enough]]
    return part
