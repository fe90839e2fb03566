"""Scorers that rate detectors without labels."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from tiny import TINY

from skanomaly import LinearForecaster, LSTMAutoencoder, MeanDetector, PersistenceDetector
from skanomaly.model_selection import InjectionScorer, StabilityScorer, reconstruction_skill
from skanomaly.preprocessing import Differencer, Downsampler, SequenceTransformer

KINDS = (
    "spike", "level_shift", "flatline", "noise", "drift", "warp", "displaced", "amplitude",
)  # fmt: skip
SCORERS = [reconstruction_skill, InjectionScorer(n_injections=4), StabilityScorer(n_repeats=1)]
FORMS = ["series", "panel", "ragged"]
by_name = pytest.mark.parametrize(
    "scorer", SCORERS, ids=["reconstruction_skill", "InjectionScorer", "StabilityScorer"]
)
every_form = pytest.mark.parametrize("form", FORMS)


def parts_of(X, form):
    return [X] if form == "series" else list(X)


def sine(n_timesteps=400, noise=0.02):
    steps = np.arange(n_timesteps)
    clean = np.column_stack([np.sin(steps / 4), np.cos(steps / 4)])
    return clean + noise * np.random.default_rng(0).normal(size=clean.shape)


class OddDetector(OutlierMixin, BaseEstimator):
    """Rank time steps by their place in the series; remember what was scored."""

    seen = []

    def __init__(self, step=1.0):
        self.step = step

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def score_samples(self, X):
        self.seen.append(np.array(X))
        return self.step * np.arange(len(X), dtype=float)


# ------------------------------------------------------------------------ reconstruction skill


def slow_skill(parts, outputs):
    own = rival = 0.0
    for x, y in zip(parts, outputs, strict=True):
        for j in range(x.shape[1]):
            last = None
            for t in range(len(x)):
                if np.isnan(x[t, j]):
                    continue
                if last is not None and not np.isnan(y[t, j]):
                    own += (x[t, j] - y[t, j]) ** 2
                    rival += (x[t, j] - last) ** 2
                last = x[t, j]
    return 1 - own / rival


@every_form
@pytest.mark.parametrize("missing", [False, True])
def test_skill_is_the_share_of_the_error_of_persistence_that_is_saved(form, missing, request):
    X = request.getfixturevalue(form)
    parts = [np.array(part) for part in parts_of(X, form)]
    if missing:
        for part in parts:
            part[[0, 4, 5], 0] = np.nan
        X = parts if form == "ragged" else np.array(parts if form == "panel" else parts[0])
    detector = LinearForecaster(lags=2).fit(X)
    outputs = parts_of(detector.reconstruct(X), form)
    expected = slow_skill([np.float32(part).astype(float) for part in parts], outputs)
    assert reconstruction_skill(detector, X) == pytest.approx(expected, rel=1e-6)


def test_persistence_has_no_skill_and_the_unit_of_x_does_not_matter(series):
    assert reconstruction_skill(PersistenceDetector().fit(series), series) == 0
    linear = LinearForecaster(lags=2)
    skill = reconstruction_skill(linear.fit(series), series)
    assert reconstruction_skill(linear.fit(1000 * series), 1000 * series) == pytest.approx(
        skill, rel=1e-3
    )


def test_skill_is_measured_on_what_reaches_the_detector(series):
    mean = make_pipeline(Differencer(), MeanDetector()).fit(series)
    differences = Differencer().fit_transform(series)
    alone = reconstruction_skill(MeanDetector().fit(differences), differences)
    assert reconstruction_skill(mean, series) == alone
    # The same knowledge, none, has another skill on other input.
    assert alone > reconstruction_skill(MeanDetector().fit(series), series) + 0.2


# ------------------------------------------------------------------------------------ injection


@every_form
def test_nothing_but_the_labelled_stretches_is_altered(form, request):
    X = request.getfixturevalue(form)
    before = [np.array(part) for part in parts_of(X, form)]
    copies = InjectionScorer(n_injections=16, window_size=4).inject(X)
    for copy in copies:
        assert type(copy.X) is type(X)
        altered = parts_of(copy.X, form)
        for i, (x, clean, y) in enumerate(zip(altered, before, copy.y, strict=True)):
            changed = (x != clean).any(axis=1)
            np.testing.assert_array_equal(changed & (y == 1), False)
            stretches = [a for a in copy.anomalies if a.series == i]
            expected = np.ones(len(x), dtype=int)
            for a in stretches:
                expected[a.start : a.stop] = -1
                assert changed[a.start : a.stop].any()
                others = np.setdiff1d(np.arange(x.shape[1]), a.features)
                np.testing.assert_array_equal(
                    x[a.start : a.stop, others], clean[a.start : a.stop, others]
                )
            np.testing.assert_array_equal(y, expected)
            assert sum(a.stop - a.start for a in stretches) == np.sum(y == -1)
    for part, clean in zip(parts_of(X, form), before, strict=True):
        np.testing.assert_array_equal(part, clean)
    assert sum(len(copy.anomalies) for copy in copies) == 16
    kinds = [a.kind for copy in copies for a in copy.anomalies]
    assert sorted(kinds) == sorted(2 * KINDS)


@settings(max_examples=40)
@given(
    n_timesteps=st.integers(8, 120),
    window_size=st.integers(1, 60),
    seed=st.integers(0, 100),
    share=st.floats(0, 0.7),
)
def test_injections_stay_apart_inside_and_visible(n_timesteps, window_size, seed, share):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_timesteps, 2)).cumsum(axis=0)
    X[rng.random(X.shape) < share] = np.nan
    X[:2] = [[0.0, 1.0], [1.0, 0.0]]
    scorer = InjectionScorer(n_injections=16, window_size=window_size, random_state=seed)
    margin = min(window_size, n_timesteps // 8)
    for copy in scorer.inject(X):
        np.testing.assert_array_equal(np.isnan(copy.X), np.isnan(X))
        stretches = sorted((a.start, a.stop) for a in copy.anomalies)
        assert stretches[0][0] >= 1
        assert stretches[-1][1] <= n_timesteps
        for (_, stop), (start, _) in zip(stretches[:-1], stretches[1:], strict=True):
            assert start - stop >= max(2 * margin, 1)
        assert sum(stop - start + 2 * margin for start, stop in stretches) <= n_timesteps / 2
        for a in copy.anomalies:
            change = (copy.X - X)[a.start : a.stop, list(a.features)]
            assert np.nanmax(np.abs(change)) > 0


def stretches_of(kind, X, **options):
    """Yield clean and altered values (length, n_altered), the value before, and the anomaly."""
    scorer = InjectionScorer(kinds=(kind,), n_injections=12, window_size=12, **options)
    for copy in scorer.inject(X):
        for a in copy.anomalies:
            features, stretch = list(a.features), slice(a.start, a.stop)
            yield X[stretch, features], copy.X[stretch, features], X[a.start - 1, features], a


def is_in(values, column):
    windows = np.lib.stride_tricks.sliding_window_view(column, len(values))
    return (windows == values).all(axis=1).any()


CHECKS = {
    "spike": lambda clean, new, last, X, a: len(new) <= 3,
    "level_shift": lambda clean, new, last, X, a: np.allclose(np.ptp(new - clean, axis=0), 0),
    "flatline": lambda clean, new, last, X, a: (new == last).all(),
    "noise": lambda clean, new, last, X, a: (new != clean).all(),
    "drift": lambda clean, new, last, X, a: np.allclose(
        new - clean, (new - clean)[-1] * np.arange(1, len(new) + 1)[:, None] / len(new)
    ),
    # What is played faster or slower are still values between those of the series.
    "warp": lambda clean, new, last, X, a: (
        (new <= X[:, list(a.features)].max(axis=0)) & (new >= X[:, list(a.features)].min(axis=0))
    ).all(),
    "displaced": lambda clean, new, last, X, a: all(
        is_in(column, X[:, j]) for column, j in zip(new.T, a.features, strict=True)
    ),
    "amplitude": lambda clean, new, last, X, a: (
        np.allclose(new.mean(axis=0), clean.mean(axis=0))
        and np.allclose(np.abs(np.corrcoef(new[:, 0], clean[:, 0])), 1)
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_does_what_it_says(kind):
    X = sine()
    found = list(stretches_of(kind, X))
    assert len(found) == 12
    for clean, new, last, a in found:
        assert a.kind == kind
        assert CHECKS[kind](clean, new, last, X, a), a


@pytest.mark.parametrize("kind", ["level_shift", "drift"])
def test_sizes_are_in_units_of_the_robust_spread(kind):
    X = sine(2000) * [1.0, 100.0]
    X[:10] = 1e6  # an outlier that a standard deviation would not survive
    spread = 1.4826 * np.median(np.abs(X - np.median(X, axis=0)), axis=0)
    sizes = []
    for clean, new, _, a in stretches_of(kind, X, size=(0.5, 4.0)):
        if a.start > 10:
            size = np.abs(new - clean).max(axis=0) / spread[list(a.features)]
            np.testing.assert_allclose(size, a.size)
            sizes.append(a.size)
    assert min(sizes) >= 0.5
    assert max(sizes) <= 4
    assert max(sizes) > 2 * min(sizes)


def test_features_that_are_mostly_equal_have_a_spread_and_constant_ones_are_left_alone():
    X = np.zeros((200, 2))
    X[50:60, 0] = 1.0
    anomalies = [a for copy in InjectionScorer(window_size=8).inject(X) for a in copy.anomalies]
    assert {a.features for a in anomalies} == {(0,)}


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
@by_name
def test_frames_keep_their_columns(frame, scorer):
    X = sine()
    named = frame({"a": X[:, 0], "b": X[:, 1]})
    detector = LinearForecaster(lags=2)
    assert scorer(clone(detector).fit(named), named) == scorer(detector.fit(X), X)
    copy = InjectionScorer(n_injections=3).inject([named, named[:200]])[0]
    assert [list(part.columns) for part in copy.X] == [["a", "b"]] * 2


def test_injections_depend_on_x_and_random_state_alone():
    X = sine()
    first, again, other = (InjectionScorer(random_state=seed).inject(X)[0].X for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_every_candidate_of_a_search_meets_the_same_injections():
    OddDetector.seen.clear()
    scorer = InjectionScorer(n_injections=6)
    GridSearchCV(
        OddDetector(), {"step": [-1.0, 1.0, 2.0]}, scoring=scorer, cv=TimeSeriesSplit(2)
    ).fit(sine())
    n_each = len(OddDetector.seen) // 3
    assert n_each > 1
    candidates = [OddDetector.seen[i * n_each : (i + 1) * n_each] for i in range(3)]
    for candidate in candidates[1:]:
        for X, expected in zip(candidate, candidates[0], strict=True):
            np.testing.assert_array_equal(X, expected)


def slow_separation(scorer, detector, X, form, margin):
    truth, scores = [], []
    for copy in scorer.inject(X):
        for i, y in enumerate(copy.y):
            x = parts_of(copy.X, form)[i]
            found = -detector.score_samples(x)
            width = min(margin, len(x) // 8)
            for t in range(len(x)):
                near = y[max(t - width, 0) : t + width + 1]
                if y[t] == -1 or not (near == -1).any():
                    truth.append(y[t] == -1)
                    scores.append(found[t])
    return average_precision_score(truth, scores)


@every_form
@pytest.mark.parametrize("margin", [None, 0, 2])
def test_separation_is_the_average_precision_of_altered_against_other_steps(form, margin, request):
    X = request.getfixturevalue(form)
    detector = LinearForecaster(lags=1).fit(X)
    scorer = InjectionScorer(n_injections=8, window_size=4, margin=margin)
    expected = slow_separation(scorer, detector, X, form, 4 if margin is None else margin)
    assert scorer(detector, X) == pytest.approx(expected)
    assert scorer(detector, X, y=None) == scorer(detector, X)


def test_smearing_within_the_margin_costs_nothing():
    X = sine(800)
    smooth = LinearForecaster(lags=4, smoothing="median", smoothing_span=5).fit(X)
    strict, lenient = (
        InjectionScorer(window_size=16, margin=margin)(smooth, X) for margin in (0, 16)
    )
    assert lenient > strict + 0.01


def test_a_good_detector_is_rated_above_one_that_knows_only_the_mean():
    X = sine(800)
    linear, mean = (
        make_pipeline(SequenceTransformer(StandardScaler()), detector).fit(X[:500])
        for detector in (LinearForecaster(lags=4), MeanDetector())
    )
    for metric in ("average_precision", "roc_auc"):
        scorer = InjectionScorer(metric=metric)
        assert scorer(linear, X[500:]) > scorer(mean, X[500:]) + 0.1


def test_a_metric_of_ones_own_gets_labels_and_anomaly_scores_of_each_series(ragged):
    calls = []

    def metric(y_true, y_score):
        calls.append((y_true, y_score))
        return 0.5

    detector = LinearForecaster(lags=1).fit(ragged)
    scorer = InjectionScorer(n_injections=4, margin=0, metric=metric)
    assert scorer(detector, ragged) == 0.5
    ((y_true, y_score),) = calls
    copies = scorer.inject(ragged)
    assert [len(y) for y in y_true] == [25, 12, 23] * len(copies)
    for i in range(3):
        np.testing.assert_array_equal(y_true[i], copies[0].y[i])
        np.testing.assert_array_equal(y_score[i], -detector.score_timesteps(copies[0].X)[i])
    assert set(np.concatenate(y_true)) == {-1, 1}


def test_time_steps_without_any_value_do_not_count():
    X = sine()
    X[100:140] = np.nan
    lengths = []

    def metric(y_true, y_score):
        lengths.extend(len(y) for y in y_true)
        return 0.0

    InjectionScorer(margin=0, metric=metric)(LinearForecaster(lags=2).fit(X), X)
    assert set(lengths) == {360}


# ------------------------------------------------------------------------------------ stability


def test_stability_is_spearmans_correlation_with_the_scores_of_noised_x():
    X = sine()
    detector = LinearForecaster(lags=2).fit(X)
    spread = 1.4826 * np.median(np.abs(X - np.median(X, axis=0)), axis=0)
    rng = np.random.default_rng(7)
    calm = detector.score_samples(X)
    expected = [
        spearmanr(
            calm, detector.score_samples(X + rng.normal(size=X.shape) * 0.2 * spread)
        ).statistic
        for _ in range(2)
    ]
    scorer = StabilityScorer(noise=0.2, n_repeats=2, random_state=7)
    assert scorer(detector, X) == pytest.approx(np.mean(expected))


def test_a_ranking_that_ignores_x_is_stable_and_no_ranking_counts_nothing():
    X = sine()
    assert StabilityScorer()(OddDetector().fit(X), X) == pytest.approx(1)
    assert StabilityScorer()(OddDetector(step=0.0).fit(X), X) == 0


# --------------------------------------------------------------------------- all three scorers


@by_name
@every_form
def test_searches_need_no_labels(form, scorer, request):
    X = request.getfixturevalue(form)
    cv = TimeSeriesSplit(2, gap=2) if form == "series" else KFold(2)
    pipeline = make_pipeline(
        SequenceTransformer(StandardScaler()), Differencer(), LinearForecaster(lags=1)
    )
    grid = {"differencer": [Differencer(), "passthrough"], "linearforecaster__alpha": [0.0, 100.0]}
    search = GridSearchCV(pipeline, grid, scoring=scorer, cv=cv, error_score="raise").fit(X)
    results = search.cv_results_["mean_test_score"]
    assert np.isfinite(results).all()
    assert len(set(results)) == 4
    # A search is an estimator too, and rated as its best one.
    assert scorer(search, X) == scorer(search.best_estimator_, X)
    assert scorer(FrozenEstimator(pipeline.fit(X)), X) == scorer(pipeline, X)


def test_batches_do_not_matter_to_a_network(series):
    pipeline = make_pipeline(
        SequenceTransformer(StandardScaler()), LSTMAutoencoder(**TINY | {"max_epochs": 1})
    ).fit(series)
    expected = [scorer(pipeline, series) for scorer in SCORERS]
    pipeline.set_params(lstmautoencoder__batch_size=7)
    assert [scorer(pipeline, series) for scorer in SCORERS] == pytest.approx(expected, abs=1e-3)


@by_name
def test_scorers_travel_and_are_cloned(scorer, series):
    detector = LinearForecaster(lags=2).fit(series)
    copied = pickle.loads(pickle.dumps(scorer))
    assert copied(detector, series) == scorer(detector, series)
    search = clone(GridSearchCV(detector, {"lags": [1]}, scoring=scorer))
    assert search.fit(series).best_score_ == search.fit(series).best_score_


@by_name
def test_an_unfitted_detector_is_refused(scorer, series):
    with pytest.raises(NotFittedError):
        scorer(LinearForecaster(), series)


@by_name
def test_series_that_never_change_are_refused(scorer):
    X = np.ones((50, 2))
    detector = LinearForecaster(lags=2).fit(sine(50))
    with pytest.raises(ValueError, match=r"X must.*change.*got no.* 50 time steps"):
        scorer(detector, X)


@pytest.mark.parametrize("scorer", SCORERS[1:], ids=["InjectionScorer", "StabilityScorer"])
def test_detectors_of_scikit_learn_are_rated_on_a_series_and_refused_on_panels(scorer, panel):
    X = sine()
    forest = IsolationForest(n_estimators=5, random_state=0).fit(X)
    assert np.isfinite(scorer(forest, X))
    with pytest.raises(TypeError, match="score_timesteps.*IsolationForest"):
        scorer(forest, panel)
    with pytest.raises(TypeError, match="reconstruct.*IsolationForest"):
        reconstruction_skill(forest, X)


@pytest.mark.parametrize("scorer", SCORERS[1:], ids=["InjectionScorer", "StabilityScorer"])
def test_what_a_pipeline_downsamples_is_put_back_on_the_time_axis(scorer):
    X = sine()
    alone = LinearForecaster(lags=2).fit(X)
    single = make_pipeline(make_pipeline(Downsampler(factor=1)), LinearForecaster(lags=2)).fit(X)
    assert scorer(single, X) == pytest.approx(scorer(alone, X), abs=1e-6)
    halved = make_pipeline(Downsampler(factor=2), LinearForecaster(lags=2)).fit(X)
    assert np.isfinite(scorer(halved, X))
    dropping = make_pipeline(FunctionTransformer(lambda X: X[1:]), LinearForecaster(lags=2)).fit(X)
    with pytest.raises(ValueError, match=r"one score for each time step of X, 400.*got 399"):
        scorer(dropping, X)


def test_scores_that_are_not_finite_are_refused():
    X = sine(50)
    with pytest.raises(ValueError, match="finite scores.*OddDetector"):
        StabilityScorer()(OddDetector(step=np.nan).fit(X), X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"kinds": ()}, r"kinds must name kinds.*got \(\).*'spike'"),
        ({"kinds": ("spike", "spike")}, "each once"),
        ({"kinds": ("gremlin",)}, "gremlin.*Choose from 'spike'"),
        ({"kinds": "spike"}, "'kinds' parameter"),
        ({"size": (2.0, 1.0)}, r"0 < low <= high; got \(2.0, 1.0\)"),
        ({"size": (0.0, 1.0)}, "0 < low"),
        ({"size": (1.0,)}, "two numbers"),
        ({"size": (1.0, np.inf)}, "two numbers"),
        ({"n_injections": 0}, "'n_injections' parameter"),
        ({"window_size": 0}, "'window_size' parameter"),
        ({"margin": -1}, "'margin' parameter"),
        ({"metric": "f1"}, "'metric' parameter"),
        ({"random_state": None}, "'random_state' parameter"),
    ],
)
def test_wrong_parameters_of_injection_are_refused(params, message, series):
    with pytest.raises(ValueError, match=message):
        InjectionScorer(**params)(LinearForecaster(lags=2).fit(series), series)


@pytest.mark.parametrize(
    "params", [{"noise": 0.0}, {"n_repeats": 0}, {"random_state": np.random.RandomState(0)}]
)
def test_wrong_parameters_of_stability_are_refused(params, series):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        StabilityScorer(**params)(LinearForecaster(lags=2).fit(series), series)


def test_series_too_short_for_an_injection_are_refused():
    detector = LinearForecaster(lags=2).fit(sine(50))
    with pytest.raises(ValueError, match="at least 8 time steps.*got 7.*longer"):
        InjectionScorer()(detector, [sine(7), sine(5)])
    with pytest.raises(ValueError, match=r"kinds=\('flatline',\).*got none"):
        InjectionScorer(n_injections=1, kinds=("flatline",))(detector, np.eye(2000, 2))
