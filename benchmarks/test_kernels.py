"""An epoch, a scoring and the newest step: the fused kernel, Keras alone, PyTorch's nn.LSTM.

"keras" is the same detector with the LSTM layers of Keras, "nn.LSTM" a loop written by hand around
those of PyTorch, with the same network, batch size and optimizer. The newest step is scored from
the last window of a series, once per call of score_samples: what following a series costs today.
"""

import pytest

from benchmarks.cases import NETWORKS, name_of, panel_case, smaller
from benchmarks.contenders import PEERS, started

CONTENDERS = [
    "fused-jax",
    "fused-torch",
    "keras-jax",
    "keras-torch",
    "keras-tensorflow",
    "nn.LSTM",
]
WORKS = {"train": "training, an epoch", "score": "scoring", "newest": "scoring the newest step"}
# The newest step takes milliseconds, and asking a process a part of one.
CALLS = {"train": 1, "score": 1, "newest": 20}


@pytest.fixture(scope="module", params=NETWORKS, ids=name_of)
def running(request, choose, quick):
    shape = smaller(request.param) if quick else request.param
    names, skipped = choose(CONTENDERS)
    with started(names, "autoencoder", [panel_case(shape)]) as contenders:
        yield name_of(shape), contenders, skipped


@pytest.mark.parametrize("what", WORKS)
def test_autoencoder(turns, running, what):
    case, contenders, skipped = running
    works = {name: c.work(what, number=CALLS[what]) for name, c in contenders.items()}
    peers = [name for name in works if name in PEERS]
    turns(WORKS[what], case, works, peers, skipped)
