"""Files of ONNX say what the methods of the detector say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)
from tiny import NETWORKS, TINY, by_class

from skanomaly import (
    LSTMAutoencoder,
    LSTMForecaster,
    MeanDetector,
    ScoreEnsemble,
    Seq2SeqLSTMAutoencoder,
    VariationalLSTMAutoencoder,
)
from skanomaly.exceptions import MissingDependencyError, WindowSizeWarning
from skanomaly.export import export_onnx, load_onnx
from skanomaly.model_selection import FixedThresholdDetector
from skanomaly.preprocessing import SequenceTransformer, soft_clip

# What may not be imported where files are used; the first four are needed to make them.
BLOCKED = ("keras", "jax", "torch", "tensorflow", "sklearn", "skanomaly", "onnx")
EXAMPLE = Path(__file__).parent.parent / "docs" / "scripts" / "score_onnx.py"
# What is tested does not depend on training, which takes most of the time.
UNTRAINED = TINY | {"max_epochs": 0}
DEEP = {"hidden_units": (3, 2), "layer_normalization": True}
TWO_WAYS = {"bidirectional": True, "hidden_units": (3, 2)}


def stirred(detector, seed=0):
    """Give a fitted detector weights of which none is zero or one."""
    rng = np.random.default_rng(seed)
    detector.weights_ = [
        w + 0.3 * rng.normal(size=w.shape).astype(np.float32) for w in detector.weights_
    ]
    return detector


def opened(detector, path, form="series"):
    """Export a detector and open the file: a function from X to a dict of outputs by name."""
    model = export_onnx(detector, path / "detector.onnx", form=form)
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path / "detector.onnx", options)
    names = [output.name for output in session.get_outputs()]
    return lambda X: dict(zip(names, session.run(None, {"X": X}), strict=True))


def agree(said, detector, X):
    """Compare outputs with the methods of their names."""
    for name, value in said.items():
        expected = getattr(detector, name)(X)
        if isinstance(expected, list):
            (expected,) = expected  # of a list of one series
        assert value.shape == expected.shape, name
        if expected.dtype.kind == "i":
            np.testing.assert_array_equal(value, expected, err_msg=name)
            continue
        largest = np.nanmax(np.abs(expected), initial=0.0)
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=2e-6 * largest, err_msg=name)


def run_without(packages, code, *arguments):
    """Run code in a new process in which packages cannot be imported."""
    block = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {packages}:
            raise ImportError(f"{{name}} is blocked")
sys.meta_path.insert(0, Block())
"""
    command = [sys.executable, "-c", block + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def gappy(series):
    """The series with gaps at its edges, of single values, of whole steps, longer than a window."""
    X = series.copy()
    X[:3, 0] = X[7:9, 0] = X[-2:, 0] = np.nan
    X[20] = X[31:34] = np.nan
    X[36:55, 1] = np.nan
    return X


# -------------------------------------------------------------------------------------- networks


@pytest.mark.contract
@pytest.mark.parametrize("network", NETWORKS, ids=lambda c: c.__name__)
def test_outputs_are_those_of_the_methods(network, series, gappy, tmp_path):
    detector = stirred(network(**UNTRAINED).fit(series))
    say = opened(detector, tmp_path)
    # A series of many windows, of one, shorter than a window, of one step, and with gaps.
    for X in (series, series[:8], series[:5], series[:1], gappy):
        said = say(X)
        agree(said, detector, X)
    assert set(said) == {
        *("score_samples", "decision_function", "predict", "score_timesteps"),
        *("predict_timesteps", "score_features", "reconstruct"),
    }


def test_outputs_are_those_of_a_trained_detector(series, tmp_path):
    detector = LSTMAutoencoder(**TINY, contamination=0.1).fit(series)
    said = opened(detector, tmp_path)(series)
    agree(said, detector, series)
    assert set(said["predict"]) == {-1, 1}


@pytest.mark.parametrize(
    ("network", "options"),
    [
        (LSTMAutoencoder, DEEP),
        (LSTMAutoencoder, {"n_estimators": 3, **DEEP}),
        (Seq2SeqLSTMAutoencoder, {"reverse_decoding": True, **DEEP}),
        (
            Seq2SeqLSTMAutoencoder,
            {**TWO_WAYS, "layer_normalization": True, "reverse_decoding": True, "n_estimators": 2},
        ),
        (LSTMForecaster, {"horizon": 3, "score_norm": "mahalanobis", **DEEP}),
        (LSTMForecaster, {"horizon": 2, "n_estimators": 2}),
        (VariationalLSTMAutoencoder, {"latent_dim": 2, "kl_weight": 0.3, **DEEP}),
        (
            VariationalLSTMAutoencoder,
            {"score_by": "reconstruction_probability", "n_samples": 3, "n_estimators": 2},
        ),
        (VariationalLSTMAutoencoder, {**TWO_WAYS, "score_norm": "gaussian"}),
    ],
)
def test_every_option_of_a_network_is_in_the_graph(network, options, series, tmp_path):
    detector = stirred(network(**UNTRAINED | options).fit(series))
    agree(opened(detector, tmp_path)(series), detector, series)


@pytest.mark.parametrize("network", [Seq2SeqLSTMAutoencoder, LSTMForecaster])
def test_networks_that_read_what_was_observed_do_so_in_the_graph(network, gappy, tmp_path):
    detector = stirred(network(**UNTRAINED, n_estimators=2).fit(gappy))
    agree(opened(detector, tmp_path)(gappy), detector, gappy)


def test_a_series_of_more_windows_than_are_read_together_is_scored(tmp_path):
    X = np.random.default_rng(0).normal(size=(700, 2))
    detector = stirred(LSTMAutoencoder(**UNTRAINED).fit(X))
    say = opened(detector, tmp_path)
    for n in (263, 264, 700):  # 256, 257 and 693 windows
        agree(say(X[:n]), detector, X[:n])


# ---------------------------------------------------------------------------- errors and scores


@pytest.mark.parametrize("aggregation", ["mean", "median", "min", "max", "last"])
@pytest.mark.parametrize("stride", [1, 3, 8])
def test_errors_are_aggregated_over_the_same_windows(aggregation, stride, gappy, tmp_path):
    options = {"aggregation": aggregation, "stride": stride}
    detector = LSTMForecaster(**UNTRAINED | options, horizon=2).fit(gappy)
    say = opened(detector, tmp_path)
    for n in (4, 8, 9, 13, 60):
        agree(say(gappy[:n]), detector, gappy[:n])


@pytest.mark.parametrize(
    "score_norm", ["squared", "absolute", "standardised", "mahalanobis", "gaussian"]
)
def test_error_norms_and_weights_of_features(score_norm, gappy, tmp_path):
    options = {"score_norm": score_norm, "feature_weights": [3.0, 1.0]}
    detector = LSTMAutoencoder(**UNTRAINED, **options).fit(gappy)
    agree(opened(detector, tmp_path)(gappy), detector, gappy)


@pytest.mark.parametrize("smoothing", ["exponential", "median", "triangular"])
@pytest.mark.parametrize(("span", "causal"), [(1, False), (5, True), (6, False)])
def test_smoothing(smoothing, span, causal, gappy, tmp_path):
    options = {"smoothing": smoothing, "smoothing_span": span, "smoothing_causal": causal}
    detector = LSTMAutoencoder(**UNTRAINED, **options).fit(gappy)
    say = opened(detector, tmp_path)
    for X in (gappy, gappy[:9]):
        agree(say(X), detector, X)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e300])
