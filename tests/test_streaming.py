"""Streams: what they say of each new step is what detectors say of the series as a whole."""

import copy
import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tiny import TINY

import skanomaly
from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    LSTMForecaster,
    MeanDetector,
    NearestWindowDetector,
    PersistenceDetector,
    ScoreEnsemble,
    Seq2SeqLSTMAutoencoder,
    VariationalLSTMAutoencoder,
)
from skanomaly.layers import kernels
from skanomaly.streaming import Stream
from skanomaly.thresholds import DSPOT, SPOT, QuantileThreshold

NETWORK = TINY | {"max_epochs": 0, "aggregation": "last"}
STACK = {"hidden_units": (4, 3), "layer_normalization": True}
BASELINES = {
    "mean": lambda: MeanDetector(score_norm="mahalanobis"),
    "persistence": lambda: PersistenceDetector(lag=2, score_norm="standardised"),
    "linear": lambda: LinearForecaster(lags=(1, 2, 5)),
    "late-linear": lambda: LinearForecaster(lags=(3, 4), score_norm="gaussian"),
    "nearest": lambda: NearestWindowDetector(window_size=8, aggregation="last"),
    "ensemble": lambda: make_ensemble(),
    "highest": lambda: make_ensemble(combination="max", spans=None, weights=[1, 3, 0.5]),
}
NETWORKS = {
    "autoencoder": lambda: LSTMAutoencoder(**NETWORK),
    "stacked": lambda: LSTMAutoencoder(**NETWORK | STACK),
    "bottleneck": lambda: Seq2SeqLSTMAutoencoder(**NETWORK | {"hidden_units": (4, 3)}),
    "reversed": lambda: Seq2SeqLSTMAutoencoder(
        **NETWORK, reverse_decoding=True, bidirectional=True, n_estimators=2
    ),
    "variational": lambda: VariationalLSTMAutoencoder(**NETWORK, bidirectional=True),
    "draws": lambda: VariationalLSTMAutoencoder(
        **NETWORK, score_by="reconstruction_probability", n_samples=3, n_estimators=2
    ),
    "forecaster": lambda: LSTMForecaster(**NETWORK),
    "far-forecaster": lambda: LSTMForecaster(**NETWORK | STACK, horizon=3, n_estimators=2),
}
GAPPY = {"stacked", "reversed", "variational", "far-forecaster", *BASELINES}
every_baseline = pytest.mark.parametrize("name", BASELINES)
every_detector = pytest.mark.parametrize("name", [*BASELINES, *NETWORKS])
without_numba = pytest.mark.skipif(bool(kernels.array_obstacle()), reason="no Numba")
with_engines = pytest.mark.parametrize(
    ("name", "engine"),
    [
        *((name, "numpy") for name in [*BASELINES, *NETWORKS]),
        *(pytest.param(name, "numba", marks=without_numba) for name in NETWORKS),
    ],
)


SMOOTH = {"smoothing": "median", "smoothing_span": 4, "smoothing_causal": True}


def make_ensemble(**options):
    """Make an ensemble whose members begin at different steps."""
    members = [
        ("linear", LinearForecaster(lags=2, **SMOOTH)),
        ("mean", MeanDetector()),
        ("nearest", NearestWindowDetector(window_size=4, aggregation="last")),
    ]
    options = {"causal": True, "spans": (1, 3), "warm_up": 5} | options
    return ScoreEnsemble(members, **options)


def make_series(seed=0, n=70):
    """One series (n, 2) with an anomaly."""
    steps = np.arange(n)
    noise = np.random.default_rng(seed).normal(size=(n, 2))
    X = np.column_stack([np.sin(steps / 3 + seed), np.cos(steps / 5)]) + 0.1 * noise
    X[55] += 3
    return X


def with_gaps(X):
    """The same with bursts of NaN, at the start of a feature too."""
    X = X.copy()
    X[:3, 1] = X[20:24] = X[30:45, 0] = np.nan
    return X


