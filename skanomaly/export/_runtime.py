"""A file of ``export_onnx`` as a detector: scored by ONNX Runtime, with the methods of before."""

import functools
import json
import os
from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin

from skanomaly.docstrings import with_texts
from skanomaly.exceptions import MissingDependencyError
from skanomaly.sequences import X_DOC, check_sequences
from skanomaly.validation import Interval, validate_params

__all__ = ["OnnxDetector", "load_onnx"]

_with_docs = with_texts(X=X_DOC)


@validate_params(
    {"path": [str, os.PathLike], "n_threads": [Interval(Integral, 1, None, closed="left"), None]},
    prefer_skip_nested_validation=True,
)
def load_onnx(path, *, n_threads=None):
    """Read a file of :func:`export_onnx` as a detector that ONNX Runtime scores with.

    Neither Keras nor a backend is imported, and nothing in the file is run but operators of ONNX.

    Parameters
    ----------
    path : str or path-like
        A file that :func:`export_onnx` wrote with ``form="series"``.
    n_threads : int or None, default=None
        Threads for one series. None lets ONNX Runtime choose, which takes all cores.

    Returns
    -------
    detector : OnnxDetector
        With the scoring methods of the detector that was exported.

    Raises
    ------
    MissingDependencyError
        If the package onnxruntime is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is of another kind.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skanomaly import LSTMAutoencoder
    >>> from skanomaly.export import export_onnx, load_onnx
    >>> X = np.sin(np.arange(200) / 5).reshape(-1, 1)
    >>> detector = LSTMAutoencoder(window_size=20, hidden_units=4, max_epochs=1, random_state=0)
    >>> path = Path(tempfile.mkdtemp()) / "detector.onnx"
    >>> model = export_onnx(detector.fit(X), path)
    >>> loaded = load_onnx(path)
    >>> bool(np.allclose(loaded.score_samples(X), detector.score_samples(X), atol=1e-5))
    True
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError(
            "load_onnx needs the package onnxruntime; it is not installed. "
            "Run: pip install 'skanomaly[onnx]'"
        ) from error
    with open(path, "rb") as file:
        content = file.read()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads or 0
    # Outputs that nobody asks for are not computed.
    run_options = onnxruntime.RunOptions()
    run_options.only_execute_path_to_fetches = True
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no base of its own for what it raises
        raise ValueError(
            f"path must be a file of export_onnx; got {os.fspath(path)!r}, which ONNX Runtime "
            "cannot read. Export the detector again."
        ) from error
    told = session.get_modelmeta().custom_metadata_map
    if "skanomaly_version" not in told or told["form"] != '"series"':
        raise ValueError(
            f"path must be a file that export_onnx wrote with form='series'; got "
            f"{os.fspath(path)!r}, which is another. Export the detector again, or use "
            "onnxruntime.InferenceSession."
        )
    about = {name: json.loads(text) for name, text in told.items() if name != "skanomaly_version"}
    return OnnxDetector(lambda names, X: session.run(names, {"X": X}, run_options), about)


class OnnxDetector(OutlierMixin, BaseEstimator):
    """A detector that was exported, scored by ONNX Runtime; made by :func:`load_onnx`.

    X may have all forms that the detector took in memory, and is checked in the same way; series
    are scored one after the other. It cannot be fitted or pickled: pass on the file.

    Parameters
    ----------
    run : callable
        ``run(names, X)`` returns the outputs with these names, X (n_timesteps, n_features).
    about : dict
        What the file says of the detector, see :func:`export_onnx`.

    Attributes
    ----------
    threshold_, offset_, step_threshold_ : float
        As of the detector that was exported.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, when X had names in ``fit``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skanomaly import LSTMAutoencoder
    >>> from skanomaly.export import export_onnx, load_onnx
    >>> X = np.sin(np.arange(100) / 5).reshape(-1, 1)
    >>> detector = LSTMAutoencoder(window_size=10, hidden_units=2, max_epochs=0, random_state=0)
    >>> path = Path(tempfile.mkdtemp()) / "detector.onnx"
    >>> model = export_onnx(detector.fit(X), path)
    >>> load_onnx(path).predict(X).shape
    (100,)
    """

    def __init__(self, run, about):
        self.run = run
        self.about = about

    def __sklearn_is_fitted__(self):
        return True

    @property
    def threshold_(self):
        """Anomaly scores above it are flagged."""
        return self.about["threshold"]

    @property
    def offset_(self):
        """Minus the threshold."""
        return self.about["offset"]

    @property
    def step_threshold_(self):
        """The threshold for single time steps."""
        return self.about["step_threshold"]

    @property
    def n_features_in_(self):
        """Number of features."""
        return self.about["n_features"]

    @functools.cached_property
    def feature_names_in_(self):
        """Names of the features; there are none if X had none."""
        if self.about["feature_names"] is None:
            raise AttributeError("feature_names_in_ is there only if X had names in fit.")
        return np.array(self.about["feature_names"], dtype=object)

    @_with_docs
    def score_samples(self, X):
        """Score each time step of a series, or each series of a panel; higher is more normal.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray of shape (n_timesteps,) or (n_series,), float64

        Raises
        ------
        ValueError
            If X is not as described, or is a panel and the detector was fitted on one series.
        """
        return self._of_samples(self._check(X), "score_samples", "score_timesteps")

    @_with_docs
    def decision_function(self, X):
        """Score as ``score_samples``, shifted so that negative means anomalous.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        decision : ndarray of shape (n_timesteps,) or (n_series,), float64

        Raises
        ------
        ValueError
            If X is not as described, or is a panel and the detector was fitted on one series.
        """
        sequences = self._check(X)
        single = sequences.nesting == "series"
        scores = self._of_samples(sequences, "score_samples", "score_timesteps")
        return scores + (self.step_threshold_ if single else self.threshold_)

    @_with_docs
    def predict(self, X):
        """Label each time step of a series, or each series of a panel: -1 for anomalies, else 1.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        labels : ndarray of shape (n_timesteps,) or (n_series,), int64

        Raises
        ------
        ValueError
            If X is not as described, or is a panel and the detector was fitted on one series.
        """
        return self._of_samples(self._check(X), "predict", "predict_timesteps")

    @_with_docs
    def score_timesteps(self, X):
        """Score each time step, of panels too; higher is more normal.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray or list of ndarray, as X without the axis of features, float64

        Raises
        ------
        ValueError
            If X is not as described.
        """
        return self._of_steps(X, "score_timesteps")

    @_with_docs
    def predict_timesteps(self, X):
        """Label each time step, of panels too: -1 for anomalies, else 1.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        labels : ndarray or list of ndarray, as X without the axis of features, int64

        Raises
        ------
        ValueError
            If X is not as described.
        """
        return self._of_steps(X, "predict_timesteps")

    @_with_docs
    def score_features(self, X):
        """Score each value; higher is more normal. The mean over features scores the time step.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        scores : ndarray or list of ndarray, shaped like X, float64
            NaN where nothing was observed.

        Raises
        ------
        ValueError
            If X is not as described.
        """
        return self._of_steps(X, "score_features")

    @_with_docs
    def reconstruct(self, X):
        """Tell what the detector expected in place of X.

        Parameters
        ----------
        X : {X}

        Returns
        -------
        reconstruction : ndarray or list of ndarray, shaped like X, float64

        Raises
        ------
        ValueError
            If X is not as described.
        """
        return self._of_steps(X, "reconstruct")

    def _check(self, X):
        return check_sequences(self, X, reset=False, dtype=np.float64)

    def _of_steps(self, X, name):
        sequences = self._check(X)
        return sequences.nest(self._outputs(sequences, name))

    def _of_samples(self, sequences, name, name_of_steps):
        if sequences.nesting == "series":
            return self._outputs(sequences, name_of_steps)
        if self.about["fitted_on"] == "series":
            raise ValueError(
                "X must be one series (n_timesteps, n_features) here, as it was in fit; got a "
                f"panel or list of {sequences.n_series} series. Use "
                f"{name_of_steps}, or export a detector that was fitted on a panel."
            )
        return self._outputs(sequences, name)

    def _outputs(self, sequences, name):
        """Say what the graph says of each series, one after the other."""
        found = []
        for i, part in enumerate(sequences.split()):
            scores, said = self.run(["score_timesteps", name], np.ascontiguousarray(part))
            if np.isnan(scores).any():
                raise ValueError(
                    "X must have no value that is infinite in float32, after what comes before "
                    f"the network; got one in series {i}. Use NaN for values that were not "
                    "observed."
                )
            found.append(said)
        return np.concatenate(found)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        return tags
