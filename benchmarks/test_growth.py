"""How cost grows with length, features, units, window and batch, one at a time.

Of LSTMAutoencoder on a series, see GROWTH in cases.py. The sizes take turns, so that a slow minute
of the machine bends no curve. The report fits an exponent to each.
"""

import pytest

from benchmarks.cases import GROWTH, growth_case
from benchmarks.contenders import started
from benchmarks.turns import timed, yardstick

WORKS = {"train": "growth of training", "score": "growth of scoring"}


@pytest.fixture(scope="module", params=GROWTH)
def running(request, choose, quick):
    axis = request.param
    sizes = GROWTH[axis][:3] if quick else GROWTH[axis]
    cases = [growth_case(axis, size) for size in sizes]
    names, skipped = choose(["fused-jax"])
    with started(names, "autoencoder", cases) as contenders:
        yield axis, sizes, contenders["fused-jax"]


@pytest.mark.parametrize("what", WORKS)
def test_growth(turns, running, what):
    axis, sizes, contender = running
    works = {str(size): contender.work(what, case=i) for i, size in enumerate(sizes)}
    works["yardstick"] = timed(yardstick)
    turns(WORKS[what], axis, works, peers=["yardstick"])
