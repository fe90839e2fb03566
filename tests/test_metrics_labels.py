"""What all metrics of labels have in common: inputs, series apart, nothing to measure, errors."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from label_strings import label_pairs, labels
from sklearn.metrics import precision_recall_fscore_support

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

ADJUSTED = [point_adjusted_precision_recall_f, pa_k_precision_recall_f, pa_k_area]
METRICS = [
    point_precision_recall_f,
    range_precision_recall_f,
    event_precision_recall_f,
    affiliation_precision_recall_f,
    *ADJUSTED,
]
every_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.__name__)
NAN = float("nan")


@given(pair=label_pairs(), beta=st.sampled_from([0.5, 1.0, 3.0]))
def test_points_agree_with_scikit_learn(pair, beta):
    y_true, y_pred = map(labels, pair)
    expected = precision_recall_fscore_support(
        y_true, y_pred, beta=beta, pos_label=-1, average="binary", zero_division=np.nan
    )
    np.testing.assert_allclose(
        point_precision_recall_f(y_true, y_pred, beta=beta), expected[:3], rtol=1e-14
    )


@every_metric
@pytest.mark.parametrize(
    ("y_true", "y_pred", "expected"),
    [
        ("....", "....", (NAN, NAN, NAN)),
        ("....", ".#..", (0, NAN, 0)),
        ("....", "####", (0, NAN, 0)),
        (".##.", "....", (NAN, 0, 0)),
        ("####", "....", (NAN, 0, 0)),
        ("####", "####", (1, 1, 1)),
        (".##.", ".##.", (1, 1, 1)),
        (".", ".", (NAN, NAN, NAN)),
        ("#", ".", (NAN, 0, 0)),
        (".", "#", (0, NAN, 0)),
        ("#", "#", (1, 1, 1)),
    ],
)
def test_share_of_nothing_is_nan_and_f_only_if_there_is_nothing_at_all(
    metric, y_true, y_pred, expected
):
    result = metric(labels(y_true), labels(y_pred))
    assert result[:3] == pytest.approx(expected, nan_ok=True)
    if metric in ADJUSTED:
        assert np.isnan(result.random_f) == np.isnan(expected[2])


@every_metric
@given(pair=label_pairs())
def test_measures_are_floats_between_0_and_1(metric, pair):
    for value in metric(*map(labels, pair)):
        assert type(value) is float
        assert np.isnan(value) or 0 <= value <= 1


@every_metric
def test_f_is_1_for_what_is_right_and_0_for_what_is_wrong(metric):
    y_true = labels("..###.....##..")
    assert metric(y_true, y_true)[:3] == pytest.approx((1, 1, 1))
    if metric is not affiliation_precision_recall_f:
        assert metric(y_true, -y_true)[:3] == (0, 0, 0)


@every_metric
def test_beta_weighs_recall(metric):
    y_true, y_pred = labels("..###......####..."), labels("..###.............")
    favours_precision = metric(y_true, y_pred, beta=0.1)
    favours_recall = metric(y_true, y_pred, beta=10.0)
    assert favours_precision.f > favours_recall.f
    if metric is not pa_k_area:
        precision, recall = favours_recall[:2]
        expected = 101 * precision * recall / (100 * precision + recall)
        assert favours_recall.f == pytest.approx(expected)


@every_metric
def test_panel_list_and_nested_lists_are_the_same(metric):
    y_true = np.stack([labels("..##.."), labels("#....#")])
    y_pred = np.stack([labels("...##."), labels("#..#..")])
    expected = metric(y_true, y_pred)
    assert metric(list(y_true), list(y_pred)) == expected
    assert metric(y_true.tolist(), y_pred.tolist()) == expected
    assert metric(y_true[:1], y_pred[:1]) == metric(y_true[0], y_pred[0])


@pytest.mark.parametrize("metric", METRICS[1:3])
@given(first=label_pairs(max_size=12), second=label_pairs(max_size=12))
def test_intervals_never_join_two_series(metric, first, second):
    apart = metric(*[list(map(labels, pair)) for pair in zip(first, second, strict=True)])
    gap = metric(*[labels(a + "." + b) for a, b in zip(first, second, strict=True)])
    assert apart == pytest.approx(gap, nan_ok=True)


@pytest.mark.parametrize("metric", ADJUSTED)
def test_anomalies_at_the_ends_of_two_series_are_adjusted_apart(metric):
    y_true, y_pred = [labels("..##"), labels("##..")], [labels("..##"), labels("....")]
    assert metric(y_true, y_pred).recall == 0.5


@every_metric
@pytest.mark.parametrize("beta", [0, -1.0, NAN, np.inf, "1", None, True, 1e200])
def test_beta_outside_its_range_is_refused(metric, beta):
    with pytest.raises(ValueError, match=r"beta must be a number above 0; got .*Use 1 to weigh"):
        metric([1, -1], [1, -1], beta=beta)


every_function = pytest.mark.parametrize(
    "function", [*METRICS, detection_delay], ids=lambda function: function.__name__
)


@every_function
def test_labels_of_another_kind_are_refused(function):
    with pytest.raises(ValueError, match=r"y_pred must hold -1 .* got 0, 1\. Convert labels"):
        function([1, -1], [0, 1])


@every_function
def test_different_lengths_are_refused(function):
    with pytest.raises(ValueError, match=r"same lengths; got \[2, 1\] and \[2, 2\] time steps"):
        function([[1, -1], [1]], [[1, 1], [1, 1]])


@every_function
@pytest.mark.parametrize("y", [[], [[]], np.ones((0, 3))])
def test_empty_labels_are_refused(function, y):
    with pytest.raises(ValueError, match="must not be empty"):
        function(y, y)


@pytest.mark.parametrize("function", [point_precision_recall_f, ucr_accuracy])
def test_axis_of_features_is_refused_in_a_ragged_list_too(function):
    y = [np.ones((3, 1)), np.ones((2, 1))]
    with pytest.raises(ValueError, match=r"got shape \(3, 1\)\. Remove the axis of features"):
        function(y, y)


def test_what_is_given_is_left_alone():
    y_true, y_pred = labels("..##.#"), labels(".##..#")
    for metric in [*METRICS, detection_delay]:
        metric(y_true, y_pred)
    np.testing.assert_array_equal(y_true, labels("..##.#"))
    np.testing.assert_array_equal(y_pred, labels(".##..#"))


@every_function
def test_docstrings_are_filled_in(function):
    assert "{" not in function.__doc__
    assert "y_true : array-like of shape (n_timesteps,)" in function.__doc__


def test_metrics_need_numpy_alone():
    code = "import sys, skanomaly.metrics; print({'scipy', 'sklearn', 'keras'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
