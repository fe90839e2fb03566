"""Detectors with thresholds from outside."""

import pickle

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.base import clone
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
)
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils.estimator_checks import parametrize_with_checks
from tiny import TINY

from skanomaly import LSTMAutoencoder, MeanDetector, PersistenceDetector
from skanomaly.datasets import make_series
from skanomaly.metrics import event_precision_recall_f, point_precision_recall_f
from skanomaly.model_selection import (
    BlockedSplit,
    ExpandingWindowSplit,
    FixedThresholdDetector,
    OutlierScorer,
    TunedThresholdDetectorCV,
)
from skanomaly.preprocessing import Differencer, Downsampler, SequenceTransformer
from skanomaly.thresholds import BaseThreshold, FixedThreshold, QuantileThreshold

# Many detectors, labels and scorings here are too bad for a useful threshold; one test is of that.
pytestmark = pytest.mark.filterwarnings("ignore:The best threshold by")

made = make_series(n_train=300, n_test=600, random_state=1)
X, Y = made.X_test, np.asarray(made.y_test)
PANEL, Y_PANEL = X.reshape(6, 100, -1), Y.reshape(6, 100)
RAGGED, Y_RAGGED = np.split(X, [80, 200, 420]), np.split(Y, [80, 200, 420])
DETECTORS = [
    MeanDetector(),
    PersistenceDetector(lag=2),
    IsolationForest(n_estimators=10, random_state=0),
    LocalOutlierFactor(novelty=True),
    OneClassSVM(),
    make_pipeline(StandardScaler(), OneClassSVM()),
    make_pipeline(SequenceTransformer(StandardScaler()), Differencer(), PersistenceDetector()),
]
each_detector = pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: type(d).__name__)


class CountingDetector(PersistenceDetector):
    """Counts how often any of it was fitted."""

    fits = 0

    def fit(self, X, y=None):
        assert y is None, "detectors never see labels"
        type(self).fits += 1
        return super().fit(X)


class LikePyOD:
    """A detector with scores the other way round, and nothing else of scikit-learn."""

    def __init__(self, contamination=0.1):
        self.contamination = contamination

    def get_params(self, deep=True):
        return {"contamination": self.contamination}

    def set_params(self, **params):
        vars(self).update(params)
        return self

    def fit(self, X, y=None):
        self.centre_ = np.mean(X, axis=0)
        self.decision_scores_ = self.decision_function(X)
        return self

    def decision_function(self, X):
        return np.linalg.norm(np.asarray(X) - self.centre_, axis=1)


class Labelled(BaseThreshold):
    """A selector that needs labels: just below the lowest anomaly."""

    def _select(self, scores, y):
        return np.nextafter(scores[np.asarray(y) == -1].min(), -np.inf)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


@pytest.fixture
def counting():
    CountingDetector.fits = 0
    return CountingDetector()


# ---------------------------------------------------------------------------- scikit-learn


class TunedOnInventedLabels(TunedThresholdDetectorCV):
    """Labels every third sample -1, for the checks have no labels -1 and 1."""

    def fit(self, X, y=None, groups=None):
        n_samples = X.shape[0] if hasattr(X, "shape") else len(np.asarray(X))
        return super().fit(X, np.where(np.arange(n_samples) % 3 == 2, -1, 1), groups)


def expected_failed_checks(estimator):
    if not isinstance(estimator.estimator, PersistenceDetector):
        return {}
    reason = "rows are time steps: what is normal for one depends on those before it"
    return dict.fromkeys(
        ["check_methods_sample_order_invariance", "check_methods_subset_invariance"], reason
    )


@parametrize_with_checks(
    [
        FixedThresholdDetector(PersistenceDetector()),
        FixedThresholdDetector(IsolationForest(n_estimators=5, random_state=0)),
        TunedOnInventedLabels(PersistenceDetector(), cv=2),
        TunedOnInventedLabels(IsolationForest(n_estimators=5, random_state=0), cv=2),
    ],
    expected_failed_checks=expected_failed_checks,
)
def test_check_estimator(estimator, check):
    check(estimator)


