"""From the options of the command line to a pipeline, and what it says of a table."""

import os
import sys
from dataclasses import dataclass

import click
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skanomaly
from skanomaly import thresholds
from skanomaly._backend import choose_backend
from skanomaly.preprocessing import Differencer, SequenceTransformer

_NETWORKS = {
    "autoencoder": "LSTMAutoencoder",
    "seq2seq": "Seq2SeqLSTMAutoencoder",
    "variational": "VariationalLSTMAutoencoder",
    "forecaster": "LSTMForecaster",
}
_WITHOUT_WINDOWS = {
    "linear": "LinearForecaster",
    "persistence": "PersistenceDetector",
    "mean": "MeanDetector",
}
_THRESHOLDS = {
    "quantile": lambda share: thresholds.QuantileThreshold(contamination=share),
    "sigma": lambda share: thresholds.SigmaThreshold(),
    "mad": lambda share: thresholds.MADThreshold(),
    "iqr": lambda share: thresholds.IQRThreshold(),
    "pot": lambda share: thresholds.PeaksOverThreshold(),
    "conformal": lambda share: thresholds.ConformalThreshold(alpha=share),
}


@dataclass(frozen=True)
class Result:
    """What a fitted pipeline says about all rows.

    Parameters
    ----------
    n_train : int
        Number of rows of the training part, which come first.
    scores : ndarray of shape (n_timesteps,)
        ``score_samples``: higher = more normal.
    labels : ndarray of shape (n_timesteps,)
        -1 for flagged rows, else 1.
    detector : detector
        The fitted last step of the pipeline.
    """

    n_train: int
    scores: np.ndarray
    labels: np.ndarray
    detector: object


def set_backend(backend):
    """Choose what Keras runs on in this process, and fail now if it is not installed."""
    if backend is not None:
        loaded = sys.modules.get("keras")
        if loaded is not None and loaded.backend.backend() != backend:
            raise click.ClickException(
                f"--backend must be {loaded.backend.backend()!r}, on which the Keras of this "
                f"process runs already; got {backend!r}. Start a new process."
            )
        os.environ["KERAS_BACKEND"] = backend
    choose_backend()


def needs_keras(architecture):
    """Tell whether an architecture of the command line has a network."""
    return architecture in _NETWORKS or architecture == "recommended"


def make_pipeline_for(X, *, difference, no_scale, architecture, **options):
    """Make the pipeline that the options ask for, not fitted, for training data X."""
    steps = [] if no_scale else [SequenceTransformer(StandardScaler())]
    if difference:
        steps.append(Differencer())
    if architecture == "recommended":
        return _recommended(X, steps, no_scale, options)
    return make_pipeline(*steps, _make_detector(len(X), architecture, **options))


def _recommended(X, steps, no_scale, options):
    if no_scale or options["smoothing"] is not None:
        name = "--no-scale" if no_scale else "--smoothing"
        raise click.ClickException(
            f"{name} must be left out with --architecture recommended, which scales and smooths "
            "in its own way."
        )
    detector = skanomaly.make_detector(
        X,
        causal=options["online"],
        contamination=options["contamination"],
        threshold=_threshold(options) if options["threshold"] != "quantile" else None,
        random_state=options["seed"],
        verbose=options["verbose"],
    )
    return make_pipeline(*steps[1:], *(step for _, step in detector.steps))


def _make_detector(
    n_train,
    architecture,
    *,
    window_size,
    stride,
    hidden_units,
    epochs,
    online,
    smoothing,
    seed,
    verbose,
    **deciding,
):
    common = {"threshold": _threshold(deciding)}
    if smoothing is not None:
        common |= {
            "smoothing": "triangular",
            "smoothing_span": smoothing,
            "smoothing_causal": online,
        }
    if architecture in _WITHOUT_WINDOWS:
        return getattr(skanomaly, _WITHOUT_WINDOWS[architecture])(**common)
    _check_window(window_size, n_train)
    common |= {"window_size": window_size, "stride": _stride(stride, window_size, n_train, online)}
    if online:
        common["aggregation"] = "last"
    if architecture == "nearest":
        return skanomaly.NearestWindowDetector(**common)
    return getattr(skanomaly, _NETWORKS[architecture])(
        **common, hidden_units=hidden_units, max_epochs=epochs, random_state=seed, verbose=verbose
    )


def _stride(stride, window_size, n_train, online):
    if stride is not None and window_size != "auto" and stride > window_size:
        raise click.ClickException(
            f"--stride must be at most --window-size {window_size}; got {stride}. Use a smaller "
            "one, or some rows would be in no window."
        )
    if online and stride not in (None, 1):
        raise click.ClickException(
            f"--stride must be 1 with --online, so that a window ends at each row; got {stride}. "
            "Leave it out."
        )
    if stride is None:
        return 1 if online or window_size == "auto" else choose_stride(window_size, n_train)
    return stride


def _threshold(options):
    return _THRESHOLDS[options["threshold"]](options["contamination"])


def _check_window(window_size, n_train):
    if window_size != "auto" and window_size > n_train:
        raise click.ClickException(
            f"--window-size must be at most {n_train}, the number of rows to train on; got "
            f"{window_size}. Use a smaller window or a larger --train."
        )


def choose_stride(window_size, n_train):
    """Choose a stride that bounds the time to fit: about 4000 windows are enough to learn."""
    return int(np.clip(n_train // 4000, 1, max(1, window_size // 4)))


def score_table(pipeline, X, n_train):
    """Score and label all rows of X (n_timesteps, n_features); the first `n_train` were learned."""
    scores = pipeline.score_samples(X)
    labels = np.where(scores < pipeline[-1].offset_, -1, 1)
    return Result(n_train, scores, labels, pipeline[-1])
