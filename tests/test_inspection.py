"""Looking into a detector: identity report, attribution and counterfactual."""

import importlib.util
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import TINY, by_class, tiny_detectors

from skanomaly import LSTMAutoencoder, PersistenceDetector, Seq2SeqLSTMAutoencoder
from skanomaly.datasets import make_flights
from skanomaly.exceptions import IdentityWarning
from skanomaly.inspection import (
    explain,
    feature_contributions,
    hit_rate,
    identity_report,
    warn_if_identity,
)
from skanomaly.inspection._probes import Marginals, aligned, likeliest_lag, returned
from skanomaly.preprocessing import Differencer
from skanomaly.thresholds import FixedThreshold

COPIES, MEAN, LEARNED = (
    "copies its input",
    "barely better than the mean",
    "has learned structure",
)
SEEDS = range(5)
SMALL = {"window_size": 20, "hidden_units": 8, "batch_size": 32, "learning_rate": 0.01}


class Identity(PersistenceDetector):
    """Returns its input."""

    def reconstruct(self, X):
        return X


class Mean(PersistenceDetector):
    """Returns the mean of the training series."""

    def fit(self, X, y=None):
        self.mean_ = np.nanmean(X, axis=0)
        return super().fit(X)

    def reconstruct(self, X):
        return [np.tile(self.mean_, (len(x), 1)) for x in X]


class Autoregression(PersistenceDetector):
    """Least squares on the last values of the same series: NaN at the first steps."""

    n_lags = 4

    def _past(self, x):
        past = [np.pad(x, ((k, 0), (0, 0)), constant_values=np.nan)[: len(x)] for k in self._lags()]
        return np.concatenate(past, axis=1)

    def _lags(self):
        return range(1, self.n_lags + 1)

    def fit(self, X, y=None):
        Z = self._past(X)[self.n_lags :]
        penalty = 1e-4 * len(Z) * np.eye(Z.shape[1])
        self.coef_ = np.linalg.solve(Z.T @ Z + penalty, Z.T @ X[self.n_lags :])
        return super().fit(X)

    def reconstruct(self, X):
        return [self._past(np.asarray(x, float)) @ self.coef_ for x in X]


class LongAutoregression(Autoregression):
    n_lags = 20


def sine(seed, noise=0.0):
    x = np.sqrt(2) * np.sin(2 * np.pi * np.arange(600) / 20 + seed)
    return (x + noise * np.random.default_rng(seed).normal(size=600)).reshape(-1, 1)


def random_walk(seed):
    x = np.cumsum(np.random.default_rng(seed).normal(size=(600, 2)), axis=0)
    return (x - x.mean(axis=0)) / x.std(axis=0)


def white(seed):
    return np.random.default_rng(seed).normal(size=(600, 3))


DATA = {"sine": sine, "noisy sine": lambda s: sine(s, 0.15), "walk": random_walk, "white": white}
every_seed = pytest.mark.parametrize("seed", SEEDS)
every_data = pytest.mark.parametrize("make", DATA.values(), ids=DATA)


def verdict(detector, X, seed=0):
    return identity_report(detector, X, random_state=seed).verdict


# ---------------------------------------------------------------------------- known verdicts


@every_seed
@every_data
@pytest.mark.parametrize(
    ("detector", "lag"),
    [(Identity(), 0), (PersistenceDetector(), 1), (PersistenceDetector(lag=7), 7)],
    ids=["identity", "persistence", "late"],
)
def test_what_copies_by_construction_copies(detector, lag, make, seed):
    X = make(seed)
    report = identity_report(clone(detector).fit(X), X, random_state=seed)
    assert report.verdict == COPIES
    assert report.lag == lag
    assert report.copied == pytest.approx(1.0, abs=1e-6)
    assert report.response[lag] == pytest.approx(1.0, abs=1e-5)
    assert all(probe["returned"] > 0.99 for probe in report.probes.values())


