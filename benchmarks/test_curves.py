"""Areas under curves and volumes of 100,000 scores, beside the published program if installed."""

import numpy as np
import pytest

from skanomaly.metrics import average_precision, best_nab_score, threshold_curve, vus_pr

N_TIMESTEPS, N_EVENTS, LENGTH, MAX_BUFFER = 100_000, 50, 40, 100


@pytest.fixture(scope="module")
def case():
    """Labels and scores (100000,) with fifty anomalies that are found more or less."""
    rng = np.random.default_rng(0)
    y_true = np.ones(N_TIMESTEPS, dtype=int)
    for start in rng.integers(0, N_TIMESTEPS - LENGTH, size=N_EVENTS):
        y_true[start : start + LENGTH] = -1
    return y_true, rng.gamma(2, size=N_TIMESTEPS) + 2 * (y_true == -1)


@pytest.mark.benchmark(group="100,000 scores")
@pytest.mark.parametrize("metric", [average_precision, threshold_curve, best_nab_score])
def test_metric(benchmark, case, metric):
    benchmark(lambda: metric(*case))


@pytest.mark.benchmark(group="VUS-PR of 100,000 scores, buffers to 100")
@pytest.mark.parametrize("n_thresholds", [250, None])
def test_vus(benchmark, case, n_thresholds):
    benchmark(lambda: vus_pr(*case, max_buffer=MAX_BUFFER, n_thresholds=n_thresholds))


@pytest.mark.benchmark(group="VUS-PR of 100,000 scores, buffers to 100")
def test_published_vus(benchmark, case):
    published = pytest.importorskip("TSB_AD.evaluation.basic_metrics").basic_metricor()
    labels, scores = (case[0] == -1).astype(int), case[1]
    volumes = benchmark.pedantic(
        lambda: published.RangeAUC_volume_opt(labels, scores, MAX_BUFFER, 250), rounds=1
    )
    assert volumes[-1] == pytest.approx(vus_pr(*case, max_buffer=MAX_BUFFER), abs=1e-10)