@functools.cache
def fitted(name):
    """Fit a detector; of a network move all weights away from zero, and half its scores up."""
    detector = (BASELINES | NETWORKS)[name]()
    X = with_gaps(make_series()) if name in GAPPY else make_series()
    detector.fit(X)
    if name in NETWORKS:
        rng = np.random.default_rng(0)
        detector.weights_ = [
            w + rng.normal(scale=0.3, size=w.shape).astype("f") for w in detector.weights_
        ]
        detector.step_threshold_ = float(-np.median(detector.score_samples(X)))
    return detector


def one_by_one(stream, X, **options):
    """Update by single steps; return arrays as of a block."""
    results = [stream.update(x, **options) for x in X]
    return type(results[0])(*(np.array(values) for values in zip(*results, strict=True)))


def assert_same(found, expected, name="", first=0):
    """Compare results from a step on."""
    # Layer normalisation over few units enlarges the rounding of what it reads.
    tolerance = 1e-5 if name in ("stacked", "far-forecaster") else 1e-6
    for field, a, b in zip(found._fields, found, expected, strict=True):
        assert np.shape(a) == np.shape(b), field
        np.testing.assert_allclose(
            a[first:], b[first:], rtol=tolerance, atol=tolerance, err_msg=field
        )


# --------------------------------------------------------------------------- equality with batch


@with_engines
def test_scores_labels_and_errors_are_those_of_the_whole_series(name, engine):
    detector, X = fitted(name), with_gaps(make_series(seed=1))
    stream = Stream(detector, engine=engine)
    found, first = one_by_one(stream, X), stream.warm_up
    if name == "persistence":
        first = 6  # where it need not look ahead for the first value of a feature
    scores = detector.score_samples(X)
    tolerance = 1e-5 if name in ("stacked", "far-forecaster") else 1e-6
    close = functools.partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
    close(found.score[first:], scores[first:])
    close(found.errors[first:], -detector.score_features(X)[first:])
    close(found.decision[first:], scores[first:] + detector.step_threshold_)
    clear = np.abs(scores + detector.step_threshold_) > tolerance
    assert (found.label == detector.predict(X))[first:][clear[first:]].all()
    assert found.step.tolist() == list(range(len(X)))
    assert stream.engine_used == (engine if name in NETWORKS else None)


@every_detector
def test_a_step_of_the_warm_up_has_no_score_and_no_alarm(name):
    stream = Stream(fitted(name))
    X = np.full((stream.warm_up + 1, 2), 50.0)
    found = one_by_one(stream, X)
    assert np.isnan(found.score).tolist() == [True] * stream.warm_up + [False]
    assert np.isnan(found.errors[: stream.warm_up]).all()
    assert (found.label[: stream.warm_up] == 1).all()
    assert found.scored.all()


@pytest.mark.parametrize("smoothing", ["exponential", "median", "triangular"])
def test_causal_smoothing_is_that_of_the_whole_series_past_its_reach(smoothing):
    detector = LinearForecaster(
        lags=2, smoothing=smoothing, smoothing_span=4, smoothing_causal=True
    ).fit(make_series())
    X = with_gaps(make_series(seed=1))
    found, reach = one_by_one(Stream(detector), X), 15
    np.testing.assert_allclose(found.score[reach:], detector.score_samples(X)[reach:], rtol=1e-9)
    assert_same(Stream(detector).update(X), found)


@pytest.mark.parametrize("name", ["forecaster", "far-forecaster"])
def test_a_carried_state_says_what_the_network_says_of_the_whole_series_as_one_window(name):
    detector, X = fitted(name), with_gaps(make_series(seed=1))
    whole = copy.copy(detector)
    whole.window_size_ = len(X)
    stream = Stream(detector, carry_state=True)
    found, first = one_by_one(stream, X), stream.warm_up
    scores = whole.score_samples(X)
    np.testing.assert_allclose(found.score[first:], scores[first:], rtol=1e-5, atol=1e-5)
    assert_same(Stream(detector, carry_state=True).update(X), found, name)
    assert not np.allclose(found.score[-5:], detector.score_samples(X)[-5:])