@every_seed
@every_data
def test_what_knows_the_mean_is_barely_better_than_it(make, seed):
    X = make(seed)
    report = identity_report(Mean().fit(X), X, random_state=seed)
    assert report.verdict == MEAN
    assert report.copied == pytest.approx(0.0, abs=1e-6)
    assert report.errors["detector"]["mse"] == pytest.approx(report.errors["mean"]["mse"], rel=0.02)


@every_seed
@every_data
@pytest.mark.parametrize("network", [LSTMAutoencoder, Seq2SeqLSTMAutoencoder])
def test_untrained_networks_are_barely_better_than_the_mean(network, make, seed):
    X = make(seed)
    detector = network(**SMALL | {"max_epochs": 0, "random_state": seed}).fit(X)
    report = identity_report(detector, X, random_state=seed)
    assert report.verdict == MEAN
    assert report.errors["untrained"] == pytest.approx(report.errors["detector"])


@every_seed
def test_bottleneck_that_learned_a_sine_has_learned_structure(seed):
    X = sine(seed)
    detector = Seq2SeqLSTMAutoencoder(**SMALL | {"max_epochs": 60, "random_state": seed}).fit(X)
    report = identity_report(detector, X, random_state=seed)
    assert report.verdict == LEARNED
    assert report.explained > 0.95
    assert report.copied < 0.25
    assert report.errors["untrained"]["explained"] < 0.1


@every_seed
@pytest.mark.parametrize("make", [DATA["sine"], DATA["noisy sine"]], ids=["sine", "noisy sine"])
@pytest.mark.parametrize("model", [Autoregression(), LongAutoregression()], ids=by_class)
def test_forecaster_of_a_sine_is_no_copier_though_it_reads_the_last_values(model, make, seed):
    X = make(seed)
    report = identity_report(clone(model).fit(X), X, random_state=seed)
    assert report.verdict == LEARNED
    assert report.errors["detector"]["mse"] < 0.5 * report.errors["persistence"]["mse"]


@every_seed
def test_best_forecaster_of_a_random_walk_copies_and_the_report_says_that_it_may(seed):
    X = random_walk(seed)
    report = identity_report(Autoregression().fit(X), X, random_state=seed)
    assert report.verdict == COPIES
    assert report.lag == 1
    assert "random walk" in str(report)


@pytest.fixture(scope="module")
def flights():
    """Flights without anomalies, raw and differenced: {form: (train, test)}."""
    data = make_flights(
        n_train=24, n_test=6, n_timesteps=120, n_features=8, anomalous_fraction=0, random_state=0
    )
    differencer = Differencer().fit(data.X_train)
    return {
        "raw": (data.X_train, data.X_test),
        "differenced": tuple(differencer.transform(X) for X in (data.X_train, data.X_test)),
    }


def on_flights(network, flights, form, seed, max_epochs):
    X_train, X_test = flights[form]
    options = {"window_size": None, "hidden_units": 16, "batch_size": 8, "learning_rate": 0.01}
    detector = network(**options, max_epochs=max_epochs, random_state=seed).fit(X_train)
    return detector, X_test


@every_seed
def test_practitioners_model_1_copies_differenced_flights(flights, seed):
    detector, X = on_flights(LSTMAutoencoder, flights, "differenced", seed, 120)
    report = identity_report(detector, X, random_state=seed)
    assert report.errors["detector"]["mse"] < 0.1 * report.errors["mean"]["mse"]
    # Without the report: noise that has nothing in common with flights comes back as well.
    noise = np.random.default_rng(seed).normal(X.mean((0, 1)), X.std((0, 1)), X.shape)
    error = np.square(detector.reconstruct(noise) - noise).mean((0, 1)) / noise.var((0, 1))
    assert error.mean() < 0.1
    assert report.verdict == COPIES
    assert report.lag == 0


