"""Pipelines and searches of scikit-learn over series, panels and lists."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import make_scorer, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    TimeSeriesSplit,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from tiny import TINY

from skanomaly import LSTMAutoencoder
from skanomaly.datasets import make_series
from skanomaly.preprocessing import Differencer, SequenceTransformer

pytestmark = pytest.mark.contract

GRID = {
    "scale__transformer__with_std": [True, False],
    "difference": [Differencer(), "passthrough"],
    "detect__hidden_units": [2, 3],
}
SPLITTERS = {
    "series": TimeSeriesSplit(2, gap=4),
    "panel": KFold(2),
    "ragged": KFold(2),
}


def make_pipeline():
    return Pipeline(
        [
            ("scale", SequenceTransformer(StandardScaler())),
            ("difference", Differencer()),
            ("detect", LSTMAutoencoder(**TINY | {"window_size": 4, "max_epochs": 1})),
        ]
    )


@pytest.mark.parametrize("form", SPLITTERS)
def test_grid_search_over_pipeline_and_network(form, request):
    X = request.getfixturevalue(form)
    serial = GridSearchCV(make_pipeline(), GRID, cv=SPLITTERS[form]).fit(X)
    assert np.isfinite(serial.cv_results_["mean_test_score"]).all()
    assert len(set(serial.cv_results_["mean_test_score"])) == 8
    labels = serial.predict(X)
    assert labels.shape == (len(X),)
    assert set(labels) <= {-1, 1}


@pytest.mark.parametrize("form", SPLITTERS)
def test_two_processes_score_as_one(form, request):
    X = request.getfixturevalue(form)
    grid = {"detect__hidden_units": [2, 3]}
    serial, parallel = (
        GridSearchCV(make_pipeline(), grid, cv=SPLITTERS[form], n_jobs=n_jobs).fit(X)
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(
        serial.cv_results_["mean_test_score"], parallel.cv_results_["mean_test_score"]
    )
    assert serial.best_params_ == parallel.best_params_
    np.testing.assert_array_equal(serial.score_samples(X), parallel.score_samples(X))


def test_a_search_with_labels():
    """Labels are -1 for anomalies: the score that must be high for them is minus the decision."""
    made = make_series(n_train=200, n_test=300, random_state=0)
    X = np.concatenate([made.X_train, made.X_test])
    y = np.concatenate([np.ones(200, dtype=int), made.y_test])
    train, test = np.arange(200), np.arange(200, 500)
    search = GridSearchCV(
        make_pipeline().set_params(detect__max_epochs=5, detect__window_size=16),
        {"difference": [Differencer(), "passthrough"]},
        scoring="roc_auc",
        cv=[(train, test)],
    ).fit(X, y)
    expected = [
        roc_auc_score(
            y[test] == 1,
            clone(search.estimator).set_params(**params).fit(X[train]).decision_function(X[test]),
        )
        for params in search.cv_results_["params"]
    ]
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], expected)
    assert max(expected) > 0.6


def test_other_tools_of_model_selection(panel, ragged):
    y = np.array([1, 1, -1, 1])
    X_train, X_test, y_train, _ = train_test_split(panel, y, random_state=0)
    assert make_pipeline().fit(X_train, y_train).predict(X_test).shape == (1,)
    agreement = make_scorer(lambda truth, labels: np.mean(truth == labels))
    scores = cross_val_score(make_pipeline(), panel, y, scoring=agreement, cv=KFold(2))
    assert scores.shape == (2,)
    parts = train_test_split(ragged, random_state=0)
    assert [len(part) for part in parts] == [2, 1]
    assert make_pipeline().fit(parts[0]).score(parts[1]) < 0


def test_a_pipeline_with_memory(series, tmp_path):
    pipeline = make_pipeline()
    expected = clone(pipeline).fit(series).score_samples(series)
    cached = clone(pipeline).set_params(memory=str(tmp_path))
    for _ in range(2):
        np.testing.assert_array_equal(cached.fit(series).score_samples(series), expected)


def test_a_pipeline_scores_what_its_steps_score(series):
    pipeline = make_pipeline().fit(series)
    scaled = StandardScaler().fit_transform(series)
    differences = np.diff(scaled, axis=0, prepend=scaled[:1])
    alone = clone(pipeline[-1]).fit(differences)
    np.testing.assert_allclose(
        pipeline.score_samples(series), alone.score_samples(differences), rtol=1e-4, atol=1e-6
    )
