"""Differencer and SequenceTransformer: exactness, boundaries, gaps, nestings, messages."""

import pickle
import re
import warnings
from copy import deepcopy
from itertools import product

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.random_projection import GaussianRandomProjection
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from skanomaly.preprocessing import Differencer, SequenceTransformer

FILLS = ["zero", "first", "keep"]
NESTINGS = ["series", "panel", "ragged"]

_ORDER = {
    "check_methods_sample_order_invariance": "a difference depends on the order of time steps",
    "check_methods_subset_invariance": "a difference depends on an earlier time step",
}
_PER_SERIES = {
    "check_methods_subset_invariance": "a series is scaled by all of its time steps",
}


def expected_failed_checks(estimator):
    if isinstance(estimator, Differencer):
        return _ORDER
    return _PER_SERIES if estimator.per_series else {}


@parametrize_with_checks(
    [
        Differencer(),
        Differencer(lag=3, order=2, fill="first"),
        Differencer(fill="keep"),
        SequenceTransformer(StandardScaler()),
        SequenceTransformer(StandardScaler(), per_series=True),
        SequenceTransformer(PCA(n_components=1)),
        SequenceTransformer(SimpleImputer(add_indicator=True)),
        SequenceTransformer(SelectKBest(k=1)),
        SequenceTransformer(FunctionTransformer()),
    ],
    expected_failed_checks=expected_failed_checks,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Data and oracles -----------------------------------------------------------------------------


def make_parts(lengths, n_features=2, seed=0, integers=False, dtype=np.float64):
    """One array of shape (n_timesteps_i, n_features) per length."""
    rng = np.random.default_rng(seed)
    if integers:
        return [rng.integers(-999, 999, (n, n_features)).astype(dtype) for n in lengths]
    return [rng.normal(50, 9, (n, n_features)).astype(dtype) for n in lengths]


def nest(parts, nesting):
    if nesting == "series":
        return parts[0]
    return np.stack(parts) if nesting == "panel" else list(parts)


def as_parts(X):
    """Undo nest for any result."""
    return [np.asarray(X)] if hasattr(X, "ndim") and X.ndim == 2 else [np.asarray(x) for x in X]


def slow_difference(x, lag, order, fill):
    """Chain by chain: what differences link is every lag-th value of a feature."""
    n_timesteps, n_features = x.shape
    result = x.copy()
    for j in range(n_features):
        for start in range(min(lag, n_timesteps)):
            result[start::lag, j] = slow_chain(x[start::lag, j], order, fill)
        exist = [value for value in result[lag * order :, j] if not np.isnan(value)]
        for t in range(min(lag * order, n_timesteps)):
            if fill != "keep" and not np.isnan(x[t, j]):
                result[t, j] = exist[0] if fill == "first" and exist else 0
    return result


def slow_chain(values, order, fill):
    gaps = np.isnan(values)
    if gaps.all():
        return values
    values = list(values)
    if fill != "keep":
        first = np.flatnonzero(~gaps)[0]
        values[:first] = [values[first]] * first
        for k in range(1, min(order, len(values))):
            if np.isnan(values[k]):
                values[k] = values[k - 1]
    for _ in range(order):
        known, differences = 0, []
        for value in values:
            differences.append(value - known)
            known = known if np.isnan(value) else value
        values = differences
    return [np.nan if gap else value for gap, value in zip(gaps, values, strict=True)]


GAPS = ["none", "single values", "blocks", "features", "start", "end", "nearly all"]


def punch(x, gaps, seed):
    """Put gaps into one series, in place."""
    rng = np.random.default_rng(seed)
    n_timesteps, n_features = x.shape
    at = rng.integers(0, n_timesteps + 1, n_features)
    t = np.arange(n_timesteps)[:, None]
    x[
        {
            "none": np.zeros(x.shape, dtype=bool),
            "single values": rng.random(x.shape) < 0.3,
            "blocks": (t >= at) & (t < at + rng.integers(1, 9, n_features)),
            "features": np.broadcast_to(rng.random(n_features) < 0.5, x.shape),
            "start": t < at,
            "end": t >= at,
            "nearly all": rng.random(x.shape) < 0.9,
        }[gaps]
    ] = np.nan


@st.composite
def nested(draw, integers=True, min_timesteps=1, gaps=("none",)):
    nesting = draw(st.sampled_from(NESTINGS))
    n_series = 1 if nesting == "series" else draw(st.integers(1, 4))
    length = st.integers(min_timesteps, 30)
    lengths = (
        [draw(length)] * n_series if nesting == "panel" else [draw(length) for _ in range(n_series)]
    )
    seed = draw(st.integers(0, 999))
    dtype = draw(st.sampled_from([np.float64, np.float32])) if integers else np.float64
    parts = make_parts(lengths, draw(st.integers(1, 3)), seed, integers, dtype)
    for i, part in enumerate(parts):
        punch(part, draw(st.sampled_from(gaps)), seed + i)
    return nest(parts, nesting)


def same_nesting(result, X):
    if isinstance(X, list):
        return isinstance(result, list) and [r.shape[0] for r in result] == [len(x) for x in X]
    return isinstance(result, np.ndarray) and result.shape[:-1] == X.shape[:-1]


# Differencer ----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(nested(gaps=GAPS), st.integers(1, 7), st.integers(1, 3), st.sampled_from(FILLS))
def test_differences_equal_those_of_loops_over_chains(X, lag, order, fill):
    result = Differencer(lag=lag, order=order, fill=fill).fit_transform(X)
    assert same_nesting(result, X)
    for found, x in zip(as_parts(result), as_parts(X), strict=True):
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found, slow_difference(x, lag, order, fill))


def nest_like(parts, X):
    return parts if isinstance(X, list) else np.stack(parts) if X.ndim == 3 else parts[0]


