"""Affiliation metrics: parity with the authors' code, and against sums over small steps."""

import numpy as np
import pytest
from hypothesis import given
from label_strings import label_pairs, labels, reference_cases, runs

from skanomaly.metrics import affiliation_precision_recall_f

# All kinks are at multiples of a quarter of a time step, and between them everything is linear:
# midpoints of eighths give exact integrals.
STEP = 1 / 8


def test_affiliation_agrees_with_its_authors():
    for case in reference_cases("affiliation"):
        result = affiliation_precision_recall_f(labels(case["y_true"]), labels(case["y_pred"]))
        np.testing.assert_allclose(result[:2], case["expected"], rtol=1e-12, err_msg=str(case))


def distance(x, interval):
    return max(interval[0] - x, x - interval[1], 0)


def midpoints(low, high):
    return np.arange(low + STEP / 2, high, STEP)


def chance_of_being_as_far(d, centre, low, high):
    """P that a random point of [low, high] is at least d from the interval `centre`."""
    if d == 0:
        return 1.0
    ways = max(centre[0] - d - low, 0) + max(high - centre[1] - d, 0)
    return ways / (high - low)


def naive_affiliation(true, pred):
    """Precision and recall of strings, one point of time after the other."""
    anomalies = runs(true)
    if not anomalies:
        return (0.0 if "#" in pred else np.nan), np.nan
    middles = [(a[1] + b[0]) / 2 for a, b in zip(anomalies, anomalies[1:], strict=False)]
    edges = [0, *middles, len(true)]
    precisions, recalls = [], []
    for j, anomaly in enumerate(anomalies):
        low, high = edges[j], edges[j + 1]
        flags = [(max(a, low), min(b, high)) for a, b in runs(pred)]
        flags = [(a, b) for a, b in flags if a < b]
        if not flags:
            recalls.append(0.0)
            continue
        points = [x for a, b in flags for x in midpoints(a, b)]
        precisions.append(
            np.mean(
                [chance_of_being_as_far(distance(x, anomaly), anomaly, low, high) for x in points]
            )
        )
        recalls.append(
            np.mean(
                [
                    chance_of_being_as_far(min(distance(y, f) for f in flags), (y, y), low, high)
                    for y in midpoints(*anomaly)
                ]
            )
        )
    return (np.mean(precisions) if precisions else np.nan), np.mean(recalls)


@given(pair=label_pairs(max_size=20))
def test_affiliation_agrees_with_sums_over_small_steps(pair):
    result = affiliation_precision_recall_f(*map(labels, pair))
    np.testing.assert_allclose(result[:2], naive_affiliation(*pair), rtol=1e-9, atol=1e-12)


@given(pair=label_pairs())
def test_reversed_time_changes_nothing(pair):
    y_true, y_pred = map(labels, pair)
    forward = affiliation_precision_recall_f(y_true, y_pred)
    backward = affiliation_precision_recall_f(y_true[::-1], y_pred[::-1])
    assert forward == pytest.approx(backward, nan_ok=True)


def test_nearer_flags_get_more():
    y_true = np.ones(200, dtype=int)
    y_true[100:110] = -1
    results = []
    for start in (98, 90, 70, 30):
        y_pred = np.ones(200, dtype=int)
        y_pred[start : start + 5] = -1
        results.append(affiliation_precision_recall_f(y_true, y_pred))
    for values in zip(*results, strict=True):
        assert list(values) == sorted(values, reverse=True)


def test_zones_of_all_series_count_alike():
    true, pred = ["..##....#.", "...#", "##."], ["....##....", "##..", "..."]
    each = [naive_affiliation(*pair) for pair in zip(true, pred, strict=True)]
    n_zones, n_flagged_zones = np.array([2, 1, 1]), np.array([1, 1, 0])
    result = affiliation_precision_recall_f(list(map(labels, true)), list(map(labels, pred)))
    assert each[0][1] == np.mean([each[0][1] * 2, 0])
    precisions = np.nan_to_num([precision for precision, _ in each])
    assert result.precision == pytest.approx(precisions @ n_flagged_zones / 2)
    assert result.recall == pytest.approx(np.dot([recall for _, recall in each], n_zones) / 4)


def test_flags_in_a_series_without_anomalies_are_one_zone_of_precision_0():
    y_true, y_pred = [labels(".##."), labels("......")], [labels(".##."), labels("#.##.#")]
    result = affiliation_precision_recall_f(y_true, y_pred)
    assert result == pytest.approx((0.5, 1.0, 2 / 3))


def test_flags_at_random_get_about_a_half():
    rng = np.random.default_rng(0)
    y_true = np.ones(20_000, dtype=int)
    y_true[5000:5100] = y_true[12_000:12_050] = -1
    y_pred = np.where(rng.random(20_000) < 0.001, -1, 1)
    result = affiliation_precision_recall_f(y_true, y_pred)
    assert 0.4 < result.precision < 0.6
    assert 0.8 < result.recall < 0.95
