"""A fitted detector as a file of ONNX, which runs without Keras and without Python."""

import json
import os
from pathlib import Path

import numpy as np

import skanomaly
from skanomaly.export._description import describe
from skanomaly.export._graph import Graph, import_onnx
from skanomaly.export._preprocessing import preprocess, split_steps
from skanomaly.export._scores import judge
from skanomaly.export._windows import observed_values, say_of_series, say_of_windows
from skanomaly.validation import StrOptions, validate_params

__all__ = ["export_onnx"]


@validate_params(
    {
        "detector": "no_validation",
        "path": [str, os.PathLike],
        "form": [StrOptions({"series", "windows"})],
    },
    prefer_skip_nested_validation=True,
)
def export_onnx(detector, path, *, form="series"):
    """Write a fitted LSTM detector, from raw values to labels, as a file of ONNX.

    The file is scored by ONNX Runtime, or any other program for ONNX, without skanomaly, Keras or
    a backend. Its outputs bear the names of methods and are what these return.

    Parameters
    ----------
    detector : estimator
        A fitted :class:`~skanomaly.LSTMAutoencoder`, :class:`~skanomaly.Seq2SeqLSTMAutoencoder`,
        :class:`~skanomaly.LSTMForecaster` or :class:`~skanomaly.VariationalLSTMAutoencoder`, or a
        :class:`~sklearn.pipeline.Pipeline` that ends in one. Steps before it may be
        ``StandardScaler``, ``MinMaxScaler``, ``MaxAbsScaler``, ``RobustScaler`` and
        ``FunctionTransformer(np.clip)`` of scikit-learn, bare, in a pipeline or in a
        :class:`~skanomaly.preprocessing.SequenceTransformer`; they become part of the graph.
    path : str or path-like
        The file to write; one that is there is replaced.
    form : {"series", "windows"}, default="series"
        "series" takes one series and cuts it into windows in the graph. "windows" takes windows,
        each a series of its own, so many at a time as one likes: for following a stream, or where
        series are cut elsewhere.

    Returns
    -------
    model : onnx.ModelProto
        What was written.

    Raises
    ------
    MissingDependencyError
        If the package onnx is not installed.
    TypeError
        If `detector` is of another class.
    ValueError
        If a step before it has no counterpart in the graph.
    sklearn.exceptions.NotFittedError
        If `detector` is not fitted.

    See Also
    --------
    load_onnx : Read the file as a detector again, scored by ONNX Runtime.

    Notes
    -----
    The one input is "X", float64, NaN where nothing was observed:

    - (n_timesteps, n_features) for "series". A series shorter than a window is one shorter window.
    - (batch, window_size, n_features) for "windows", the second axis of any length if the
      `window_size` of the detector is None.

    Outputs of "series" for a detector fitted on one series: "score_samples", "decision_function",
    "predict", "score_timesteps", "predict_timesteps", each (n_timesteps,), "score_features" and
    "reconstruct", each (n_timesteps, n_features). For one fitted on a panel the first three are
    (1,), what the methods return for a list of this series alone. Outputs of "windows" are what
    the methods return for a panel of the windows: "score_samples" (batch,), "score_timesteps" and
    "predict_timesteps" (batch, window_size), "score_features" and "reconstruct" (batch,
    window_size, n_features), and for a detector fitted on a panel "decision_function" and
    "predict" (batch,). Labels are int64, the rest is float64.

    The graph has all options of the detector in it: the windows and their aggregation, the error
    norm, smoothing, thresholds, the networks of an ensemble. Networks compute in float32 as ever,
    with sigmoid and tanh of the runtime; scores agree to about 1e-6 of their size. Where methods
    raise an error of infinite values, the graph returns NaN as the scores of the series and the
    label -1.

    Memory for "series" grows with the number of windows times their size and the features, by
    about 30 bytes for each such value, whatever the number of units.

    In ``metadata_props`` stand, as JSON, "detector", "form", "fitted_on" ("series" or "panel"),
    "feature_names", "n_features", "window_size", "stride", "aggregation", "threshold", "offset",
    "step_threshold", and as text "skanomaly_version". The operators are those of opset 18.

    References
    ----------
    .. [1] Open Neural Network Exchange, https://onnx.ai

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skanomaly import LSTMAutoencoder
    >>> from skanomaly.export import export_onnx
    >>> X = np.sin(np.arange(200) / 5).reshape(-1, 1)
    >>> detector = LSTMAutoencoder(window_size=20, hidden_units=4, max_epochs=1, random_state=0)
    >>> path = Path(tempfile.mkdtemp()) / "detector.onnx"
    >>> model = export_onnx(detector.fit(X), path)

    From here on nothing but ONNX Runtime is needed:

    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(path)
    >>> scores, labels = session.run(["score_samples", "predict"], {"X": X})
    >>> bool(np.allclose(scores, detector.score_samples(X), atol=1e-5))
    True
    """
    import_onnx()
    final, steps = split_steps(detector)
    description = describe(final)
    graph, one_series = Graph(), form == "series"
    x = graph.cast(preprocess(graph, "X", steps), np.float32)
    say = say_of_series if one_series else say_of_windows
    errors, reconstruction = say(graph, x, description)
    values = [x, errors, graph.cast(reconstruction, np.float64)]
    if one_series:
        values = [graph("Unsqueeze", value, [0]) for value in values]
    x, errors, reconstruction = values
    said = judge(
        graph,
        errors,
        reconstruction,
        observed_values(graph, x),
        _infinite(graph, x),
        description,
        one_series=one_series,
    )
    axes = _axes(description, one_series)
    outputs = []
    for name, (value, dtype, n_axes) in said.items():
        if one_series and n_axes > 1:
            graph("Squeeze", value, [0], output=name)
            outputs.append((name, dtype, axes[: n_axes - 1]))
        else:
            graph("Identity", value, output=name)
            outputs.append((name, dtype, [1] if one_series else axes[:n_axes]))
    model = graph.model(
        [("X", np.float64, axes)], outputs, _metadata(detector, final, form, description)
    )
    Path(path).write_bytes(model.SerializeToString())
    return model


def _infinite(graph, x):
    """Tell which series have an infinite value: (n_series, ...) -> (n_series, 1, 1), bool."""
    infinite = graph.cast(graph("IsInf", x), np.float32)
    return graph.cast(graph("ReduceMax", infinite, [1, 2]), bool)


def _axes(description, one_series):
    """Name the axes of X, or give their lengths."""
    if one_series:
        return ["n_timesteps", description.n_features]
    return ["batch", description.window_size or "n_timesteps", description.n_features]


def _metadata(detector, final, form, description):
    """Collect what a user of the file may want to know: dict of str to str."""
    names = getattr(detector, "feature_names_in_", None)
    entries = {
        "detector": type(final).__name__,
        "form": form,
        "fitted_on": "panel" if description.on_panel else "series",
        "feature_names": None if names is None else [str(name) for name in names],
        "n_features": int(final.n_features_in_),
        "window_size": None if final.window_size is None else int(final.window_size_),
        "stride": int(final.stride),
        "aggregation": final.aggregation,
        "threshold": float(final.threshold_),
        "offset": float(final.offset_),
        "step_threshold": float(final.step_threshold_),
    }
    written = {name: json.dumps(value) for name, value in entries.items()}
    return written | {"skanomaly_version": skanomaly.__version__}