@pytest.mark.parametrize("meta", [FixedThresholdDetector, TunedThresholdDetectorCV])
def test_before_fit_is_an_error_and_parameters_are_reached(meta):
    wrapped = meta(PersistenceDetector(lag=3))
    with pytest.raises(NotFittedError):
        wrapped.predict(X)
    assert clone(wrapped).set_params(estimator__lag=4).estimator.lag == 4
    assert wrapped.estimator.lag == 3


# ----------------------------------------------------------------------------------- fixed


@each_detector
def test_a_number_is_compared_with_anomaly_scores(detector):
    scores = -clone(detector).fit(X).score_samples(X)
    value = float(np.quantile(scores, 0.9))
    fixed = FixedThresholdDetector(detector, threshold=value).fit(X)
    np.testing.assert_array_equal(fixed.predict(X), np.where(scores > value, -1, 1))
    np.testing.assert_array_equal(fixed.score_samples(X), -scores)
    np.testing.assert_allclose(fixed.decision_function(X), value - scores)
    assert (fixed.threshold_, fixed.offset_) == (value, -value)
    assert not hasattr(detector, "n_features_in_")
    assert fixed.n_features_in_ == X.shape[1]


@each_detector
def test_a_selector_is_fitted_on_anomaly_scores(detector):
    fixed = FixedThresholdDetector(detector, threshold=QuantileThreshold(contamination=0.2)).fit(X)
    scores = -clone(detector).fit(X).score_samples(X)
    assert fixed.threshold_ == np.quantile(scores, 0.8)
    default = FixedThresholdDetector(detector).fit(X)
    assert default.threshold_ == np.quantile(scores, 0.99)
    assert pickle.loads(pickle.dumps(fixed)).predict(X).tolist() == fixed.predict(X).tolist()


@pytest.mark.parametrize("form", [PANEL, RAGGED], ids=["panel", "ragged"])
def test_panels_have_thresholds_for_series_and_for_steps(form):
    detector = PersistenceDetector(threshold=QuantileThreshold(contamination=0.3)).fit(form)
    fixed = FixedThresholdDetector(
        PersistenceDetector(), threshold=QuantileThreshold(contamination=0.3)
    ).fit(form)
    assert fixed.threshold_ == pytest.approx(detector.threshold_)
    assert fixed.step_threshold_ == pytest.approx(detector.step_threshold_)
    np.testing.assert_array_equal(fixed.predict(form), detector.predict(form))
    for method in ("predict_timesteps", "score_timesteps"):
        ours, theirs = getattr(fixed, method)(form), getattr(detector, method)(form)
        assert type(ours) is type(theirs)
        for part, expected in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(part, expected)
    np.testing.assert_array_equal(fixed.predict(X), detector.predict(X))


def test_a_selector_with_labels_gets_those_of_its_scores():
    for data, y in ((X, Y), (PANEL, Y_PANEL), (RAGGED, Y_RAGGED)):
        fixed = FixedThresholdDetector(MeanDetector(), threshold=Labelled()).fit(data, y)
        found = fixed.predict_timesteps(data)
        flat = np.concatenate([np.ravel(part) for part in found])
        assert (flat[Y == -1] == -1).all()
        assert (flat == 1).any()
    y = np.array([1, 1, -1, 1, 1, 1])
    fixed = FixedThresholdDetector(MeanDetector(), threshold=Labelled()).fit(PANEL, y)
    assert fixed.predict(PANEL)[2] == -1
    with pytest.raises(ValueError, match="need a threshold for time steps; got one for whole"):
        fixed.predict_timesteps(PANEL)
    with pytest.raises(ValueError, match="y must hold labels.*got None"):
        fixed.fit(PANEL)


