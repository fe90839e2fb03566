"""Metrics over intervals: parity with prts, events against loops, delays, the rule of UCR."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_strings import label_pairs, labels, reference_cases, runs

from skanomaly.metrics import (
    detection_delay,
    event_precision_recall_f,
    range_precision_recall_f,
    ucr_accuracy,
)

SWAPPED = {"flat": "flat", "middle": "middle", "front": "back", "back": "front"}


def test_ranges_agree_with_prts():
    for case in reference_cases("ranges"):
        params = case["params"]
        result = range_precision_recall_f(
            labels(case["y_true"]),
            labels(case["y_pred"]),
            beta=params["beta"],
            precision_alpha=params["p_alpha"],
            recall_alpha=params["r_alpha"],
            precision_cardinality=params["cardinality"],
            recall_cardinality=params["cardinality"],
            precision_bias=params["p_bias"],
            recall_bias=params["r_bias"],
        )
        np.testing.assert_allclose(
            result, case["expected"], rtol=1e-12, atol=1e-15, err_msg=str(case)
        )


def naive_recall(true, pred, alpha, cardinality, bias):
    """Recall of strings, by the definition of the paper: loops over intervals and time steps."""
    rewards = []
    for start, stop in runs(true):
        n = stop - start
        weights = {
            "flat": [1] * n,
            "front": list(range(n, 0, -1)),
            "back": list(range(1, n + 1)),
            "middle": [min(i, n + 1 - i) for i in range(1, n + 1)],
        }[bias]
        overlap = sum(w for w, step in zip(weights, pred[start:stop], strict=True) if step == "#")
        n_pieces = len(runs(pred[start:stop]))
        factor = cardinality(n_pieces) if n_pieces > 1 else 1
        rewards.append(alpha * (n_pieces > 0) + (1 - alpha) * factor * overlap / sum(weights))
    return np.mean(rewards) if rewards else np.nan


@given(pair=label_pairs(), alpha=st.floats(0, 1), bias=st.sampled_from(sorted(SWAPPED)))
def test_ranges_agree_with_loops_and_a_cardinality_of_ones_own(pair, alpha, bias):
    expected = naive_recall(*pair, alpha, lambda n: 0.5**n, bias)
    recall = range_precision_recall_f(
        *map(labels, pair),
        recall_alpha=alpha,
        recall_cardinality=lambda n: 0.5**n,
        recall_bias=bias,
    ).recall
    assert recall == pytest.approx(expected, rel=1e-12, nan_ok=True)


@given(pair=label_pairs(), bias=st.sampled_from(sorted(SWAPPED)))
def test_range_precision_is_recall_the_other_way_round(pair, bias):
    y_true, y_pred = map(labels, pair)
    options = {"alpha": 0.3, "cardinality": "reciprocal", "bias": bias}
    there = range_precision_recall_f(
        y_true, y_pred, **{f"precision_{name}": value for name, value in options.items()}
    )
    back = range_precision_recall_f(
        y_pred, y_true, **{f"recall_{name}": value for name, value in options.items()}
    )
    assert there.precision == pytest.approx(back.recall, nan_ok=True)


@given(pair=label_pairs(), bias=st.sampled_from(sorted(SWAPPED)))
def test_reversed_time_swaps_front_and_back(pair, bias):
    y_true, y_pred = map(labels, pair)
    forward = range_precision_recall_f(y_true, y_pred, recall_bias=bias)
    backward = range_precision_recall_f(y_true[::-1], y_pred[::-1], recall_bias=SWAPPED[bias])
    assert forward.recall == pytest.approx(backward.recall, nan_ok=True)


def test_cardinality_is_asked_for_each_number_of_pieces_from_two():
    asked = []
    y_true, y_pred = labels("#####.###.#.##"), labels("#.#.#.###.#...")
    range_precision_recall_f(
        y_true, y_pred, recall_cardinality=lambda n: asked.append((n, type(n))) or 1.0
    )
    assert asked == [(3, int)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"recall_alpha": 1.5}, r"recall_alpha must be a number from 0 to 1; got 1\.5"),
        ({"precision_alpha": "0"}, "precision_alpha must be a number from 0 to 1; got '0'"),
        ({"precision_alpha": np.nan}, "precision_alpha must be a number from 0 to 1; got nan"),
        ({"recall_bias": "early"}, "recall_bias must be one of 'flat', .*; got 'early'"),
        ({"precision_bias": None}, "precision_bias must be one of .*; got None"),
        (
            {"recall_cardinality": "two"},
            "recall_cardinality must be one of 'one', 'reciprocal' or a callable; got 'two'",
        ),
        (
            {"recall_cardinality": lambda n: n},
            "callable for cardinality must return a number from 0 to 1; got 2 for 2 pieces",
        ),
        (
            {"precision_cardinality": 0.5},
            "precision_cardinality must be one of .* or a callable; got 0.5",
        ),
    ],
)
def test_options_of_ranges_are_refused_outside_their_range(options, message):
    with pytest.raises(ValueError, match=message):
        range_precision_recall_f(labels("####.##"), labels("#.#..##"), **options)


@given(pair=label_pairs())
def test_events_agree_with_loops(pair):
    true, pred = pair
    anomalies, flagged = runs(true), runs(pred)
    found = sum("#" in pred[start:stop] for start, stop in anomalies)
    right = sum("#" in true[start:stop] for start, stop in flagged)
    wrong = len(flagged) - right
    recall = found / len(anomalies) if anomalies else np.nan
    for count, n in (("flagged", right), ("anomalies", found)):
        result = event_precision_recall_f(labels(true), labels(pred), count=count)
        expected = n / (n + wrong) if flagged else np.nan
        assert result[:2] == pytest.approx((expected, recall), nan_ok=True)


@given(pair=label_pairs())
def test_events_are_ranges_that_only_have_to_exist(pair):
    y_true, y_pred = map(labels, pair)
    ranges = range_precision_recall_f(y_true, y_pred, precision_alpha=1, recall_alpha=1)
    assert event_precision_recall_f(y_true, y_pred) == pytest.approx(ranges, nan_ok=True)


def test_anomaly_that_is_found_by_many_intervals_may_count_once():
    y_true, y_pred = labels("#######....#."), labels("#.#.#.#..#...")
    assert event_precision_recall_f(y_true, y_pred).precision == 0.8
    assert event_precision_recall_f(y_true, y_pred, count="anomalies").precision == 0.5


def test_count_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="count must be one of 'flagged', 'anomalies'; got 'all'"):
        event_precision_recall_f([1], [1], count="all")


@given(pair=label_pairs())
def test_delays_agree_with_loops(pair):
    true, pred = pair
    expected = []
    for start, stop in runs(true):
        steps = [i - start for i in range(start, stop) if pred[i] == "#"]
        expected.append(min(steps, default=np.nan))
    result = detection_delay(labels(true), labels(pred))
    np.testing.assert_array_equal(result.delays, expected)
    found = [delay for delay in expected if delay == delay]
    assert result.n_missed == len(expected) - len(found)
    assert result.mean == pytest.approx(np.mean(found) if found else np.nan, nan_ok=True)
    assert result.median == pytest.approx(np.median(found) if found else np.nan, nan_ok=True)


def test_delays_of_several_series_follow_each_other():
    result = detection_delay([labels("..##"), labels("##.###")], [labels("...#"), labels("....#.")])
    np.testing.assert_array_equal(result.delays, [1, np.nan, 1])
    assert result.delays.dtype == np.float64
    assert (result.mean, result.median, result.n_missed) == (1.0, 1.0, 1)
    assert type(result.n_missed) is int


def test_without_anomalies_there_are_no_delays():
    result = detection_delay(labels("..."), labels(".#."))
    assert result.delays.shape == (0,)
    assert np.isnan([result.mean, result.median]).all()
    assert result.n_missed == 0


def one_anomaly(n_timesteps, start, stop, highest):
    y_true, y_score = np.ones(n_timesteps, dtype=int), np.zeros(n_timesteps)
    y_true[start:stop], y_score[highest] = -1, 1.0
    return y_true, y_score


@pytest.mark.parametrize(
    ("start", "stop", "highest", "expected"),
    [
        # Margin 100 for an anomaly of 10 steps, 500 to 509.
        (500, 510, 400, 0),
        (500, 510, 401, 1),
        (500, 510, 505, 1),
        (500, 510, 608, 1),
        (500, 510, 609, 0),
        # Margin 150 for one of 150 steps, 500 to 649.
        (500, 650, 350, 0),
        (500, 650, 351, 1),
        (500, 650, 798, 1),
        (500, 650, 799, 0),
    ],
)
def test_rule_of_the_archive_excludes_the_margin_itself(start, stop, highest, expected):
    assert ucr_accuracy(*one_anomaly(1000, start, stop, highest)) == expected


def test_tolerance_is_the_least_margin():
    y_true, y_score = one_anomaly(1000, 500, 510, 480)
    assert ucr_accuracy(y_true, y_score, tolerance=21) == 1
    assert ucr_accuracy(y_true, y_score, tolerance=20) == 0
    assert ucr_accuracy(*one_anomaly(9, 4, 5, 4), tolerance=0) == 1
    assert ucr_accuracy(*one_anomaly(9, 4, 5, 5), tolerance=0) == 0


def test_ties_for_the_highest_score_count_as_their_correct_share():
    y_true, y_score = one_anomaly(1000, 500, 510, 505)
    y_score[[0, 1, 506]] = 1.0
    assert ucr_accuracy(y_true, y_score) == 0.5
    assert ucr_accuracy(y_true, np.zeros(1000)) == pytest.approx((100 + 10 + 98) / 1000)


def test_accuracy_is_the_mean_over_series():
    right, wrong = one_anomaly(1000, 500, 510, 505), one_anomaly(800, 500, 510, 5)
    assert ucr_accuracy(*zip(right, wrong, right, right, strict=True)) == 0.75


@pytest.mark.parametrize(
    ("y_true", "message"),
    [
        ([labels("..#"), labels("...")], "got 0 in series 1"),
        ([labels("#.#"), labels("..#")], "got 2 in series 0"),
        (labels("..."), "got 0 in series 0"),
    ],
)
def test_series_without_exactly_one_anomaly_are_refused(y_true, message):
    y_score = np.zeros(np.shape(y_true))
    with pytest.raises(ValueError, match=f"exactly one anomalous interval .*; {message}. Leave"):
        ucr_accuracy(y_true, y_score)


@pytest.mark.parametrize("tolerance", [-1, 2.5, "100", None, True])
def test_tolerance_outside_its_range_is_refused(tolerance):
    with pytest.raises(ValueError, match="tolerance must be a whole number of at least 0"):
        ucr_accuracy(labels("..#"), [0, 0, 1], tolerance=tolerance)


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="y_score must be finite; got 1 values"):
        ucr_accuracy(labels("..#"), [0, np.nan, 1])
