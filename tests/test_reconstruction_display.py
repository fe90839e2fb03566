"""ReconstructionDisplay: which features are drawn, what of them, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from sklearn.covariance import EllipticEnvelope
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import TINY

from skanomaly import LSTMAutoencoder, PersistenceDetector
from skanomaly.displays import ReconstructionDisplay
from skanomaly.preprocessing import Differencer, Downsampler, SequenceTransformer


def make_pair(n_timesteps=120, n_features=3, seed=0):
    """A series and a reconstruction that is the worse the later the feature."""
    rng = np.random.RandomState(seed)
    X = np.sin(np.arange(n_timesteps)[:, None] / 5 + np.arange(n_features))
    worse = np.linspace(0.01, 1, n_features)
    return X, X + worse * rng.normal(size=X.shape)


def draw(X, reconstruction, **options):
    return ReconstructionDisplay.from_predictions(X, reconstruction, **{"ax": Figure()} | options)


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def names_drawn(display):
    return [ax.get_ylabel().split("\n")[0] for ax in display.axes_]


@pytest.mark.parametrize("n_features", [1, 3, 38, 77])
@pytest.mark.parametrize("index", [None, pd.date_range("2024-01-30", periods=120, freq="h")])
def test_every_number_of_features_is_drawn(n_features, index):
    display = draw(*make_pair(n_features=n_features), index=index)
    assert len(display.axes_) == min(n_features, 12)
    display.figure_.draw_without_rendering()
    shown = [ax.xaxis.get_tick_params().get("labelbottom", True) for ax in display.axes_]
    assert shown == [False] * (len(shown) - 1) + [True]


def test_lines_hold_series_and_reconstruction():
    X, Y = make_pair()
    for j, ax in enumerate(draw(X, Y).axes_):
        np.testing.assert_array_equal(lines(ax)["observed"].get_ydata(), X[:, j])
        np.testing.assert_array_equal(lines(ax)["reconstruction"].get_ydata(), Y[:, j])


def test_errors_are_mean_squares_over_variance():
    X, Y = make_pair()
    display = draw(X, Y)
    expected = np.square(X - Y).mean(axis=0) / X.var(axis=0)
    np.testing.assert_allclose(display.relative_errors_, expected)
    assert display.axes_[0].get_ylabel().startswith("x0\nMSE/var 0.000")
    np.testing.assert_allclose(draw(X, 0 * X + X.mean(axis=0)).relative_errors_, 1)


def test_of_many_features_the_worst_are_drawn_and_the_picture_says_so():
    X, Y = make_pair(n_features=77)
    display = draw(X, Y, name="AE")
    assert sorted(display.features_) == sorted(np.argsort(display.relative_errors_)[-12:])
    assert (np.diff(display.relative_errors_[display.features_]) <= 0).all()
    title = display.axes_[0].get_title(loc="left")
    assert title == "AE: 12 of 77 features shown, largest errors first"
    assert len(draw(X, Y, max_features=3).axes_) == 3
    assert draw(X[:, :3], Y[:, :3]).axes_[0].get_title(loc="left") == ""


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (["x70", "x2"], ["x70", "x2"]),
        ([5, np.int64(1)], ["x5", "x1"]),
        ("x3", ["x3"]),
        (-1, ["x76"]),
    ],
)
def test_named_features_are_drawn_in_the_order_given(features, expected):
    display = draw(*make_pair(n_features=77), features=features)
    assert names_drawn(display) == expected
    said = f"{len(expected)} of 77 features shown"
    assert display.axes_[0].get_title(loc="left") == said


def test_named_features_may_be_many():
    assert len(draw(*make_pair(n_features=20), features=range(20)).axes_) == 20


def test_constant_and_unobserved_features_come_last():
    X, Y = make_pair(n_features=14)
    X[:, 3], X[:, 8] = 5.0, np.nan
    display = draw(X, Y)
    assert np.isnan(display.relative_errors_[[3, 8]]).all()
    assert not {3, 8} & set(display.features_)
    named = draw(X, Y, features=[3, 8])
    assert all("undefined" in ax.get_ylabel() for ax in named.axes_)
    named.figure_.draw_without_rendering()


def test_missing_and_infinite_values_are_gaps_and_single_values_are_dots():
    X, Y = make_pair(n_features=1)
    X[30:40], X[50] = np.nan, np.inf
    X[35] = 0.25
    Y[90:] = np.nan
    display = draw(X, Y)
    drawn = lines(display.axes_[0])
    gaps = np.isnan(drawn["observed"].get_ydata())
    assert np.flatnonzero(gaps).tolist() == [*range(30, 35), *range(36, 40), 50]
    assert np.isnan(drawn["reconstruction"].get_ydata()[90:]).all()
    dots = [line for line in display.axes_[0].lines if line.get_marker() == "."]
    assert [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in dots] == [
        ([35], [0.25])
    ]
    strip = display.axes_[0].collections[0].get_array()
    assert np.flatnonzero(strip.mask).tolist() == [
        *range(30, 35),
        *range(36, 40),
        50,
        *range(90, 120),
    ]
    known = np.isfinite(X[:90, 0])
    expected = np.square(X - Y)[:90, 0][known].mean() / X[np.isfinite(X)].var()
    np.testing.assert_allclose(display.relative_errors_, expected)


def test_strip_is_the_residual_in_standard_deviations():
    X, Y = make_pair()
    for j, ax in enumerate(draw(X, Y).axes_):
        strip = ax.collections[0]
        np.testing.assert_allclose(strip.get_array(), np.abs(X - Y)[:, j] / X[:, j].std())
        assert strip.get_clim() == draw(X, Y).axes_[0].collections[0].get_clim()


def test_long_series_keep_their_peaks():
    X, Y = make_pair(n_timesteps=50_000)
    X[12_345, 1], Y[23_456, 1] = 99, -99
    ax = draw(X, Y).axes_[1]
    drawn = lines(ax)
    assert len(drawn["observed"].get_xdata()) <= 4002
    assert drawn["observed"].get_ydata().max() == 99
    assert drawn["reconstruction"].get_ydata().min() == -99
    assert np.sum(ax.collections[0].get_array() > 50) == 2
    assert len(lines(draw(X, Y, max_points=None).axes_[1])["observed"].get_xdata()) == 50_000


def test_series_of_one_time_step_is_drawn():
    draw(np.ones((1, 2)), np.zeros((1, 2))).figure_.draw_without_rendering()


# ------------------------------------------------------------------------------ from_estimator


def test_from_estimator_draws_what_the_detector_reconstructs():
    X = make_pair()[0]
    frame = pd.DataFrame(X, columns=["a", "b", "c"], index=pd.date_range("2024-01-30", periods=120))
    detector = LSTMAutoencoder(**TINY).fit(frame)
    display = ReconstructionDisplay.from_estimator(detector, frame, features=["c"], ax=Figure())
    np.testing.assert_array_equal(display.reconstruction, detector.reconstruct(frame))
    assert display.name == "LSTMAutoencoder"
    assert display.feature_names == ["a", "b", "c"]
    assert names_drawn(display) == ["c"]
    assert display.index[0] == np.datetime64("2024-01-30")


@pytest.mark.parametrize("as_list", [False, True])
def test_one_series_of_a_panel_is_drawn_as_the_last_step_sees_it(as_list):
    panel = np.stack([make_pair(seed=seed)[0] * (seed + 1) for seed in range(3)])
    X = [part[: 100 + i] for i, part in enumerate(panel)] if as_list else panel
    pipeline = make_pipeline(
        SequenceTransformer(StandardScaler()), Differencer(), PersistenceDetector()
    ).fit(X)
    display = ReconstructionDisplay.from_estimator(pipeline, X, series=2, ax=Figure())
    seen = pipeline[:-1].transform(X)
    np.testing.assert_allclose(display.values, seen[2])
    np.testing.assert_allclose(display.reconstruction, pipeline[-1].reconstruct(seen)[2])
    with pytest.raises(ValueError, match="series must be between 0 and 2"):
        ReconstructionDisplay.from_estimator(pipeline, X, series=3, ax=Figure())


def test_names_are_those_that_the_last_step_sees():
    frame = pd.DataFrame(make_pair()[0], columns=["a", "b", "c"])
    pipeline = make_pipeline(SequenceTransformer(PCA(2)), PersistenceDetector()).fit(frame)
    display = ReconstructionDisplay.from_estimator(pipeline, frame, ax=Figure())
    assert display.feature_names == ["pca0", "pca1"]
    pipeline = make_pipeline(Differencer(), PersistenceDetector()).fit(frame)
    display = ReconstructionDisplay.from_estimator(pipeline, frame, ax=Figure())
    assert display.feature_names == ["a", "b", "c"]


def test_steps_that_change_the_length_leave_the_index_out():
    X, _ = make_pair()
    frame = pd.DataFrame(X, index=pd.date_range("2024-01-30", periods=120))
    frame.columns = frame.columns.astype(str)
    pipeline = make_pipeline(Downsampler(factor=4), PersistenceDetector()).fit(frame)
    display = ReconstructionDisplay.from_estimator(pipeline, frame, ax=Figure())
    assert display.values.shape == (30, 3)
    assert display.index is None


def test_detectors_that_reconstruct_nothing_are_refused():
    X = make_pair()[0]
    with pytest.raises(TypeError, match="detector must have reconstruct; got EllipticEnvelope"):
        ReconstructionDisplay.from_estimator(EllipticEnvelope(), X)
    with pytest.raises(NotFittedError):
        ReconstructionDisplay.from_estimator(PersistenceDetector(), X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": ["x9"]}, "features must be names or positions.*got 'x9'.*x0, x1, x2"),
        ({"features": [3]}, "features must be names, or positions below 3.*got 3"),
        ({"features": []}, "features must name at least one"),
        ({"max_features": 0}, "max_features must be at least 1; got 0"),
        ({"index": np.arange(3)}, "index must have one value"),
        ({"feature_names": ["a"]}, "feature_names must have one name per feature, 3; got 1"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        draw(*make_pair(), **options)


def test_other_shapes_are_refused():
    X, Y = make_pair()
    with pytest.raises(ValueError, match=r"reconstruction must have the shape of X, \(120, 3\)"):
        draw(X, Y[:-1])
    with pytest.raises(ValueError, match="X must be one series"):
        draw(X[None], Y[None])
