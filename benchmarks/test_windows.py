"""Gathering windows and reducing what they say, beside the plain NumPy way and Keras' own."""

import itertools

import numpy as np
import pytest

from benchmarks.turns import timed
from skanomaly.aggregation import AGGREGATIONS, aggregate
from skanomaly.batches import WindowBatches
from skanomaly.sequences import Sequences
from skanomaly.windows import Windows

N_TIMESTEPS, N_FEATURES, SIZE, BATCH = 50_000, 8, 100, 256


@pytest.fixture(scope="module")
def windows():
    values = np.random.default_rng(0).normal(size=(N_TIMESTEPS, N_FEATURES)).astype(np.float32)
    return Windows(Sequences(values, np.array([0, N_TIMESTEPS]), "series"), SIZE, 1)


def test_feed(turns, windows):
    """Every window once, shuffled, in batches."""
    order = np.random.default_rng(0).permutation(len(windows))
    view = np.lib.stride_tricks.sliding_window_view(windows.sequences.values, SIZE, axis=0)
    view = view.swapaxes(1, 2)
    batches = WindowBatches(windows, BATCH)
    epochs, n_full = itertools.count(), len(order) // BATCH

    def feed():
        batches.shuffle(np.random.SeedSequence(next(epochs)))
        for i in range(n_full):
            batches.gather(i)

    def slice_view():
        for i in range(n_full):
            np.ascontiguousarray(view[order[i * BATCH : (i + 1) * BATCH]])

    works = {"WindowBatches": timed(feed), "sliding_window_view": timed(slice_view)}
    turns(f"feeding {len(windows)} windows", f"{SIZE} x {N_FEATURES}", works, list(works)[1:])


@pytest.mark.parametrize("how", AGGREGATIONS)
def test_aggregate(turns, windows, how):
    said = np.random.default_rng(1).normal(size=(BATCH, SIZE, N_FEATURES)).astype(np.float32)

    def parts():
        for first in range(0, len(windows), BATCH):
            yield said[: min(BATCH, len(windows) - first)]

    works = {"aggregate": timed(lambda: list(aggregate(windows, parts(), how)))}
    turns(f"aggregating {len(windows)} windows", how, works)
