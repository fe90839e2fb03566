"""What fits cost beside the epochs: new shapes, ensembles, other detectors, repetition."""

import numpy as np
import psutil
import pytest

import skanomaly  # its detectors import Keras, which collecting tests need not
from benchmarks.turns import timed
from skanomaly.aggregation import AGGREGATIONS
from skanomaly.datasets import make_series

OPTIONS = {"window_size": 32, "hidden_units": 16, "max_epochs": 1, "random_state": 0}


@pytest.fixture(scope="module")
def series():
    return make_series(random_state=0).X_train


def test_fit(turns, series):
    """A fit of a shape seen before must spare the compilation."""
    from skanomaly import networks

    seen, new = skanomaly.LSTMAutoencoder(**OPTIONS), skanomaly.LSTMAutoencoder(**OPTIONS)

    def fit_new():
        kept = dict(networks._idle)
        networks._idle.clear()
        new.fit(series)
        networks._idle.clear()
        networks._idle.update(kept)

    works = {"seen before": timed(lambda: seen.fit(series)), "new shape": timed(fit_new)}
    turns("fit of a small series", "one epoch", works)


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_score(turns, aggregation, series):
    detector = skanomaly.LSTMAutoencoder(**OPTIONS, aggregation=aggregation).fit(series)
    works = {"LSTMAutoencoder": timed(lambda: detector.score_samples(series))}
    turns("scoring of a small series", aggregation, works)


def test_flights(turns, flights):
    """Fit and scoring pass over (89, 1500, 77): 16 units and one epoch, or 770 regressors."""
    options = {"window_size": None, "hidden_units": 16, "batch_size": 32, "random_state": 0}
    detectors = [skanomaly.LSTMAutoencoder(**options), skanomaly.Seq2SeqLSTMAutoencoder(**options)]
    works = {type(d).__name__: timed(lambda d=d: d.partial_fit(flights)) for d in detectors}
    works["LinearForecaster"] = timed(lambda: skanomaly.LinearForecaster().fit(flights))
    turns("fit of the flights, one epoch", "(89, 1500, 77)", works)


@pytest.mark.parametrize(
    ("shape", "hidden_units"), [((1024, 32, 3), 8), ((512, 64, 8), 32)], ids=["small", "large"]
)
def test_epoch_of_an_ensemble(turns, shape, hidden_units):
    """What an epoch of eight networks costs in epochs of one."""
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    options = {"window_size": shape[1], "hidden_units": hidden_units, "random_state": 0}
    works = {}
    for n in (1, 8):
        detector = skanomaly.LSTMAutoencoder(**options, n_estimators=n).partial_fit(X)
        sequences = detector._check(X)
        works[f"{n} networks" if n > 1 else "1 network"] = timed(
            lambda d=detector, s=sequences: d._learn(s, partial=True)
        )
    turns("epoch of an ensemble", f"{shape}, {hidden_units} units", works)


def test_memory_of_fifty_fits(benchmark, series):
    """By how much memory grows; the tests hold it below 50 MB."""
    process = psutil.Process()
    detector = skanomaly.LSTMAutoencoder(**OPTIONS)
    for _ in range(5):
        detector.fit(series)
    before = process.memory_info().rss

    def fit():
        for seed in range(50):
            detector.set_params(random_state=seed).fit(series)

    benchmark.group = group = "memory of 50 fits"
    benchmark.pedantic(fit, rounds=1)
    mib = (process.memory_info().rss - before) / 2**20
    row = {"group": group, "case": "growth", "name": "LSTMAutoencoder", "mib": mib, "peer": False}
    benchmark.extra_info["rows"] = [row]