def test_series_with_infinite_values_are_flagged_and_have_no_score(value, series, tmp_path):
    # The methods refuse them, which a graph cannot.
    detector = LSTMAutoencoder(**UNTRAINED).fit(series)
    broken = series.copy()
    broken[7, 1] = value
    said = opened(detector, tmp_path)(broken)
    for name in ("score_samples", "decision_function", "score_features", "reconstruct"):
        assert np.isnan(said[name]).all()
    assert (said["predict"] == -1).all()
    windows = np.stack([series[:8], broken[:8], broken[8:16]])
    said = opened(detector, tmp_path, "windows")(windows)
    np.testing.assert_array_equal(np.isnan(said["score_samples"]), [False, True, False])
    agree({"score_samples": said["score_samples"][::2]}, detector, windows[::2])


# ---------------------------------------------------------------------------- windows and panels


@pytest.mark.parametrize("network", NETWORKS, ids=lambda c: c.__name__)
def test_windows_are_scored_as_a_panel_whatever_their_number(network, series, gappy, tmp_path):
    detector = stirred(network(**UNTRAINED, smoothing="triangular", smoothing_span=3).fit(series))
    say = opened(detector, tmp_path, "windows")
    for X in (series, gappy):
        windows = np.lib.stride_tricks.sliding_window_view(X, 8, axis=0).swapaxes(1, 2)
        for n in (1, 2, 53):
            said = say(windows[:n])
            agree(said, detector, windows[:n])
    assert "predict" not in said  # a threshold on whole series is known after fitting a panel