@settings(deadline=None, max_examples=200)
@given(
    nested(gaps=GAPS), st.integers(1, 7), st.integers(1, 3), st.sampled_from(FILLS), st.booleans()
)
def test_inverse_is_bit_exact_for_integers(X, lag, order, fill, give_initial):
    differencer = Differencer(lag=lag, order=order, fill=fill).fit(X)
    initial = None
    if give_initial and fill != "keep":
        initial = nest_like(differencer.initial_values_, X)
        differencer.fit(np.zeros((1, as_parts(X)[0].shape[1])))
    restored = differencer.inverse_transform(differencer.transform(X), initial=initial)
    assert same_nesting(restored, X)
    for found, x in zip(as_parts(restored), as_parts(X), strict=True):
        assert found.dtype == x.dtype
        np.testing.assert_array_equal(found, x)


@settings(deadline=None, max_examples=100)
@given(
    nested(integers=False, gaps=GAPS), st.integers(1, 7), st.integers(1, 2), st.sampled_from(FILLS)
)
def test_inverse_is_exact_to_1e_12_for_float64(X, lag, order, fill):
    differencer = Differencer(lag=lag, order=order, fill=fill)
    restored = differencer.inverse_transform(differencer.fit_transform(X))
    for found, x in zip(as_parts(restored), as_parts(X), strict=True):
        np.testing.assert_allclose(found, x, rtol=0, atol=1e-12 * np.nan_to_num(np.abs(x)).max())


@settings(deadline=None, max_examples=150)
@given(nested(gaps=GAPS), st.integers(1, 7), st.integers(1, 3), st.sampled_from(["zero", "first"]))
def test_inverse_takes_the_first_time_steps_as_they_were_observed(X, lag, order, fill):
    differencer = Differencer(lag=lag, order=order, fill=fill).fit(X)
    initial = [x[: lag * order] for x in as_parts(X)]
    known = [
        np.isnan(x[start::lag, j]).all() or not np.isnan(x[start : lag * order : lag, j]).all()
        for x in as_parts(X)
        for j in range(x.shape[1])
        for start in range(min(lag, len(x)))
    ]
    differences = differencer.transform(X)
    if all(known):
        restored = differencer.inverse_transform(differences, nest_like(initial, X))
        for found, x in zip(as_parts(restored), as_parts(X), strict=True):
            np.testing.assert_array_equal(found, x)
    else:
        with pytest.raises(ValueError, match="initial must tell where each feature starts"):
            differencer.inverse_transform(differences, nest_like(initial, X))


def test_inverse_of_a_long_random_walk_is_exact_to_1e_12():
    x = np.random.default_rng(0).normal(size=(20_000, 2)).cumsum(axis=0)
    differencer = Differencer()
    restored = differencer.inverse_transform(differencer.fit_transform(x))
    np.testing.assert_allclose(restored, x, rtol=0, atol=1e-12 * np.abs(x).max())


def test_float32_differences_are_added_up_in_float64():
    """2**24 + 1 + 1 is 2**24 in float32, step by step."""
    differences = np.ones((5, 1), dtype=np.float32)
    differences[0] = 2**24
    restored = Differencer(fill="keep").fit(differences).inverse_transform(differences)
    assert restored.dtype == np.float32
    np.testing.assert_array_equal(restored[[2, 4], 0], [2**24 + 2, 2**24 + 4])


def test_integers_become_float64():
    result = Differencer().fit_transform(np.arange(6, dtype=np.int32).reshape(3, 2))
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, [[0, 0], [2, 2], [2, 2]])


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("nesting", ["panel", "ragged"])
def test_no_difference_crosses_from_one_series_into_the_next(nesting, fill):
    parts = make_parts([9, 9, 9], integers=True)
    differencer = Differencer(lag=2, order=2, fill=fill).fit(nest(parts, nesting))
    before = differencer.transform(nest(parts, nesting))
    restored = differencer.inverse_transform(before)
    changed = [parts[0] + 1e6, parts[1], parts[2] * -7]
    after = differencer.transform(nest(changed, nesting))
    np.testing.assert_array_equal(after[1], before[1])
    differencer.fit(nest(changed, nesting))
    np.testing.assert_array_equal(differencer.inverse_transform(after)[1], restored[1])


@pytest.mark.parametrize("fill", ["zero", "keep"])
def test_a_difference_depends_on_no_later_time_step(fill):
    (x,) = make_parts([20])
    differencer = Differencer(lag=3, order=2, fill=fill).fit(x)
    np.testing.assert_array_equal(differencer.transform(x)[:11], differencer.transform(x[:11]))


@pytest.mark.parametrize("fill", ["zero", "first"])
@pytest.mark.parametrize("length", [1, 3, 5, 6])
def test_series_of_at_most_lag_times_order_steps_become_zero_and_come_back(fill, length):
    (x,) = make_parts([length])
    differencer = Differencer(lag=3, order=2, fill=fill)
    differences = differencer.fit_transform(x)
    np.testing.assert_array_equal(differences, np.zeros_like(x))
    np.testing.assert_array_equal(differencer.inverse_transform(differences), x)


def test_a_seasonal_lag_removes_the_season():
    season = np.tile([[1.0], [5.0], [2.0]], (4, 1)) + np.repeat(np.arange(4.0), 3)[:, None]
    differences = Differencer(lag=3).fit_transform(season)
    np.testing.assert_array_equal(differences[3:], np.ones((9, 1)))


def test_input_stays_untouched():
    for fill, gaps in product(FILLS, ["none", "start"]):
        (x,) = make_parts([12])
        punch(x[:, :1], gaps, seed=1)
        before = x.copy()
        differencer = Differencer(order=2, fill=fill)
        differences = differencer.fit_transform(x)
        kept = differences.copy()
        initial = None if fill == "keep" else differencer.initial_values_[0]
        started = differencer.initial_values_[0].copy()
        differencer.inverse_transform(differences, initial)
        np.testing.assert_array_equal(differencer.initial_values_[0], started)
        np.testing.assert_array_equal(x, before)
        np.testing.assert_array_equal(differences, kept)