def test_another_threshold_needs_no_other_fit(counting):
    fitted = counting.fit(made.X_train)
    expected = {value: np.sum(-fitted.score_samples(X) > value) for value in (0.1, 1.0, 10.0)}
    for value, n_flagged in expected.items():
        fixed = FixedThresholdDetector(FrozenEstimator(fitted), threshold=value).fit(X)
        assert np.sum(fixed.predict(X) == -1) == n_flagged
        assert fixed.estimator_.estimator is fitted
    search = GridSearchCV(
        FixedThresholdDetector(FrozenEstimator(fitted)),
        {"threshold": [0.1, 1.0, FixedThreshold(value=2.0)]},
        scoring=OutlierScorer(point_precision_recall_f, response="labels"),
        cv=[(np.arange(10), np.arange(600))],
    ).fit(X, Y)
    TunedThresholdDetectorCV(FrozenEstimator(fitted)).fit(X, Y)
    TunedThresholdDetectorCV(fitted, cv="prefit", refit=False).fit(X, Y)
    assert len(set(search.cv_results_["mean_test_score"])) == 3
    assert CountingDetector.fits == 1


def test_scores_that_point_the_other_way_need_to_be_announced():
    detector = LikePyOD().fit(X)
    fixed = FixedThresholdDetector(LikePyOD(), threshold=2.0, response_method="pyod").fit(X)
    far = detector.decision_function(X) > 2
    assert far.any()
    np.testing.assert_array_equal(fixed.predict(X) == -1, far)
    np.testing.assert_array_equal(fixed.score_samples(X), -detector.decision_function(X))
    tuned = TunedThresholdDetectorCV(LikePyOD(), response_method="pyod").fit(X, Y)
    np.testing.assert_array_equal(
        tuned.predict(X) == -1, detector.decision_function(X) > tuned.best_threshold_
    )
    for wrong in ("decision_function", "score_samples"):
        with pytest.raises(ValueError, match="LikePyOD, whose decision_scores_.*'pyod'"):
            FixedThresholdDetector(LikePyOD(), response_method=wrong).fit(X)
    with pytest.raises(ValueError, match="MeanDetector, whose score_samples.*scikit-learn"):
        FixedThresholdDetector(MeanDetector(), response_method="pyod").fit(X)


def test_decision_functions_have_their_own_scale():
    fixed = FixedThresholdDetector(
        MeanDetector(contamination=0.1), threshold=0.0, response_method="decision_function"
    ).fit(X)
    inner = MeanDetector(contamination=0.1).fit(X)
    np.testing.assert_array_equal(fixed.predict(X), inner.predict(X))
    assert not hasattr(fixed, "score_timesteps")
    with pytest.raises(AttributeError, match="score_timesteps"):
        fixed.score_timesteps(X)
    assert not hasattr(FixedThresholdDetector(OneClassSVM()).fit(X), "predict_timesteps")


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": np.nan},
        {"threshold": "auto"},
        {"response_method": "predict_proba"},
        {"estimator": StandardScaler()},
        {"estimator": LocalOutlierFactor()},
    ],
)
def test_fixed_refuses_wrong_parameters(wrong):
    arguments = {"estimator": MeanDetector()} | wrong
    with pytest.raises(ValueError, match=f"'{next(iter(wrong))}' parameter of FixedThreshold"):
        FixedThresholdDetector(**arguments).fit(X)


# ----------------------------------------------------------------------------------- tuned


def best_f(anomalous, scores):
    """Slow and obvious: the best F of anomalies over every threshold."""
    flagged = scores > np.unique(scores)[:, None]
    right = (flagged & anomalous).sum(axis=1)
    return (2 * right / (flagged.sum(axis=1) + anomalous.sum())).max()


def out_of_fold(detector, folds):
    """Slow and obvious: labels and anomaly scores of each test part."""
    return [
        (Y[test], -clone(detector).fit(X[train]).score_samples(X[test])) for train, test in folds
    ]


