"""Choosing a threshold from 100,000 scores, and labelling them."""

import numpy as np
import pytest
from sklearn.base import clone

from skanomaly.thresholds import (
    DSPOT,
    SPOT,
    BestFThreshold,
    ConformalThreshold,
    DynamicThreshold,
    IQRThreshold,
    MADThreshold,
    PeaksOverThreshold,
    QuantileThreshold,
    SigmaThreshold,
)

N_SCORES, N_INITIAL = 100_000, 1000
SELECTORS = [
    QuantileThreshold(),
    SigmaThreshold(),
    MADThreshold(),
    IQRThreshold(),
    PeaksOverThreshold(method="profile"),
    PeaksOverThreshold(method="mle"),
    PeaksOverThreshold(method="pwm"),
    ConformalThreshold(),
    ConformalThreshold(method="benjamini-hochberg"),
    BestFThreshold(),
    DynamicThreshold(),
    DynamicThreshold(window_size=2100, stride=70, buffer=99),
]
STREAMS = [SPOT(), SPOT(method="pwm"), DSPOT()]


@pytest.fixture(scope="module")
def scores():
    return np.random.default_rng(0).exponential(size=N_SCORES)


@pytest.mark.benchmark(group="threshold of 100,000 scores")
@pytest.mark.parametrize("selector", SELECTORS, ids=str)
def test_fit_and_predict(benchmark, selector, scores):
    y = np.where(scores > 6, -1, 1)
    benchmark.pedantic(lambda: clone(selector).fit(scores, y).predict(scores), rounds=3)


@pytest.mark.benchmark(group="stream of 100,000 scores")
@pytest.mark.parametrize("selector", STREAMS, ids=str)
def test_stream(benchmark, selector, scores):
    def follow():
        clone(selector).fit(scores[:N_INITIAL]).partial_fit(scores[N_INITIAL:])

    benchmark.pedantic(follow, rounds=3)
