"""Series end to end, so that all their intervals are found at once and none joins two series."""

import numpy as np

from skanomaly.metrics._inputs import read_pair

__all__ = ["count_flags", "read_joined"]


def read_joined(y_true, y_pred):
    """Read both labels as (n_joined,) bool, with one step that is in no interval after each series.

    Returns
    -------
    truth, flags : ndarray of shape (n_timesteps + n_series,), bool
    n_timesteps : int
        Of all series together, without the steps between them.
    """
    pair = read_pair(y_true, y_pred, "y_pred")
    n_timesteps = sum(len(part) for part in pair[0])
    between = np.zeros(1, dtype=bool)
    truth, flags = [
        np.concatenate([piece for part in parts for piece in (part, between)]) for parts in pair
    ]
    return truth, flags, n_timesteps


def count_flags(flags, intervals):
    """Count flagged steps in each interval: (n,) bool, (n_intervals, 2) to (n_intervals,)."""
    starts, stops = np.searchsorted(np.flatnonzero(flags), intervals).T
    return stops - starts
