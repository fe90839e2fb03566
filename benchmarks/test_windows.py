"""Gathering windows and reducing what they say, against the plain NumPy way."""

import numpy as np
import pytest

from skanomaly.aggregation import AGGREGATIONS, aggregate
from skanomaly.sequences import Sequences
from skanomaly.windows import Windows

N_TIMESTEPS, N_FEATURES, SIZE, BATCH = 50_000, 8, 100, 256


@pytest.fixture(scope="module")
def windows():
    values = np.random.default_rng(0).normal(size=(N_TIMESTEPS, N_FEATURES)).astype(np.float32)
    return Windows(Sequences(values, np.array([0, N_TIMESTEPS]), "series"), SIZE, 1)


@pytest.fixture(scope="module")
def batches(windows):
    order = np.random.default_rng(0).permutation(len(windows))
    return [order[i : i + BATCH] for i in range(0, len(order), BATCH)]


@pytest.mark.benchmark(group="feed 50,000 windows")
def test_gather(benchmark, windows, batches):
    benchmark(lambda: [windows.gather(batch)[0].shape for batch in batches])


@pytest.mark.benchmark(group="feed 50,000 windows")
def test_sliding_window_view(benchmark, windows, batches):
    view = np.lib.stride_tricks.sliding_window_view(windows.sequences.values, SIZE, axis=0)
    view = view.swapaxes(1, 2)
    benchmark(lambda: [view[batch].shape for batch in batches])


@pytest.mark.benchmark(group="aggregate 50,000 windows")
@pytest.mark.parametrize("how", AGGREGATIONS)
def test_aggregate(benchmark, windows, how):
    said = np.random.default_rng(1).normal(size=(BATCH, SIZE, N_FEATURES)).astype(np.float32)

    def parts():
        for first in range(0, len(windows), BATCH):
            yield said[: min(BATCH, len(windows) - first)]

    benchmark.pedantic(lambda: list(aggregate(windows, parts(), how)), rounds=3)
