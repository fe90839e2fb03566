"""LSTM detectors of other packages beside LSTMForecaster, on one series.

Each forecasts from windows with stride 1 by an LSTM of one layer. A fit is one epoch and what the
detector then learns from its errors. TSB-AD's trains on the first 80 % of the series and validates
on the rest; its network has a decoder of one step. Ours forecasts every step of a window, the
others the step after it.
"""

import pytest

from benchmarks.cases import SERIES, name_of, series_case, smaller
from benchmarks.contenders import PEERS, started

CONTENDERS = ["fused-jax", "PyOD LSTMAD", "TSB-AD LSTMAD"]
WORKS = {"fit": "fit of a forecaster, one epoch", "score": "scoring with a forecaster"}


@pytest.fixture(scope="module", params=SERIES, ids=name_of)
def running(request, choose, quick):
    shape = smaller(request.param) if quick else request.param
    names, skipped = choose(CONTENDERS)
    with started(names, "forecaster", [series_case(shape)]) as contenders:
        yield name_of(shape), contenders, skipped


@pytest.mark.parametrize("what", WORKS)
def test_forecaster(turns, running, what):
    case, contenders, skipped = running
    works = {name: contender.work(what) for name, contender in contenders.items()}
    turns(WORKS[what], case, works, [name for name in works if name in PEERS], skipped)