@pytest.mark.parametrize("scoring", ["f1", "event_f1"])
@each_detector
def test_the_threshold_is_the_best_on_scores_out_of_fold(detector, scoring):
    cv = ExpandingWindowSplit(3, window_size=5)
    tuned = TunedThresholdDetectorCV(
        detector, scoring=scoring, cv=cv, thresholds=10_000, store_cv_results=True
    ).fit(X, Y)
    parts = out_of_fold(detector, cv.split(X))
    metric = point_precision_recall_f if scoring == "f1" else event_precision_recall_f
    truth = [y for y, _ in parts]

    def rate(threshold):
        return metric(truth, [np.where(scores > threshold, -1, 1) for _, scores in parts]).f

    every = np.unique(np.concatenate([scores for _, scores in parts]))
    best = max(rate(threshold) for threshold in every[::7])
    assert tuned.best_score_ >= best
    assert tuned.best_score_ == pytest.approx(rate(tuned.best_threshold_))
    assert tuned.threshold_ == tuned.best_threshold_ == -tuned.offset_
    scores = -clone(detector).fit(X).score_samples(X)  # fitted again on all of X
    np.testing.assert_array_equal(tuned.predict(X) == -1, scores > tuned.threshold_)
    found = tuned.cv_results_
    assert [part.tolist() for part in found["y_true"]] == [y.tolist() for y in truth]
    np.testing.assert_allclose(found["scores"][::40], [rate(t) for t in found["thresholds"][::40]])


def test_a_scoring_that_is_best_when_all_is_flagged_is_warned_of():
    with pytest.warns(
        UserWarning, match=r"event_precision.* flags 100 % of the samples.*composite"
    ):
        TunedThresholdDetectorCV(MeanDetector(), scoring="event_f1", cv=BlockedSplit(3)).fit(X, Y)
    tuned = TunedThresholdDetectorCV(PersistenceDetector(), scoring="composite_f1")
    assert (tuned.fit(X, Y).predict(X) == 1).mean() > 0.1


def test_few_thresholds_flag_one_two_and_then_ever_more():
    tuned = TunedThresholdDetectorCV(
        MeanDetector(), thresholds=20, cv=BlockedSplit(3), store_cv_results=True
    ).fit(X, Y)
    scores = np.concatenate(tuned.cv_results_["y_score"])
    flagged = [int(np.sum(scores > t)) for t in tuned.cv_results_["thresholds"]][::-1]
    assert flagged[:5] == [1, 2, 3, 4, 5]
    assert flagged[-1] == len(scores) - 1
    assert len(flagged) <= 20
    assert (np.diff(flagged) > 0).all()


def test_thresholds_can_be_given_and_ties_go_to_the_one_that_flags_least():
    y = np.ones(100, dtype=int)
    y[:2] = -1
    data = np.zeros((100, 1))
    data[:2] = 10.0
    tuned = TunedThresholdDetectorCV(
        MeanDetector(), thresholds=[5.0, 1e6, 1.0, 2.0], cv=[(np.arange(2, 100), np.arange(100))]
    ).fit(data, y)
    assert (tuned.best_threshold_, tuned.best_score_) == (5.0, 1.0)


@pytest.mark.parametrize(
    ("data", "y"), [(PANEL, Y_PANEL), (RAGGED, Y_RAGGED)], ids=["panel", "ragged"]
)
def test_labels_per_time_step_of_a_panel(data, y):
    detector = make_pipeline(SequenceTransformer(StandardScaler()), PersistenceDetector())
    tuned = TunedThresholdDetectorCV(detector, cv=KFold(2), thresholds=10_000).fit(data, y)
    truth, scores = [], []
    for train, test in KFold(2).split(data):
        fitted = clone(detector).fit([data[i] for i in train])
        inner = fitted[:-1].transform([data[i] for i in test])
        scores += [-part for part in fitted[-1].score_timesteps(inner)]
        truth += [y[i] for i in test]
    truth, scores = np.concatenate(truth), np.concatenate(scores)
    assert tuned.best_score_ == pytest.approx(best_f(truth == -1, scores))
    assert tuned.step_threshold_ == tuned.best_threshold_
    assert len(tuned.predict_timesteps(data)) == len(data)
    assert tuned.predict(X).shape == (600,)
    with pytest.raises(ValueError, match="threshold was chosen for time steps; got . series"):
        tuned.predict(data)


