"""Areas under curves and volumes of 100,000 scores, beside the published program if installed."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks.turns import timed
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


@pytest.mark.parametrize("metric", [average_precision, threshold_curve, best_nab_score])
def test_metric(turns, case, metric):
    works = {"skanomaly": timed(lambda: metric(*case))}
    turns("metric of 100,000 scores", metric.__name__, works)


@pytest.mark.parametrize("n_thresholds", [250, None])
def test_vus(turns, case, n_thresholds):
    """The published program knows 250 thresholds alone, which it is asked for in both cases."""
    works, peers, skipped = {}, [], {}
    options = {"max_buffer": MAX_BUFFER, "n_thresholds": n_thresholds}
    works["skanomaly"] = timed(lambda: vus_pr(*case, **options))
    if find_spec("TSB_AD") is None:
        skipped["TSB-AD"] = "TSB-AD is not installed here"
    else:
        published = import_module("TSB_AD.evaluation.basic_metrics").basic_metricor()
        labels, scores = (case[0] == -1).astype(int), case[1]

        def measure():
            return published.RangeAUC_volume_opt(labels, scores, MAX_BUFFER, 250)

        if n_thresholds == 250:
            assert measure()[-1] == pytest.approx(vus_pr(*case, **options), abs=1e-10)
        works["TSB-AD"] = timed(measure)
        peers.append("TSB-AD")
    turns(
        f"VUS-PR of 100,000 scores, buffers to {MAX_BUFFER}",
        f"thresholds: {n_thresholds or 'all'}",
        works,
        peers,
        skipped,
    )