# -------------------------------------------------------------------- blocks and many streams


@given(cuts=st.lists(st.integers(1, 69), unique=True, max_size=6))
@settings(max_examples=8)
@pytest.mark.parametrize(
    ("name", "carry"),
    [("linear", False), ("persistence", False), ("far-forecaster", False), ("forecaster", True)],
)
def test_blocks_say_what_single_steps_say(name, carry, cuts):
    X = with_gaps(make_series(seed=1))
    make = functools.partial(Stream, fitted(name), carry_state=carry)
    stream = make()
    parts = [stream.update(part) for part in np.split(X, sorted(cuts))]
    joined = type(parts[0])(*(np.concatenate(same) for same in zip(*parts, strict=True)))
    assert_same(joined, one_by_one(make(), X), name)


def test_a_block_larger_than_what_is_judged_at_once_is_judged_in_parts(monkeypatch):
    X = make_series(seed=1)
    expected = Stream(fitted("autoencoder")).update(X)
    stream = Stream(fitted("autoencoder"))
    monkeypatch.setattr(stream, "_steps_at_once", 9)
    assert_same(stream.update(X), expected)


@every_detector
def test_many_streams_are_each_as_if_alone(name):
    detector = fitted(name)
    X = np.stack([with_gaps(make_series(seed)) for seed in range(3)])[:, :30]
    stream = Stream(detector, n_streams=3)
    block = stream.update(X[:, :20])
    assert block.score.shape == (3, 20)
    assert block.errors.shape == (3, 20, 2)
    assert block.step.tolist() == list(range(20))
    steps = [stream.update(X[:, t]) for t in range(20, 30)]
    assert steps[0].score.shape == steps[0].label.shape == (3,)
    assert steps[0].errors.shape == (3, 2)
    for i, series in enumerate(X):
        alone = Stream(detector).update(series)
        tolerance = {"rtol": 1e-5, "atol": 1e-5}
        np.testing.assert_allclose(block.score[i], alone.score[:20], **tolerance)
        np.testing.assert_allclose([s.score[i] for s in steps], alone.score[20:], **tolerance)
        np.testing.assert_allclose([s.errors[i] for s in steps], alone.errors[20:], **tolerance)


# ---------------------------------------------------------- gaps, late and duplicated steps


@every_baseline
def test_missing_steps_count_as_not_observed(name):
    X = make_series(seed=1)
    gappy = X.copy()
    gappy[30:37] = np.nan
    expected = Stream(fitted(name)).update(gappy)
    stream = Stream(fitted(name))
    stream.update(X[:30], step=0)
    after = stream.update(X[37:], step=37)
    np.testing.assert_allclose(after.score, expected.score[37:])
    assert after.step.tolist() == list(range(37, 70))
    assert stream.n_seen == 70


def test_a_burst_of_nan_scores_as_the_median_and_raises_no_alarm():
    detector = fitted("linear")
    stream = Stream(detector)
    stream.update(make_series())
    burst = stream.update(np.full((50, 2), np.nan))
    assert (burst.label == 1).all()
    assert len(set(burst.score)) == 1
    assert np.isnan(burst.errors).all()
    assert burst.decision[0] >= 0


@every_baseline
def test_steps_that_were_there_before_are_dropped_and_change_nothing(name):
    X = make_series(seed=1)
    expected = Stream(fitted(name)).update(X)
    stream = Stream(fitted(name))
    stream.update(X[:40], step=0)
    again = stream.update(X[20:30] + 100, step=20)
    assert not again.scored.any()
    assert np.isnan(again.score).all()
    assert (again.label == 1).all()
    one = stream.update(X[39], step=39)
    assert (one.scored, one.step, one.label) == (False, 39, 1)
    assert np.isnan(one.score)
    rest = stream.update(X[35:], step=35)  # of which five were there before
    assert rest.scored.tolist() == [False] * 5 + [True] * 30
    np.testing.assert_allclose(rest.score[5:], expected.score[40:])
    assert rest.step.tolist() == list(range(35, 70))