def test_labels_per_series():
    strange = PANEL.copy()
    strange[[1, 4]] += 5 * np.random.default_rng(0).normal(size=(2, *PANEL.shape[1:]))
    y = np.array([1, -1, 1, 1, -1, 1])
    tuned = TunedThresholdDetectorCV(
        PersistenceDetector(), cv=3, random_state=0, store_cv_results=True
    ).fit(strange, y)
    assert tuned.best_score_ == 1
    np.testing.assert_array_equal(tuned.predict(strange), y)
    np.testing.assert_array_equal(tuned.fit_predict(strange, y), y)
    with pytest.raises(ValueError, match="got one for whole series, from labels per series"):
        tuned.predict(X)
    with pytest.raises(ValueError, match="needs labels per time step"):
        tuned.set_params(scoring="event_f1").fit(strange, y)


def test_groups_reach_the_splitter():
    groups = [0, 0, 1, 1, 2, 2]
    tuned = TunedThresholdDetectorCV(MeanDetector(), cv=GroupKFold(3), store_cv_results=True)
    tuned.fit(PANEL, Y_PANEL, groups=groups)
    assert [len(part) for part in tuned.cv_results_["y_true"]] == [200, 200, 200]
    with pytest.raises(ValueError, match="groups"):
        tuned.fit(PANEL, Y_PANEL)


@pytest.mark.parametrize(
    ("detector", "gap"),
    [
        (IsolationForest(n_estimators=3, random_state=0), 1),
        (PersistenceDetector(lag=7), 7),
        (make_pipeline(Differencer(lag=9), PersistenceDetector(lag=7)), 9),
        (LSTMAutoencoder(window_size=20), 20),
        (make_pipeline(Downsampler(factor=4), LSTMAutoencoder(window_size=20)), 80),
    ],
    ids=["forest", "lag", "pipeline", "window", "downsampled"],
)
def test_a_single_series_is_split_with_a_gap_as_long_as_the_detector_looks(detector, gap):
    tuned = TunedThresholdDetectorCV(detector, cv=3)
    splitter = tuned._splitter(type("Labels", (), {"of_list": False}))
    assert splitter.get_params() == ExpandingWindowSplit(3, window_size=gap).get_params()


def test_a_detector_that_does_not_tell_its_window_needs_a_splitter():
    detector = LSTMAutoencoder(window_size="auto")
    with pytest.raises(ValueError, match="cv must be a splitter.*got cv as.*window_size='auto'"):
        TunedThresholdDetectorCV(detector).fit(X, Y)


def test_one_split_without_another_fit(counting):
    split = [(np.arange(300), np.arange(300, 600))]
    tuned = TunedThresholdDetectorCV(counting, cv=split, refit=False).fit(X, Y)
    assert CountingDetector.fits == 1
    np.testing.assert_array_equal(
        tuned.score_samples(X), PersistenceDetector().fit(X[:300]).score_samples(X)
    )
    tuned.set_params(refit=True).fit(X, Y)
    assert CountingDetector.fits == 3
    with pytest.raises(ValueError, match="refit must be True with several splits; got refit=False"):
        tuned.set_params(refit=False, cv=3).fit(X, Y)


@pytest.mark.parametrize("frozen", [False, True])
def test_a_fitted_detector_is_used_as_it_is(frozen):
    fitted = PersistenceDetector().fit(made.X_train)
    estimator, cv = (FrozenEstimator(fitted), None) if frozen else (fitted, "prefit")
    tuned = TunedThresholdDetectorCV(estimator, cv=cv, thresholds=10_000).fit(X, Y)
    assert tuned.best_score_ == pytest.approx(best_f(Y == -1, -fitted.score_samples(X)))
    assert tuned.estimator_ is estimator
    with pytest.raises(NotFittedError):
        TunedThresholdDetectorCV(PersistenceDetector(), cv="prefit").fit(X, Y)


