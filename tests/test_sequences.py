"""The input contract: every form of X, and what each bad one is told."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator

from skanomaly.sequences import check_sequences, split_validation

A = np.random.default_rng(0).normal(size=(10, 3))
FRAME = pd.DataFrame(A, columns=list("abc"))


class Reader(BaseEstimator):
    """Does nothing but read X."""


def read(X, estimator=None, **options):
    return check_sequences(estimator or Reader(), X, reset=estimator is None, **options)


def object_array(parts):
    array = np.empty(len(parts), dtype=object)
    array[:] = parts
    return array


@pytest.mark.parametrize(
    ("X", "nesting", "lengths"),
    [
        (A, "series", [10]),
        (A.tolist(), "series", [10]),
        (A.astype(object), "series", [10]),
        (A.astype(int), "series", [10]),
        (FRAME, "series", [10]),
        (pl.DataFrame(A, schema=list("abc")), "series", [10]),
        (A.reshape(2, 5, 3), "panel", [5, 5]),
        ([A, A[:4]], "ragged", [10, 4]),
        ((A, A), "ragged", [10, 10]),
        ([A.tolist(), A[:4].tolist()], "ragged", [10, 4]),
        (object_array([A, A[:4]]), "ragged", [10, 4]),
        ([FRAME, FRAME[:4]], "ragged", [10, 4]),
        ([pl.DataFrame(A, schema=list("abc"))] * 2, "ragged", [10, 10]),
    ],
)
def test_every_form_of_x(X, nesting, lengths):
    sequences = read(X)
    assert sequences.nesting == nesting
    assert sequences.lengths.tolist() == lengths
    assert sequences.values.dtype == np.float32
    assert sequences.values.shape == (sum(lengths), 3)
    expected = A.astype(int) if isinstance(X, np.ndarray) and X.dtype.kind == "i" else A
    np.testing.assert_allclose(sequences.values[:5], expected[:5], rtol=1e-6)


@pytest.mark.parametrize("X", [FRAME, [FRAME, FRAME], pl.DataFrame(A, schema=list("abc"))])
def test_column_names_are_kept_and_compared(X):
    reader = Reader()
    check_sequences(reader, X, reset=True)
    assert reader.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        read(FRAME[["c", "b", "a"]], reader)


def test_results_take_the_form_of_x():
    step = np.arange(10.0)
    assert read(A).nest(step) is step
    assert read(A.reshape(2, 5, 3)).nest(step).tolist() == step.reshape(2, 5).tolist()
    parts = read([A[:7], A[7:]]).nest(step)
    assert [part.tolist() for part in parts] == [step[:7].tolist(), step[7:].tolist()]


def with_value(value, at=(3, 1)):
    X = A.copy()
    X[at] = value
    return X


BAD = {
    "empty list": ([], r"at least one series; got an empty list.*give a list of arrays"),
    "one dimension": (A[:, 0], r"got 1, shape \(10,\). Reshape your data.*x.reshape\(-1, 1\)"),
    "four dimensions": (A.reshape(1, 2, 5, 3), r"2 dimensions.*got 4, shape \(1, 2, 5, 3\)"),
    "a number": (3.0, r"got 0, shape \(\). Reshape your data"),
    "nothing": (None, "got 0"),
    "a string": ("abc", "got 0"),
    "a column": (pd.Series(A[:, 0]), r"got 1, shape \(10,\)"),
    "list of numbers": (list(A[:, 0]), r"X given as a list.*got 0 dimension\(s\) at position 0"),
    "list of vectors": ([A[:, 0]], r"got 1 dimension\(s\) at position 0.*x.reshape\(-1, 1\)"),
    "mixed ranks": ([A, A[:, 0]], r"got 1 dimension\(s\) at position 1"),
    "mixed counts": ([A, A[:, :2]], r"same features; got 3 in X\[0\] and 2 in X\[1\].*columns"),
    "mixed names": ([FRAME, FRAME[["a", "c", "b"]]], r"same columns.*X\[1\]. Select them"),
    "no rows": (A[:0], r"Found array with 0 sample\(s\)"),
    "no features": (A[:, :0], r"0 feature\(s\) \(shape=\(10, 0\)\) while a minimum of 1"),
    "empty panel": (np.zeros((0, 5, 3)), r"at least one series.*got shape \(0, 5, 3\)"),
    "empty series": ([A, A[:0]], r"X\[1\] must have at least one time step.*Leave series"),
    "text column": (FRAME.assign(b="x"), "numbers; got column 'b' of dtype str.*Drop the column"),
    "date column": (
        FRAME.assign(t=pd.Timestamp("2020-01-01")),
        "column 't' of dtype datetime64.*make a date column the index",
    ),
    "polars text": (pl.DataFrame({"a": ["x"]}), "got column 'a' of dtype String"),
    "text array": (A.astype(str), r"got an array of dtype <U32. Convert text with X.astype"),
    "text list": ([["a"], ["b"]], "could not convert string to float: 'a'.*Drop what is text"),
    "text in a list": ([FRAME, FRAME.assign(b="x")], r"X\[1\] must hold numbers; got column 'b'"),
    "complex": (A + 1j, "Complex data not supported"),
    "infinite": (with_value(-np.inf), "infinity.*got 1 of them, the first at time step 3.*clip"),
    "infinite in a list": (
        [A, with_value(np.inf)],
        "the first at series 1, time step 3, feature 1",
    ),
    "too large": (with_value(1e39), "too large for float32; got 1 of them.*scale X"),
}


@pytest.mark.parametrize(("X", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_told_rule_value_and_remedy(X, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        read(X)


@pytest.mark.parametrize(
    "X",
    [
        with_value(np.nan),
        with_value(np.nan).reshape(2, 5, 3),
        [A, with_value(np.nan)],
        pd.DataFrame(with_value(np.nan)),
        pd.DataFrame({"a": [1, None, 2]}, dtype=object),
        pd.DataFrame({"a": pd.array([1, None, 2], dtype="Int64")}),
        pl.DataFrame({"a": [1.0, None, 2.0]}),
    ],
)
def test_missing_values_are_kept_and_noticed(X):
    sequences = read(X)
    assert sequences.missing
    assert np.isnan(sequences.values).sum() == 1
    assert not read(A).missing


@pytest.mark.parametrize(
    ("X", "where"), [(np.full((4, 2), np.nan), "X"), ([A, np.full((4, 3), np.nan)], r"X\[1\]")]
)
def test_a_series_without_observed_values_teaches_nothing(X, where):
    assert read(X).missing
    with pytest.raises(ValueError, match=f"{where} must have at least one observed value.*Leave"):
        read(X, observed=True)


def test_sparse_input_is_refused():
    with pytest.raises(TypeError, match="Sparse data was passed for X"):
        read(scipy.sparse.csr_matrix(A))


def test_one_row_is_too_few_to_learn_from():
    with pytest.raises(ValueError, match=r"at least 2 time steps for Reader; got 1 sample"):
        read(A[:1], min_timesteps=2)


@pytest.mark.parametrize("X", [A[:, :2], A.reshape(2, 5, 3)[:, :, :2], [A[:, :2]]])
def test_feature_count_is_compared(X):
    reader = Reader()
    check_sequences(reader, A, reset=True)
    with pytest.raises(ValueError, match="X has 2 features, but Reader is expecting 3 features"):
        read(X, reader)


def test_nothing_is_copied_that_need_not_be():
    X = A.astype(np.float32)
    assert np.shares_memory(read(X).values, X)
    panel = X.reshape(2, 5, 3)
    assert np.shares_memory(read(panel).values, panel)


def test_validation_part_of_one_series_is_its_end_after_a_gap():
    sequences = read(np.arange(100.0)[:, None])
    train, held_out = split_validation(sequences, 0.2, window_size=10, seed=0)
    assert train.values[:, 0].tolist() == list(range(70))
    assert held_out.values[:, 0].tolist() == list(range(80, 100))


def test_validation_part_of_a_panel_is_whole_series():
    panel = np.arange(10.0)[:, None, None] + np.zeros((10, 4, 1))
    train, held_out = split_validation(read(panel), 0.3, window_size=4, seed=0)
    assert (train.n_series, held_out.n_series) == (7, 3)
    assert sorted([*train.values[::4, 0], *held_out.values[::4, 0]]) == list(range(10))
    other = split_validation(read(panel), 0.3, window_size=4, seed=1)[1]
    assert other.values.tolist() != held_out.values.tolist()


@pytest.mark.parametrize(
    ("gap", "where"), [(slice(80, 100), "last 20"), (slice(0, 70), "first 70")]
)
def test_a_part_in_which_nothing_was_observed(gap, where):
    X = np.arange(100.0)[:, None]
    X[gap] = np.nan
    with pytest.raises(ValueError, match=f"NaN only in the {where} time steps. Cut the gap off"):
        split_validation(read(X), 0.2, window_size=10, seed=0)


def test_a_series_too_short_to_validate_on():
    with pytest.raises(ValueError, match="at least 30 time steps.*got 29. Use a smaller window"):
        split_validation(read(np.zeros((29, 1))), 0.1, window_size=10, seed=0)
