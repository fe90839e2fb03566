"""Metrics of labels on 100,000 time steps with 100 anomalies, beside reference packages.

Those are not installed with the benchmarks: tests/reference_metrics/make_ranges.py names them.
"""

import numpy as np
import pytest

from skanomaly.metrics import (
    affiliation_precision_recall_f,
    detection_delay,
    event_precision_recall_f,
    pa_k_area,
    pa_k_precision_recall_f,
    point_adjusted_precision_recall_f,
    point_precision_recall_f,
    range_precision_recall_f,
    ucr_accuracy,
)

N_TIMESTEPS, N_ANOMALIES, LENGTH = 100_000, 100, 50


@pytest.fixture(scope="module")
def y_true():
    labels = np.ones(N_TIMESTEPS, dtype=int)
    starts = np.arange(N_ANOMALIES) * (N_TIMESTEPS // N_ANOMALIES)
    labels[(starts[:, None] + np.arange(LENGTH)).ravel()] = -1
    return labels


@pytest.fixture(scope="module")
def y_pred(y_true):
    """Half the anomalous steps, and 1 % of the others."""
    chance = np.random.default_rng(0).random(N_TIMESTEPS)
    return np.where(chance < np.where(y_true == -1, 0.5, 0.01), -1, 1)


def of_labels(*functions):
    return pytest.mark.parametrize("function", functions, ids=lambda function: function.__name__)


@pytest.mark.benchmark(group="points and events of 100,000 time steps")
@of_labels(point_precision_recall_f, event_precision_recall_f, detection_delay)
def test_points_and_events(benchmark, y_true, y_pred, function):
    benchmark(function, y_true, y_pred)


@pytest.mark.benchmark(group="point adjustment of 100,000 time steps, with 1000 random draws")
@of_labels(point_adjusted_precision_recall_f, pa_k_precision_recall_f, pa_k_area)
def test_adjusted(benchmark, y_true, y_pred, function):
    benchmark(function, y_true, y_pred)


@pytest.mark.benchmark(group="UCR accuracy of 100,000 time steps")
def test_ucr(benchmark, y_true):
    y_score = np.random.default_rng(1).random(N_TIMESTEPS)
    one = np.where(np.cumsum(y_true == -1) <= LENGTH, y_true, 1)
    benchmark(ucr_accuracy, one, y_score)


@pytest.mark.benchmark(group="range-based metrics of 100,000 time steps")
@pytest.mark.parametrize("bias", ["flat", "front"])
def test_ranges(benchmark, y_true, y_pred, bias):
    options = {"recall_bias": bias, "precision_bias": bias}
    benchmark(range_precision_recall_f, y_true, y_pred, **options)


@pytest.mark.benchmark(group="range-based metrics of 100,000 time steps")
@pytest.mark.parametrize("bias", ["flat", "front"])
def test_ranges_of_prts(benchmark, y_true, y_pred, bias):
    prts = pytest.importorskip("prts")
    real, pred = (y_true == -1).astype(int), (y_pred == -1).astype(int)
    both = [prts.TimeSeriesPrecision(bias=bias), prts.TimeSeriesRecall(bias=bias)]
    got = benchmark.pedantic(lambda: [side.score(real, pred) for side in both], rounds=3)
    options = {"recall_bias": bias, "precision_bias": bias}
    expected = range_precision_recall_f(y_true, y_pred, **options)
    np.testing.assert_allclose(got, expected[:2], rtol=1e-9)


@pytest.mark.benchmark(group="affiliation metrics of 100,000 time steps")
def test_affiliation(benchmark, y_true, y_pred):
    benchmark(affiliation_precision_recall_f, y_true, y_pred)


@pytest.mark.benchmark(group="affiliation metrics of 100,000 time steps")
def test_affiliation_of_its_authors(benchmark, y_true, y_pred):
    generics = pytest.importorskip("vus.affiliation.generics")
    metrics = pytest.importorskip("vus.affiliation.metrics")

    def measure():
        events = [generics.convert_vector_to_events(y == -1) for y in (y_pred, y_true)]
        return metrics.pr_from_events(*events, (0, N_TIMESTEPS))

    got = benchmark.pedantic(measure, rounds=3)
    expected = affiliation_precision_recall_f(y_true, y_pred)
    assert got["Affiliation_Precision"] == pytest.approx(expected.precision, rel=1e-9)
    assert got["Affiliation_Recall"] == pytest.approx(expected.recall, rel=1e-9)
