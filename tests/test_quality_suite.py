"""The quality suite under benchmarks/: protocols, measures, estimators, caching."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality_folder import Counting, write_folder
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest

from benchmarks.quality.suite import evaluate, leaderboards, measures, report
from benchmarks.quality.suite.__main__ import main
from benchmarks.quality.suite.estimators import (
    ALWAYS,
    RandomDetector,
    WindowDetector,
    find_factories,
    make,
)
from benchmarks.quality.suite.evaluation import _evaluate_one
from benchmarks.quality.suite.protocols import find_data, half_of, read_series
from skanomaly import MeanDetector, PersistenceDetector


@pytest.fixture
def folder(tmp_path):
    """A folder of labelled series, small."""
    return write_folder(tmp_path / "data")


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setattr(Counting, "fitted", [])
    monkeypatch.setattr(Counting, "trouble", {})
    return Counting


def silent(line):
    """Say nothing."""


def suite(folder, tmp_path, estimators, **options):
    return evaluate(estimators, folder, tmp_path / "cache", say=silent, **options)


# ------------------------------------------------------------------------------------ protocols


def test_halves_alternate_in_the_order_of_names():
    names = ["b", "a", "d", "c", "e"]
    assert half_of(names, "tuning") == ["a", "c", "e"]
    assert half_of(names, "test") == ["b", "d"]
    assert half_of(names, "all") == sorted(names)


def test_split_gives_labels_of_outlier_detectors_and_leaves_out_what_has_none(folder):
    found = {(s.data, s.name): s for s in read_series(folder, "split")}
    assert [name for data, name in found if data == "skab"] == ["s0", "s1", "s2"]
    assert not any(data == "unlabelled" for data, _ in found)
    assert set(np.unique(found["skab", "s0"].y)) == {-1, 1}
    assert [len(part) for part in found["pieces", "s0"].X_fit] == [20, 40]
    assert found["runs", "s0"].X_score.shape == (4, 15, 1)


def test_orion_takes_telemetry_alone_and_whole_signals_of_nab(folder):
    nab, nasa = sorted(read_series(folder, "orion"), key=lambda s: s.data)
    assert nasa.X_fit.shape == (60, 1)
    assert nab.X_fit.shape == nab.X_score.shape == (120, 1)
    assert (nab.key, nasa.key) == ("T", "A-1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "other"}, "protocol must be one of split, tsb-ad, skab, .*; got 'other'"),
        ({"data": ["skab", "x"]}, "data must name data sets of .*; got x. Choose from skab"),
        ({"half": "both"}, "half must be one of all, tuning, test; got 'both'"),
    ],
)
def test_unknown_names_are_refused(folder, options, message):
    with pytest.raises(ValueError, match=message):
        list(read_series(folder, **{"protocol": "split"} | options))


def test_without_folder_there_is_a_reason(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("SKANOMALY_DATA", raising=False)
    assert find_data() == (None, "SKANOMALY_DATA is not set to the folder of the labelled series")
    assert main(["--cache", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("skipped: SKANOMALY_DATA is not set")
    assert "has no benchmark_data.py" in find_data(tmp_path)[1]
    with pytest.raises(ValueError, match="folder must hold the labelled series; SKANOMALY_DATA"):
        evaluate({}, None, tmp_path)


# ------------------------------------------------------------------------------------- measures


def slow_window(x):
    """The rule of TSB-AD, written out."""
    x = x[:20_000] - x[:20_000].mean()
    energy = (x**2).sum()
    if energy == 0:
        return 125
    correlation = [(x[lag:] * x[: len(x) - lag]).sum() / energy for lag in range(min(401, len(x)))]
    peaks = [
        lag
        for lag in range(4, len(correlation) - 1)
        if correlation[lag - 1] < correlation[lag] > correlation[lag + 1]
    ]
    if not peaks:
        return 125
    best = max(peaks, key=correlation.__getitem__)
    return best if 3 <= best - 3 <= 300 else 125


@given(
    period=st.integers(3, 500),
    n_timesteps=st.integers(5, 1500),
    noise=st.sampled_from([0.1, 3.0]),
)
def test_window_of_tsb_ad_is_the_highest_peak_of_the_autocorrelation(period, n_timesteps, noise):
    rng = np.random.default_rng(period)
    x = np.sin(2 * np.pi * np.arange(n_timesteps) / period) + noise * rng.normal(size=n_timesteps)
    assert measures.tsb_ad_window(np.column_stack([x, x[::-1]])) == slow_window(x)


@pytest.mark.parametrize(
    ("x", "window"),
    [
        (np.sin(2 * np.pi * np.arange(1000) / 50), 50),
        (np.arange(1000.0), 125),
        (np.ones(1000), 125),
        (np.sin(2 * np.pi * np.arange(4000) / 350), 125),
    ],
)
def test_window_of_tsb_ad_is_125_without_a_period_in_reach(x, window):
    assert measures.tsb_ad_window(x[:, None]) == window


def test_measures_of_a_series_by_hand():
    y = np.array([1, 1, -1, -1, 1, 1, -1, 1, 1, 1])
    labels = np.array([1, -1, 1, -1, 1, 1, 1, 1, -1, 1])
    found = measures.measure(np.zeros((10, 1)), y, np.arange(10.0), labels)
    assert [found[name] for name in ("tp", "fp", "fn", "tn")] == [1, 2, 2, 5]
    assert [found[name] for name in ("events", "events_found", "false_alarms")] == [2, 1, 2]
    assert found["delay"] == 1.0
    assert found["event_f"] == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2))
    assert found["max_buffer"] == 125


def test_of_labelled_runs_only_what_needs_no_intervals_is_measured():
    y = np.array([1, -1, 1, 1])
    found = measures.measure(np.zeros((4, 5, 1)), y, np.array([0.0, 2.0, 1.0, 0.0]), y)
    assert found["average_precision"] == found["roc_auc"] == found["point_f"] == 1.0
    assert np.isnan(found["vus_pr"])


# ----------------------------------------------------------------------------------- estimators


@pytest.mark.parametrize("size", [1, 4, 12])
@pytest.mark.parametrize("inner", [PCA(n_components=1), IsolationForest(n_estimators=5)])
def test_window_detector_gives_each_step_the_mean_of_its_windows(size, inner):
    if hasattr(inner, "random_state"):
        inner.set_params(random_state=0)
    X = np.random.default_rng(0).normal(size=(30, 2))
    detector = WindowDetector(inner, window_size=size).fit(X)
    windows = np.stack([X[i : i + size].ravel() for i in range(31 - size)])
    if isinstance(inner, PCA):
        fitted = PCA(n_components=1).fit(windows)
        error = windows - fitted.inverse_transform(fitted.transform(windows))
        of_window = (error**2).mean(axis=1)
    else:
        of_window = (
            -IsolationForest(n_estimators=5, random_state=0).fit(windows).score_samples(windows)
        )
    expected = [
        np.mean([s for i, s in enumerate(of_window) if i <= step < i + size]) for step in range(30)
    ]
    np.testing.assert_allclose(-detector.score_samples(X), expected)
    assert (detector.predict(X) == -1).sum() == 1


def test_window_detector_takes_lists_and_panels_and_refuses_short_series():
    X = np.random.default_rng(0).normal(size=(40, 1))
    detector = WindowDetector(PCA(n_components=1), window_size=8)
    assert detector.fit([X[:15], X[15:]]).window_size_ == 8
    assert detector.predict(X).shape == (40,)
    assert detector.fit(X.reshape(4, 10, 1)).predict(X.reshape(4, 10, 1)).shape == (4,)
    with pytest.raises(ValueError, match="X must have at least 8 time steps, one window; got 5"):
        detector.score_samples(X[:5])


def make_wide(X_fit):
    return MeanDetector(contamination=1 / len(X_fit))


def wrapped_in_median(estimator):
    return (
        estimator.set_params(smoothing="median") if hasattr(estimator, "smoothing") else estimator
    )


def test_factories_come_by_name_by_path_and_wrapped(monkeypatch):
    monkeypatch.setitem(sys.modules, "my_detectors", sys.modules[__name__])
    found = find_factories(["linear", "mine=my_detectors:make_wide"])
    assert list(found) == [*ALWAYS, "linear", "mine"]
    estimator, text = make(found["mine"], np.zeros((50, 1)))
    assert estimator.contamination == 0.02
    assert "'contamination': 0.02" in text
    assert "'smoothing': None" in text  # defaults are told too
    wrapped = find_factories([], wrap="my_detectors:wrapped_in_median")
    assert len(wrapped) == 2 * len(ALWAYS)
    assert make(wrapped["mean, wrapped_in_median"], None)[0].smoothing == "median"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mine", "estimator must be one of recommended, .* or name=module:factory; got 'mine'"),
        ("mine=numpy", "must be written module:name; got 'mine=numpy'"),
        ("mine=numpy:no_such", "numpy:no_such of .* must be importable; got module 'numpy' has"),
        ("mine=no_such_module:x", "must be importable; got No module named 'no_such_module'"),
    ],
)
def test_estimators_that_cannot_be_found_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        find_factories([given])


# ------------------------------------------------------------------------------------- evaluate


def test_second_run_computes_nothing(folder, tmp_path, counting):
    first = suite(folder, tmp_path, {"a": counting}, protocols=["split"], data=["skab", "nab"])
    assert len(counting.fitted) == len(first) == 4
    again = suite(folder, tmp_path, {"b": counting}, protocols=["split"], data=["skab", "nab"])
    assert len(counting.fitted) == 4
    assert again["kept"].all()
    columns = ["data", "series", "vus_pr", "average_precision", "tp", "seconds_fit"]
    pd.testing.assert_frame_equal(first[columns], again[columns])


def test_protocols_that_cut_alike_share_what_is_kept(folder, tmp_path, counting):
    suite(folder, tmp_path, {"a": counting}, protocols=["split"], data=["nab", "skab"])
    shared = suite(folder, tmp_path, {"a": counting}, protocols=["nab", "skab"])
    assert shared["kept"].all()
    assert shared["protocol"].tolist() == ["nab", "skab", "skab", "skab"]
    assert len(counting.fitted) == 4


def test_what_has_changed_is_computed_again(folder, tmp_path, counting, monkeypatch):
    options = {"protocols": ["split"], "data": ["nab"]}
    suite(folder, tmp_path, {"a": counting}, **options)
    suite(folder, tmp_path, {"a": lambda: counting(limit=2.0)}, **options)
    assert len(counting.fitted) == 2
    suite(folder, tmp_path, {"a": counting}, fresh=["a"], **options)
    assert len(counting.fitted) == 3
    monkeypatch.setattr("benchmarks.quality.suite.evaluation.VERSION", measures.VERSION + 1)
    assert not suite(folder, tmp_path, {"a": counting}, **options)["kept"].any()
    assert len(counting.fitted) == 3  # measured anew from the scores
    loader = folder / "benchmark_data.py"
    loader.write_text(loader.read_text().replace("+= 3", "+= 4"))
    suite(folder, tmp_path, {"a": counting}, **options)
    assert len(counting.fitted) == 4


def test_run_that_was_stopped_goes_on(folder, tmp_path, counting):
    counting.trouble[2] = KeyboardInterrupt()
    options = {"protocols": ["split"], "data": ["skab"]}
    with pytest.raises(KeyboardInterrupt):
        suite(folder, tmp_path, {"a": counting}, **options)
    suite(folder, tmp_path, {"a": counting}, **options)
    assert len(counting.fitted) == 4  # one, the one stopped, and the two that were left


def test_error_of_one_series_is_told_and_tried_again(folder, tmp_path, counting):
    counting.trouble[2] = RuntimeError("diverged")
    options = {"protocols": ["split"], "data": ["skab"]}
    said = []
    results = evaluate({"a": counting}, folder, tmp_path / "cache", say=said.append, **options)
    assert results["error"].tolist() == ["", "RuntimeError: diverged", ""]
    assert said[1] == "2/3 split skab s1: a FAILED: RuntimeError: diverged"
    tables = report.make_tables(results, folder)
    assert tables["failures"]["error"].tolist() == ["RuntimeError: diverged"]
    assert tables["split"]["failed"].tolist() == [1]
    assert (suite(folder, tmp_path, {"a": counting}, **options)["error"] == "").all()
    assert len(counting.fitted) == 4


class Summing(Counting):
    def score_samples(self, X):
        return super().score_samples(X).sum()


def test_scores_of_another_shape_are_told(folder, tmp_path, counting):
    results = suite(folder, tmp_path, {"a": Summing}, protocols=["split"], data=["nab"])
    assert (
        "score_samples must give one value for each label, shape (60,); got ()"
        in (results["error"][0])
    )


def test_series_are_standardised_by_their_part_to_fit_on(folder, tmp_path):
    seen = []

    class Looking(Counting):
        def fit(self, X, y=None):
            seen.append(X)
            return self

    results = suite(folder, tmp_path, {"a": Looking}, protocols=["split"], data=["nasa_smap_msl"])
    assert results["error"].tolist() == [""]
    np.testing.assert_allclose(seen[0].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(seen[0].std(axis=0), 1)


def test_what_processes_are_given_and_give_back_can_be_pickled(folder, tmp_path):
    for series in read_series(folder, "split", data=["pieces"]):
        task = pickle.dumps((_evaluate_one, (series, "mean", MeanDetector, tmp_path, False)))
        function, arguments = pickle.loads(task)
        row = pickle.loads(pickle.dumps(function(*arguments)))
        assert row["error"] == ""


# ------------------------------------------------------------------------------------ real data


@pytest.mark.data
def test_persistence_on_two_real_series(data_folder, tmp_path):
    options = {"protocols": ["tsb-ad"], "data": ["wsd", "ucr_kdd21"], "most": 1}
    estimators = {"persistence": PersistenceDetector, "random": RandomDetector}
    results = suite(data_folder, tmp_path, estimators, **options)
    assert (results["error"] == "").all()
    assert len(results) == 4
    means = results.groupby("estimator")["vus_pr"].mean()
    assert means["persistence"] > 0.3 > 0.1 > means["random"]  # measured 0.47 and 0.02
    values = leaderboards.tsb_ad_values(results, data_folder, "u")
    assert values.notna().all(axis=None)
    assert values.shape[1] > 20
