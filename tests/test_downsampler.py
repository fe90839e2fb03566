"""Downsampler: blocks, what was not observed, names, containers, and the way back."""

import pickle
import re
import statistics

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skanomaly import PersistenceDetector
from skanomaly.preprocessing import Downsampler, SequenceTransformer
from skanomaly.preprocessing._downsampler import _reduce

STATISTICS = ["mean", "median", "min", "max", "last"]

_FEWER_ROWS = "the result has fewer rows than X, one for each block"
_ROWS = {
    "check_transformer_general": _FEWER_ROWS,
    "check_transformer_data_not_an_array": _FEWER_ROWS,
    "check_methods_sample_order_invariance": "which rows make a block depends on their order",
    "check_methods_subset_invariance": "a block is reduced from all of its rows",
}


@parametrize_with_checks(
    [
        Downsampler(),
        Downsampler(factor=2, statistic=["mean", "max"]),
        Downsampler(factor=1),
        Downsampler(factor=1, statistic="median"),
        Downsampler(factor=1, statistic=("last", "min")),
    ],
    expected_failed_checks=lambda estimator: _ROWS if estimator.factor > 1 else {},
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# Data and oracles -----------------------------------------------------------------------------


def make_parts(lengths, n_features=2, seed=0, dtype=np.float64, missing=0.0):
    """One array of shape (n_timesteps_i, n_features) per length, some values NaN."""
    rng = np.random.default_rng(seed)
    parts = [rng.integers(-999, 999, (n, n_features)).astype(dtype) for n in lengths]
    for x in parts:
        x[rng.random(x.shape) < missing] = np.nan
    return parts


def nest(parts, nesting):
    if nesting == "series":
        return parts[0]
    return np.stack(parts) if nesting == "panel" else list(parts)


def as_parts(X):
    """Undo nest for any result whose series have two axes."""
    return [np.asarray(X)] if hasattr(X, "ndim") and X.ndim == 2 else [np.asarray(x) for x in X]


SLOW = {
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
    "last": lambda values: values[-1],
}


def slow_reduce(x, factor, names):
    """Reduce value by value; (n_timesteps, n_features) -> (n_blocks, n_features * n_names)."""
    rows = []
    for start in range(0, len(x), factor):
        row = []
        for j in range(x.shape[1]):
            seen = [float(v) for v in x[start : start + factor, j] if not np.isnan(v)]
            row += [SLOW[name](seen) if seen else np.nan for name in names]
        rows.append(row)
    return np.array(rows)


def slow_upsample(values, factor, n_timesteps):
    return np.array([values[t // factor] for t in range(n_timesteps)])


@st.composite
def nested(draw, missing=0.0):
    nesting = draw(st.sampled_from(["series", "panel", "ragged"]))
    n_series = 1 if nesting == "series" else draw(st.integers(1, 4))
    length = st.integers(1, 30)
    lengths = [draw(length) for _ in range(n_series)]
    if nesting == "panel":
        lengths = [lengths[0]] * n_series
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    seed = draw(st.integers(0, 999))
    return nest(make_parts(lengths, draw(st.integers(1, 3)), seed, dtype, missing), nesting)


factors = st.integers(1, 12)
several = st.lists(st.sampled_from(STATISTICS), min_size=1, unique=True)


# Blocks ---------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(nested(), factors, st.one_of(st.sampled_from(STATISTICS), several))
def test_blocks_equal_those_of_double_loops(X, factor, statistic):
    names = [statistic] if isinstance(statistic, str) else statistic
    result = Downsampler(factor=factor, statistic=statistic).fit_transform(X)
    assert isinstance(result, list) == isinstance(X, list)
    for found, x in zip(as_parts(result), as_parts(X), strict=True):
        assert found.dtype == x.dtype
        tolerance = 1e-6 if x.dtype == np.float32 else 1e-12
        expected = slow_reduce(x, factor, names)
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=1000 * tolerance)


@settings(deadline=None, max_examples=150)
@given(
    st.integers(1, 30), factors, st.sampled_from(STATISTICS), st.integers(0, 999),
    st.sampled_from([np.float64, np.float32]),
)  # fmt: skip
def test_what_was_not_observed_contributes_nothing(n_timesteps, factor, statistic, seed, dtype):
    for missing in (0.2, 0.8):
        (x,) = make_parts([n_timesteps], 3, seed, dtype, missing)
        tolerance = 1e-6 if dtype == np.float32 else 1e-12
        found = _reduce(x, factor, statistic)
        assert found.dtype == dtype
        expected = slow_reduce(x, factor, [statistic])
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=1000 * tolerance)
        panel = _reduce(np.stack([x, -x]), factor, statistic)
        np.testing.assert_array_equal(panel[0], found)
        np.testing.assert_array_equal(panel[1], _reduce(-x, factor, statistic))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_missing_value_leaves_other_features_and_blocks_as_they_are(statistic):
    x = np.random.default_rng(0).normal(size=(41, 3))
    before = _reduce(x, 7, statistic)
    x[[3, 6, 40], 1] = np.nan
    after = _reduce(x, 7, statistic)
    np.testing.assert_array_equal(after[:, [0, 2]], before[:, [0, 2]])
    np.testing.assert_array_equal(after[1:5], before[1:5])


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_block_without_an_observed_value_is_not_observed(statistic):
    x = np.full((7, 2), np.nan)
    x[0, 0] = 4
    np.testing.assert_array_equal(_reduce(x, 3, statistic), [[4, np.nan]] + [[np.nan] * 2] * 2)


def test_no_block_holds_values_of_two_series():
    a, b = make_parts([7, 7])
    for X, other in ((np.stack([a, b]), np.stack([a * 9, b])), ([a, b], [a[:5], b])):
        downsampler = Downsampler(factor=3).fit(X)
        np.testing.assert_array_equal(downsampler.transform(X)[1], downsampler.transform(other)[1])
        assert [len(x) for x in downsampler.transform(X)] == [3, 3]


def test_the_rest_of_a_series_is_a_block_of_its_own():
    x = np.arange(7.0).reshape(-1, 1)
    np.testing.assert_array_equal(Downsampler(factor=3).fit_transform(x).ravel(), [1, 4, 6])
    np.testing.assert_array_equal(Downsampler(factor=100).fit_transform(x), [[3]])


@pytest.mark.parametrize("statistic", STATISTICS)
def test_factor_one_gives_a_copy(statistic):
    (x,) = make_parts([9])
    result = Downsampler(factor=1, statistic=statistic).fit_transform(x)
    np.testing.assert_array_equal(result, x)
    assert not np.shares_memory(result, x)


def test_input_stays_untouched():
    (x,) = make_parts([12])
    before = x.copy()
    for statistic in STATISTICS:
        result = Downsampler(factor=5, statistic=statistic).fit_transform(x)
        result[:] = 0
        np.testing.assert_array_equal(x, before)


def test_means_of_float32_are_computed_in_float64():
    """2**24 + 1 is 2**24 in float32, and the sum of large values is infinite."""
    x = np.ones((2**10, 1), dtype=np.float32)
    x[0] = 2**24
    mean = Downsampler(factor=2**10).fit_transform(x)
    assert mean.dtype == np.float32
    assert mean[0, 0] == np.float32((2**24 + 2**10 - 1) / 2**10)
    assert Downsampler().fit_transform(np.full((10, 1), 3e38, np.float32)) == np.float32(3e38)


def test_integers_become_float64():
    result = Downsampler(factor=2).fit_transform(np.arange(6, dtype=np.int32).reshape(3, 2))
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, [[1, 2], [4, 5]])


# Names and containers -------------------------------------------------------------------------


def test_every_form_of_the_same_data_gives_the_same_result():
    parts = make_parts([15, 15])
    frames = [pd.DataFrame(x, columns=["a", "b"]) for x in parts]
    downsampler = Downsampler(factor=4, statistic=("mean", "last"))
    expected = downsampler.fit_transform(parts)
    objects = np.empty(2, dtype=object)
    objects[:] = parts
    lists = [x.tolist() for x in parts]
    for X in (np.stack(parts), tuple(parts), objects, frames, list(map(pl.from_pandas, frames))):
        np.testing.assert_array_equal(np.stack(clone(downsampler).fit_transform(X)), expected)
    np.testing.assert_array_equal(np.stack(clone(downsampler).fit_transform(lists)), expected)
    for x in (
        parts[0],
        frames[0],
        pl.from_pandas(frames[0]),
        lists[0],
        np.asfortranarray(parts[0]),
    ):
        np.testing.assert_array_equal(clone(downsampler).fit_transform(x), expected[0])


def test_one_statistic_keeps_the_names_and_several_multiply_them():
    frame = pd.DataFrame(make_parts([6])[0], columns=["temp", "flow"])
    one = Downsampler(statistic="max").fit(frame)
    assert one.get_feature_names_out().tolist() == ["temp", "flow"]
    several = Downsampler(statistic=["mean", "max"]).fit(frame)
    names = ["temp_mean", "temp_max", "flow_mean", "flow_max"]
    assert several.get_feature_names_out().tolist() == names
    assert several.n_features_in_ == 2
    in_tuple = Downsampler(statistic=("last",)).fit(frame.to_numpy())
    assert in_tuple.get_feature_names_out().tolist() == ["x0_last", "x1_last"]
    assert in_tuple.get_feature_names_out(["u", "v"]).tolist() == ["u_last", "v_last"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
@pytest.mark.parametrize("globally", [False, True])
def test_set_output_wraps_a_single_series_and_nothing_else(library, globally):
    (x,) = make_parts([7])
    index = pd.date_range("2026-01-01", periods=7, freq="s")
    frame = pd.DataFrame(x, columns=["a", "b"], index=index)
    downsampler = Downsampler(factor=3, statistic=("min", "max")).fit(frame)
    expected = downsampler.transform(frame)
    assert type(expected) is np.ndarray
    kind = {"pandas": pd.DataFrame, "polars": pl.DataFrame}[library]
    if not globally:
        downsampler.set_output(transform=library)
    with config_context(transform_output=library if globally else "default"):
        for X in (frame, pl.from_pandas(frame)):
            for result in (downsampler.transform(X), clone(downsampler).fit_transform(X)):
                assert isinstance(result, kind)
                assert list(result.columns) == ["a_min", "a_max", "b_min", "b_max"]
                np.testing.assert_array_equal(result.to_numpy(), expected)
        if library == "pandas":
            assert list(downsampler.transform(frame).index) == list(index[[0, 3, 6]])
        downsampler.fit(x)
        assert type(downsampler.transform(np.stack([x, x]))) is np.ndarray
        assert [type(part) for part in downsampler.transform([x, x[:4]])] == [np.ndarray] * 2


def test_other_columns_than_in_fit_are_refused():
    (x,) = make_parts([6])
    downsampler = Downsampler().fit(pd.DataFrame(x, columns=["a", "b"]))
    with pytest.raises(ValueError, match="feature names should match"):
        downsampler.transform(pd.DataFrame(x, columns=["b", "a"]))


def test_copies_transform_alike():
    parts = make_parts([15, 8])
    fitted = Downsampler(factor=4, statistic=["median", "max"]).fit(parts)
    for copied in (pickle.loads(pickle.dumps(fitted)), clone(fitted).fit(parts)):
        for a, b in zip(copied.transform(parts), fitted.transform(parts), strict=True):
            np.testing.assert_array_equal(a, b)


# The way back ---------------------------------------------------------------------------------


def as_lengths(X):
    if isinstance(X, list):
        return [len(x) for x in X]
    return len(X) if X.ndim == 2 else [X.shape[1]] * len(X)


@settings(deadline=None, max_examples=150)
@given(nested(), factors, st.booleans(), st.booleans())
def test_the_way_back_repeats_the_value_of_each_block(X, factor, with_features, by_lengths):
    downsampler = Downsampler(factor=factor, statistic=("mean", "max")).fit(X)
    blocks = downsampler.transform(X)
    if not with_features:
        blocks = [b[:, 0] for b in blocks] if isinstance(blocks, list) else blocks[..., 0]
    result = downsampler.upsample(blocks, as_lengths(X) if by_lengths else X)
    if not isinstance(X, list) and X.ndim == 2:
        result, blocks, X = [result], [blocks], [X]
    else:
        assert isinstance(result, list) == isinstance(X, list)
    for found, values, x in zip(result, blocks, X, strict=True):
        np.testing.assert_array_equal(found, slow_upsample(values, factor, len(x)))


@settings(deadline=None, max_examples=50)
@given(nested(), factors)
def test_values_that_are_constant_within_blocks_come_back_exactly(X, factor):
    for statistic in STATISTICS:
        downsampler = Downsampler(factor=factor, statistic=statistic).fit(X)
        steps = downsampler.upsample(downsampler.transform(X), X)
        again = downsampler.upsample(downsampler.transform(steps), X)
        for a, b in zip(as_parts(again), as_parts(steps), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.float64, bool, "U2"])
def test_the_way_back_keeps_the_dtype(dtype):
    downsampler = Downsampler(factor=2).fit(np.zeros((3, 1)))
    values = np.array([1, 0]).astype(dtype)
    result = downsampler.upsample(values, 3)
    assert result.dtype == values.dtype
    assert result.tolist() == [*values[[0, 0, 1]].tolist()]


def test_lengths_and_values_come_in_any_container():
    (x,) = make_parts([5])
    frame = pd.DataFrame(x, columns=["a", "b"])
    downsampler = Downsampler(factor=2).fit(frame)
    scores = [0.5, 0.25, 1.0]
    for X in (5, np.int64(5), x, x.tolist(), frame, pl.from_pandas(frame), np.zeros((5, 0))):
        for values in (scores, tuple(scores), np.array(scores), pd.Series(scores, index=[7, 8, 9])):
            result = downsampler.upsample(values, X)
            assert result.tolist() == [0.5, 0.5, 0.25, 0.25, 1.0]
    assert downsampler.upsample(downsampler.transform(frame), frame).shape == (5, 2)
    for X in ([5, 3], (5, 3), np.array([5, 3]), [x, x[:3]], [frame, frame[:3]]):
        result = downsampler.upsample([[1, 2, 3], [4, 5]], X)
        assert [part.tolist() for part in result] == [[1, 1, 2, 2, 3], [4, 4, 5]]
    panel = downsampler.upsample(np.arange(6).reshape(2, 3), np.zeros((2, 5, 4)))
    assert panel.tolist() == [[0, 0, 1, 1, 2], [3, 3, 4, 4, 5]]


def test_nothing_of_the_series_seen_in_fit_is_remembered():
    downsampler = Downsampler(factor=2).fit(np.zeros((100, 1)))
    assert downsampler.upsample(np.array([1, 2]), 3).tolist() == [1, 1, 2]
    assert set(vars(downsampler)) == {"factor", "statistic", "n_features_in_"}


# In a pipeline --------------------------------------------------------------------------------


def spiky_series(n_timesteps=400):
    x = np.random.default_rng(0).normal(size=(n_timesteps, 1))
    y = np.ones(n_timesteps, dtype=int)
    x[203], y[203] = 50, -1
    return x, y


def test_labels_of_a_pipeline_go_back_to_the_time_steps():
    x, y = spiky_series()
    pipeline = make_pipeline(Downsampler(factor=4, statistic="max"), PersistenceDetector()).fit(x)
    labels = pipeline[0].upsample(pipeline.predict(x), x)
    assert labels.shape == y.shape
    assert (labels[200:204] == -1).all()


def test_a_search_scores_on_the_time_steps_of_y():
    """Whatever the factor, the scorer compares one score with one label per time step."""
    x, y = spiky_series()

    def separation(pipeline, X, y):
        scores = pipeline[0].upsample(pipeline.score_samples(X), X)
        return -scores[y == -1].mean() + scores[y == 1].mean() if (y == -1).any() else 0.0

    pipeline = make_pipeline(
        Downsampler(), SequenceTransformer(StandardScaler()), PersistenceDetector()
    )
    grid = {"downsampler__factor": [1, 3, 7], "downsampler__statistic": ["mean", ("max", "min")]}
    for X, labels, cv in (
        (x, y, TimeSeriesSplit(2)),
        ([x[:150], x[150:290], x[290:]], None, KFold(3)),
    ):
        scoring = separation if labels is not None else None
        search = GridSearchCV(pipeline, grid, cv=cv, scoring=scoring, error_score="raise")
        search.fit(X, labels)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert len(search.cv_results_["params"]) == 6


# Messages -------------------------------------------------------------------------------------

TWO = make_parts([8, 5])


@pytest.mark.parametrize(
    ("params", "call", "words"),
    [
        ({"factor": 0}, None, ["'factor' parameter", "range [1, inf)", "Got 0"]),
        ({"factor": 2.5}, None, ["'factor' parameter", "an int", "Got 2.5"]),
        ({"statistic": "std"}, None, ["'statistic' parameter", "'last'", "'mean'", "Got 'std'"]),
        ({"statistic": 3}, None, ["'statistic' parameter", "'median'", "tuple", "Got 3"]),
        ({"statistic": ()}, None, ["statistic must be one of", "at least one", "got ()"]),
        (
            {"statistic": ["mean", "std"]},
            None,
            ["statistic must be one of 'mean', 'median'", "got ['mean', 'std']", "('mean', 'max')"],
        ),
        ({"statistic": ("min", "min")}, None, ["each once; got ('min', 'min')", "Name what"]),
        ({"statistic": ("min", None)}, None, ["statistic must be", "got ('min', None)"]),
        ({}, lambda d: d.transform(TWO[0][:, :1]), ["1 features", "expecting 2 features"]),
        ({}, lambda d: d.transform([]), ["X must hold at least one series", "empty"]),
        (
            {},
            lambda d: d.transform(TWO[0] * np.inf),
            ["X must not contain", "got"],
        ),
        (
            {"factor": 3},
            lambda d: d.upsample(np.zeros(8), TWO[0]),
            ["3 blocks of series 0", "8 time steps with factor=3", "got 8", "before transform"],
        ),
        (
            {"factor": 3},
            lambda d: d.upsample([np.zeros(3), np.zeros(1)], TWO),
            ["2 blocks of series 1", "5 time steps", "got 1", "downsampled series"],
        ),
        (
            {},
            lambda d: d.upsample(0.5, TWO[0]),
            ["values must have one entry", "got a single number", "no time axis"],
        ),
        (
            {},
            lambda d: d.upsample(np.zeros(2), TWO),
            ["values must have an entry", "2 series", "got shape (2,)", "(n_series, n_blocks)"],
        ),
        (
            {},
            lambda d: d.upsample([np.zeros(1)], TWO),
            ["each of the 2 series", "got 1", "all series"],
        ),
        (
            {"factor": 8},
            lambda d: d.upsample(np.zeros((2, 1)), TWO),
            ["values must be a list where", "from 5 to 8", "Pass list(values)"],
        ),
        (
            {"factor": 4},
            lambda d: d.upsample([np.zeros(2), np.zeros(1)], TWO[0]),
            ["values must be those of one series", "different shapes", "Pass one array"],
        ),
        (
            {},
            lambda d: d.upsample([0.5, 0.2], TWO),
            ["values must have one entry", "series 0", "got a single number", "no time axis"],
        ),
        ({}, lambda d: d.upsample([1], 0), ["X must have at least one time step", "lengths [0]"]),
        ({}, lambda d: d.upsample([], []), ["X must have at least one time step", "lengths []"]),
        (
            {},
            lambda d: d.upsample([1], 8.0),
            ["X must be what transform was given, the length", "got 0, shape ()"],
        ),
        ({}, lambda d: d.upsample([1], "8"), ["X must be what transform was given", "lengths"]),
        ({}, lambda d: d.upsample([1], [8.0]), ["X must be what transform was given", "lengths"]),
    ],
)
def test_errors_name_parameter_rule_value_and_remedy(params, call, words):
    def fit_and_call():
        fitted = Downsampler(**params).fit(TWO)
        if call is not None:
            call(fitted)

    with pytest.raises(ValueError, match=re.escape(words[0])) as error:
        fit_and_call()
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda d: d.transform(TWO),
        lambda d: d.upsample([1], 8),
        lambda d: d.get_feature_names_out(),
    ],
)
def test_unfitted_transformers_say_so(call):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        call(Downsampler())


def test_parameters_are_keyword_only_and_there_is_no_inverse():
    with pytest.raises(TypeError, match="positional"):
        Downsampler(5)
    assert not hasattr(Downsampler(), "inverse_transform")
