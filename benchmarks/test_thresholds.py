"""Choosing a threshold from 100,000 scores and labelling them; following a stream of scores."""

import numpy as np
import pytest
from sklearn.base import clone

from benchmarks.turns import timed
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

N_SCORES, N_INITIAL, N_SINGLE = 100_000, 1000, 1000
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


@pytest.mark.parametrize("selector", SELECTORS, ids=str)
def test_fit_and_predict(turns, selector, scores):
    y = np.where(scores > 6, -1, 1)
    works = {"skanomaly": timed(lambda: clone(selector).fit(scores, y).predict(scores))}
    turns(f"threshold of {N_SCORES} scores", str(selector), works)


@pytest.mark.parametrize("selector", STREAMS, ids=str)
def test_stream(turns, selector, scores):
    """A stream that comes in one piece."""

    def follow():
        clone(selector).fit(scores[:N_INITIAL]).partial_fit(scores[N_INITIAL:])

    turns(f"stream of {N_SCORES} scores", str(selector), {"skanomaly": timed(follow)})


@pytest.mark.parametrize("selector", STREAMS, ids=str)
def test_single_scores(turns, selector, scores):
    """A stream that comes score by score."""
    following = clone(selector).fit(scores[:N_INITIAL])

    def follow():
        for i in range(N_SINGLE):
            following.partial_fit(scores[i : i + 1])

    turns(f"stream of {N_SINGLE} scores, one by one", str(selector), {"skanomaly": timed(follow)})