def test_frames_threads_and_downsampling_change_nothing_else():
    detector = make_pipeline(Downsampler(factor=2), MeanDetector())
    one = TunedThresholdDetectorCV(detector, cv=2).fit(X, Y)
    columns = [f"x{j}" for j in range(X.shape[1])]
    frame = TunedThresholdDetectorCV(detector, cv=2).fit(pd.DataFrame(X, columns=columns), Y)
    assert list(frame.feature_names_in_) == columns
    with parallel_config(backend="threading", n_jobs=2):
        threads = TunedThresholdDetectorCV(detector, cv=2).fit(X, Y)
    assert one.best_threshold_ == frame.best_threshold_ == threads.best_threshold_
    assert one.predict(X).shape == (600,)
    frozen = FixedThresholdDetector(FrozenEstimator(detector.fit(X)), threshold=1.0).fit(X)
    fixed = FixedThresholdDetector(detector, threshold=1.0).fit(X)
    np.testing.assert_array_equal(frozen.predict(X), fixed.predict(X))


def test_what_is_on_disk_is_cut_without_loading_it(tmp_path):
    class OnDisk(PersistenceDetector):
        def fit(self, X, y=None):
            assert isinstance(X, np.memmap)
            return super().fit(X)

    path = tmp_path / "X.npy"
    np.save(path, X)
    stored = TunedThresholdDetectorCV(OnDisk(), cv=3).fit(np.load(path, mmap_mode="r"), Y)
    loaded = TunedThresholdDetectorCV(PersistenceDetector(), cv=3).fit(X, Y)
    assert stored.best_threshold_ == loaded.best_threshold_


def test_a_network():
    network = LSTMAutoencoder(**TINY | {"window_size": 4, "max_epochs": 1})
    tuned = TunedThresholdDetectorCV(network, scoring="event_f1", cv=2).fit(X[:, :2], Y)
    assert set(tuned.predict(X[:, :2])) <= {-1, 1}
    assert 0 < tuned.best_score_ <= 1


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "y must hold labels.*got None"),
        (np.where(Y == -1, 1, 0), "y must hold -1 for anomalies.*to_outlier_labels"),
        (np.ones(600, dtype=int), "y of the test parts must hold both labels"),
        (Y[:-1], "one entry for each time step of X, 600; got 599"),
    ],
)
def test_tuning_refuses_wrong_labels(y, message):
    with pytest.raises(ValueError, match=message):
        TunedThresholdDetectorCV(MeanDetector()).fit(X, y)


class _Constant(MeanDetector):
    def score_samples(self, X):
        return np.zeros(len(X))


class _Broken(MeanDetector):
    def score_samples(self, X):
        return np.full(len(X), np.nan)


class _Dropping(MeanDetector):
    def score_samples(self, X):
        return np.zeros(len(X) - 1)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"scoring": "average_precision"}, ValueError, "must depend on the threshold"),
        ({"scoring": "accuracy"}, ValueError, "scoring must be one of"),
        ({"scoring": make_scorer(f1_score)}, TypeError, "1 for the positive class, here the norm"),
        ({"thresholds": []}, ValueError, "thresholds must be a number.*at least one"),
        ({"thresholds": [np.nan]}, ValueError, "thresholds must be a number"),
        ({"thresholds": 1}, ValueError, "'thresholds' parameter of TunedThreshold"),
        ({"cv": "postfit"}, ValueError, "'cv' parameter of TunedThreshold"),
        ({"estimator": _Constant()}, ValueError, "different scores to some samples"),
        ({"estimator": _Broken()}, ValueError, "finite scores; got 500 that are NaN"),
        ({"estimator": _Dropping()}, ValueError, "each of the 100 samples of X; got 99"),
        (
            {"scoring": OutlierScorer(lambda *_: np.nan, response="labels")},
            ValueError,
            "defined for some threshold; got NaN",
        ),
        (
            {"estimator": PersistenceDetector(lag=150)},
            ValueError,
            "window_size=150 time steps",
        ),
    ],
)
def test_tuning_refuses_wrong_parameters(wrong, error, message):
    arguments = {"estimator": MeanDetector()} | wrong
    with pytest.raises(error, match=message):
        TunedThresholdDetectorCV(**arguments).fit(X, Y)


def test_decision_functions_score_no_time_steps_of_panels():
    tuned = TunedThresholdDetectorCV(MeanDetector(), response_method="decision_function")
    with pytest.raises(ValueError, match="must be 'score_samples' for labels per time step"):
        tuned.fit(PANEL, Y_PANEL)