def test_the_newest_step_of_a_stream_is_scored_by_its_window(series, tmp_path):
    detector = LSTMForecaster(**UNTRAINED).fit(series)
    said = opened(detector, tmp_path, "windows")(series[None, -8:])
    newest = {"score_samples": said["score_timesteps"][0]}
    np.testing.assert_allclose(
        newest["score_samples"][-1], detector.score_samples(series)[-1], rtol=1e-5
    )


@pytest.mark.parametrize("window_size", [8, None])
def test_detectors_of_panels_label_whole_series(window_size, panel, tmp_path):
    options = UNTRAINED | {"window_size": window_size, "contamination": 0.3}
    detector = stirred(Seq2SeqLSTMAutoencoder(**options).fit(panel))
    say = opened(detector, tmp_path)
    for x in (panel[0], panel[1], np.full((4, 2), np.nan)):
        agree(say(x), detector, [x])
    windows = panel[:, :8] if window_size else panel
    said = opened(detector, tmp_path, "windows")(windows)
    agree(said, detector, windows)
    assert {"predict", "decision_function"} <= set(said)


def test_series_of_any_length_are_windows_where_windows_have_no_size(ragged, tmp_path):
    detector = stirred(LSTMAutoencoder(**UNTRAINED | {"window_size": None}).fit(ragged))
    say = opened(detector, tmp_path)
    for x in ragged:
        agree(say(x), detector, [x])


def test_the_window_is_the_one_that_was_used(series, tmp_path):
    with pytest.warns(WindowSizeWarning):
        detector = LSTMAutoencoder(**UNTRAINED | {"window_size": 90}).fit(series)
    agree(opened(detector, tmp_path)(series), detector, series)


# --------------------------------------------------------------------------------- preprocessing


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        StandardScaler(with_std=False),
        MinMaxScaler((-1, 2), clip=True),
        MaxAbsScaler(),
        RobustScaler(),
        RobustScaler(with_centering=False, with_scaling=False),
        FunctionTransformer(np.clip, kw_args={"a_min": 0.5, "a_max": None}),
        FunctionTransformer(soft_clip, kw_args={"limit": 1e6}),
        FunctionTransformer(),
        "passthrough",
    ],
    ids=lambda scaler: re.sub(" at 0x[0-9a-f]+", "", str(scaler)),
)
def test_scalers_become_part_of_the_graph(scaler, gappy, tmp_path):
    X = 1e6 + 20 * gappy  # float32 alone would lose most of it
    steps = [scaler, SequenceTransformer(StandardScaler())]
    detector = make_pipeline(*steps, LSTMForecaster(**UNTRAINED)).fit(X)
    X_test = X.copy()
    X_test[40] += 1e3
    said = opened(detector, tmp_path)(X_test)
    del said["score_timesteps"], said["predict_timesteps"], said["score_features"]
    scaled = detector[:-1].transform(X_test)
    agree({"reconstruct": said.pop("reconstruct")}, detector[-1], scaled)
    agree(said, detector, X_test)


def test_steps_of_the_recommended_pipeline_become_part_of_the_graph(series, tmp_path):
    clip = FunctionTransformer(soft_clip, kw_args={"limit": 1})
    scale = SequenceTransformer(make_pipeline(StandardScaler(), clip))
    detector = make_pipeline(scale, make_pipeline(LSTMAutoencoder(**UNTRAINED))).fit(series)
    scores = opened(detector, tmp_path)(series)["score_samples"]
    np.testing.assert_allclose(scores, detector.score_samples(series), rtol=1e-5)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (PowerTransformer(), r"PowerTransformer\(\) as step 'powertransformer', and there is no"),
        (FunctionTransformer(np.abs), "of functions it can contain np.clip"),
        (SequenceTransformer(StandardScaler(), per_series=True), "learns from each series anew"),
        (
            SequenceTransformer(make_pipeline(StandardScaler(), PowerTransformer())),
            "as step 'sequencetransformer__powertransformer'",
        ),
    ],
)
def test_other_steps_are_refused_by_name(step, message, series, tmp_path):
    detector = make_pipeline(step, LSTMAutoencoder(**UNTRAINED)).fit(series)
    with pytest.raises(ValueError, match=f"{message}.*Apply it before the graph"):
        export_onnx(detector, tmp_path / "detector.onnx")
    assert not list(tmp_path.iterdir())