def test_initial_values_are_copies_of_the_first_time_steps():
    parts = make_parts([9, 3])
    differencer = Differencer(lag=2, order=2).fit(parts)
    assert [v.shape for v in differencer.initial_values_] == [(4, 2), (3, 2)]
    assert differencer.n_timesteps_.tolist() == [9, 3]
    assert not np.shares_memory(differencer.initial_values_[1], parts[1])


def test_inverse_reads_no_filled_steps():
    (x,) = make_parts([9], integers=True)
    differencer = Differencer(lag=2)
    differences = differencer.fit_transform(x)
    differences[:2] = 1e9
    np.testing.assert_array_equal(differencer.inverse_transform(differences), x)


def test_inverse_restores_a_panel_from_the_lengths_of_a_list():
    parts = make_parts([7, 7], integers=True)
    differencer = Differencer().fit(parts)
    restored = differencer.inverse_transform(differencer.transform(np.stack(parts)))
    np.testing.assert_array_equal(restored, np.stack(parts))


def test_inverse_of_a_frame_needs_no_names():
    frame = pd.DataFrame(make_parts([6], integers=True)[0], columns=["a", "b"])
    differencer = Differencer().fit(frame)
    array = differencer.transform(frame)
    named = differencer.set_output(transform="pandas").transform(frame)
    for differences in (array, named):
        np.testing.assert_array_equal(differencer.inverse_transform(differences), frame)
        restored = differencer.inverse_transform(differences, initial=frame.iloc[:1])
        np.testing.assert_array_equal(restored, frame)
    assert differencer.feature_names_in_.tolist() == ["a", "b"]


def column(*values):
    return np.array(values, dtype=float)[:, None]


NAN = np.nan


@pytest.mark.parametrize(
    ("params", "x", "expected"),
    [
        ({}, [1, NAN, NAN, 7, 9], [0, NAN, NAN, 6, 2]),
        ({}, [NAN, NAN, 5, 7, NAN], [NAN, NAN, 0, 2, NAN]),
        ({"fill": "first"}, [1, NAN, 4, 9], [3, NAN, 3, 5]),
        ({"fill": "first", "lag": 3}, [1, 1, NAN, NAN, 5, 9], [4, 4, NAN, NAN, 4, 0]),
        ({"fill": "first"}, [1, NAN, NAN], [0, NAN, NAN]),
        ({"fill": "keep"}, [NAN, 5, NAN, 7], [NAN, 5, NAN, 2]),
        ({"lag": 2}, [1, 10, NAN, 11, 5, NAN], [0, 0, NAN, 1, 4, NAN]),
        ({"order": 2}, [0, 1, NAN, 4, 9], [0, 0, NAN, 2, 2]),
        ({"order": 2}, [50, NAN, 53, 57], [0, NAN, 3, 1]),
        ({"order": 2}, [NAN, NAN, NAN, 53, 57], [NAN, NAN, NAN, 0, 4]),
        ({"order": 2, "fill": "keep"}, [NAN, 5, NAN, 7, 10], [NAN, 5, NAN, -3, 1]),
        ({"lag": 10}, [1, NAN, 2], [0, NAN, 0]),
    ],
)
def test_a_difference_is_taken_from_the_last_observed_value(params, x, expected):
    differencer = Differencer(**params)
    differences = differencer.fit_transform(column(*x))
    np.testing.assert_array_equal(differences, column(*expected))
    np.testing.assert_array_equal(differencer.inverse_transform(differences), column(*x))


def test_initial_values_have_no_gaps_but_where_nothing_was_observed():
    x = np.array([[NAN, 1, NAN], [NAN, NAN, NAN], [7, 2, NAN], [NAN, NAN, NAN], [9, 3, NAN]])
    differencer = Differencer(lag=2).fit([x, x[:1]])
    np.testing.assert_array_equal(differencer.initial_values_[0], [[7, 1, NAN], [NAN] * 3])
    np.testing.assert_array_equal(differencer.initial_values_[1], [[NAN, 1, NAN]])
    initial = Differencer(order=3).fit(column(NAN, 4, NAN, NAN, 9)).initial_values_[0]
    np.testing.assert_array_equal(initial, column(4, 4, 4))


def test_a_series_is_differenced_alike_beside_one_with_gaps():
    for dtype, fill in product([np.float64, np.float32], FILLS):
        x, other = make_parts([20, 20], dtype=dtype)
        punch(other, "single values", seed=0)
        differencer = Differencer(lag=2, order=2, fill=fill).fit([x])
        alone = differencer.transform([x])[0]
        for X in ([x, other], np.stack([x, other])):
            differences = differencer.fit(X).transform(X)
            np.testing.assert_array_equal(differences[0], alone)
            assert differences[0].dtype == differences[1].dtype == dtype
            restored = differencer.inverse_transform(differences)
            np.testing.assert_array_equal(
                restored[0], differencer.fit([x]).inverse_transform([alone])[0]
            )


def test_dense_differences_start_from_initial_values_with_gaps():
    """As those that a model filled; a gap in initial counts as the value beside it."""
    differencer = Differencer(order=2).fit(column(0))
    restored = differencer.inverse_transform(column(0, 0, 1, 2), initial=column(NAN, 5))
    np.testing.assert_array_equal(restored, column(5, 5, 6, 9))


def test_unknown_starts_are_refused():
    gap, x = column(NAN, NAN, 4), column(1, 2, 4)
    differencer = Differencer().fit([x, gap])
    calls = [
        lambda: differencer.inverse_transform([x, gap], initial=[x[:1], gap[:1]]),
        lambda: Differencer().fit([x, gap * NAN]).inverse_transform([x, gap]),
        lambda: Differencer().fit([x, gap * NAN]).inverse_transform([x, x]),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="initial must tell where each feature sta") as error:
            call()
        for words in ("series 1, feature 0, at time step 0 and every 1", "initial_values_"):
            assert words in str(error.value)
    restored = differencer.inverse_transform([x, gap * NAN], initial=[x[:1], gap[:1]])
    np.testing.assert_array_equal(restored[1], gap * NAN)


