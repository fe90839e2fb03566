"""Splitters: time order, gaps on both sides of the test block, no seam, no short fold."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, TimeSeriesSplit, cross_val_score

from skanomaly import PersistenceDetector
from skanomaly.model_selection import BlockedSplit, ExpandingWindowSplit, SegmentSplit

OF_SERIES = [ExpandingWindowSplit, BlockedSplit]
ALL = [*OF_SERIES, SegmentSplit]
sizes = {
    "n_timesteps": st.integers(4, 200),
    "n_splits": st.integers(2, 6),
    "window_size": st.integers(1, 12),
}


def folds_of(splitter, X):
    """List the folds, or None where they would be too short."""
    try:
        return list(splitter.split(X))
    except ValueError:
        return None


def is_contiguous(indices):
    return (np.diff(indices) == 1).all()


@given(**sizes, test_size=st.none() | st.integers(1, 30))
def test_expanding_window_is_scikit_learns_with_a_gap(
    n_timesteps, n_splits, window_size, test_size
):
    X = np.zeros((n_timesteps, 1))
    folds = folds_of(
        ExpandingWindowSplit(n_splits, window_size=window_size, test_size=test_size), X
    )
    reference = TimeSeriesSplit(n_splits, gap=window_size, test_size=test_size)
    try:
        expected = list(reference.split(X))
    except ValueError:
        assert folds is None
        return
    shortest = min(len(part) for fold in expected for part in fold)
    if folds is None:
        assert shortest < window_size
        return
    assert shortest >= window_size
    for (train, test), (expected_train, expected_test) in zip(folds, expected, strict=True):
        np.testing.assert_array_equal(train, expected_train)
        np.testing.assert_array_equal(test, expected_test)


@given(**sizes, side=st.sampled_from(["longest", "both"]))
def test_blocks_test_every_step_once_and_leave_gaps(n_timesteps, n_splits, window_size, side):
    X = np.zeros((n_timesteps, 1))
    folds = folds_of(BlockedSplit(n_splits, window_size=window_size, side=side), X)
    if folds is None:
        return
    tested = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(tested, np.arange(n_timesteps))
    for train, test in folds:
        allowed = {
            step
            for step in range(n_timesteps)
            if step < test[0] - window_size or step > test[-1] + window_size
        }
        assert is_contiguous(test)
        assert min(len(train), len(test)) >= window_size
        if side == "both":
            assert set(train) == allowed
        else:
            assert set(train) <= allowed
            assert is_contiguous(train)
            assert 2 * len(train) >= len(allowed)


@given(
    lengths=st.lists(st.integers(1, 20), min_size=2, max_size=15),
    n_splits=st.integers(2, 4),
    gap=st.integers(0, 3),
    window_size=st.integers(1, 12),
    past_only=st.booleans(),
)
def test_segments_are_tested_in_runs_with_a_gap(lengths, n_splits, gap, window_size, past_only):
    X = [np.zeros((length, 1)) for length in lengths]
    splitter = SegmentSplit(n_splits, gap=gap, window_size=window_size, past_only=past_only)
    folds = folds_of(splitter, X)
    if folds is None:
        return
    assert len(folds) == n_splits
    tested = np.concatenate([test for _, test in folds])
    assert is_contiguous(tested)
    assert tested[-1] == len(X) - 1
    assert past_only or tested[0] == 0
    for train, test in folds:
        for i in range(len(X)):
            before, after = i < test[0] - gap, i > test[-1] + gap
            assert (i in train) == (before or (after and not past_only))
        for part in (train, test):
            assert max(lengths[i] for i in part) >= window_size


@pytest.mark.parametrize("splitter", [kind() for kind in ALL], ids=lambda s: type(s).__name__)
def test_splitters_can_be_cloned_set_and_printed(splitter):
    assert clone(splitter).get_params() == splitter.get_params()
    assert splitter.get_n_splits() == 5
    assert "window_size=7" in repr(clone(splitter).set_params(window_size=7))


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("bad", [{"n_splits": 1}, {"n_splits": 2.5}, {"window_size": 0}])
def test_parameters_out_of_range_are_refused_before_the_first_fold(kind, bad):
    X = np.zeros((40, 1)) if kind in OF_SERIES else np.zeros((10, 40, 1))
    with pytest.raises(ValueError, match=f"'{next(iter(bad))}' parameter of {kind.__name__}"):
        kind(**bad).split(X)


@pytest.mark.parametrize("kind", OF_SERIES)
@pytest.mark.parametrize("X", [np.zeros((4, 15, 2)), [np.zeros((9, 2)), np.zeros((5, 2))]])
def test_splitters_of_one_series_refuse_panels(kind, X):
    with pytest.raises(
        ValueError, match=r"X must be one series .* got \d series. Use SegmentSplit"
    ):
        kind(2).split(X)


def test_a_splitter_of_segments_refuses_one_series():
    with pytest.raises(ValueError, match=r"list of segments .* got one series of 30 time steps"):
        SegmentSplit(2).split(np.zeros((30, 1)))


@pytest.mark.parametrize(
    ("splitter", "n_timesteps", "message"),
    [
        (ExpandingWindowSplit(3, window_size=10), 60, "first training block of 5 out of"),
        (ExpandingWindowSplit(3, window_size=10, test_size=9), 90, "test blocks of 9"),
        (ExpandingWindowSplit(3, test_size=20), 40, "first training block of 0 out of"),
        (BlockedSplit(5, window_size=10), 45, "must leave test blocks of at least window_size=10"),
        (BlockedSplit(2, window_size=10), 38, "must leave training blocks of at least"),
    ],
)
def test_folds_shorter_than_the_window_are_refused(splitter, n_timesteps, message):
    with pytest.raises(ValueError, match=f"{message}.*Use .*smaller window_size"):
        splitter.split(np.zeros((n_timesteps, 1)))


@pytest.mark.parametrize(
    ("splitter", "message"),
    [
        (SegmentSplit(7), "n_splits=7 with n_samples=6 segments, which are 7 blocks"),
        (SegmentSplit(6, past_only=True), "with n_samples=6 segments, which are 7 blocks"),
        (SegmentSplit(2, gap=3), "got 0 segments, the longest of 0 time steps"),
        (SegmentSplit(3, window_size=11), "got 3 segments, the longest of 10 time steps"),
    ],
)
def test_segments_that_leave_nothing_are_refused(splitter, message):
    with pytest.raises(ValueError, match=message):
        splitter.split([np.zeros((10, 1))] * 6)


@pytest.mark.parametrize("as_frame", [False, True])
@pytest.mark.parametrize("kind", OF_SERIES)
def test_a_search_over_one_series(series, kind, as_frame):
    X = pd.DataFrame(series, columns=["a", "b"]) if as_frame else series
    search = GridSearchCV(PersistenceDetector(), {"lag": [1, 2, 5]}, cv=kind(3, window_size=5)).fit(
        X
    )
    expected = [
        np.mean(
            [
                PersistenceDetector(lag=lag).fit(series[train]).score(series[test])
                for train, test in kind(3, window_size=5).split(series)
            ]
        )
        for lag in (1, 2, 5)
    ]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], expected)


@pytest.mark.parametrize("form", ["panel", "ragged"])
def test_a_search_over_segments(form, request):
    X = request.getfixturevalue(form)
    cv = SegmentSplit(2, gap=0)
    scores = cross_val_score(PersistenceDetector(), X, cv=cv)
    for score, (train, test) in zip(scores, cv.split(X), strict=True):
        detector = PersistenceDetector().fit([X[i] for i in train])
        assert score == detector.score([X[i] for i in test])


@pytest.mark.parametrize("form", ["panel", "ragged"])
def test_series_of_a_group_stay_together_with_scikit_learns_own_splitter(form, request):
    X = request.getfixturevalue(form)
    groups = ["a", "b", "a", "b"][: len(X)]
    for train, test in GroupKFold(2).split(X, groups=groups):
        assert not {groups[i] for i in train} & {groups[i] for i in test}
    search = GridSearchCV(PersistenceDetector(), {"lag": [1, 2]}, cv=GroupKFold(2))
    assert np.isfinite(search.fit(X, groups=groups).cv_results_["mean_test_score"]).all()
