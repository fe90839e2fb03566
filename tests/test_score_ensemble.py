"""Ensembles of detectors, the scale on which their scores meet, and the recommended detector."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from tiny import TINY

from skanomaly import LinearForecaster, MeanDetector, PersistenceDetector
from skanomaly.model_selection import BlockedSplit, ScoreEnsemble, get_scorer, make_detector
from skanomaly.preprocessing import Downsampler, SequenceTransformer
from skanomaly.thresholds import FixedThreshold, QuantileThreshold

OURS = [("mean", MeanDetector()), ("linear", LinearForecaster(lags=2))]
FORMS = ["series", "panel", "ragged"]


@pytest.fixture(params=FORMS)
def X(request):
    return request.getfixturevalue(request.param)


def parts_of(X):
    return [X] if np.ndim(X[0]) == 1 else list(X)


def slow_average(errors, span, causal):
    """Weigh the steps around each by 1 - distance / span; NaN stays, and counts for none."""
    found = np.full(len(errors), np.nan)
    for t in np.flatnonzero(~np.isnan(errors)):
        first, last = max(t - span + 1, 0), t + 1 if causal else t + span
        part = errors[first:last]
        weights = 1 - np.abs(np.arange(first, first + len(part)) - t) / span
        known = ~np.isnan(part)
        found[t] = weights[known] @ part[known] / weights[known].sum()
    return found


def slow_scores(X_fit, X, members, *, spans, causal, quantile, warm_up, weights, combine):
    """Scores of time steps of all series of X, one after the other."""
    total = []
    for _, member in members:
        fitted = clone(member).fit(X_fit)
        errors = {}
        for name, data in (("fit", X_fit), ("new", X)):
            scores = fitted.score_timesteps(data)
            errors[name] = [-np.array(part) for part in parts_of_scores(scores)]
            for part in errors[name]:
                part[:warm_up] = np.nan
        known = np.concatenate(errors["fit"])
        zero = np.nanquantile(known, 1 - quantile)
        best = []
        for span in spans:
            smooth = {
                name: np.concatenate([slow_average(part, span, causal) for part in parts])
                for name, parts in errors.items()
            }
            one = np.nanquantile(smooth["fit"], quantile)
            best.append((smooth["new"] - zero) / (one - zero))
        total.append(np.max(best, axis=0))
    weights = np.array(weights) / np.mean(weights)
    return combine(weights[:, None] * total, axis=0)


def parts_of_scores(scores):
    return [scores] if np.ndim(scores[0]) == 0 else list(scores)


# ----------------------------------------------------------------------------------- the scores


@given(
    form=st.sampled_from(FORMS),
    spans=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    causal=st.booleans(),
    quantile=st.sampled_from([0.9, 0.99, 1.0]),
    warm_up=st.integers(0, 3),
    weights=st.sampled_from([[1, 1], [3, 1], [0, 2]]),
    combination=st.sampled_from(["mean", "max"]),
)
@settings(max_examples=25)
def test_scores_are_those_of_the_slow_loop(form, combination, weights, **options):
    rng = np.random.default_rng(0)
    data = {"series": rng.normal(size=(40, 2)), "panel": rng.normal(size=(3, 12, 2))}
    data["ragged"] = [rng.normal(size=(n, 2)) for n in (9, 14, 6)]
    X = data[form]
    ensemble = ScoreEnsemble(OURS, combination=combination, weights=weights, **options).fit(X)
    new = [rng.normal(size=np.shape(part)) for part in parts_of(X)]
    new = new[0] if form == "series" else np.stack(new) if form == "panel" else new
    combine = np.mean if combination == "mean" else np.max
    expected = slow_scores(X, new, OURS, weights=weights, combine=combine, **options)
    found = -np.concatenate(
        [np.atleast_1d(s) for s in parts_of_scores(ensemble.score_timesteps(new))]
    )
    known = ~np.isnan(expected)
    np.testing.assert_allclose(found[known], expected[known], atol=1e-9)
    assert (found[~known] <= ensemble.step_threshold_).all()


def test_any_scale_and_offset_of_a_member_gives_the_same_scores(series):
    class Other(MeanDetector):
        def score_samples(self, X):
            return 1000 * super().score_samples(X) + 77

        def score_timesteps(self, X):
            return self.score_samples(X)

    plain = ScoreEnsemble([("one", MeanDetector())], spans=(1, 5)).fit(series)
    other = ScoreEnsemble([("one", Other())], spans=(1, 5)).fit(series)
    np.testing.assert_allclose(other.score_samples(series), plain.score_samples(series), atol=1e-6)


def test_long_weak_and_short_strong_anomalies_are_both_found():
    rng = np.random.default_rng(0)
    X, X_test = rng.normal(size=(4000, 1)), rng.normal(size=(2000, 1))
    X_test[500:700] *= 1.6
    X_test[1500] = 6.0
    one = ScoreEnsemble([("mean", MeanDetector())], spans=(1, 64), contamination=0.005).fit(X)
    labels = one.predict(X_test)
    assert (labels[550:650] == -1).mean() > 0.9
    assert labels[1500] == -1
    assert (labels[800:1400] == -1).mean() < 0.05
    short = clone(one).set_params(spans=(1,)).fit(X)
    assert (short.predict(X_test)[550:650] == -1).mean() < 0.2
    long = clone(one).set_params(spans=(64,)).fit(X)
    assert long.score_samples(X_test)[1500] > one.score_samples(X_test)[1500] + 1


def test_causal_averages_use_nothing_later(series):
    ensemble = ScoreEnsemble(OURS, spans=(3, 9), causal=True).fit(series)
    changed = series.copy()
    changed[40:] += 5.0
    before, after = ensemble.score_samples(series), ensemble.score_samples(changed)
    np.testing.assert_allclose(after[:40], before[:40])
    centred = ScoreEnsemble(OURS, spans=(3, 9)).fit(series)
    assert not np.allclose(centred.score_samples(series)[39], centred.score_samples(changed)[39])


def test_no_average_crosses_from_one_series_to_another(ragged):
    ensemble = ScoreEnsemble(OURS, spans=(4, 30)).fit(ragged)
    for one, scores in zip(ragged, ensemble.score_timesteps(ragged), strict=True):
        np.testing.assert_allclose(ensemble.score_timesteps([one])[0], scores)


def test_the_warm_up_is_never_flagged(series):
    loud = series.copy()
    loud[:10] = 50.0
    ensemble = ScoreEnsemble(OURS, warm_up=10, spans=(1,)).fit(series)
    assert (ensemble.predict(loud)[:10] == 1).all()
    assert len(np.unique(ensemble.score_samples(loud)[:10])) == 1
    assert (ensemble.set_params(warm_up=0).fit(series).predict(loud)[:10] == -1).all()


def test_contributions_of_features_add_up_to_the_score(X):
    for combination in ("mean", "max"):
        ensemble = ScoreEnsemble(OURS, spans=(1, 4), combination=combination).fit(X)
        steps, values = ensemble.score_timesteps(X), ensemble.score_features(X)
        for part, value in zip(parts_of_scores(steps), parts_of(values), strict=True):
            np.testing.assert_allclose(value.mean(axis=-1), part, atol=1e-9)


# -------------------------------------------------------------------------------- the contract


def test_shapes_signs_and_thresholds(X):
    ensemble = ScoreEnsemble(OURS, spans=(1, 4), contamination=0.1).fit(X)
    scores, decision = ensemble.score_samples(X), ensemble.decision_function(X)
    assert scores.shape == (len(X),)
    np.testing.assert_allclose(decision, scores - ensemble.offset_)
    labels = ensemble.predict(X)
    np.testing.assert_array_equal(labels, np.where(decision < 0, -1, 1))
    np.testing.assert_array_equal(clone(ensemble).fit_predict(X), labels)
    steps = ensemble.score_timesteps(X)
    flags = ensemble.predict_timesteps(X)
    for part, flag, data in zip(
        parts_of_scores(steps), parts_of_scores(flags), parts_of(X), strict=True
    ):
        assert part.shape == flag.shape == (len(data),)
        np.testing.assert_array_equal(flag == -1, -part > ensemble.step_threshold_)
    if len(parts_of(X)) > 1:
        np.testing.assert_allclose([part.mean() for part in steps], scores)
    n_flagged = sum(np.sum(flag == -1) for flag in parts_of_scores(flags))
    assert n_flagged == 6  # a tenth of 60 time steps


def test_a_panel_cannot_be_labelled_after_fitting_one_series(series, panel):
    ensemble = ScoreEnsemble(OURS).fit(series)
    assert ensemble.score_samples(panel).shape == (4,)
    with pytest.raises(ValueError, match="X must be one series .* got a panel panel of 4 series"):
        ensemble.predict(panel)
    assert ensemble.predict_timesteps(panel).shape == (4, 15)


@pytest.mark.parametrize(
    "member",
    [
        IsolationForest(n_estimators=10, random_state=0),
        OneClassSVM(),
        LocalOutlierFactor(novelty=True),
    ],
    ids=lambda member: type(member).__name__,
)
def test_detectors_of_scikit_learn_are_members_for_every_form(member, X):
    ensemble = ScoreEnsemble([("rows", member), *OURS], spans=(1, 3)).fit(X)
    assert np.isfinite(np.concatenate([np.ravel(s) for s in ensemble.score_timesteps(X)])).all()
    assert not hasattr(ensemble, "score_features")
    rows = np.concatenate(parts_of(X)).astype(np.float32)
    alone = -clone(member).fit(rows).score_samples(rows).astype(float)
    single = ScoreEnsemble([("rows", member)], spans=None, quantile=1.0).fit(X)
    found = -np.concatenate([np.ravel(s) for s in single.score_timesteps(X)])
    np.testing.assert_allclose(found, (alone - alone.min()) / np.ptp(alone), atol=1e-4)


def test_a_pipeline_that_scores_rows_is_refused_for_panels(panel, series):
    member = make_pipeline(SequenceTransformer(StandardScaler()), IsolationForest(n_estimators=5))
    assert ScoreEnsemble([("rows", member)]).fit(series).score_samples(series).shape == (60,)
    with pytest.raises(ValueError, match="one series for a Pipeline that ends in IsolationForest"):
        ScoreEnsemble([("rows", member)]).fit(panel)


def test_pipelines_and_frozen_detectors_are_members(X):
    scaled = make_pipeline(SequenceTransformer(StandardScaler()), MeanDetector())
    slower = make_pipeline(Downsampler(factor=2), PersistenceDetector())
    frozen = FrozenEstimator(MeanDetector().fit(X))
    members = [("scaled", scaled), ("slower", slower), ("frozen", frozen)]
    ensemble = ScoreEnsemble(members, spans=(1, 3)).fit(X)
    assert ensemble.estimators_[2].estimator is not None
    assert ensemble.score_samples(X).shape == (len(X),)


def test_features_of_members_must_be_those_of_x(series):
    member = make_pipeline(SequenceTransformer(PCA(1)), MeanDetector())
    ensemble = ScoreEnsemble([("components", member)]).fit(series)
    with pytest.raises(ValueError, match=r"score the values of X, \(60, 2\).* got \(60, 1\)"):
        ensemble.score_features(series)


def test_parameters_of_members_are_set_searched_and_cloned(series):
    ensemble = ScoreEnsemble(OURS, spans=(1, 3))
    params = ensemble.get_params()
    assert params["linear__lags"] == 2
    assert params["mean"] is OURS[0][1]
    grid = {"linear__lags": [1, 3], "mean": [MeanDetector(), "drop"], "spans": [(2,), None]}
    y = np.where(np.arange(60) % 25 == 7, -1, 1)
    data = series.copy()
    data[y == -1] += 4.0
    search = GridSearchCV(ensemble, grid, cv=BlockedSplit(2), scoring=get_scorer("roc_auc"))
    search.set_params(error_score="raise").fit(data, y)
    assert search.best_params_["linear__lags"] in (1, 3)
    twice = clone(clone(ensemble).set_params(linear__lags=4))
    assert twice.get_params()["linear__lags"] == 4
    assert OURS[1][1].lags == 2
    fitted = twice.fit(series)
    assert set(fitted.named_estimators_) == {"mean", "linear"}
    assert fitted.named_estimators_.linear.lags == 4
    assert not hasattr(OURS[0][1], "mean_")


def test_a_dropped_member_takes_its_weight_along(series):
    both = ScoreEnsemble(OURS, weights=[5, 2], spans=(1, 3)).set_params(mean="drop").fit(series)
    alone = ScoreEnsemble(OURS[1:], spans=(1, 3)).fit(series)
    np.testing.assert_array_equal(both.score_samples(series), alone.score_samples(series))


def test_copies_and_pickles_score_alike_and_refits_are_identical(series):
    ensemble = ScoreEnsemble(OURS).fit(series)
    expected = ensemble.score_samples(series)
    for other in (
        copy.deepcopy(ensemble),
        pickle.loads(pickle.dumps(ensemble)),
        ensemble.fit(series),
    ):
        np.testing.assert_array_equal(other.score_samples(series), expected)


def test_names_of_features_reach_the_members(series):
    frame = pd.DataFrame(series, columns=["a", "b"])
    ensemble = ScoreEnsemble(OURS).fit(frame)
    assert list(ensemble.estimators_[0].feature_names_in_) == ["a", "b"]
    assert list(ensemble.feature_names_in_) == ["a", "b"]
    np.testing.assert_array_equal(
        ensemble.score_samples(frame), ScoreEnsemble(OURS).fit(series).score_samples(series)
    )
    with pytest.raises(ValueError, match="feature names"):
        ensemble.score_samples(frame[["b", "a"]].rename(columns={"a": "c"}))


def test_gaps_are_taken_where_all_members_take_them(series):
    gaps = series.copy()
    gaps[10:14] = np.nan
    ensemble = ScoreEnsemble(OURS).fit(gaps)
    assert np.isfinite(ensemble.score_samples(gaps)).all()
    assert ensemble.__sklearn_tags__().input_tags.allow_nan
    svm = ScoreEnsemble([*OURS, ("svm", OneClassSVM())])
    assert not svm.__sklearn_tags__().input_tags.allow_nan


def test_a_member_whose_training_scores_are_all_alike_counts_as_it_is():
    X = np.ones((50, 1))
    ensemble = ScoreEnsemble([("mean", MeanDetector())], spans=(1,)).fit(X)
    changed = X.copy()
    changed[20] = 4.0
    np.testing.assert_allclose(-ensemble.score_samples(changed)[[19, 20]], [0.0, 9.0])


def test_a_threshold_selector_is_used(series):
    ensemble = ScoreEnsemble(OURS, threshold=FixedThreshold(value=0.5)).fit(series)
    assert ensemble.threshold_ == ensemble.threshold_selector_.threshold_ == 0.5


# ------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"estimators": []}, "at least one .name, detector.; got an empty list"),
        ({"estimators": [MeanDetector()]}, "list of .name, detector.*got MeanDetector"),
        ({"estimators": [("a", "none")]}, "or .name, \"drop\".; got .'a', 'none'."),
        ({"estimators": [("a", "drop")]}, 'at least one detector; got "drop" for each'),
        ({"estimators": [("a", StandardScaler())]}, "fit and score_samples.*got StandardScaler"),
        ({"estimators": [("a", LocalOutlierFactor())]}, "use novelty=True"),
        ({"estimators": [("a", MeanDetector)]}, "instances of them"),
        ({"estimators": [("a", MeanDetector()), ("a", MeanDetector())]}, "not unique"),
        ({"estimators": [("a__b", MeanDetector())]}, "must not contain __"),
        ({"estimators": [("spans", MeanDetector())]}, "conflict with constructor"),
        ({"weights": [1.0]}, r"weights must be 2 numbers.*got \[1.0\]"),
        ({"weights": [1.0, -1.0]}, "none negative"),
        ({"weights": [0.0, 0.0]}, "not all be zero"),
        ({"spans": ()}, r"spans must be whole numbers.*got \(\)"),
        ({"spans": (0, 4)}, r"none below 1; got \(0, 4\)"),
        ({"spans": (2.5,)}, r"whole numbers.*got \(2.5,\)"),
        ({"spans": 4}, "'spans' parameter of ScoreEnsemble must be"),
        ({"warm_up": 60}, "warm_up must be less than 60, the length of the longest series; got 60"),
        ({"quantile": 0.5}, "'quantile' parameter"),
        ({"combination": "median"}, "'combination' parameter"),
        ({"contamination": 0.0}, "'contamination' parameter"),
    ],
)
def test_wrong_parameters_are_refused(series, params, message):
    with pytest.raises(ValueError, match=message):
        ScoreEnsemble(**{"estimators": OURS} | params).fit(series)


def test_a_member_that_gives_no_finite_scores_is_named(series):
    class Broken(MeanDetector):
        def score_timesteps(self, X):
            return np.full(len(X), np.nan)

    with pytest.raises(ValueError, match="finite scores; got NaN or infinity from Broken"):
        ScoreEnsemble([("broken", Broken())]).fit(series)


# --------------------------------------------------------------------- the recommended detector


def small(detector):
    """Give the networks of the recommended detector the settings of tiny.py."""
    tiny = {key: TINY[key] for key in ("window_size", "hidden_units", "batch_size")}
    names = "forecaster", "autoencoder"
    params = {f"detect__{n}__{key}": value for n in names for key, value in tiny.items()}
    return detector.set_params(**params, detect__nearest__window_size=8)


def params_of(X, **options):
    return make_detector(X, **options)[-1].get_params()


def test_the_recommended_detector_finds_what_it_should(series):
    rng = np.random.default_rng(0)
    X = np.sin(np.arange(400) / 4)[:, None] * [1, 2] + 0.1 * rng.normal(size=(400, 2))
    X_test = X.copy()
    X_test[200:230, 0] = 0.0
    detector = make_detector(X, training_windows=64, random_state=0)
    small(detector).fit(X)
    scores = detector.score_samples(X_test)
    assert 195 < np.argmin(scores) < 235
    assert (detector.predict(X_test)[205:225] == -1).all()
    again = clone(detector).fit(X).score_samples(X_test)
    np.testing.assert_array_equal(again, scores)


def test_epochs_follow_from_the_number_of_windows():
    rng = np.random.default_rng(0)
    for n_timesteps, n_epochs in ((563, 40), (163, 60), (30_000, 7)):
        params = params_of(rng.normal(size=(n_timesteps, 1)))
        assert params["forecaster__max_epochs"] == params["autoencoder__max_epochs"] == n_epochs
    assert params["autoencoder__max_windows_per_epoch"] == 3000
    assert params_of(rng.normal(size=(563, 1)), training_windows=0)["forecaster__max_epochs"] == 0


def test_windows_are_a_quarter_of_the_shortest_series(ragged):
    params = params_of(ragged)
    assert {params[f"{m}__window_size"] for m in ("forecaster", "autoencoder", "nearest")} == {3}
    assert params["spans"] == (1, 3, 12)
    assert params_of(np.zeros((1000, 2)) + np.arange(1000)[:, None])["spans"] == (4, 16, 64, 256)


def test_long_series_have_fewer_windows_but_not_causal_ones():
    X = np.arange(130_000.0)[:, None]
    assert params_of(X)["autoencoder__stride"] == 2
    assert params_of(X, causal=True)["autoencoder__stride"] == 1


def test_causal_scores_do_not_change_when_the_series_goes_on():
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.normal(size=(240, 2)), axis=0)
    detector = make_detector(X, causal=True, training_windows=40, random_state=0)
    small(detector).fit(X)
    whole = detector.score_samples(X)
    for n_timesteps in (20, 66, 100, 171):
        head = detector.score_samples(X[:n_timesteps])
        np.testing.assert_allclose(head, whole[:n_timesteps], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"causal": "yes"}, "'causal' parameter of make_detector"),
        ({"training_windows": -1}, "'training_windows' parameter of make_detector"),
        ({"contamination": 0.7}, "'contamination' parameter of make_detector"),
    ],
)
def test_wrong_options_of_make_detector_are_refused(series, options, message):
    with pytest.raises(ValueError, match=message):
        make_detector(series, **options)
    with pytest.raises(ValueError, match="2 dimensions"):
        make_detector(series[:, 0])


def test_sharp_leaves_out_long_averages_and_both_leave_room_above_the_quantile():
    X = np.random.default_rng(0).normal(size=(600, 1))
    plain, sharp = params_of(X), params_of(X, sharp=True)
    assert (plain["spans"], sharp["spans"]) == ((4, 16, 64, 256), (4, 16))
    for params in (plain, sharp):
        assert (params["threshold"].contamination, params["threshold"].factor) == (0.01, 2.0)
    given = QuantileThreshold(contamination=0.1)
    assert params_of(X, sharp=True, threshold=given)["threshold"] is given