@every_seed
def test_practitioners_model_2_is_the_mean_on_differenced_flights(flights, seed):
    detector, X = on_flights(Seq2SeqLSTMAutoencoder, flights, "differenced", seed, 40)
    report = identity_report(detector, X, random_state=seed)
    assert report.errors["detector"]["mse"] > 0.8 * report.errors["mean"]["mse"]
    assert report.verdict == MEAN


@every_seed
def test_practitioners_model_2_has_learned_the_course_of_raw_flights(flights, seed):
    detector, X = on_flights(Seq2SeqLSTMAutoencoder, flights, "raw", seed, 60)
    report = identity_report(detector, X, random_state=seed)
    # Without the report: flights in random order, of the same values, are not restored.
    order = np.random.default_rng(seed).permutation(X.shape[1])
    errors = [np.square(detector.reconstruct(Z) - Z).mean() for Z in (X, X[:, order])]
    assert errors[0] < 0.5 * errors[1]
    assert report.verdict == LEARNED
    assert report.errors["detector"]["explained_of_changes"] < 0.2


# Verdicts on (Model 1, Model 2), the same with all seeds.
REAL = {
    ("nab", "realKnownCause__nyc_taxi"): (COPIES, LEARNED),
    ("skab", "valve1_0"): (COPIES, MEAN),
    ("smd", "machine-3-4"): (LEARNED, LEARNED),
}