def test_steps_that_were_there_before_are_refused_where_that_is_asked_for():
    stream = Stream(fitted("linear"), late="raise")
    stream.update(make_series()[:10], step=0)
    with pytest.raises(ValueError, match=r"step must be at least 10.*late='raise'; got 9"):
        stream.update([0.0, 0.0], step=9)
    assert stream.update([0.0, 0.0], step=10).scored


@pytest.mark.parametrize("step", [-1, 1.5, "3", True])
def test_a_step_must_be_a_whole_number(step):
    stream = Stream(fitted("linear"))
    with pytest.raises(ValueError, match="step must be a whole number"):
        stream.update([0.0, 0.0], step=step)
    assert stream.n_seen == 0


def test_a_gap_that_is_too_long_is_refused_with_a_remedy():
    stream = Stream(fitted("linear"), max_gap=5)
    with pytest.raises(ValueError, match=r"step must be at most 5.*got 6.*reset\(\)"):
        stream.update([0.0, 0.0], step=6)
    assert stream.update([0.0, 0.0], step=5).step == 5


@pytest.mark.parametrize("name", ["forecaster", "ensemble"])
def test_reset_begins_anew(name):
    stream, X = (
        fitted(name).stream() if name == "forecaster" else Stream(fitted(name)),
        make_series(),
    )
    first = stream.update(X)
    assert_same(stream.reset().update(X), first)


# ---------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("detector", "options", "message"),
    [
        (LSTMAutoencoder(**TINY), {}, "aggregation must be \"last\".*got 'mean'"),
        (LSTMForecaster(**TINY, stride=2), {}, "stride must be 1.*got 2"),
        (LSTMForecaster(**TINY | {"window_size": None}), {}, "window_size must not be None"),
        (LinearForecaster(), {"carry_state": True}, "carry_state must be False.*LinearForecaster"),
        (LinearForecaster(smoothing="median"), {}, "smoothing_causal must be True"),
        (make_ensemble(causal=False), {}, "causal must be True"),
        (make_ensemble(), {"carry_state": True}, "carry_state must be False"),
        (LinearForecaster(), {"adaptive": True}, "threshold must be a fitted SPOT or DSPOT"),
        (LinearForecaster(), {"threshold": QuantileThreshold()}, "Fit the selector"),
        (LinearForecaster(), {"n_streams": 0}, "n_streams"),
        (LinearForecaster(), {"engine": "fast"}, "engine"),
        (LinearForecaster(), {"late": "ignore"}, "late"),
    ],
)
def test_what_cannot_be_streamed_is_refused_with_a_remedy(detector, options, message):
    if hasattr(detector, "max_epochs"):
        detector.set_params(max_epochs=0)
    detector.fit(make_series())
    with pytest.raises(ValueError, match=message):
        Stream(detector, **options)


def test_a_pipeline_is_refused_with_a_remedy():
    pipeline = make_pipeline(StandardScaler(), MeanDetector()).fit(make_series())
    with pytest.raises(ValueError, match=r"detector must be one of.*got Pipeline.*last step"):
        Stream(pipeline)


def test_a_detector_must_be_fitted():
    with pytest.raises(ValueError, match="not fitted"):
        Stream(LinearForecaster())


def test_numba_must_be_there_to_be_asked_for(monkeypatch):
    monkeypatch.setattr(kernels, "array_obstacle", lambda: "Numba is not installed.")
    with pytest.raises(ValueError, match="engine must be 'auto' or 'numpy'.*Numba is not"):
        Stream(fitted("autoencoder"), engine="numba")
    assert Stream(fitted("autoencoder")).engine_used == "numpy"


