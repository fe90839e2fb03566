"""Scorers for labels -1 and 1: anomalies are to be found, and signs cannot be turned round."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from sklearn.metrics import get_scorer as scikit_learn_scorer
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import TINY

from skanomaly import LSTMAutoencoder, MeanDetector, PersistenceDetector
from skanomaly.datasets import make_series
from skanomaly.metrics import event_precision_recall_f, to_outlier_labels, vus_pr
from skanomaly.model_selection import (
    BlockedSplit,
    FixedThresholdDetector,
    OutlierScorer,
    get_scorer,
    get_scorer_names,
)
from skanomaly.preprocessing import Differencer, Downsampler, SequenceTransformer

made = make_series(n_train=300, n_test=500, random_state=0)
X_TEST, Y_TEST = made.X_test, np.asarray(made.y_test)


@pytest.fixture(scope="module")
def detector():
    return PersistenceDetector(contamination=0.05).fit(made.X_train)


def scaled(last):
    return make_pipeline(SequenceTransformer(StandardScaler()), Differencer(), last)


def expected_of(name, anomalous, scores, labels):
    """What a named scorer must return, by scikit-learn with anomalies as class 1."""
    if name == "f1":
        return f1_score(anomalous, labels == -1)
    metric = {"average_precision": average_precision_score, "roc_auc": roc_auc_score}[name]
    return metric(anomalous, scores)


@pytest.mark.parametrize("name", ["average_precision", "roc_auc", "f1"])
def test_named_scorers_rate_how_well_anomalies_are_found(detector, name):
    expected = expected_of(
        name, Y_TEST == -1, -detector.score_samples(X_TEST), detector.predict(X_TEST)
    )
    assert get_scorer(name)(detector, X_TEST, Y_TEST) == pytest.approx(expected, rel=1e-12)


def test_composite_f_cannot_be_had_by_flagging_everything(detector):
    everything = FixedThresholdDetector(FrozenEstimator(detector), threshold=-1.0).fit(X_TEST)
    assert get_scorer("event_f1")(everything, X_TEST, Y_TEST) == 1
    share = np.mean(Y_TEST == -1)
    composite = get_scorer("composite_f1")
    assert composite(everything, X_TEST, Y_TEST) == pytest.approx(2 * share / (share + 1))
    nothing = FixedThresholdDetector(FrozenEstimator(detector), threshold=1e9).fit(X_TEST)
    assert composite(nothing, X_TEST, Y_TEST) == 0


@pytest.mark.parametrize("name", ["average_precision", "f1"])
def test_scorers_of_scikit_learn_by_the_same_name_rate_the_normal_ones(detector, name):
    ours = get_scorer(name)(detector, X_TEST, Y_TEST)
    theirs = scikit_learn_scorer(name)(detector, X_TEST, Y_TEST)
    flipped = expected_of(
        name, Y_TEST == 1, detector.score_samples(X_TEST), -detector.predict(X_TEST)
    )
    assert theirs == pytest.approx(flipped)
    assert theirs - ours > 0.1


@pytest.mark.parametrize("name", get_scorer_names())
def test_a_better_detector_gets_a_higher_score(name):
    steps = np.arange(400)
    X = np.sin(steps / 4)[:, None] + 0.01 * np.random.default_rng(0).normal(size=(400, 1))
    y = np.ones(400, dtype=int)
    for start in (150, 300):
        X[start : start + 10] += np.random.default_rng(start).normal(size=(10, 1))
        y[start : start + 10] = -1
    good, bad = (
        detector.fit(X[:100])
        for detector in (
            PersistenceDetector(lag=25, contamination=0.01),
            MeanDetector(contamination=0.5),
        )
    )
    if name == "recall":
        bad.set_params(contamination=1e-9).fit(X[:100])
    scorer = get_scorer(name)
    assert scorer(good, X, y) > scorer(bad, X, y) + 0.05


@pytest.mark.parametrize("name", get_scorer_names())
@pytest.mark.parametrize(
    ("wrong", "received"),
    [
        (lambda y: (y == -1).astype(int), "got '0', '1'"),
        (lambda y: y == -1, "got 'False', 'True'"),
        (lambda y: np.where(y == -1, np.nan, 1.0), "got '1.0', 'nan'"),
        (lambda y: np.where(y == -1, "bad", "good"), "got 'bad', 'good'"),
    ],
)
def test_other_labels_are_refused(detector, name, wrong, received):
    with pytest.raises(ValueError, match=f"y must hold -1 .*{received}.*to_outlier_labels"):
        get_scorer(name)(detector, X_TEST, wrong(Y_TEST))


def test_converted_labels_are_taken_in_any_container(detector):
    labels = to_outlier_labels((Y_TEST == -1).astype(int))
    scorer = get_scorer("average_precision")
    expected = scorer(detector, X_TEST, Y_TEST)
    for y in (labels, labels.tolist(), pd.Series(labels), labels.astype(float)):
        assert scorer(detector, X_TEST, y) == expected


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y must hold labels.*got None"),
        (Y_TEST[:-1], "one entry for each time step of X, 500; got 499"),
        (Y_TEST[:, None], r"y must have 1 dimension.*got shape \(500, 1\)"),
        (np.ones(500, bool), "y must hold -1 for anomalies and 1 for the rest; got 'True'"),
        (np.ones(500, int), "y must hold both labels, -1 and 1; got no anomaly among 500"),
        (-np.ones(500, int), "got anomalies only among 500.*fewer or longer folds"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(detector, y, message):
    with pytest.raises(ValueError, match=message):
        get_scorer("f1")(detector, X_TEST, y)


def test_a_detector_with_scores_the_other_way_round_is_refused(detector):
    class Inverted(PersistenceDetector):
        decision_scores_ = np.zeros(1)

    with pytest.raises(ValueError, match="decision_scores_ tells that it follows PyOD"):
        get_scorer("roc_auc")(Inverted().fit(made.X_train), X_TEST, Y_TEST)


def test_an_estimator_without_scores_is_refused():
    scaler = StandardScaler().fit(X_TEST)
    with pytest.raises(TypeError, match="needs a detector with that method; got StandardScaler"):
        get_scorer("roc_auc")(scaler, X_TEST, Y_TEST)
    factor = LocalOutlierFactor().fit(X_TEST)
    with pytest.raises(TypeError, match="got LocalOutlierFactor.*novelty=True"):
        get_scorer("roc_auc")(factor, X_TEST, Y_TEST)


# ------------------------------------------------------------------------------------- panels


def cut(X, y, form):
    if form == "ragged":
        ends = [120, 260, 300]
        return np.split(X, ends), np.split(y, ends)
    return X.reshape(4, 125, -1), y.reshape(4, 125)


@pytest.mark.parametrize("form", ["panel", "ragged"])
@pytest.mark.parametrize("name", get_scorer_names())
def test_labels_per_time_step_of_a_panel_are_compared_step_by_step(form, name):
    X, y = cut(X_TEST, Y_TEST, form)
    fitted = MeanDetector(contamination=0.1).fit(X)
    scorer = get_scorer(name)
    scores = [-part for part in fitted.score_timesteps(X)]
    found = scores if scorer.response == "scores" else list(fitted.predict_timesteps(X))
    assert scorer(fitted, X, y) == scorer.evaluate(list(y), found)
    if name in ("average_precision", "roc_auc", "f1"):
        labels = np.concatenate(list(fitted.predict_timesteps(X)))
        expected = expected_of(name, Y_TEST == -1, np.concatenate(scores), labels)
        assert scorer(fitted, X, y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("form", ["series", "panel", "ragged"])
@pytest.mark.parametrize("name", ["average_precision", "f1"])
def test_pipelines_and_wrappers_are_walked_through(form, name):
    X, y = (X_TEST, Y_TEST) if form == "series" else cut(X_TEST, Y_TEST, form)
    pipeline = scaled(MeanDetector(contamination=0.05)).fit(X)
    inner = pipeline[:-1].transform(X)
    scorer = get_scorer(name)
    expected = scorer(pipeline[-1], inner, y)
    threshold = pipeline[-1].step_threshold_
    wrappers = [
        pipeline,
        FrozenEstimator(pipeline),
        Pipeline([("off", "passthrough"), ("all", pipeline)]),
        FixedThresholdDetector(FrozenEstimator(pipeline), threshold=threshold).fit(X),
    ]
    for wrapper in wrappers:
        assert scorer(wrapper, X, y) == expected


def test_a_search_that_was_fitted_is_walked_through(panel):
    y = np.ones((4, 15), dtype=int)
    y[:, 3] = -1
    search = GridSearchCV(
        scaled(PersistenceDetector()),
        {"persistencedetector__lag": [1, 2]},
        cv=KFold(2),
        scoring=get_scorer("average_precision"),
    ).fit(panel, y)
    again = get_scorer("average_precision")(search, panel, y)
    assert again == get_scorer("average_precision")(search.best_estimator_, panel, y)


@pytest.mark.parametrize("form", ["series", "ragged"])
def test_what_was_downsampled_is_put_back(form):
    X, y = (X_TEST, Y_TEST) if form == "series" else cut(X_TEST, Y_TEST, form)
    pipeline = make_pipeline(Downsampler(factor=4), MeanDetector()).fit(X)
    coarse = pipeline[-1].score_timesteps(pipeline[:-1].transform(X))
    coarse, lengths = ([coarse], [500]) if form == "series" else (coarse, [len(x) for x in X])
    scores = np.concatenate(
        [-np.repeat(part, 4)[:length] for part, length in zip(coarse, lengths, strict=True)]
    )
    expected = average_precision_score(Y_TEST == -1, scores)
    assert get_scorer("average_precision")(pipeline, X, y) == pytest.approx(expected)
    assert 0 <= get_scorer("event_f1")(pipeline, X, y) <= 1


def test_labels_per_series_are_compared_with_scores_of_series(panel):
    y = np.array([1, -1, 1, 1])
    strange = panel.copy()
    strange[1] += 3 * np.random.default_rng(0).normal(size=strange[1].shape)
    fitted = PersistenceDetector().fit(panel)
    assert get_scorer("average_precision")(fitted, strange, y) == 1
    assert get_scorer("average_precision")(fitted, strange[[1, 0, 2, 3]], y) < 1
    for name in ("vus_pr", "event_f1", "range_f1"):
        with pytest.raises(ValueError, match="needs labels per time step.*got one label per ser"):
            get_scorer(name)(fitted, strange, y)


def test_nested_labels_that_do_not_fit_are_refused(ragged):
    fitted = PersistenceDetector().fit(ragged)
    y = [np.ones(len(part), dtype=int) for part in ragged]
    y[1][2] = -1
    y[2] = y[2][:-1]
    with pytest.raises(ValueError, match=r"y\[2\] must have one entry for each time step"):
        get_scorer("f1")(fitted, ragged, y)
    with pytest.raises(ValueError, match="one entry for each series of X, 3; got 2"):
        get_scorer("f1")(fitted, ragged, y[:2])


def test_time_steps_of_a_panel_need_a_detector_that_scores_them():
    class Whole(IsolationForest):
        """Takes panels, scores series."""

        def fit(self, X, y=None):
            return super().fit(np.reshape(X, (len(X), -1)))

    X, y = cut(X_TEST, Y_TEST, "panel")
    forest = Whole(n_estimators=3).fit(X)
    with pytest.raises(TypeError, match="must have the method score_timesteps.*labels per series"):
        get_scorer("roc_auc")(forest, X, y)


# ----------------------------------------------------------------------------------- searches


def test_a_search_ranks_by_anomalies_and_keeps_several_scores():
    scoring = {name: get_scorer(name) for name in ("average_precision", "f1", "vus_pr")}
    grid = {"contamination": [0.01, 0.05], "lag": [1, 3]}
    cv = BlockedSplit(2, window_size=3)
    search = GridSearchCV(
        PersistenceDetector(), grid, cv=cv, scoring=scoring, refit="average_precision"
    ).fit(X_TEST, Y_TEST)
    for name in ("average_precision", "f1"):
        expected = []
        for params in search.cv_results_["params"]:
            folds = []
            for train, test in cv.split(X_TEST):
                fitted = PersistenceDetector(**params).fit(X_TEST[train])
                scores, labels = -fitted.score_samples(X_TEST[test]), fitted.predict(X_TEST[test])
                folds.append(expected_of(name, Y_TEST[test] == -1, scores, labels))
            expected.append(np.mean(folds))
        np.testing.assert_allclose(search.cv_results_[f"mean_test_{name}"], expected)
    assert clone(search).scoring["f1"].metric is scoring["f1"].metric


def test_networks_in_pipelines_with_nested_labels(panel):
    y = np.ones((4, 15), dtype=int)
    y[:, 5:8] = -1
    network = LSTMAutoencoder(**TINY | {"window_size": 4, "max_epochs": 1, "contamination": 0.4})
    scores = cross_val_score(
        scaled(network), panel, y, cv=KFold(2), scoring=get_scorer("event_f1"), error_score="raise"
    )
    assert np.isfinite(scores).all()


def test_scorers_work_where_metadata_is_routed():
    search = GridSearchCV(
        PersistenceDetector(), {"lag": [1]}, cv=BlockedSplit(2), scoring=get_scorer("f1")
    )
    expected = clone(search).fit(X_TEST, Y_TEST).best_score_
    with config_context(enable_metadata_routing=True):
        assert search.fit(X_TEST, Y_TEST).best_score_ == expected


def test_a_fold_with_labels_of_one_kind_gets_the_error_score_and_says_why():
    y = np.ones(500, dtype=int)
    y[100] = -1  # in the first of two blocks
    search = GridSearchCV(
        PersistenceDetector(),
        {"lag": [1]},
        cv=BlockedSplit(2),
        scoring=get_scorer("average_precision"),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        search.fit(X_TEST, y)
    messages = [str(warning.message) for warning in caught]
    assert any("y must hold both labels" in message for message in messages)
    assert any("non-finite" in message for message in messages)
    assert np.isfinite(search.cv_results_["split0_test_score"]).all()
    assert np.isnan(search.cv_results_["split1_test_score"]).all()
    with pytest.raises(ValueError, match="y must hold both labels"):
        search.set_params(error_score="raise").fit(X_TEST, y)


# ------------------------------------------------------------------------------- of your own


def test_parameters_reach_the_metric(detector):
    scores = -detector.score_samples(X_TEST)
    wide = get_scorer("vus_pr", max_buffer=40)
    assert wide(detector, X_TEST, Y_TEST) == vus_pr(Y_TEST, scores, max_buffer=40)
    assert repr(wide) == "OutlierScorer(vus_pr, response='scores', max_buffer=40)"
    assert pickle.loads(pickle.dumps(wide))(detector, X_TEST, Y_TEST) == wide(
        detector, X_TEST, Y_TEST
    )


def test_a_metric_of_the_users_own(detector):
    precision = OutlierScorer(
        lambda y_true, y_pred: event_precision_recall_f(y_true, y_pred).precision,
        response="labels",
        timesteps_only=True,
    )
    labels = detector.predict(X_TEST)
    assert precision(detector, X_TEST, Y_TEST) == event_precision_recall_f(Y_TEST, labels).precision


def test_a_metric_that_is_not_defined_is_an_error(detector):
    undefined = OutlierScorer(lambda y_true, y_score: np.nan, response="scores")
    with pytest.raises(ValueError, match="must be defined on X and y; got NaN"):
        undefined(detector, X_TEST, Y_TEST)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "f1", "response": "labels"}, "'metric' parameter"),
        ({"metric": len, "response": "predict"}, "'response' parameter"),
    ],
)
def test_scorers_check_their_parameters(arguments, message):
    with pytest.raises(ValueError, match=message):
        OutlierScorer(**arguments)


@pytest.mark.parametrize("name", ["auc", None, ["f1"]])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(ValueError, match="scoring must be one of 'average_precision'.*got "):
        get_scorer(name)
