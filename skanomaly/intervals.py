"""Runs of flagged time steps."""

import numpy as np

__all__ = ["find_intervals"]


def find_intervals(flags):
    """Find the runs of flagged time steps.

    Parameters
    ----------
    flags : array-like of shape (n_timesteps,), bool
        True where a time step is flagged, such as ``labels == -1``.

    Returns
    -------
    intervals : ndarray of shape (n_intervals, 2), int
        First row of each run, and the row after its last, in order.

    Examples
    --------
    >>> from skanomaly.intervals import find_intervals
    >>> find_intervals([False, True, True, False, True]).tolist()
    [[1, 3], [4, 5]]
    """
    edges = np.diff(np.concatenate([[0], np.asarray(flags, dtype=np.int8), [0]]))
    return np.stack([np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)], axis=1)
