"""What a fit costs when its shape is new, when it is not, and in memory."""

import time

import numpy as np
import psutil
import pytest

from skanomaly import LinearForecaster, LSTMAutoencoder, Seq2SeqLSTMAutoencoder, networks
from skanomaly.datasets import make_series

OPTIONS = {"window_size": 32, "hidden_units": 16, "max_epochs": 1, "random_state": 0}


@pytest.fixture(scope="module")
def series():
    return make_series(random_state=0).X_train


@pytest.mark.benchmark(group="fit")
@pytest.mark.parametrize("shape", ["new", "seen"])
def test_fit(benchmark, shape, series):
    """A fit of a shape seen before must spare the compilation."""
    detector = LSTMAutoencoder(**OPTIONS).fit(series)
    setup = networks._idle.clear if shape == "new" else None
    benchmark.pedantic(detector.fit, (series,), setup=setup, rounds=5)


@pytest.mark.benchmark(group="score")
@pytest.mark.parametrize("aggregation", ["mean", "median", "min", "max", "last"])
def test_score(benchmark, aggregation, series):
    detector = LSTMAutoencoder(**OPTIONS, aggregation=aggregation).fit(series)
    benchmark.pedantic(detector.score_samples, (series,), warmup_rounds=1, rounds=5)


@pytest.mark.benchmark(group="epoch of the flights")
@pytest.mark.parametrize("network", [LSTMAutoencoder, Seq2SeqLSTMAutoencoder])
def test_epoch_of_flights(benchmark, network, flights):
    """One epoch and one scoring pass over (89, 1500, 77), 16 units, batches of 32."""
    detector = network(window_size=None, hidden_units=16, batch_size=32, random_state=0)
    detector.partial_fit(flights)
    benchmark.pedantic(detector.partial_fit, (flights,), rounds=3)


@pytest.mark.benchmark(group="epoch of the flights")
def test_linear_model_of_flights(benchmark, flights):
    """The fit and one scoring pass over (89, 1500, 77), 10 lags: 770 regressors."""
    detector = LinearForecaster()
    benchmark.pedantic(detector.fit, (flights,), warmup_rounds=1, rounds=3)


@pytest.mark.parametrize(
    ("shape", "hidden_units"), [((1024, 32, 3), 8), ((512, 64, 8), 32)], ids=["small", "large"]
)
def test_epoch_of_an_ensemble(shape, hidden_units):
    """Print what an epoch of eight networks costs in epochs of one: medians, taken in turns."""
    X = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    options = {"window_size": shape[1], "hidden_units": hidden_units, "random_state": 0}
    detectors = {n: LSTMAutoencoder(**options, n_estimators=n).partial_fit(X) for n in (1, 8)}
    seconds = {n: [] for n in detectors}
    for _ in range(9):
        for n, detector in detectors.items():
            sequences = detector._check(X)
            start = time.perf_counter()
            detector._learn(sequences, partial=True)
            seconds[n].append(time.perf_counter() - start)
    one, eight = (np.median(times) for times in seconds.values())
    print(f"\n{shape}, {hidden_units} units: {one:.3f} s, {eight:.3f} s, ratio {eight / one:.1f}")


def test_memory_of_fifty_fits(series):
    """Print by how much memory grows; the tests hold it below 50 MB."""
    process = psutil.Process()
    detector = LSTMAutoencoder(**OPTIONS)
    for _ in range(5):
        detector.fit(series)
    before = process.memory_info().rss
    for seed in range(50):
        detector.set_params(random_state=seed).fit(series)
    print(f"\n50 fits: {(process.memory_info().rss - before) / 1e6:+.1f} MB")