# --------------------------------------------------------------------------- what can go wrong


@pytest.mark.parametrize(
    ("detector", "remedy"),
    [
        (MeanDetector(), "Keep it in Python"),
        (ScoreEnsemble([("mean", MeanDetector())]), "Export the detectors that it combines"),
        (FixedThresholdDetector(MeanDetector(), threshold=1.0), "Export its estimator_"),
    ],
    ids=by_class,
)
def test_other_detectors_are_refused(detector, remedy, series, tmp_path):
    with pytest.raises(TypeError, match=f"got {type(detector).__name__}. {remedy}"):
        export_onnx(detector.fit(series), tmp_path / "detector.onnx")


def test_a_class_derived_from_a_detector_is_refused_for_it_may_say_something_else(series, tmp_path):
    class Derived(LSTMAutoencoder):
        """Says what its parent says."""

    with pytest.raises(TypeError, match="got Derived"):
        export_onnx(Derived(**UNTRAINED).fit(series), tmp_path / "detector.onnx")


def test_a_detector_that_is_not_fitted_is_refused(tmp_path):
    with pytest.raises(NotFittedError):
        export_onnx(LSTMAutoencoder(), tmp_path / "detector.onnx")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": 3}, "The 'path' parameter"),
        ({"path": "detector.onnx", "form": "steps"}, "The 'form' parameter"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        export_onnx(LSTMAutoencoder(), **arguments)


def test_without_the_package_onnx_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'skanomaly\[onnx\]'"):
        export_onnx(LSTMAutoencoder(), tmp_path / "detector.onnx")


def test_wrong_shapes_are_refused_by_the_runtime(series, tmp_path):
    detector = LSTMAutoencoder(**UNTRAINED).fit(series)
    wrong = onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument
    with pytest.raises(wrong, match="Expected: 2"):
        opened(detector, tmp_path)(series[:, :1])
    with pytest.raises(wrong, match="Expected: 8"):
        opened(detector, tmp_path, "windows")(series[None, :9])


# ------------------------------------------------------------------------------- read in Python

METHODS = ["score_samples", "decision_function", "predict", "score_timesteps"]
METHODS += ["predict_timesteps", "score_features", "reconstruct"]


def loaded(detector, path, **options):
    export_onnx(detector, path / "detector.onnx")
    return load_onnx(path / "detector.onnx", n_threads=1, **options)


def test_a_file_can_be_read_as_a_detector_of_series(gappy, tmp_path):
    detector = LSTMAutoencoder(**UNTRAINED, contamination=0.1).fit(gappy)
    reader = loaded(detector, tmp_path)
    agree({name: getattr(reader, name)(gappy) for name in METHODS}, detector, gappy)
    assert (reader.threshold_, reader.offset_) == (detector.threshold_, detector.offset_)
    panel = gappy.reshape(4, 15, 2)
    agree({name: getattr(reader, name)(panel) for name in METHODS[3:]}, detector, panel)
    for name in METHODS[:3]:
        with pytest.raises(ValueError, match=r"as it was in fit; got a panel or list of 4 series"):
            getattr(reader, name)(panel)


def test_a_file_can_be_read_as_a_detector_of_panels(panel, ragged, tmp_path):
    detector = LSTMAutoencoder(**UNTRAINED, contamination=0.3).fit(panel)
    reader = loaded(detector, tmp_path)
    agree({name: getattr(reader, name)(panel) for name in METHODS}, detector, panel)
    agree({name: getattr(reader, name)(panel[0]) for name in METHODS}, detector, panel[0])
    agree({name: getattr(reader, name)(ragged) for name in METHODS[:3]}, detector, ragged)
    for found, expected in zip(
        reader.score_timesteps(ragged), detector.score_timesteps(ragged), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_is_read_checks_x_as_the_detector_does(series, tmp_path):
    frame = pd.DataFrame(series, columns=["flow", "level"])
    reader = loaded(LSTMAutoencoder(**UNTRAINED).fit(frame), tmp_path)
    assert list(reader.feature_names_in_) == ["flow", "level"]
    with pytest.raises(ValueError, match="feature names"):
        reader.predict(frame[["level", "flow"]])
    with pytest.raises(ValueError, match="must not contain infinity"):
        reader.predict(frame.replace(frame.iloc[3, 0], np.inf))
    with pytest.raises(ValueError, match="infinite in float32.*got one in series 0"):
        reader.predict(frame.replace(frame.iloc[3, 0], 1e300))
    with pytest.raises(ValueError, match="expecting 2 features"):
        loaded(LSTMAutoencoder(**UNTRAINED).fit(series), tmp_path).predict(np.zeros((9, 3)))


def test_other_files_are_not_read(series, tmp_path):
    (tmp_path / "text.onnx").write_text("no graph")
    with pytest.raises(ValueError, match="text.onnx', which ONNX Runtime cannot read"):
        load_onnx(tmp_path / "text.onnx")
    export_onnx(LSTMAutoencoder(**UNTRAINED).fit(series), tmp_path / "windows.onnx", form="windows")
    with pytest.raises(ValueError, match="with form='series'; got .*windows.onnx', which is"):
        load_onnx(tmp_path / "windows.onnx")
    with pytest.raises(FileNotFoundError):
        load_onnx(tmp_path / "none.onnx")


def test_no_backend_is_needed_to_read_a_file(series, tmp_path):
    detector = LSTMAutoencoder(**UNTRAINED).fit(series)
    export_onnx(detector, tmp_path / "detector.onnx")
    np.save(tmp_path / "series.npy", series)
    code = """
import numpy as np
from skanomaly.export import load_onnx
X = np.load(sys.argv[2])
np.save(sys.argv[2], load_onnx(sys.argv[1]).score_samples(X))
"""
    files = tmp_path / "detector.onnx", tmp_path / "series.npy"
    assert run_without(BLOCKED[:4], code, *files).stderr == ""
    scores = np.load(tmp_path / "series.npy")
    np.testing.assert_allclose(scores, detector.score_samples(series), rtol=1e-5)


def test_without_onnxruntime_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'skanomaly\[onnx\]'"):
        load_onnx("detector.onnx")


# --------------------------------------------------------------------------- the file by itself

RUN_ALONE = (
    "import runpy\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name='__main__')"
)


def run_example(*arguments):
    """Run the example of the documentation where nothing but ONNX Runtime can be imported."""
    return run_without(BLOCKED, RUN_ALONE, EXAMPLE, *arguments)


def test_the_example_scores_without_keras_and_skanomaly(gappy, tmp_path):
    frame = pd.DataFrame(gappy, columns=["flow", "level"])
    frame.to_csv(tmp_path / "series.csv", index=False)
    scale = SequenceTransformer(StandardScaler())
    detector = make_pipeline(scale, LSTMForecaster(**UNTRAINED, contamination=0.2)).fit(frame)
    export_onnx(detector, tmp_path / "detector.onnx")
    done = run_example(tmp_path / "detector.onnx", tmp_path / "series.csv")
    assert done.stderr == ""
    said = pd.read_csv(pd.io.common.StringIO(done.stdout))
    np.testing.assert_allclose(said["score"], detector.score_samples(frame), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(said["label"], detector.predict(frame))
    (tmp_path / "other.csv").write_text("flow,height\n1.0,2.0\n")
    refused = run_example(tmp_path / "detector.onnx", tmp_path / "other.csv")
    assert refused.returncode == 1
    assert "must have the columns ['flow', 'level']" in refused.stderr


def test_the_file_says_what_it_is(series, tmp_path):
    frame = pd.DataFrame(series, columns=["flow", "level"])
    detector = LSTMAutoencoder(**UNTRAINED, stride=2).fit(frame)
    model = export_onnx(detector, str(tmp_path / "detector.onnx"))
    assert onnx.load(tmp_path / "detector.onnx") == model
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told.pop("skanomaly_version") == model.producer_version
    assert {name: json.loads(value) for name, value in told.items()} == {
        "detector": "LSTMAutoencoder",
        "form": "series",
        "fitted_on": "series",
        "feature_names": ["flow", "level"],
        "n_features": 2,
        "window_size": 8,
        "stride": 2,
        "aggregation": "mean",
        "threshold": detector.threshold_,
        "offset": detector.offset_,
        "step_threshold": detector.step_threshold_,
    }