@pytest.mark.parametrize(
    ("x", "n_streams", "message"),
    [
        ([1.0], 1, r"shape \(2,\) or a block of shape \(n_timesteps, 2\).*got shape \(1,\)"),
        ([[[1.0, 2.0]]], 1, r"got shape \(1, 1, 2\)"),
        (3.0, 1, r"got shape \(\)"),
        (np.zeros((0, 2)), 1, r"at least one step; got shape \(0, 2\)"),
        ([1.0, 2.0], 3, r"shape \(3, 2\) or a block of shape \(3, n_timesteps, 2\)"),
        (np.zeros((2, 2)), 3, r"got shape \(2, 2\)"),
        ([1.0, np.inf], 1, "infinity.*got 1 of them"),
        ([1.0, 1e300], 1, "too large for float32"),
        (["a", "b"], 1, "x must hold numbers"),
        (np.array([1.0, "b"], dtype=object), 1, "x must hold numbers"),
        (pd.DataFrame({"b": [1.0], "a": [2.0]}), 1, r"features \['a', 'b'\].*got \['b', 'a'\]"),
    ],
)
def test_bad_input_is_refused_and_leaves_the_stream_as_it_was(x, n_streams, message):
    X = make_series()
    detector = LinearForecaster(lags=2).fit(pd.DataFrame(X, columns=["a", "b"]))
    stream, other = Stream(detector, n_streams=n_streams), Stream(detector, n_streams=n_streams)
    block = np.broadcast_to(X[:20], (n_streams, 20, 2))[0 if n_streams == 1 else slice(None)]
    stream.update(block[..., :10, :])
    other.update(block[..., :10, :])
    with pytest.raises(ValueError, match=message):
        stream.update(x)
    rest = block[..., 10:, :]
    np.testing.assert_array_equal(stream.update(rest).score, other.update(rest).score)


def test_frames_none_and_integers_are_read():
    X = make_series().round()
    detector = LinearForecaster(lags=2).fit(pd.DataFrame(X, columns=["a", "b"]))
    expected = Stream(detector).update(X).score
    frame = pd.DataFrame(X.astype(int), columns=["a", "b"])
    np.testing.assert_allclose(Stream(detector).update(frame).score, expected)
    stream = Stream(detector)
    np.testing.assert_allclose([stream.update(row).score for _, row in frame.iterrows()], expected)
    assert np.isnan(stream.update(np.array([None, 1.0], dtype=object)).errors[0])


# ------------------------------------------------------------------------------- thresholds


@pytest.mark.parametrize(
    "selector", [SPOT(alpha=0.01, level=0.8), DSPOT(alpha=0.01, level=0.8, depth=5)]
)
def test_adaptive_thresholds_follow_the_scores_of_each_stream(selector):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(300, 2)), rng.normal(size=(2, 200, 2))
    new[0, 50:60] = np.nan
    detector = PersistenceDetector(threshold=selector).fit(X)
    n_scores = detector.threshold_selector_.n_scores_
    stream = Stream(detector, n_streams=2, adaptive=True)
    found = [stream.update(new[:, t]) for t in range(200)]
    for i in range(2):
        oracle = copy.deepcopy(detector.threshold_selector_)
        for t, result in enumerate(found):
            np.testing.assert_allclose(
                result.decision[i] - result.score[i], np.nan if t < 1 else oracle.threshold_
            )
            if not np.isnan(result.errors[i]).all():
                assert result.label[i] == (-1 if -result.score[i] > oracle.threshold_ else 1)
                oracle.partial_fit([-result.score[i]])
    assert detector.threshold_selector_.n_scores_ == n_scores  # the detector's own stays


def test_blocks_and_steps_adapt_alike():
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(300, 2)), rng.normal(size=(200, 2))
    detector = MeanDetector(threshold=SPOT(alpha=0.01, level=0.8)).fit(X)
    block = Stream(detector, adaptive=True).update(new)
    assert_same(one_by_one(Stream(detector, adaptive=True), new), block)
    assert len(set(block.decision - block.score)) > 3


