"""Metrics of scores: areas under curves against scikit-learn, VUS against published values."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from skanomaly.metrics import (
    average_precision,
    best_nab_score,
    range_auc_pr,
    range_auc_roc,
    range_curve,
    roc_auc,
    threshold_curve,
    vus_pr,
    vus_roc,
)

REFERENCE = json.loads((Path(__file__).parent / "reference_metrics" / "vus.json").read_text())
METRICS = (average_precision, roc_auc, range_auc_pr, range_auc_roc, vus_pr, vus_roc)
# Short enough for buffers to be part of the series, not all of it.
SHORT = {
    average_precision: {},
    roc_auc: {},
    range_auc_pr: {"buffer": 10},
    range_auc_roc: {"buffer": 10},
    vus_pr: {"max_buffer": 10},
    vus_roc: {"max_buffer": 10},
}
every_metric = pytest.mark.parametrize("metric", METRICS)
every_reader = pytest.mark.parametrize(
    "function", [*METRICS, range_curve, threshold_curve, best_nab_score]
)


@st.composite
def series(draw, shortest=1):
    """Labels -1/1 and scores with ties, of one series."""
    n_timesteps = draw(st.integers(shortest, 40))
    flags = draw(st.lists(st.booleans(), min_size=n_timesteps, max_size=n_timesteps))
    scores = st.integers(-3, draw(st.sampled_from([-3, 0, 1000])))
    scores = draw(st.lists(scores, min_size=n_timesteps, max_size=n_timesteps))
    return np.where(flags, -1, 1), np.array(scores) / 4


def slow_range_curve(all_truth, all_scores, buffer, levels):
    """Precision, recall and false-positive rate of each level, as the definition reads."""
    rows = []
    for level in levels:
        weight = outside = n_flagged = n_anomalous = n_groups = n_found = n_timesteps = 0
        for truth, scores in zip(all_truth, all_scores, strict=True):
            flags = scores >= level
            weights = slow_weights(truth, buffer)
            weight += np.sum(weights[flags])
            outside += np.sum(weights[flags & ~truth])
            n_flagged, n_anomalous = n_flagged + flags.sum(), n_anomalous + truth.sum()
            n_timesteps += len(truth)
            for group in slow_groups(truth, buffer):
                n_groups += 1
                n_found += any(flags[t] for t in group)
        positive = n_anomalous + outside / 2
        recall = min(weight / positive, 1) * n_found / n_groups
        negative = n_timesteps - positive
        rate = (n_flagged - weight) / negative if negative else np.nan
        rows.append((weight / n_flagged, recall, rate))
    return np.array(rows).T


def slow_events(truth):
    events, inside = [], False
    for t, anomalous in enumerate(truth):
        if anomalous and not inside:
            events.append([t, t])
        elif anomalous:
            events[-1][1] = t
        inside = anomalous
    return events


def slow_weights(truth, buffer):
    weights = truth.astype(float)
    for first, last in slow_events(truth):
        for t in range(len(truth)):
            distance = max(first - t, t - last)
            if 0 < distance <= buffer // 2:
                weights[t] += np.sqrt(1 - distance / buffer)
    return np.minimum(weights, 1)


def slow_groups(truth, buffer):
    half, groups = buffer // 2, []
    for first, last in slow_events(truth):
        own = set(range(max(first - half, 0), min(last + half + 1, len(truth))))
        if groups and groups[-1] & own:
            groups[-1] |= own
        else:
            groups.append(own)
    return groups


@given(series(shortest=2))
def test_areas_without_buffer_equal_those_of_scikit_learn(case):
    y_true, y_score = case
    anomalous = y_true == -1
    if anomalous.all() or not anomalous.any():
        return
    expected = average_precision_score(anomalous, y_score)
    assert average_precision(y_true, y_score) == pytest.approx(expected, abs=1e-12)
    assert roc_auc(y_true, y_score) == pytest.approx(roc_auc_score(anomalous, y_score), abs=1e-12)


@given(st.lists(series(), min_size=1, max_size=3), st.integers(0, 12))
def test_range_curve_is_that_of_the_slow_definition(cases, buffer):
    truth, scores = [y_true == -1 for y_true, _ in cases], [y_score for _, y_score in cases]
    if not any(part.any() for part in truth):
        return
    curve = range_curve(*zip(*cases, strict=True), buffer=buffer, n_thresholds=None)
    levels = np.unique(np.concatenate(scores))[::-1]
    np.testing.assert_allclose(curve[1:], slow_range_curve(truth, scores, buffer, levels))
    assert np.all(np.diff(curve.recall) >= -1e-12)


@pytest.mark.parametrize("case", REFERENCE["cases"])
def test_vus_equals_published_values(case):
    y_true = np.where(np.array(list(case["labels"])) == "1", -1, 1)
    scores, buffer, n = case["scores"], case["buffer"], case["n_thresholds"]
    volumes = [
        metric(y_true, scores, max_buffer=buffer, n_thresholds=n) for metric in (vus_roc, vus_pr)
    ]
    areas = [
        metric(y_true, scores, buffer=buffer, n_thresholds=n)
        for metric in (range_auc_roc, range_auc_pr)
    ]
    np.testing.assert_allclose(volumes, case["vus"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(areas, case["range_auc"], rtol=0, atol=1e-10)


@given(series(shortest=5), st.integers(0, 9))
def test_volumes_are_means_of_areas(case, max_buffer):
    for volume, area in ((vus_pr, range_auc_pr), (vus_roc, range_auc_roc)):
        areas = [area(*case, buffer=buffer) for buffer in range(max_buffer + 1)]
        expected = pytest.approx(np.mean(areas), abs=1e-12, nan_ok=True)
        assert volume(*case, max_buffer=max_buffer) == expected


@given(series(shortest=2))
def test_no_buffer_and_one_event_leave_the_areas_of_time_steps(case):
    y_true, y_score = case
    first, stop = np.sort(np.random.default_rng(len(y_true)).integers(0, len(y_true), size=2))
    y_true = np.where((np.arange(len(y_true)) >= first) & (np.arange(len(y_true)) <= stop), -1, 1)
    area = range_auc_pr(y_true, y_score, buffer=0, n_thresholds=None)
    assert area == pytest.approx(average_precision(y_true, y_score), abs=1e-12)
    area = range_auc_roc(y_true, y_score, buffer=0, n_thresholds=None)
    assert area == pytest.approx(roc_auc(y_true, y_score), abs=1e-12, nan_ok=True)


def test_thresholds_flag_what_the_curve_counts():
    rng = np.random.default_rng(0)
    y_true, y_score = np.where(rng.random(300) < 0.2, -1, 1), rng.normal(size=300)
    for curve in (
        range_curve(y_true, y_score, buffer=0),
        range_curve(y_true, y_score, buffer=0, n_thresholds=None),
    ):
        flags = y_score > curve.thresholds[:, None]
        np.testing.assert_allclose(curve.precision, (flags & (y_true == -1)).sum(1) / flags.sum(1))
    assert len(curve.thresholds) == 300


@every_metric
def test_panels_and_lists_are_pooled_and_buffers_end_with_their_series(metric):
    rng = np.random.default_rng(1)
    y_true, y_score = np.where(rng.random((3, 50)) < 0.1, -1, 1), rng.random((3, 50))
    y_true[0, -1] = y_true[1, 0] = -1
    area = metric(y_true, y_score, **SHORT[metric])
    assert metric(list(y_true), list(y_score), **SHORT[metric]) == area
    joined = metric(y_true.ravel(), y_score.ravel(), **SHORT[metric])
    if metric in (average_precision, roc_auc):
        assert joined == area
    else:
        assert joined != pytest.approx(area, abs=1e-6)


@every_metric
def test_signs_cannot_be_inverted_unnoticed(metric):
    y_true = np.where(np.arange(200) // 20 == 5, -1, 1)
    good = (y_true == -1) + 0.1 * np.random.default_rng(0).random(200)
    assert metric(y_true, good, **SHORT[metric]) > 0.9
    assert metric(y_true, -good, **SHORT[metric]) < 0.3
    with pytest.raises(ValueError, match=r"y_true must hold -1 .*to_outlier_labels"):
        metric(y_true == -1, good)
    with pytest.raises(ValueError, match=r"y_true must hold -1 .*to_outlier_labels"):
        metric((y_true == -1).astype(int), good)


@every_metric
@pytest.mark.parametrize("n_timesteps", [1, 2, 30])
def test_areas_are_nan_where_they_are_not_defined(metric, n_timesteps):
    scores = np.arange(n_timesteps)
    assert np.isnan(metric(np.ones(n_timesteps), scores))
    everything = metric(-np.ones(n_timesteps), scores)
    if metric in (roc_auc, range_auc_roc, vus_roc):
        assert np.isnan(everything)
    else:
        assert everything == pytest.approx(1)


@every_metric
def test_constant_scores_rank_nothing(metric):
    y_true = np.where(np.arange(100) // 10 == 3, -1, 1)
    area = metric(y_true, np.zeros(100), **SHORT[metric])
    if metric is roc_auc:
        assert area == 0.5
    if metric is average_precision:
        assert area == pytest.approx(0.1)
    assert 0 < area < 0.7


@every_metric
def test_perfect_scores_reach_one(metric):
    y_true = np.where(np.arange(1000) // 20 == 10, -1, 1)
    for option in SHORT[metric]:
        assert metric(y_true, y_true == -1, n_thresholds=None, **{option: 0}) == pytest.approx(1)
    assert metric(y_true, y_true == -1, **SHORT[metric]) == pytest.approx(1)


def test_thresholds_at_ranks_miss_what_is_rare_and_all_thresholds_do_not():
    y_true = np.where(np.arange(10_000) % 1000 == 500, -1, 1)
    y_score = (y_true == -1) + 1e-3 * np.random.default_rng(0).random(10_000)
    assert vus_pr(y_true, y_score, max_buffer=20, n_thresholds=None) == pytest.approx(1)
    assert vus_pr(y_true, y_score, max_buffer=20) < 0.5


def test_random_scores_reach_what_is_documented():
    y_true = np.where(np.arange(10_000) % 1000 // 10 == 50, -1, 1)
    draws = np.random.default_rng(0).random((5, 10_000))
    assert np.mean([vus_roc(y_true, draw) for draw in draws]) == pytest.approx(0.83, abs=0.01)
    assert np.mean([vus_pr(y_true, draw) for draw in draws]) == pytest.approx(0.05, abs=0.01)


def test_curves_without_anomalies_are_nan_but_for_the_thresholds():
    curve = range_curve([1, 1, 1], [3, 1, 2], n_thresholds=None)
    np.testing.assert_array_equal(curve.thresholds, np.nextafter([3, 2, 1], -np.inf))
    assert np.isnan(curve[1:]).all()


def test_buffers_longer_than_the_series_are_allowed():
    assert 0 < vus_pr([1, -1, 1], [0, 2, 1], max_buffer=50) <= 1


def test_huge_and_negative_zero_scores_are_ranked():
    y_true = [1, -1, 1, -1]
    assert average_precision(y_true, [-1e308, 1e308, 0.0, -0.0]) == pytest.approx(5 / 6)


@every_reader
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(function, bad):
    with pytest.raises(ValueError, match=r"y_score must be finite; got 1 values"):
        function([1, -1, 1], [0, bad, 1])


@every_reader
def test_lengths_that_differ_are_refused(function):
    with pytest.raises(ValueError, match=r"same lengths; got 3 and 2"):
        function([1, -1, 1], [0, 1])


@pytest.mark.parametrize(
    ("metric", "options", "message"),
    [
        (vus_pr, {"max_buffer": -1}, "max_buffer must be a whole number of at least 0; got -1"),
        (vus_roc, {"max_buffer": 2.5}, "max_buffer must be a whole number of at least 0; got 2.5"),
        (vus_pr, {"max_buffer": True}, "max_buffer must be a whole number"),
        (range_auc_pr, {"buffer": None}, "buffer must be a whole number of at least 0; got None"),
        (range_curve, {"n_thresholds": 1}, "n_thresholds must be .* at least 2; got 1. None takes"),
        (threshold_curve, {"beta": 0}, "beta must be a number above 0; got 0"),
        (threshold_curve, {"beta": "1"}, "beta must be a number above 0; got '1'"),
    ],
)
def test_parameters_out_of_their_range_are_refused(metric, options, message):
    with pytest.raises(ValueError, match=message):
        metric([1, -1, 1], [0, 2, 1], **options)
