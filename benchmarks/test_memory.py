"""By how much the peak of memory rises above what imports and data take, in a fresh process."""

import pytest

from benchmarks.cases import NETWORKS, name_of, panel_case, smaller
from benchmarks.contenders import PEERS, started

CONTENDERS = ["fused-jax", "fused-torch", "keras-jax", "keras-torch", "keras-tensorflow", "nn.LSTM"]
# To score, a detector is first fitted on one batch; what that takes is counted.
WORKS = {"fit": "memory of a fit", "score alone": "memory of scoring"}


@pytest.mark.parametrize("shape", NETWORKS, ids=name_of)
@pytest.mark.parametrize("what", WORKS)
def test_memory(benchmark, choose, quick, shape, what):
    if quick:
        if shape not in NETWORKS[:2]:
            pytest.skip("left out of a quick run")
        shape = smaller(shape)
    names, skipped = choose(CONTENDERS)
    rows = []

    def measure():
        for name in names:
            with started([name], "autoencoder", [panel_case(shape)]) as contenders:
                mib = contenders[name].memory(what)
            row = {"group": WORKS[what], "case": name_of(shape), "name": name, "mib": mib}
            rows.append({**row, "peer": name in PEERS})

    benchmark.group = WORKS[what]
    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info.update(rows=rows, skipped=skipped)
