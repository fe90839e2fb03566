"""Windows and the way back, against slow and obvious loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skanomaly.aggregation import AGGREGATIONS, aggregate
from skanomaly.sequences import Sequences
from skanomaly.windows import Windows, carry_forward, fill_gaps


def naive_starts(length, window_size, stride):
    if length <= window_size:
        return [0]
    starts = list(range(0, length - window_size + 1, stride))
    if starts[-1] != length - window_size:
        starts.append(length - window_size)
    return starts


def naive_windows(lengths, window_size, stride):
    """List (series, start, stop) of every window."""
    return [
        (i, start, min(start + window_size, length))
        for i, length in enumerate(lengths)
        for start in naive_starts(length, window_size, stride)
    ]


def naive_aggregate(said, lengths, window_size, stride, how):
    """said[k] is (window_size, n_values); return (n_total, n_values)."""
    windows = naive_windows(lengths, window_size, stride)
    rows = []
    for i, length in enumerate(lengths):
        for step in range(length):
            covering = [
                (start, said[k][step - start])
                for k, (series, start, stop) in enumerate(windows)
                if series == i and start <= step < stop
            ]
            values = np.array([value for _, value in covering], dtype=np.float64)
            if how == "last":
                rows.append(min(covering, key=lambda pair: pair[0])[1])
            else:
                rows.append(getattr(np, how)(values, axis=0))
    return np.array(rows, dtype=np.float64)


def make_sequences(lengths, n_features=2):
    total = sum(lengths)
    values = np.arange(total * n_features, dtype=np.float32).reshape(total, n_features)
    return Sequences(values, np.concatenate([[0], np.cumsum(lengths)]), "ragged")


cases = st.tuples(
    st.lists(st.integers(1, 23), min_size=1, max_size=4),
    st.integers(1, 9),
    st.integers(1, 9),
).filter(lambda case: case[2] <= case[1])


@given(cases)
@settings(max_examples=100, deadline=None)
def test_windows_are_those_of_the_slow_loop(case):
    lengths, window_size, stride = case
    sequences = make_sequences(lengths)
    windows = Windows(sequences, window_size, stride)
    expected = naive_windows(lengths, window_size, stride)
    assert len(windows) == len(expected)
    x, mask = windows.gather(np.arange(len(windows)))
    parts = sequences.split()
    for k, (series, start, stop) in enumerate(expected):
        np.testing.assert_array_equal(x[k, : stop - start], parts[series][start:stop])
        assert not x[k, stop - start :].any()
        assert mask[k].sum() == stop - start
        assert mask[k, : stop - start].all()
    assert windows.padded == (min(lengths) < window_size)


@pytest.mark.parametrize("how", AGGREGATIONS)
@given(case=cases, batch=st.integers(1, 12), seed=st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_aggregation_is_that_of_the_slow_loop(how, case, batch, seed):
    lengths, window_size, stride = case
    windows = Windows(make_sequences(lengths), window_size, stride)
    said = np.random.default_rng(seed).normal(size=(len(windows), window_size, 2))
    batches = (said[i : i + batch] for i in range(0, len(said), batch))
    values = np.concatenate(list(aggregate(windows, batches, how)))
    expected = naive_aggregate(said, lengths, window_size, stride, how)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)
    assert values.dtype == np.float64


def test_the_drawn_example():
    windows = Windows(make_sequences([8]), window_size=4, stride=3)
    starts, lengths = windows.locate(np.arange(len(windows)))
    assert starts.tolist() == [0, 3, 4]
    assert lengths.tolist() == [4, 4, 4]
    (coverage,) = aggregate(windows, [np.ones((3, 4, 1))], "mean")
    assert coverage.tolist() == [[1.0]] * 8


def test_last_uses_the_window_that_ends_at_the_step():
    windows = Windows(make_sequences([6]), window_size=3, stride=1)
    said = np.broadcast_to(np.arange(4.0)[:, None, None], (4, 3, 1))  # each says its own number
    assert next(aggregate(windows, [said], "last"))[:, 0].tolist() == [0, 0, 0, 1, 2, 3]


def test_windows_never_cross_from_one_series_to_the_next():
    sequences = make_sequences([5, 7])
    x, _ = Windows(sequences, 4, 1).gather(np.arange(6))
    boundary = sequences.values[5, 0]
    for window in x[:, :, 0]:
        assert (window < boundary).all() or (window >= boundary).all()


gapped = st.tuples(st.integers(1, 12), st.integers(0, 1000)).map(
    lambda case: np.where(
        np.random.default_rng(case[1]).random((2, case[0], 3)) < 0.5,
        np.nan,
        np.random.default_rng(case[1]).normal(size=(2, case[0], 3)),
    )
)


@given(gapped)
@settings(deadline=None)
def test_gaps_are_filled_as_by_the_slow_loop(x):
    forward, filled = carry_forward(x), fill_gaps(x)
    for i, j in np.ndindex(2, 3):
        column = x[i, :, j]
        known = np.flatnonzero(~np.isnan(column))
        for step in range(len(column)):
            before, after = known[known <= step], known[known > step]
            if len(before):
                assert forward[i, step, j] == filled[i, step, j] == column[before[-1]]
            else:
                assert np.isnan(forward[i, step, j])
                assert filled[i, step, j] == (column[after[0]] if len(after) else 0.0)


def test_windows_without_gaps_are_not_copied():
    x = np.zeros((2, 3, 1))
    assert fill_gaps(x) is x
