"""Which of the training data, of their errors and scores set error scales and thresholds."""

import numpy as np

from skanomaly.results import sample_means

__all__ = ["EvenSample", "calibration_part", "residuals_apart", "scores_to_fit"]

# Time steps of the training data from which thresholds and error scales are taken, and the least
# number of series of a panel. Single series are cut into this many runs.
_STEPS = 2**20
_RUNS = 64
# Residuals from which scales and correlations are learned: up to 8 MiB.
_RESIDUALS = 2**20


def calibration_part(sequences):
    """Choose the training data that set thresholds and error scale: all, or an even sample."""
    n_timesteps, offsets = sequences.n_timesteps, sequences.offsets
    if n_timesteps <= _STEPS:
        return sequences
    if sequences.nesting == "series":
        length = _STEPS // _RUNS
        starts = np.linspace(0, n_timesteps - length, _RUNS).astype(np.int64)
        pieces = [(start, start + length) for start in starts]
        return sequences.take(pieces, copy=False)
    n_chosen = sequences.n_series * _STEPS // n_timesteps
    n_chosen = min(max(n_chosen, _RUNS), sequences.n_series)
    chosen = np.linspace(0, sequences.n_series - 1, n_chosen).astype(np.int64)
    return sequences.take([(offsets[i], offsets[i + 1]) for i in chosen], copy=False)


def residuals_apart(sequences):
    """Return how far apart the time steps are whose residuals are kept."""
    return -(-sequences.n_timesteps * sequences.n_features // _RESIDUALS)


class EvenSample:
    """Each so many-th row of consecutive blocks."""

    def __init__(self, every):
        self._every, self._seen, self._parts = every, 0, []

    def take(self, block):
        """Keep what is to be kept of a block, as a copy, for a view would keep the block."""
        self._parts.append(block[-self._seen % self._every :: self._every].copy())
        self._seen += len(block)

    def join(self):
        """Concatenate what was kept, and let go of the parts."""
        joined = np.concatenate(self._parts)
        self._parts.clear()
        return joined


def scores_to_fit(sequences, blocks):
    """Return scores of an even part of the time steps, and of samples."""
    kept = EvenSample(-(-sequences.n_timesteps // _STEPS))

    def keeping():
        for block in blocks:
            kept.take(block)
            yield block

    if sequences.nesting != "series":
        samples = sample_means(sequences, keeping())
        return kept.join(), samples
    for _ in keeping():
        pass
    steps = kept.join()
    return steps, steps
