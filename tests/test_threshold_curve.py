"""Precision, recall and F at every threshold, against counting at each of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from skanomaly.metrics import threshold_curve


@st.composite
def panels(draw):
    """Labels and scores with ties of a list of series."""
    y_true, y_score = [], []
    highest = draw(st.sampled_from([0, 2, 30]))
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 25))
        flags = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        y_true.append(np.where(flags, -1, 1))
        y_score.append(np.array(draw(st.lists(st.integers(0, highest), min_size=n, max_size=n))))
    return y_true, y_score


def intervals(flags):
    """Sets of neighbouring flagged steps, one by one."""
    runs = []
    for t in np.flatnonzero(flags):
        if runs and t - 1 in runs[-1]:
            runs[-1].add(t)
        else:
            runs.append({t})
    return runs


def share(part, whole):
    return part / whole if whole else np.nan


def f_beta(precision, recall, beta):
    if np.isnan(precision) and np.isnan(recall):
        return np.nan
    if not precision > 0 or not recall > 0:
        return 0.0
    return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def slow_row(y_true, y_score, threshold, beta):
    """Count everything at one threshold."""
    n_flagged = n_true = n_right = n_runs = n_right_runs = n_events = n_found = 0
    for labels, scores in zip(y_true, y_score, strict=True):
        truth, flags = labels == -1, scores > threshold
        n_flagged, n_true = n_flagged + flags.sum(), n_true + truth.sum()
        n_right += (truth & flags).sum()
        runs, events = intervals(flags), intervals(truth)
        n_runs, n_events = n_runs + len(runs), n_events + len(events)
        n_right_runs += sum(any(truth[t] for t in run) for run in runs)
        n_found += sum(any(flags[t] for t in event) for event in events)
    pairs = [
        (share(n_right, n_flagged), share(n_right, n_true)),
        (share(n_right_runs, n_runs), share(n_found, n_events)),
    ]
    return [number for pair in pairs for number in (*pair, f_beta(*pair, beta))]


@given(panels(), st.sampled_from([1.0, 0.5, 2]))
def test_every_row_is_what_its_threshold_counts(panel, beta):
    y_true, y_score = panel
    curve = threshold_curve(y_true, y_score, beta=beta)
    expected = [slow_row(y_true, y_score, threshold, beta) for threshold in curve.thresholds]
    np.testing.assert_allclose(np.array(curve[1:7]).T, expected, rtol=1e-12, atol=1e-14)
    assert len(curve.thresholds) == 1 + len(np.unique(np.concatenate(y_score)))
    assert np.all(np.diff(curve.thresholds) < 0)
    scores = np.concatenate(y_score)
    expected = (scores > curve.thresholds[:, None]).mean(axis=1)
    np.testing.assert_allclose(curve.flagged, expected)


def test_points_equal_the_curve_of_scikit_learn():
    rng = np.random.default_rng(0)
    y_true, y_score = np.where(rng.random(500) < 0.1, -1, 1), rng.integers(0, 50, size=500)
    curve = threshold_curve(y_true, y_score)
    precision, recall, thresholds = precision_recall_curve(y_true == -1, y_score)
    np.testing.assert_allclose(curve.precision[:0:-1], precision[:-1])
    np.testing.assert_allclose(curve.recall[::-1], recall)
    np.testing.assert_array_equal(np.nextafter(thresholds, -np.inf), curve.thresholds[:0:-1])


def test_flagging_everything_is_one_right_interval_of_each_series():
    y_true = np.array([[1, -1, 1, -1, 1], [1, 1, 1, 1, 1]])
    curve = threshold_curve(y_true, np.zeros((2, 5)))
    assert curve.event_precision.tolist()[1:] == [0.5]
    assert curve.event_recall.tolist() == [0, 1]


@pytest.mark.parametrize("n_timesteps", [1, 4])
def test_shares_of_nothing_are_nan(n_timesteps):
    scores = np.arange(n_timesteps)
    curve = threshold_curve(np.ones(n_timesteps), scores)
    assert np.isnan(curve.recall).all()
    assert np.isnan(curve.event_recall).all()
    assert np.isnan([curve.f[0], curve.event_f[0]]).all()
    assert curve.precision[1:].tolist() == curve.event_f[1:].tolist() == [0] * n_timesteps
    curve = threshold_curve(-np.ones(n_timesteps), scores)
    assert np.isnan([curve.precision[0], curve.event_precision[0]]).all()
    assert curve.f[0] == curve.event_f[0] == 0
    assert curve.f[-1] == curve.event_f[-1] == 1