def test_an_adaptive_threshold_of_a_detector_fitted_on_a_panel_must_be_given():
    X = np.random.default_rng(0).normal(size=(40, 10, 2))
    detector = MeanDetector(threshold=SPOT(alpha=0.01, level=0.6)).fit(X)
    with pytest.raises(ValueError, match="fitted on a panel"):
        Stream(detector, adaptive=True)
    selector = SPOT(alpha=0.01, level=0.8).fit(-np.ravel(detector.score_timesteps(X)))
    stream = Stream(detector, adaptive=True, threshold=selector)
    result = stream.update(X[0, 0])
    assert np.isclose(result.decision - result.score, selector.threshold_)


@pytest.mark.parametrize("threshold", [1.5, QuantileThreshold().fit([0.0, 1.5])])
def test_a_threshold_can_be_given(threshold):
    stream = Stream(fitted("mean"), threshold=threshold)
    value = getattr(threshold, "threshold_", threshold)
    result = stream.update([0.0, 0.0])
    assert np.isclose(result.decision - result.score, value)


def test_calibrate_flags_the_asked_share_of_what_it_was_given():
    X = make_series(n=400)
    detector = LSTMForecaster(**NETWORK, contamination=0.1).fit(X)
    detector.step_threshold_ = detector.step_threshold_ / 100
    stream = Stream(detector, carry_state=True)
    assert (stream.update(X).label == -1).mean() > 0.5
    labels = stream.calibrate([X[:200], X[200:]]).reset().update(X).label
    assert 0.05 < (labels == -1).mean() < 0.15


# --------------------------------------------------------------------------- import and kernel


def test_streams_without_networks_need_no_keras():
    code = (
        "import sys, numpy as np, skanomaly.streaming as s\n"
        "from skanomaly import LinearForecaster\n"
        "d = LinearForecaster(lags=2).fit(np.random.rand(50, 1))\n"
        "s.Stream(d).update([0.5])\n"
        "sys.exit('keras' in sys.modules)"
    )
    root = str(Path(skanomaly.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


@without_numba
@pytest.mark.parametrize("n_networks", [1, 2])
def test_the_kernel_on_arrays_is_the_reference(n_networks):
    from skanomaly.layers.kernels import _reference

    rng = np.random.default_rng(0)
    shapes = [(6, 5, 3), (n_networks, 3, 16), (n_networks, 4, 16), (n_networks, 16), (6, 4), (6, 4)]
    arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    hs, h, c = kernels.lstm_of_arrays(*arrays, True)
    expected_hs, expected_cs, _ = _reference.lstm(arrays[0], None, *arrays[1:])
    np.testing.assert_allclose(hs, expected_hs[:, 1:], atol=1e-5)
    np.testing.assert_allclose(c, expected_cs[:, -1], atol=1e-5)
    nothing, last, _ = kernels.lstm_of_arrays(*arrays, False)
    assert nothing is None
    np.testing.assert_array_equal(last, h)


@without_numba
@pytest.mark.parametrize("wrong", range(6))
def test_the_kernel_on_arrays_refuses_other_shapes_and_dtypes(wrong):
    shapes = [(6, 5, 3), (1, 3, 16), (1, 4, 16), (1, 16), (6, 4), (6, 4)]
    arrays = [np.zeros(shape, np.float32) for shape in shapes]
    arrays[wrong] = arrays[wrong].astype(np.float64)
    with pytest.raises(ValueError, match="dtype float32; it is"):
        kernels.lstm_of_arrays(*arrays, True)
    arrays[wrong] = np.zeros((*shapes[wrong], 1), np.float32)
    with pytest.raises(ValueError, match=r"they are|must be of shape"):
        kernels.lstm_of_arrays(*arrays, True)
