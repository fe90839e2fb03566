"""The threshold that makes mean and spread of a window drop most."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skanomaly.intervals import find_intervals
from skanomaly.thresholds import DynamicThreshold, _dynamic

REFERENCES = Path(__file__).parent / "reference_thresholds" / "errors.json"
CASES = json.loads(REFERENCES.read_text("utf-8"))
each_case = pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
WINDOWS = st.lists(
    st.floats(-5, 5) | st.sampled_from([0.0, 1.0, 20.0, 30.0]), min_size=8, max_size=60
)


def naive_gain(window, threshold, buffer, max_sequences):
    """Rate a threshold by going through the window for it alone."""
    flags = naive_flags(window, threshold, buffer)
    below = window[window <= threshold]
    n_sequences = len(find_intervals(flags))
    if not flags.any() or flags.sum() >= len(window) / 2:
        return -np.inf
    if max_sequences is not None and n_sequences > max_sequences:
        return -np.inf
    mean = window.mean() - min(window.min(), 0)
    drop = (window.mean() - below.mean()) / mean + (window.std() - below.std()) / window.std()
    return drop / (flags.sum() + n_sequences**2)


def naive_flags(window, threshold, buffer):
    return np.array(
        [
            (window[max(i - buffer, 0) : i + buffer + 1] > threshold).any()
            for i in range(len(window))
        ]
    )


@settings(max_examples=60)
@given(WINDOWS, st.sampled_from([0, 1, 3]), st.sampled_from([None, 1, 2]))
def test_the_threshold_is_the_best_of_those_to_try(window, buffer, max_sequences):
    window = np.round(window, 3)
    if np.ptp(window) == 0:
        return
    options = {"min_sigmas": 0.5, "max_sigmas": 4.0, "sigma_step": 0.25, "pruning": 0}
    selector = DynamicThreshold(buffer=buffer, max_sequences=max_sequences, **options).fit(window)
    tried = window.mean() + np.arange(0.5, 4.0, 0.25) * window.std()
    gains = [naive_gain(window, threshold, buffer, max_sequences) for threshold in tried]
    if max(gains) < 0:
        assert selector.threshold_ == pytest.approx(window.mean() + 4 * window.std())
        return
    found = naive_gain(window, selector.threshold_, buffer, max_sequences)
    assert found == pytest.approx(max(gains), rel=1e-6, abs=1e-9)
    expected = naive_flags(window, selector.threshold_, buffer)
    np.testing.assert_array_equal(selector.predict(window) == -1, expected)


@each_case
@pytest.mark.parametrize("buffer", [3, 20])
def test_thresholds_agree_with_telemanom(case, buffer):
    """With the code published with the article, where a sequence has two scores or more."""
    scores = np.array(case["scores"])
    selector = DynamicThreshold(buffer=buffer, max_sequences=5, pruning=0).fit(scores)
    expected = scores.mean() + case["n_sigmas_by_buffer"][str(buffer)] * scores.std()
    assert selector.threshold_ == pytest.approx(expected, rel=1e-9)


@each_case
def test_gains_and_pruned_sequences_agree_with_orion(case):
    scores = np.array(case["scores"])
    n_tried = len(case["costs"])
    tried = scores.mean() + np.arange(2.5, 12.5, 0.5) * scores.std()
    exceeded = np.searchsorted(tried, scores)
    gains = _dynamic._gains(scores, exceeded, exceeded, n_tried, None)
    expected = [-np.inf if cost is None else -cost for cost in case["costs"]]
    np.testing.assert_allclose(gains, expected, rtol=1e-9)
    labels = DynamicThreshold().fit(scores).predict(scores)
    assert find_intervals(labels == -1).tolist() == case["kept"]


@pytest.mark.parametrize(
    ("pruning", "n_kept"), [(0.0, 4), (0.03, 4), (0.13, 4), (0.2, 2), (0.36, 2), (0.37, 0)]
)
def test_pruning_keeps_what_lies_before_the_last_large_drop(pruning, n_kept):
    # From 20 to 19 the maximum drops by 5 %, to 12 by 37 %, to 11.5 by 4 %, to 10 by 13 %.
    window = np.full(50, 10.0)
    places = [30, 10, 40, 20]
    window[places] = [20.0, 19.0, 12.0, 11.5]
    flags = _dynamic._prune(window, window > 11, pruning)
    assert set(np.flatnonzero(flags)) == set(places[:n_kept])


def test_a_drop_as_large_as_asked_for_is_large_enough():
    window = np.append(np.full(20, 10.0), 20.0)
    assert _dynamic._prune(window, window > 11, 0.5)[-1]
    assert not _dynamic._prune(window, window > 11, 0.5 + 1e-12)[-1]


def test_sequences_that_do_not_stand_out_are_pruned_and_raise_the_threshold():
    scores = np.tile([1.0, 2.0, 3.0, 2.0], 100)
    scores[[100, 200]] = [40.0, 12.0]
    scores[300:340:4] = np.linspace(11.0, 8.0, 10)  # a slope of peaks, down to the highest others
    options = {"min_sigmas": 2.0, "max_sigmas": 2.1}
    unpruned = DynamicThreshold(pruning=0, **options).fit(scores)
    flagged = np.flatnonzero(unpruned.predict(scores) == -1)
    assert {100, 200} < set(flagged.tolist())
    pruned = DynamicThreshold(pruning=0.65, **options).fit(scores)
    assert np.flatnonzero(pruned.predict(scores) == -1).tolist() == [100]
    assert pruned.threshold_ == 12.0
    assert unpruned.threshold_ < 12.0


def test_each_window_has_its_own_threshold():
    random = np.random.default_rng(0)
    scores = np.abs(random.normal(size=400)) * np.repeat([1.0, 50.0], 200)
    scores[100], scores[300] = 12.0, 600.0
    labels = DynamicThreshold(window_size=200).fit(scores).predict(scores)
    assert np.flatnonzero(labels == -1).tolist() == [100, 300]
    together = DynamicThreshold().fit(scores).predict(scores)
    assert np.flatnonzero(together == -1).tolist() == [300]


@pytest.mark.parametrize(("n_scores", "size", "stride"), [(100, 30, 10), (95, 30, 7), (20, 30, 30)])
def test_windows_label_their_last_scores(n_scores, size, stride):
    scores = np.abs(np.random.default_rng(0).standard_t(2, size=n_scores))
    selector = DynamicThreshold(window_size=size, stride=stride, pruning=0).fit(scores)
    stops = [min(size, n_scores)]
    while stops[-1] < n_scores:
        stops.append(min(stops[-1] + stride, n_scores))
    expected = np.full(n_scores, np.nan)
    for stop in reversed(stops):  # an earlier window has the say over what it labels
        window = scores[max(stop - size, 0) : stop]
        expected[max(stop - stride, 0) if stop != stops[0] else 0 : stop] = (
            DynamicThreshold(pruning=0).fit(window).threshold_
        )
    np.testing.assert_allclose(selector.thresholds(scores), expected)
    assert selector.threshold_ == selector.thresholds(scores)[-1]


def test_twice_as_many_scores_are_twice_the_work(monkeypatch):
    looked_at = []

    def counting(window, *args):
        looked_at.append(len(window))
        return real(window, *args)

    real = _dynamic._gains
    monkeypatch.setattr(_dynamic, "_gains", counting)
    work = {}
    for n_scores in (2000, 4000):
        scores = np.abs(np.random.default_rng(0).normal(size=n_scores))
        for selector in (DynamicThreshold(), DynamicThreshold(window_size=200, stride=50)):
            selector.fit(scores)
            looked_at.clear()
            selector.predict(scores)
            work[n_scores, selector.window_size] = sum(looked_at)
    assert work[2000, None] == 2000
    assert work[4000, None] == 4000
    assert work[2000, 200] == 200 * (1 + 1800 // 50)
    assert work[4000, 200] == 200 * (1 + 3800 // 50)


def test_a_buffer_joins_sequences_and_is_flagged():
    scores = np.tile([1.0, 2.0], 100)
    scores[[50, 54]] = 30.0
    labels = DynamicThreshold(buffer=2).fit(scores).predict(scores)
    assert find_intervals(labels == -1).tolist() == [[48, 57]]


def test_negative_scores_are_taken_from_the_lowest_of_them():
    scores = np.abs(np.random.default_rng(0).normal(size=300))
    scores[100] = 15.0
    scores[0] = 0.0
    moved = DynamicThreshold().fit(scores - 7.0)
    assert moved.threshold_ == pytest.approx(DynamicThreshold().fit(scores).threshold_ - 7.0)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3])
def test_a_flat_window_has_no_anomalies(value):
    selector = DynamicThreshold(window_size=10).fit(np.full(35, value))
    assert selector.threshold_ == value
    assert (selector.predict(np.full(35, value)) == 1).all()


def test_bad_combinations_of_parameters_are_refused():
    scores = np.arange(50.0)
    with pytest.raises(ValueError, match="stride must be at most window_size, 10, .*got 11"):
        DynamicThreshold(window_size=10, stride=11).fit(scores)
    with pytest.raises(ValueError, match="min_sigmas must be below max_sigmas, 2.0; got 2.5"):
        DynamicThreshold(max_sigmas=2.0).fit(scores)
