"""A grid search of 20 x 3 tiny fits, beside an estimator that makes a new Keras model per fit.

Seconds are those of a fit and its score. New models take so long on JAX and TensorFlow, and each so
much the same, that they search 2 of the 20 candidates. In a quick run all do.
"""

import pytest

from benchmarks.contenders import PEERS, started

FOLDS = 3
MANY, FEW = 20, 2
SHAPE = [400, 2]


@pytest.mark.parametrize("backend", ["jax", "torch", "tensorflow"])
def test_search(turns, choose, quick, backend):
    ours = "keras-tensorflow" if backend == "tensorflow" else f"fused-{backend}"
    names, skipped = choose([ours, f"new-{backend}"])
    with started(names, "search", [_case(MANY), _case(FEW)]) as contenders:
        works = {}
        for name, contender in contenders.items():
            few = quick or name in PEERS
            n_fits = FOLDS * (FEW if few else MANY)
            works[name] = _per_fit(contender.work("search", case=int(few)), n_fits)
        peers = [name for name in works if name in PEERS]
        turns("grid search, per fit", backend, works, peers, skipped)


def _case(n_candidates):
    return {"shape": SHAPE, "n_candidates": n_candidates}


def _per_fit(work, n_fits):
    return lambda: tuple(seconds / n_fits for seconds in work())
