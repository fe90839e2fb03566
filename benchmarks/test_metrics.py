"""Metrics of labels on 100,000 time steps with 100 anomalies, beside reference packages.

Those are not installed with the benchmarks: tests/reference_metrics/make_ranges.py names them.
"""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks.turns import timed
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


@of_labels(point_precision_recall_f, event_precision_recall_f, detection_delay)
def test_points_and_events(turns, y_true, y_pred, function):
    works = {"skanomaly": timed(lambda: function(y_true, y_pred))}
    turns("points and events of 100,000 labels", function.__name__, works)


@of_labels(point_adjusted_precision_recall_f, pa_k_precision_recall_f, pa_k_area)
def test_adjusted(turns, y_true, y_pred, function):
    works = {"skanomaly": timed(lambda: function(y_true, y_pred))}
    turns("point adjustment of 100,000 labels, 1000 draws", function.__name__, works)


def test_ucr(turns, y_true):
    y_score = np.random.default_rng(1).random(N_TIMESTEPS)
    one = np.where(np.cumsum(y_true == -1) <= LENGTH, y_true, 1)
    works = {"skanomaly": timed(lambda: ucr_accuracy(one, y_score))}
    turns("points and events of 100,000 labels", "ucr_accuracy", works)


@pytest.mark.parametrize("bias", ["flat", "front"])
def test_ranges(turns, y_true, y_pred, bias):
    options = {"recall_bias": bias, "precision_bias": bias}

    def ours():
        return range_precision_recall_f(y_true, y_pred, **options)

    works, skipped = {"skanomaly": timed(ours)}, {}
    if find_spec("prts") is None:
        skipped["prts"] = "prts is not installed here"
    else:
        prts = import_module("prts")
        real, pred = (y_true == -1).astype(int), (y_pred == -1).astype(int)
        both = [prts.TimeSeriesPrecision(bias=bias), prts.TimeSeriesRecall(bias=bias)]

        def theirs():
            return [side.score(real, pred) for side in both]

        np.testing.assert_allclose(theirs(), ours()[:2], rtol=1e-9)
        works["prts"] = timed(theirs)
    turns("range-based metrics of 100,000 labels", bias, works, list(works)[1:], skipped)


def test_affiliation(turns, y_true, y_pred):
    """Beside the program of its authors, as the package vus has it."""

    def ours():
        return affiliation_precision_recall_f(y_true, y_pred)

    works, skipped = {"skanomaly": timed(ours)}, {}
    if find_spec("vus") is None:
        skipped["vus"] = "vus is not installed here"
    else:
        generics = import_module("vus.affiliation.generics")
        metrics = import_module("vus.affiliation.metrics")

        def theirs():
            events = [generics.convert_vector_to_events(y == -1) for y in (y_pred, y_true)]
            return metrics.pr_from_events(*events, (0, N_TIMESTEPS))

        got, expected = theirs(), ours()
        assert got["Affiliation_Precision"] == pytest.approx(expected.precision, rel=1e-9)
        assert got["Affiliation_Recall"] == pytest.approx(expected.recall, rel=1e-9)
        works["vus"] = timed(theirs)
    turns("affiliation of 100,000 labels", "all", works, list(works)[1:], skipped)
