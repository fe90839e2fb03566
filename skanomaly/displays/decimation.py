"""Fewer points for the same picture: no peak that a full drawing shows may get lost."""

import numpy as np


def extreme_rows(y, max_points):
    """Choose the rows that draw the line y (n_timesteps,) with at most about max_points points.

    Equal bins of time steps keep their lowest and their highest value, so that every peak stays
    at its own place. The first and the last row always stay. NaN is kept only where a whole bin
    is NaN. ``max_points=None`` keeps all rows.

    >>> extreme_rows(np.array([0.0, 0, 9, 0, 0, 0, -7, 0]), max_points=4).tolist()
    [0, 2, 4, 6, 7]
    """
    n_timesteps = len(y)
    if max_points is None or n_timesteps <= max_points:
        return np.arange(n_timesteps)
    size = -(-n_timesteps // max(max_points // 2, 1))
    bins = np.full((-(-n_timesteps // size), size), np.nan)
    bins.ravel()[:n_timesteps] = y
    missing = np.isnan(bins)
    lowest = np.where(missing, np.inf, bins).argmin(axis=1)
    highest = np.where(missing, -np.inf, bins).argmax(axis=1)
    starts = np.arange(len(bins)) * size
    rows = np.concatenate([[0], starts + lowest, starts + highest, [n_timesteps - 1]])
    return np.unique(rows)


def typical_range(values):
    """Locate each feature: (n_timesteps, n_features) -> median and scale, both (n_features,).

    The scale is the larger distance of the 0.01 and 0.99 quantiles from the median; where both are
    the median, as for a rarely used counter, it is the largest distance; where nothing moves, 1.
    """
    # Columns without any value have no quantiles; zeros draw them as not moving.
    known = np.where(np.isnan(values).all(axis=0), 0, values)
    low, median, high = np.nanquantile(known, (0.01, 0.5, 0.99), axis=0)
    scale = np.maximum(high - median, median - low)
    largest = np.nanmax(np.abs(known - median), axis=0)
    scale = np.where(scale > 0, scale, largest)
    return median, np.where(scale > 0, scale, 1)


def time_bins(x, n_bins):
    """Cut a time axis (n_timesteps,) into about n_bins bins of equally many rows.

    Returns the first row of each bin, and the start and stop of each bin on x. A bin never runs
    across a gap, a step of more than 10 usual ones, and ends one usual step after its last row.

    >>> time_bins(np.array([0.0, 1, 2, 3, 90, 91]), n_bins=3)
    (array([0, 2, 4]), array([ 0.,  2., 90.]), array([ 2.,  4., 92.]))
    """
    steps = np.diff(x)
    usual = np.median(steps) if len(steps) else 1.0
    gaps = np.flatnonzero(steps > 10 * usual) + 1 if usual > 0 else []
    size = -(-len(x) // n_bins)
    first = np.union1d(np.arange(0, len(x), size), gaps).astype(np.intp)
    last = np.append(first[1:], len(x)) - 1
    starts = x[first]
    return first, starts, np.minimum(x[last] + usual, np.append(starts[1:], np.inf))


def condense(values, first):
    """Summarise time: (n_timesteps, n_features) -> (n_bins, n_features).

    Values are distances from the median in typical ranges; each bin, given by its first row, keeps
    the one farthest from zero, with its sign. A bin without any value is NaN.
    """
    median, scale = typical_range(values)
    distances = (values - median) / scale
    lowest = np.fmin.reduceat(distances, first, axis=0)
    highest = np.fmax.reduceat(distances, first, axis=0)
    return np.where(-lowest > highest, lowest, highest)