@pytest.mark.data
@pytest.mark.parametrize(("name", "series"), REAL)
def test_verdicts_on_real_series_do_not_depend_on_the_seed(data_folder, name, series):
    path = Path(data_folder) / "benchmark_data.py"
    spec = importlib.util.spec_from_file_location("benchmark_data", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    X_train, X_test = next(row[:2] for row in module.load(name) if row[3]["series"] == series)
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = (np.clip(scaler.transform(X), -6, 6) for X in (X_train, X_test[:4000]))
    assert verdict(PersistenceDetector().fit(X_train), X_test) == COPIES
    options = {"window_size": 48, "hidden_units": 16, "batch_size": 32, "learning_rate": 0.005}
    options |= {"max_epochs": 20, "stride": max(1, len(X_train) // 500)}
    for seed in SEEDS:
        models = [
            network(**options, random_state=seed).fit(X_train)
            for network in (LSTMAutoencoder, Seq2SeqLSTMAutoencoder)
        ]
        assert tuple(verdict(model, X_test, seed) for model in models) == REAL[name, series]


# ------------------------------------------------------------------------------- the report


@pytest.mark.parametrize("detector", tiny_detectors(), ids=by_class)
@pytest.mark.parametrize("nested", ["series", "panel", "ragged"])
def test_every_detector_and_nesting_gives_a_report(detector, nested, request):
    X = request.getfixturevalue(nested)
    detector = clone(detector).fit(X)
    before = detector.score_timesteps(X)
    report = identity_report(detector, X, random_state=0)
    assert report.verdict in (COPIES, MEAN, LEARNED)
    assert report.n_timesteps == 60
    assert ("untrained" in report.errors) == hasattr(detector, "max_epochs")
    for was, is_ in zip(before, detector.score_timesteps(X), strict=True):
        np.testing.assert_array_equal(was, is_)


def test_errors_are_those_of_the_definition():
    X = random_walk(0)
    errors = identity_report(PersistenceDetector().fit(X), X, random_state=0).errors
    assert errors["persistence"] == pytest.approx(errors["detector"])
    steps = np.diff(X, axis=0)
    assert errors["detector"]["mse"] == pytest.approx(np.mean(steps**2), rel=1e-5)
    assert errors["mean"]["mse"] == pytest.approx(X[1:].var(axis=0).mean(), rel=1e-5)
    assert errors["mean"]["explained"] == errors["mean"]["explained_of_changes"] == 0
    explained = 1 - np.mean(steps**2, axis=0) / X[1:].var(axis=0)
    assert errors["detector"]["explained"] == pytest.approx(explained.mean(), rel=1e-4)
    change = np.mean(np.diff(steps, axis=0) ** 2)
    assert errors["detector"]["mse_of_changes"] == pytest.approx(change, rel=1e-4)


def test_units_and_constant_features_do_not_change_the_report():
    X = random_walk(0)
    scaled = np.column_stack([1e6 * X[:, 0] + 3e6, X[:, 1], np.full(len(X), 7.3)])
    reports = [identity_report(Autoregression().fit(Z), Z, random_state=0) for Z in (X, scaled)]
    assert reports[0].verdict == reports[1].verdict
    assert reports[1].n_features == 2
    assert reports[1].explained == pytest.approx(reports[0].explained, rel=1e-3)
    assert reports[1].copied == pytest.approx(reports[0].copied, rel=0.1)


def test_feature_that_hardly_varies_does_not_drown_the_rest():
    X = np.column_stack([sine(0), sine(1), np.zeros(600)])
    X[300, 2] = 1e-4
    detector = Seq2SeqLSTMAutoencoder(**SMALL | {"max_epochs": 60, "random_state": 0}).fit(X)
    assert verdict(detector, X) == LEARNED


@pytest.mark.parametrize("model", [Identity(), PersistenceDetector()], ids=["identity", "late"])
def test_gaps_are_left_out(model):
    X = random_walk(0)
    X[np.random.default_rng(1).random(X.shape) < 0.2] = np.nan
    X[100:150] = np.nan
    report = identity_report(model.fit(X), X, random_state=0)
    assert report.verdict == COPIES
    assert all(np.isfinite(value) for row in report.errors.values() for value in row.values())


def test_network_fitted_on_gaps_gives_a_report():
    X = sine(0)
    X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    detector = LSTMAutoencoder(**TINY).fit(X)
    assert verdict(detector, X) in (COPIES, MEAN, LEARNED)


def test_series_shorter_than_the_window_give_a_report_without_warning():
    detector = LSTMAutoencoder(**TINY).fit(sine(0))
    report = identity_report(detector, sine(0)[:5], random_state=0)
    assert report.n_timesteps == 5


@pytest.mark.parametrize("window_size", [None, "auto", 8])
def test_whole_series_and_automatic_windows_give_a_report(window_size, ragged):
    detector = LSTMAutoencoder(**TINY | {"window_size": window_size}).fit(ragged)
    assert identity_report(detector, ragged, random_state=0).n_timesteps == 60


def test_names_of_features_are_no_obstacle():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(random_walk(0), columns=["north", "east"])
    detector = PersistenceDetector().fit(X)
    assert verdict(detector, X) == COPIES
    assert list(detector.feature_names_in_) == ["north", "east"]
    assert explain(detector, X, (100, 101)).feature_names[0] in ("north", "east")


@pytest.mark.parametrize(
    ("X", "n_read"),
    [
        (np.zeros((1000, 1)), 400),
        (np.zeros((50, 20, 1)), 400),
        ([np.zeros((1000, 1))] * 3, 400),
        (np.zeros((300, 1)), 300),
    ],
    ids=["series", "panel", "long series", "short"],
)
def test_long_data_are_read_in_part(X, n_read):
    rng = np.random.default_rng(0)
    X = (
        [x + rng.normal(size=x.shape) for x in X]
        if np.ndim(X) == 3
        else X + rng.normal(size=X.shape)
    )
    report = identity_report(PersistenceDetector().fit(X), X, max_timesteps=400, random_state=0)
    assert report.n_timesteps == n_read


def test_report_depends_on_random_state_alone():
    X = sine(0)
    detector = LSTMAutoencoder(**TINY | {"random_state": None}).fit(X)
    state = np.random.get_state()[1].copy()
    first, second, other = (
        identity_report(detector, X, random_state=seed).to_dict() for seed in (0, 0, 1)
    )
    identity_report(detector, X)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert first == second
    assert first != other  # of which single figures may be clipped at zero


def test_report_prints_as_tables_and_goes_into_json():
    X = sine(0)
    report = identity_report(LSTMAutoencoder(**TINY).fit(X), X, random_state=0)
    text = str(report)
    assert text == repr(report)
    assert text.startswith(f"The detector is {report.verdict}")
    for word in ("persistence", "mean", "untrained", "white noise", "flat line", "slope"):
        assert word in text
        assert word in report._repr_html_()
    table = [line for line in text.splitlines() if line.startswith(("error on X", "detector"))]
    assert len({len(line) for line in table}) == 1
    assert json.loads(json.dumps(report.to_dict()))["verdict"] == report.verdict


def test_borderline_cases_say_so(monkeypatch):
    X = white(0)
    # Shrunk to 0.3, 1 - 0.7² = 51 % come back, of noise as of X.
    monkeypatch.setattr(Identity, "reconstruct", lambda self, X: [0.3 * x for x in X])
    report = identity_report(Identity().fit(X), X, random_state=0)
    assert report.verdict == COPIES
    assert "borderline" not in str(report)

    # What restores X itself, but shrinks everything else, half copies and half knows.
    def restore(self, parts):
        return [x if np.allclose(x, X) else 0.3 * x for x in parts]

    monkeypatch.setattr(Identity, "reconstruct", restore)
    report = identity_report(Identity().fit(X), X, random_state=0)
    assert report.explained == 1
    assert 0.4 < report.copied < 0.6
    assert "borderline" in str(report)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.full((50, 2), 3.0), "X must have at least one feature that varies"),
        (np.full((50, 2), np.nan), "X must have at least one feature that varies"),
        (np.zeros((50, 3)), "X has 3 features"),
    ],
)
def test_data_that_tell_nothing_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        identity_report(PersistenceDetector().fit(white(0)[:, :2]), X)