@pytest.mark.parametrize("fill", FILLS)
def test_gaps_are_kept_through_frames(fill):
    x = np.array([[1, NAN], [NAN, 2], [4, 3]])
    expected = Differencer(fill=fill).fit_transform(x)
    frame = pd.DataFrame(x, columns=["a", "b"])
    nulls = pl.DataFrame({"a": [1, None, 4], "b": [None, 2, 3]})
    for X in (frame, nulls, [[1, NAN], [NAN, 2], [4, 3]]):
        np.testing.assert_array_equal(Differencer(fill=fill).fit_transform(X), expected)
    result = Differencer(fill=fill).set_output(transform="pandas").fit_transform(frame)
    np.testing.assert_array_equal(result.to_numpy(), expected)


TWO = make_parts([8, 5])


def fit_and_call(transformer, call):
    fitted = transformer.fit(TWO)
    if call is not None:
        call(fitted)


@pytest.mark.parametrize(
    ("params", "call", "words"),
    [
        ({"lag": 0}, None, ["'lag' parameter", "range [1, inf)", "Got 0"]),
        ({"lag": 1.5}, None, ["'lag' parameter", "an int", "Got 1.5"]),
        ({"order": -1}, None, ["'order' parameter", "range [1, inf)", "Got -1"]),
        ({"fill": "nan"}, None, ["'fill' parameter", "'first'", "'keep'", "'zero'", "Got 'nan'"]),
        (
            {"fill": "keep"},
            lambda d: d.inverse_transform(TWO, initial=TWO),
            ["initial must be None", "fill='keep'", "got list", "Leave initial out"],
        ),
        (
            {},
            lambda d: d.inverse_transform(TWO[0]),
            ["initial must be given", "2 series; got 1", "Pass initial", "fill='keep'"],
        ),
        (
            {"lag": 2},
            lambda d: d.inverse_transform([TWO[0], TWO[1][:4]]),
            ["initial must be given", "5 time steps in series 1; got 4", "the first 2 time steps"],
        ),
        (
            {},
            lambda d: d.inverse_transform(TWO, initial=TWO[0][:1]),
            ["initial must be nested like X", "2 series; got 1", "every series"],
        ),
        (
            {"lag": 3, "order": 2},
            lambda d: d.inverse_transform(TWO, initial=[x[:6] for x in TWO[::-1]]),
            ["initial must hold the first 6", "series 0", "lag * order = 6", "got 5", "x[:6]"],
        ),
        (
            {},
            lambda d: d.inverse_transform(TWO, initial=[x[:1, :1] for x in TWO]),
            ["initial must have 2 feature(s)", "got 1", "same columns"],
        ),
        (
            {},
            lambda d: d.inverse_transform(TWO, initial=TWO[0][0]),
            ["initial must be data like X", "2 dimensions", "got 1", "Reshape"],
        ),
        (
            {},
            lambda d: d.inverse_transform([x[:, :1] for x in TWO]),
            ["X must have 2 feature(s)", "got 1", "same columns"],
        ),
        ({}, lambda d: d.inverse_transform([]), ["X must hold at least one series", "empty"]),
        ({}, lambda d: d.transform(TWO[0][:, :1]), ["1 features", "expecting 2 features"]),
        ({}, lambda d: d.transform(TWO[0] + np.inf), ["X must not contain infinity", "by NaN"]),
        (
            {},
            lambda d: d.inverse_transform(TWO, initial=[x[:1] * np.inf for x in TWO]),
            ["initial must be data like X", "infinity", "series 0, time step 0"],
        ),
    ],
)
def test_differencer_errors_name_parameter_rule_value_and_remedy(params, call, words):
    with pytest.raises(ValueError, match=re.escape(words[0])) as error:
        fit_and_call(Differencer(**params), call)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("transformer", [Differencer(), SequenceTransformer(StandardScaler())])
