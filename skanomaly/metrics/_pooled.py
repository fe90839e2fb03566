"""Scores of all series together: what each threshold flags, and areas under curves."""

import numpy as np

from skanomaly.metrics._inputs import read_pair

__all__ = [
    "area_of_lines",
    "area_of_steps",
    "count_up",
    "just_below",
    "pool",
    "rank",
]


def pool(y_true, y_score):
    """Read labels and scores of all series end to end.

    Returns
    -------
    truth : ndarray of shape (n_timesteps,), bool
    scores : ndarray of shape (n_timesteps,), float64
    limits : ndarray of shape (n_series + 1,), int
        First row of each series, and the number of all rows.
    """
    truth, scores = read_pair(y_true, y_score, "y_score")
    limits = np.concatenate([[0], np.cumsum([len(part) for part in truth])])
    # Where -0.0 and 0.0 are told apart by nobody, their sum is 0.0.
    return np.concatenate(truth), np.concatenate(scores) + 0.0, limits


def rank(scores, n_thresholds=None):
    """Choose thresholds, and find the first of them that flags each score (n,).

    Returns
    -------
    levels : ndarray of shape (n_levels,)
        Falling scores; each flags itself and all above. None takes every distinct score once.
    first : ndarray of shape (n,), int
        Number of the highest level that flags the score.
    """
    if n_thresholds is None:
        falling, first = np.unique(-scores, return_inverse=True)
        return -falling, first
    rows = np.linspace(0, len(scores) - 1, n_thresholds).astype(int)
    levels = np.sort(scores)[::-1][rows]
    return levels, np.searchsorted(-levels, -scores)


def count_up(first, n_levels, weights=None):
    """Sum over all that each level flags: (n,) numbers of levels -> (n_levels,)."""
    return np.cumsum(np.bincount(first, weights, minlength=n_levels))


def just_below(levels):
    """Return thresholds that are exceeded by exactly the scores from each of the levels on."""
    return np.nextafter(levels, -np.inf)


def area_of_steps(recall, precision):
    """Sum precision over the steps of recall, both (n_levels,); recall rises from 0."""
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def area_of_lines(x, y):
    """Integrate y over x, both (n_levels,), along straight lines from (0, 0) and to (1, 1)."""
    x, y = np.concatenate([[0.0], x, [1.0]]), np.concatenate([[0.0], y, [1.0]])
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