def test_detector_without_opinion_is_refused():
    class Silent(PersistenceDetector):
        def reconstruct(self, X):
            return [np.full(np.shape(x), np.nan) for x in X]

    with pytest.raises(ValueError, match="detector has an opinion; got none"):
        identity_report(Silent().fit(white(0)), white(0))


@pytest.mark.parametrize("look", [identity_report, feature_contributions])
def test_unfit_and_foreign_detectors_are_refused(look):
    with pytest.raises(NotFittedError):
        look(PersistenceDetector(), white(0))
    pipeline = make_pipeline(StandardScaler(), PersistenceDetector()).fit(white(0))
    with pytest.raises(TypeError, match=re.escape("pipeline[:-1].transform(X)")):
        look(pipeline, white(0))


def test_copiers_are_warned_of_and_others_are_not():
    X = sine(0)
    with pytest.warns(IdentityWarning, match="100 % of white noise"):
        report = warn_if_identity(PersistenceDetector().fit(X), X)
    assert report.verdict == COPIES
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_identity(Mean().fit(X), X)
        warn_if_identity(Autoregression().fit(X), X)


# ---------------------------------------------------------------------------------- probes


@pytest.mark.parametrize("lag", [-3, 0, 1, 40])
def test_lag_of_a_late_copy_is_found(lag):
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(n, 2)) for n in (100, 130)]
    outputs = [np.roll(x, lag, axis=0) for x in inputs]
    marginals = Marginals.of(inputs)
    assert likeliest_lag(inputs, outputs, marginals) == lag
    share, found = returned(inputs, outputs, marginals, marginals.mean, (0, lag))
    assert found == lag
    assert share == pytest.approx(1.0)


def test_returned_share_is_that_of_the_definition():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1, 50, 2))
    y[0, :, 0] = 0.5 * x[0, :, 0]
    marginals = Marginals.of(list(x))
    share, _ = returned(x, y, marginals, 0.0, [0])
    assert share == pytest.approx(0.75 / 2)  # what is unrelated counts nothing, not less


def test_pairs_are_aligned_within_their_series():
    x = [np.arange(4).reshape(-1, 1), np.arange(2).reshape(-1, 1)]
    (a, b), *rest = aligned(x, x, 2)
    assert a.ravel().tolist() == [0, 1]
    assert b.ravel().tolist() == [2, 3]
    assert not rest