@pytest.mark.parametrize("method", ["transform", "inverse_transform", "get_feature_names_out"])
def test_unfitted_transformers_say_so(transformer, method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(clone(transformer), method)(TWO)


def test_parameters_are_keyword_only():
    with pytest.raises(TypeError, match="positional"):
        Differencer(2)
    with pytest.raises(TypeError, match="positional"):
        SequenceTransformer(StandardScaler(), True)


# Both: nestings, names, containers ------------------------------------------------------------

BOTH = [
    Differencer(lag=2, order=2),
    Differencer(fill="first"),
    Differencer(fill="keep"),
    SequenceTransformer(StandardScaler()),
    SequenceTransformer(PowerTransformer(), per_series=True),
    SequenceTransformer(PCA(n_components=1)),
]


@pytest.mark.parametrize("transformer", BOTH, ids=str)
def test_every_form_of_the_same_data_gives_the_same_result(transformer):
    parts = make_parts([15, 15])
    frames = [pd.DataFrame(x, columns=["a", "b"]) for x in parts]
    expected = clone(transformer).fit_transform(parts)
    objects = np.empty(2, dtype=object)
    objects[:] = parts
    forms = [
        np.stack(parts),
        tuple(parts),
        objects,
        frames,
        [pl.DataFrame(x) for x in frames],
        [x.tolist() for x in parts],
    ]
    for X in forms:
        for result in (
            clone(transformer).fit_transform(X),
            clone(transformer).fit(X).transform(X),
        ):
            assert type(result) is (
                np.ndarray if isinstance(X, np.ndarray) and X.ndim == 3 else list
            )
            np.testing.assert_allclose(np.stack(result), np.stack(expected), rtol=1e-12)


@pytest.mark.parametrize("transformer", BOTH, ids=str)
def test_one_series_is_the_same_as_array_frame_and_lists_of_numbers(transformer):
    (x,) = make_parts([15])
    frame = pd.DataFrame(x, columns=["a", "b"])
    expected = clone(transformer).fit_transform(x)
    in_panel = clone(transformer).fit_transform(x[None])
    np.testing.assert_allclose(in_panel[0], expected, rtol=1e-12)
    for X in (frame, pl.DataFrame(frame), x.tolist(), np.asfortranarray(x)):
        np.testing.assert_allclose(clone(transformer).fit_transform(X), expected, rtol=1e-12)


@pytest.mark.parametrize("transformer", BOTH[:5], ids=str)
def test_feature_names_are_kept(transformer):
    (x,) = make_parts([15])
    frame = pd.DataFrame(x, columns=["a", "b"])
    for X in (frame, [frame, frame], [pl.DataFrame(frame)]):
        fitted = clone(transformer).fit(X)
        assert fitted.feature_names_in_.tolist() == ["a", "b"]
        assert fitted.get_feature_names_out().tolist() == ["a", "b"]
    fitted = clone(transformer).fit(x)
    assert fitted.n_features_in_ == 2
    assert fitted.get_feature_names_out().tolist() == ["x0", "x1"]
    assert fitted.get_feature_names_out(["u", "v"]).tolist() == ["u", "v"]


@pytest.mark.parametrize("transformer", BOTH, ids=str)
def test_other_columns_than_in_fit_are_refused(transformer):
    (x,) = make_parts([15])
    fitted = clone(transformer).fit(pd.DataFrame(x, columns=["a", "b"]))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(pd.DataFrame(x, columns=["b", "a"]))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform([pd.DataFrame(x, columns=["a", "c"])])


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.parametrize("transformer", BOTH, ids=str)
def test_arrays_are_transformed_after_a_fit_on_frames_as_scikit_learn_does(transformer):
    (x,) = make_parts([15])
    fitted = clone(transformer).fit(pd.DataFrame(x, columns=["a", "b"]))
    np.testing.assert_array_equal(fitted.transform(x), clone(transformer).fit(x).transform(x))
    with pytest.warns(UserWarning, match=f"but {type(transformer).__name__} was fitted with"):
        fitted.transform([x])


@pytest.mark.parametrize("transformer", BOTH, ids=str)
@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("globally", [False, True])
def test_set_output_wraps_a_single_series_and_nothing_else(transformer, library, globally):
    (x,) = make_parts([15])
    frame = pd.DataFrame(x, columns=["a", "b"], index=range(100, 115))
    expected = clone(transformer).fit_transform(x)
    kind = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library]
    fitted = clone(transformer).fit(frame)
    if not globally:
        fitted.set_output(transform=library)
    with config_context(transform_output=library if globally else "default"):
        for result in (fitted.transform(frame), clone(fitted).fit_transform(frame)):
            assert isinstance(result, kind)
            assert list(result.columns) == list(fitted.get_feature_names_out())
            np.testing.assert_allclose(result.to_numpy(), expected, rtol=1e-12)
            if library == "pandas":
                assert list(result.index) == list(frame.index)
        for method in ("transform", "fit_transform"):
            panel = getattr(clone(fitted).fit(x), method)(np.stack([x, x]))
            assert type(panel) is np.ndarray
            assert panel.shape == (2, 15, expected.shape[1])
            parts = getattr(fitted, method)([frame, frame[:4]])
            assert [type(part) for part in parts] == [np.ndarray] * 2


def test_set_output_reaches_through_a_pipeline():
    (x,) = make_parts([15])
    pipeline = make_pipeline(Differencer(), SequenceTransformer(StandardScaler()))
    pipeline.set_output(transform="pandas")
    frame = pipeline.fit_transform(pd.DataFrame(x, columns=["a", "b"]))
    assert list(frame.columns) == ["a", "b"]
    assert pipeline.fit_transform(np.stack([x, x])).shape == (2, 15, 2)


@pytest.mark.parametrize("transformer", BOTH, ids=str)
@pytest.mark.parametrize("nesting", NESTINGS)
def test_copies_transform_alike(transformer, nesting, tmp_path):
    X = nest(make_parts([15, 15]), nesting)
    fitted = clone(transformer).fit(X)
    joblib.dump(fitted, tmp_path / "fitted")
    copies = [pickle.loads(pickle.dumps(fitted)), deepcopy(fitted)]
    copies += [joblib.load(tmp_path / "fitted"), clone(fitted).fit(X)]
    for copied in copies:
        np.testing.assert_array_equal(copied.transform(X), fitted.transform(X))


@pytest.mark.parametrize("transformer", BOTH, ids=str)
def test_a_pipeline_with_memory_reuses_what_it_cached(transformer, tmp_path):
    parts = make_parts([15, 9])
    pipeline = make_pipeline(transformer, "passthrough", memory=str(tmp_path))
    first, second = pipeline.fit_transform(parts), pipeline.fit_transform(parts)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def spreads(X):
    """Reduce a panel to one row per series, for detectors that know no time."""
    return np.array([np.std(x, axis=0) for x in X])


@pytest.mark.parametrize("nesting", NESTINGS)
def test_grid_search_reaches_the_parameters_of_both(nesting):
    parts = make_parts([40] if nesting == "series" else [12] * 12)
    X = nest(parts, nesting)
    steps = [Differencer(), SequenceTransformer(StandardScaler())]
    if nesting != "series":
        steps.append(FunctionTransformer(spreads))
    y = np.ones(len(X), dtype=int)
    grid = {
        "differencer__lag": [1, 2],
        "sequencetransformer__transformer__with_mean": [True, False],
    }
    pipeline = make_pipeline(*steps, IsolationForest(n_estimators=3, random_state=0))
    cv = TimeSeriesSplit(2, gap=2) if nesting == "series" else KFold(2)
    search = GridSearchCV(pipeline, grid, cv=cv, scoring="accuracy", error_score="raise")
    search.fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.predict(X).shape == y.shape