# ------------------------------------------------------------------------------ attribution


@pytest.mark.parametrize("score_norm", ["squared", "absolute", "standardised"])
@pytest.mark.parametrize("nested", ["series", "panel", "ragged"])
@pytest.mark.parametrize("gaps", [False, True])
def test_contributions_add_up_to_the_scores(score_norm, nested, gaps, request):
    X = request.getfixturevalue(nested)
    X = [np.array(x) for x in X] if nested == "ragged" else np.array(X)
    if gaps:
        for x in X if nested == "ragged" else [X]:
            x[np.random.default_rng(0).random(x.shape) < 0.3] = np.nan
    for detector in tiny_detectors():
        detector.set_params(score_norm=score_norm).fit(X)
        contributions, scores = feature_contributions(detector, X), detector.score_timesteps(X)
        if nested != "ragged":
            assert contributions.shape == X.shape
            contributions, scores = [contributions], [scores]
        for part, score in zip(contributions, scores, strict=True):
            known = np.isfinite(part).any(axis=-1)
            total = np.nansum(part, axis=-1)
            # A kernel takes the mean of squared errors in float32, apart from those by feature.
            np.testing.assert_allclose(total[known], -np.asarray(score)[known], rtol=1e-6)


def test_hit_rate_is_that_of_the_definition():
    contributions = [[5.0, 4.0, 3.0, 2.0], [0.0, 1.0, 2.0, np.nan]]
    assert hit_rate(contributions, [[0, 1], [3]]) == 0.5
    assert hit_rate(contributions, [[0, 2], [2]]) == 0.75
    assert hit_rate(contributions, [[0, 2], [2]], percent=150) == 1.0
    assert hit_rate(contributions, [[3], [1]], percent=400) == 1.0


def test_ties_count_as_if_drawn():
    assert hit_rate(np.zeros((1, 4)), [[0, 1]]) == 0.5
    assert hit_rate([[1.0, 0.0, 0.0]], [[0, 1]]) == 0.75


@pytest.mark.parametrize(
    ("contributions", "guilty", "message"),
    [
        ([1.0, 2.0], [[0]], "contributions must have one row per segment"),
        ([[1.0, 2.0]], [[0], [1]], "contributions must have one row per segment"),
        ([[1.0, 2.0]], [[]], "at least one"),
        ([[1.0, 2.0]], [[2]], "features from 0 to 1"),
    ],
)
def test_wrong_segments_are_refused(contributions, guilty, message):
    with pytest.raises(ValueError, match=message):
        hit_rate(contributions, guilty)


# --------------------------------------------------------------------------- counterfactual


@pytest.fixture(scope="module")
def trained():
    t = np.arange(600)
    noise = 0.05 * np.random.default_rng(0).normal(size=(600, 3))
    X = np.column_stack([np.sin(t / 4), np.cos(t / 6), np.sin(t / 9)]) + noise
    options = SMALL | {"hidden_units": 16, "max_epochs": 60, "random_state": 0}
    return LSTMAutoencoder(**options | {"noise_std": 0.3}).fit(X), X


@pytest.mark.parametrize("guilty", [0, 1, 2])
def test_spike_is_traced_to_its_feature_and_undone(trained, guilty):
    detector, normal = trained
    X = normal.copy()
    X[300:303, guilty] += 3.0
    explanation = explain(detector, X, (298, 305), n_features=2)
    assert explanation.features[0] == guilty
    assert explanation.shares[0] > 0.5
    assert set(explanation.steps[:2]) <= {300, 301, 302}
    found = explanation.counterfactual
    assert found.success
    assert (detector.predict_timesteps(found.X)[298:305] == 1).all()
    assert np.abs(found.X - X).max(axis=0).argmax() == guilty
    assert set(found.steps) <= set(range(298, 305))
    kept = np.delete(np.arange(600), found.steps)
    np.testing.assert_allclose(found.X[kept], X[kept], rtol=1e-6)
    # It lies between what was seen and what would have been normal.
    change = found.X[300:303, guilty] - X[300:303, guilty]
    assert -3.5 < change.min() < -0.5