def test_grid_search_runs_in_worker_processes():
    (x,) = make_parts([40])
    steps = [Differencer(), SequenceTransformer(StandardScaler())]
    pipeline = make_pipeline(*steps, IsolationForest(n_estimators=3, random_state=0))
    grid = {"sequencetransformer__per_series": [False, True]}
    y = np.ones(40, dtype=int)
    kwargs = {"cv": TimeSeriesSplit(2), "scoring": "accuracy", "error_score": "raise"}
    serial = GridSearchCV(pipeline, grid, **kwargs).fit(x, y)
    workers = GridSearchCV(pipeline, grid, n_jobs=2, **kwargs).fit(x, y)
    for key in ("mean_test_score", "std_test_score"):
        np.testing.assert_array_equal(workers.cv_results_[key], serial.cv_results_[key])


# SequenceTransformer --------------------------------------------------------------------------

INNER = [
    StandardScaler(),
    MinMaxScaler(),
    PCA(n_components=1),
    QuantileTransformer(n_quantiles=3),
    GaussianRandomProjection(1, random_state=0),
]


@settings(deadline=None, max_examples=60)
@given(nested(integers=False, min_timesteps=3), st.sampled_from(INNER))
def test_pooled_equals_the_transformer_on_stacked_time_steps(X, inner):
    stacked = np.concatenate(as_parts(X))
    expected = clone(inner).fit(stacked)
    fitted = SequenceTransformer(inner).fit(X)
    for result in (fitted.transform(X), clone(fitted).fit_transform(X)):
        assert same_nesting(result, X)
        for found, x in zip(as_parts(result), as_parts(X), strict=True):
            np.testing.assert_allclose(found, expected.transform(x), rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(nested(integers=False))
def test_per_series_equals_a_transformer_fitted_on_each_series(X):
    fitted = SequenceTransformer(StandardScaler(), per_series=True).fit(X)
    for result in (fitted.transform(X), clone(fitted).fit_transform(X)):
        assert same_nesting(result, X)
        for found, x in zip(as_parts(result), as_parts(X), strict=True):
            np.testing.assert_array_equal(found, StandardScaler().fit_transform(x))


def test_per_series_learns_nothing_from_fit():
    fitted = SequenceTransformer(StandardScaler(), per_series=True).fit(np.zeros((3, 2)))
    for result in fitted.transform([x * 7 + 1 for x in TWO]):
        np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(result.std(axis=0), 1)


@pytest.mark.parametrize("nesting", NESTINGS)
def test_pooled_inverse_restores_x(nesting):
    X = nest(make_parts([9, 9], n_features=3), nesting)
    fitted = SequenceTransformer(PCA()).fit(X)
    restored = fitted.inverse_transform(fitted.transform(X))
    assert same_nesting(restored, X)
    np.testing.assert_allclose(restored, X, rtol=1e-12)


def test_inverse_takes_frames_with_other_names_and_counts_than_fit():
    frame = pd.DataFrame(make_parts([9], n_features=3)[0], columns=list("abc"))
    fitted = SequenceTransformer(PCA(n_components=1)).set_output(transform="pandas").fit(frame)
    assert fitted.inverse_transform(fitted.transform(frame)).shape == (9, 3)
    assert fitted.feature_names_in_.tolist() == list("abc")
    assert fitted.n_features_in_ == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_keep_their_precision(dtype):
    parts = make_parts([9, 5], dtype=dtype)
    for per_series in (False, True):
        result = SequenceTransformer(StandardScaler(), per_series=per_series).fit_transform(parts)
        assert {x.dtype for x in result} == {np.dtype(dtype)}


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize("per_series", [False, True])
def test_columns_can_be_selected_by_name(kind, per_series):
    frames = [kind({"a": x[:, 0], "b": x[:, 1]}) for x in make_parts([9, 5])]
    inner = ColumnTransformer([("scaled", StandardScaler(), ["b"])], remainder="drop")
    for X in (frames, frames[0]):
        transformer = SequenceTransformer(inner, per_series=per_series)
        result = transformer.fit_transform(X)
        assert transformer.get_feature_names_out().tolist() == ["scaled__b"]
        assert {x.shape[1] for x in as_parts(result)} == {1}
        for a, b in zip(as_parts(transformer.transform(X)), as_parts(result), strict=True):
            np.testing.assert_array_equal(a, b)


def test_features_out_are_named_by_the_inner_transformer():
    fitted = SequenceTransformer(PCA(n_components=1)).fit(TWO)
    assert fitted.get_feature_names_out().tolist() == ["pca0"]


class Recorder(TransformerMixin, BaseEstimator):
    """Keep what reaches fit; has neither feature names nor an inverse."""

    def fit(self, X, y=None):
        self.fitted_ = (type(X), y)
        return self

    def transform(self, X):
        return X


class Bare:
    """The least that a transformer can be: no fit_transform, no names, no tags."""

    def get_params(self, deep=True):
        return {}

    def fit(self, X, y=None):
        self.means = X.mean(axis=0)
        return self

    def transform(self, X):
        return X - self.means


def test_y_reaches_the_inner_transformer_for_a_single_series_only():
    x, y = TWO[0], np.arange(8)
    for method in ("fit", "fit_transform"):
        pooled = SequenceTransformer(Recorder())
        getattr(pooled, method)(x, y)
        assert pooled.transformer_.fitted_[1] is y
        for X in ([x] * 8, np.stack([x] * 8)):
            getattr(pooled, method)(X, y)
            assert pooled.transformer_.fitted_[1] is None
        each = SequenceTransformer(Recorder(), per_series=True)
        getattr(each, method)(x, y)
        assert each.transformer_.fitted_[1] is None


def test_frames_reach_the_inner_transformer_as_frames():
    frame = pd.DataFrame(TWO[0], columns=["a", "b"])
    for X, kind in [
        (frame, pd.DataFrame),
        ([frame], pd.DataFrame),
        (pl.DataFrame(frame), pl.DataFrame),
        (TWO, np.ndarray),
        (frame.set_axis([0, 1], axis=1), np.ndarray),
    ]:
        assert SequenceTransformer(Recorder()).fit(X).transformer_.fitted_[0] is kind


def test_transformers_without_names_or_inverse_offer_neither():
    fitted = SequenceTransformer(Recorder()).fit(TWO)
    assert not hasattr(fitted, "get_feature_names_out")
    assert not hasattr(fitted, "inverse_transform")
    assert not hasattr(fitted, "set_output")
    np.testing.assert_array_equal(fitted.transform(TWO[0]), TWO[0])


@pytest.mark.parametrize("per_series", [False, True])
def test_transformers_need_no_more_than_fit_transform_and_get_params(per_series):
    transformer = SequenceTransformer(Bare(), per_series=per_series)
    for result in (transformer.fit(TWO).transform(TWO), transformer.fit_transform(TWO)):
        offset = 0 if per_series else np.concatenate(TWO).mean(axis=0)
        expected = TWO[0] - (TWO[0].mean(axis=0) if per_series else offset)
        np.testing.assert_allclose(result[0], expected)


def test_sparse_results_become_dense():
    sparse = FunctionTransformer(csr_array)
    np.testing.assert_array_equal(SequenceTransformer(sparse).fit_transform(TWO)[1], TWO[1])


def test_a_frozen_transformer_is_applied_as_it_is():
    frozen = FrozenEstimator(StandardScaler().fit(TWO[0]))
    result = SequenceTransformer(frozen).fit_transform([TWO[1]])
    np.testing.assert_array_equal(result[0], frozen.transform(TWO[1]))


@settings(deadline=None, max_examples=40)
@given(
    nested(integers=False, min_timesteps=3, gaps=["none", "single values", "blocks"]),
    st.sampled_from([StandardScaler(), RobustScaler(), MaxAbsScaler()]),
)
def test_gaps_reach_the_inner_transformer(X, inner):
    stacked = np.concatenate(as_parts(X))
    assume(not np.isnan(stacked).all(axis=0).any())  # scikit-learn warns of such features
    expected = clone(inner).fit(stacked)
    fitted = SequenceTransformer(inner).fit(X)
    for result in (fitted.transform(X), clone(fitted).fit_transform(X)):
        assert same_nesting(result, X)
        for found, x in zip(as_parts(result), as_parts(X), strict=True):
            np.testing.assert_array_equal(found, expected.transform(x))
            np.testing.assert_array_equal(np.isnan(found), np.isnan(x))
    for found, x in zip(as_parts(fitted.inverse_transform(result)), as_parts(X), strict=True):
        np.testing.assert_allclose(found, x)


@pytest.mark.parametrize("inner", [SimpleImputer(), KNNImputer(n_neighbors=2)], ids=str)
@pytest.mark.parametrize("per_series", [False, True])
@pytest.mark.parametrize("nesting", NESTINGS)
def test_imputers_fill_gaps(inner, per_series, nesting):
    parts = make_parts([9, 9])
    for i, part in enumerate(parts):
        punch(part, "single values", seed=i)
    X = nest(parts, nesting)
    transformer = SequenceTransformer(inner, per_series=per_series)
    for result in (transformer.fit(X).transform(X), transformer.fit_transform(X)):
        assert same_nesting(result, X)
        pooled = clone(inner).fit(np.concatenate(as_parts(X)))
        for found, x in zip(as_parts(result), as_parts(X), strict=True):
            assert not np.isnan(found).any()
            np.testing.assert_array_equal(found[~np.isnan(x)], x[~np.isnan(x)])
            expected = clone(inner).fit_transform(x) if per_series else pooled.transform(x)
            np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("per_series", [False, True])
@pytest.mark.parametrize("nesting", NESTINGS)
def test_transformers_that_take_no_gaps_refuse_them_in_their_own_words(per_series, nesting):
    parts = make_parts([9, 9])
    parts[0][3, 1] = NAN
    transformer = SequenceTransformer(PCA(n_components=1), per_series=per_series)
    with pytest.raises(ValueError, match="PCA does not accept missing values"):
        transformer.fit(nest(parts, nesting))
    transformer.fit(nest(parts[1:] * 2, nesting))
    with pytest.raises(ValueError, match="PCA does not accept missing values"):
        transformer.transform(nest(parts, nesting))


@pytest.mark.parametrize(
    "inner",
    [
        StandardScaler(),
        MinMaxScaler(),
        MaxAbsScaler(),
        RobustScaler(),
        QuantileTransformer(n_quantiles=3),
    ],
    ids=str,
)
def test_a_feature_that_a_series_lacks_stays_nan_without_a_warning(inner):
    a, b = make_parts([9, 7])
    b[:, 1] = NAN
    transformer = SequenceTransformer(inner, per_series=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for X in ([a, b], [b, a], [b]):
            for result in (transformer.fit(X).transform(X), transformer.fit_transform(X)):
                for found, x in zip(result, X, strict=True):
                    alone = inner.fit_transform(x[:, :1])
                    np.testing.assert_allclose(found[:, :1], alone, rtol=1e-12)
                    np.testing.assert_array_equal(np.isnan(found), np.isnan(x))


def logarithm(X):
    return np.log(X)


def test_other_warnings_about_a_series_that_lacks_a_feature_are_not_silenced():
    x = np.array([[-1.0, NAN], [2.0, NAN]])
    transformer = SequenceTransformer(FunctionTransformer(logarithm), per_series=True)
    with pytest.warns(RuntimeWarning, match="invalid value encountered in log"):
        transformer.fit_transform([x])


def test_errors_about_a_series_that_lacks_a_feature_say_so():
    a, b = make_parts([9, 7])
    b[:, 1] = NAN
    transformer = SequenceTransformer(PCA(n_components=1), per_series=True).fit([a])
    for call in (transformer.transform, transformer.fit_transform):
        with pytest.raises(ValueError, match="PCA does not accept missing values") as error:
            call([a, b])
        (note,) = error.value.__notes__
        for words in ("Series 1 has no observed value of feature(s) [1]", "use per_series=False"):
            assert words in note


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values:UserWarning")
def test_imputers_must_keep_a_feature_that_a_series_lacks():
    a, b = make_parts([9, 7])
    b[:, 1] = NAN
    imputer = SimpleImputer()
    with pytest.raises(ValueError, match=re.escape("['x0', 'x1']; got ['x0'] for series 1")):
        SequenceTransformer(imputer, per_series=True).fit_transform([a, b])
    imputer.set_params(keep_empty_features=True)
    result = SequenceTransformer(imputer, per_series=True).fit_transform([a, b])
    np.testing.assert_array_equal(result[1][:, 1], np.zeros(7))


def test_a_pipeline_keeps_gaps_up_to_the_imputer():
    parts = make_parts([20, 15])
    for i, part in enumerate(parts):
        punch(part, "blocks", seed=i)
    steps = [Differencer(), SequenceTransformer(StandardScaler())]
    for result, x in zip(make_pipeline(*steps).fit_transform(parts), parts, strict=True):
        np.testing.assert_array_equal(np.isnan(result), np.isnan(x))
    steps.append(SequenceTransformer(SimpleImputer()))
    for result in make_pipeline(*steps).fit_transform(parts):
        assert np.isfinite(result).all()


def test_the_given_transformer_stays_unfitted():
    inner = StandardScaler()
    SequenceTransformer(inner).fit(TWO)
    assert not hasattr(inner, "mean_")


def test_tags_are_those_of_the_inner_transformer():
    tags = get_tags(SequenceTransformer(TargetEncoder()))
    assert tags.target_tags.required
    assert tags.input_tags.three_d_array
    assert not get_tags(SequenceTransformer(StandardScaler())).target_tags.required
    assert get_tags(SequenceTransformer(PowerTransformer())).transformer_tags == (
        get_tags(PowerTransformer()).transformer_tags
    )
    assert get_tags(SequenceTransformer(Bare())).transformer_tags is not None
    for inner, allow_nan in [
        (StandardScaler(), True),
        (SimpleImputer(), True),
        (FunctionTransformer(), True),
        (PCA(), False),
    ]:
        assert get_tags(SequenceTransformer(inner)).input_tags.allow_nan is allow_nan
    assert get_tags(Differencer()).input_tags.allow_nan


def halve(X):
    return X[::2]


def test_transformers_that_drop_rows_are_refused():
    for per_series in (False, True):
        for method in ("transform", "fit_transform"):
            transformer = SequenceTransformer(FunctionTransformer(halve), per_series=per_series)
            with pytest.raises(ValueError, match="transformer must return one row per") as error:
                getattr(transformer.fit(TWO), method)(TWO)
            n_rows = 8 if per_series else 13
            for words in (f"got shape ({(n_rows + 1) // 2}, 2) for {n_rows}", "Use a transformer"):
                assert words in str(error.value)


def test_transformers_that_drop_the_feature_axis_are_refused():
    transformer = SequenceTransformer(FunctionTransformer(np.ravel))
    with pytest.raises(ValueError, match=re.escape("got shape (16,) for 8 time steps")):
        transformer.fit_transform(TWO[0])


def test_output_features_must_not_differ_between_series():
    a, b = np.array(TWO[0]), np.array(TWO[1])
    b[:, 0] = 1
    transformer = SequenceTransformer(VarianceThreshold(), per_series=True).fit([a])
    with pytest.raises(ValueError, match="transformer must give all series the same") as error:
        transformer.transform([a, b])
    for words in ("['x0', 'x1']; got ['x1'] for series 1", "per_series=False"):
        assert words in str(error.value)
    a[:, 1] = 1
    with pytest.raises(ValueError, match=re.escape("['x0']; got ['x1'] for series 1")):
        transformer.fit_transform([a, b])
    with pytest.raises(ValueError, match=re.escape("2 features; got 5 for series 1")):
        transformer.set_params(transformer=FunctionTransformer(square_if_short)).fit_transform(TWO)


def square_if_short(X):
    return X @ X[:5].T if len(X) < 8 else X


def test_inverse_per_series_is_refused_with_the_reason():
    fitted = SequenceTransformer(StandardScaler(), per_series=True).fit(TWO)
    assert not hasattr(fitted, "inverse_transform")
    with pytest.raises(AttributeError, match="inverse_transform") as error:
        fitted.inverse_transform(TWO)
    reason = str(error.value.__cause__)
    for words in ("needs per_series=False", "got per_series=True", "Use per_series=False"):
        assert words in reason


@pytest.mark.parametrize(
    ("params", "call", "words"),
    [
        ({"transformer": 3}, None, ["'transformer' parameter", "'fit' and 'transform'", "Got 3"]),
        ({"per_series": "yes"}, None, ["'per_series' parameter", "bool", "Got 'yes'"]),
        (
            {"transformer": PCA(n_components=1)},
            lambda t: t.inverse_transform(TWO),
            ["X must have 1 feature(s)", "transform returns", "got 2", "all its columns"],
        ),
        (
            {},
            lambda t: t.transform([x[:, :1] for x in TWO]),
            ["1 features", "expecting 2 features"],
        ),
        ({}, lambda t: t.transform([]), ["X must hold at least one series", "empty"]),
    ],
)
def test_sequence_transformer_errors_name_parameter_rule_value_and_remedy(params, call, words):
    transformer = SequenceTransformer(**{"transformer": StandardScaler(), **params})
    with pytest.raises(ValueError, match=re.escape(words[0])) as error:
        fit_and_call(transformer, call)
    for word in words:
        assert word in str(error.value)


def test_a_class_in_place_of_a_transformer_is_refused():
    with pytest.raises(TypeError, match="instance .* instead of a class"):
        SequenceTransformer(StandardScaler).fit(TWO)