def test_counterfactual_changes_no_more_than_needed(trained):
    detector, normal = trained
    X = normal.copy()
    X[300, 0] += 3.0
    found = explain(detector, X, (300, 301)).counterfactual
    barely = X + 0.9 * (found.X - X)
    assert detector.predict_timesteps(barely)[300] == -1


def test_level_shift_that_persistence_flags_is_undone_with_a_line():
    X = 0.05 * np.random.default_rng(0).normal(size=(300, 2))
    detector = PersistenceDetector(threshold=FixedThreshold(value=0.5)).fit(X)
    X[100:140, 1] += 2.0
    explanation = explain(detector, X, (100, 141))
    assert explanation.flagged.tolist() == [100, 140]
    assert explanation.counterfactual.success
    assert explanation.counterfactual.filled_with == "line"
    assert [change["feature"] for change in explanation.changes] == [1]
    assert "a straight line across it" in str(explanation)


def test_alarm_that_cannot_be_removed_is_said_to_stay():
    X = 0.05 * np.random.default_rng(0).normal(size=(300, 2))
    detector = PersistenceDetector().fit(X)
    X[100] += 2.0
    # The cause of an alarm at 101 is the spike before it, and another feature is not touched.
    explanation = explain(detector, X, (100, 101), max_features=1)
    assert not explanation.counterfactual.success
    assert explanation.counterfactual.still_flagged.tolist() == [100]
    assert "No change was found that removes the alarm" in str(explanation)


def test_nothing_is_changed_where_nothing_is_flagged():
    X = random_walk(0)
    detector = PersistenceDetector().fit(X)
    quiet = int(np.argmax(detector.score_samples(X)))
    explanation = explain(detector, X, (quiet, quiet + 1))
    assert explanation.counterfactual.success
    assert explanation.changes == []
    np.testing.assert_allclose(explanation.counterfactual.X, X, rtol=1e-6)
    assert "nothing need be changed" in str(explanation)


def test_gaps_stay_gaps_in_a_counterfactual():
    X = 0.05 * np.random.default_rng(0).normal(size=(300, 2))
    X[90:95, 0] = np.nan
    detector = PersistenceDetector().fit(X)
    X[100, 1] += 2.0
    X[101, 0] = np.nan
    explanation = explain(detector, X, (99, 103))
    assert explanation.counterfactual.success
    np.testing.assert_array_equal(np.isnan(explanation.counterfactual.X), np.isnan(X))
    assert np.isfinite([change["largest"] for change in explanation.changes]).all()


def test_sizes_of_a_change_are_in_units_of_error_and_deviation(trained):
    detector, normal = trained
    X = normal.copy()
    X[300, 0] += 3.0
    explanation = explain(detector, X, (300, 301))
    (change,) = explanation.changes
    size = abs(explanation.counterfactual.X - X).max()
    assert change["in_errors"] == pytest.approx(size / detector.error_scale_[0], rel=1e-4)
    assert change["in_std"] == pytest.approx(size / X[:, 0].std(), rel=1e-4)
    assert change["name"] == "x0"
    for text in (str(explanation), explanation._repr_html_()):
        assert "x0" in text
        assert "share of score" in text


@pytest.mark.parametrize("interval", [(5, 5), (-1, 3), (10, 700), (9, 2)])
def test_intervals_outside_of_the_series_are_refused(interval):
    X = random_walk(0)
    with pytest.raises(ValueError, match="interval must be"):
        explain(PersistenceDetector().fit(X), X, interval)


def test_panels_are_explained_one_series_at_a_time(panel):
    detector = PersistenceDetector().fit(panel)
    with pytest.raises(ValueError, match=re.escape("X[i]")):
        explain(detector, panel, (0, 3))
    assert explain(detector, panel[1], (0, 3)).interval == (0, 3)
