"""A detector for a start: what did best, with one set of parameters, on many kinds of series."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skanomaly.detectors import LSTMAutoencoder, LSTMForecaster, NearestWindowDetector
from skanomaly.model_selection._score_ensemble import ScoreEnsemble
from skanomaly.preprocessing import SequenceTransformer, soft_clip
from skanomaly.sequences import check_sequences
from skanomaly.thresholds import QuantileThreshold
from skanomaly.validation import HasMethods, Interval, validate_params

__all__ = ["make_detector"]

_WINDOW_SIZE, _HIDDEN_UNITS = 64, 32
# Windows in the shortest series, so that none is a single window or two.
_WINDOWS_PER_SERIES = 4
_SPANS_PER_WINDOW = (1 / 16, 1 / 4, 1, 4)
_SHARP_SPANS_PER_WINDOW = _SPANS_PER_WINDOW[:2]
# Normal data drift: most of what exceeds the quantile later on is no anomaly.
_ROOM = 2.0
_MOST_DEVIATIONS = 6.0
_WINDOWS_PER_EPOCH, _MOST_EPOCHS = 3000, 60
# Training time steps beyond which neighbouring windows need not all be gone through.
_STEPS_PER_STRIDE = 50_000


@validate_params(
    {
        "causal": ["boolean"],
        "sharp": ["boolean"],
        "training_windows": [Interval(Integral, 0, None, closed="left")],
        "contamination": [Interval(Real, 0, 0.5, closed="right")],
        "threshold": [HasMethods(["fit", "predict"]), None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    },
    prefer_skip_nested_validation=True,
)
def make_detector(
    X,
    *,
    causal=False,
    sharp=False,
    training_windows=20_000,
    contamination=0.01,
    threshold=None,
    random_state=None,
    verbose=0,
):
    """Make the recommended detector, not fitted, for data like X.

    A :class:`~sklearn.pipeline.Pipeline` of a scaler and a
    :class:`~skanomaly.ScoreEnsemble` of three detectors that expect each value for
    different reasons: :class:`~skanomaly.LSTMForecaster` from what came before,
    :class:`~skanomaly.LSTMAutoencoder` from what windows have in common, and
    :class:`~skanomaly.NearestWindowDetector` from the situation most like it. All its
    parameters are the same whatever X is, but for those that follow from its length by the rules
    below. They can be changed by ``set_params`` and tuned.

    Parameters
    ----------
    X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
        The training data: one series with rows in time order, a panel of series of equal length,
        or a list of series of any lengths. Only their lengths are used, and that they are valid.
    causal : bool, default=False
        Score each time step from what came before and from itself, so that a score never changes
        when the series goes on. False looks ahead too, by up to four windows, which finds anomalies
        much better afterwards.
    sharp : bool, default=False
        Make labels that end where an anomaly does, rather than scores that rank best: average over
        a quarter of a window at most. Averages over longer spans find more weak anomalies, but
        raise the scores of what lies beside strong ones.
    training_windows : int, default=20_000
        How many windows each network learns from in all, repetitions included. 0 leaves the
        networks untrained.
    contamination : float, default=0.01
        Share of the training data to lie above half the threshold, in (0, 0.5]: normal data drift
        after training, and need room. Ignored when `threshold` is given.
    threshold : threshold selector, default=None
        An estimator from :mod:`skanomaly.thresholds`. None is
        ``QuantileThreshold(contamination=contamination, factor=2.0)``.
    random_state : int, RandomState instance or None, default=None
        Determines what the networks learn.
    verbose : int, default=0
        1 shows epochs, losses and time left of the networks on standard error.

    Returns
    -------
    detector : sklearn.pipeline.Pipeline
        Not fitted. Its steps are "scale" and "detect".

    Raises
    ------
    ValueError
        If a parameter is out of its range, or X is not as described.

    See Also
    --------
    ScoreEnsemble : What combines the scores.

    Notes
    -----
    - Every feature is standardised by its mean and standard deviation on the training data, and
      grows by the logarithm alone beyond 6 deviations.
    - Windows have 64 time steps, or a quarter of the shortest series if that is less.
    - The networks have one layer of 32 units. They pass over at most 3000 windows per epoch, drawn
      anew, until they have seen `training_windows`, in at most 60 epochs.
    - Beyond 50 000 training time steps, windows are as many steps apart as that goes into their
      number, at most a quarter of a window; not if `causal`, which needs the window that ends at
      each step.
    - Errors are squared Mahalanobis distances of residuals. They are averaged over triangles that
      reach 1/16, 1/4, 1 and 4 windows (1/16 and 1/4 if `sharp`), and the one that stands out most
      counts. The three detectors weigh the same.
    - The first quarter of a window of each series tells nothing and is never flagged; if `causal`,
      all steps before the end of the first window.

    How it was chosen, and what it reaches on series that it was not chosen on, is told in the user
    guide.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import make_detector
    >>> X = np.sin(np.arange(600) / 5)[:, None]
    >>> detector = make_detector(X, random_state=0)
    >>> detector[-1].get_params()["forecaster__window_size"]
    64
    >>> detector = detector.set_params(detect__spans=(8, 32)).set_params(
    ...     detect__forecaster__hidden_units=4, detect__autoencoder__hidden_units=4,
    ...     detect__forecaster__max_epochs=2, detect__autoencoder__max_epochs=2,
    ... ).fit(X)
    >>> X_test = X.copy()
    >>> X_test[300:340] = 0.0
    >>> 300 <= int(np.argmin(detector.score_samples(X_test))) < 340
    True
    """
    sequences = check_sequences(BaseEstimator(), X, reset=True, min_timesteps=2, stored=True)
    shortest = int(sequences.lengths.min())
    size = max(1, min(_WINDOW_SIZE, shortest // _WINDOWS_PER_SERIES))
    stride = 1 if causal else _stride_for(sequences.n_timesteps, size)
    windows = int(np.sum(-(-(sequences.lengths - size) // stride) + 1))
    per_epoch = min(windows, _WINDOWS_PER_EPOCH)
    common = {
        "window_size": size,
        "score_norm": "mahalanobis",
        "aggregation": "last" if causal else "mean",
    }
    network = common | {
        "stride": stride,
        "hidden_units": _HIDDEN_UNITS,
        "max_epochs": min(-(-int(training_windows) // per_epoch), _MOST_EPOCHS),
        "max_windows_per_epoch": _WINDOWS_PER_EPOCH,
        "random_state": random_state,
        "verbose": verbose,
    }
    nearest = common | {"stride": 1 if causal else max(1, size // 8)}
    members = [
        # A forecast rests on the longest past in the window where its step stands latest.
        ("forecaster", LSTMForecaster(**network | {"aggregation": "last"})),
        ("autoencoder", LSTMAutoencoder(**network)),
        ("nearest", NearestWindowDetector(**nearest)),
    ]
    shares = _SHARP_SPANS_PER_WINDOW if sharp else _SPANS_PER_WINDOW
    if threshold is None:
        threshold = QuantileThreshold(contamination=contamination, factor=_ROOM)
    ensemble = ScoreEnsemble(
        members,
        spans=tuple(sorted({max(1, round(size * share)) for share in shares})),
        causal=causal,
        warm_up=size - 1 if causal else size // 4,
        contamination=contamination,
        threshold=threshold,
    )
    limit = {"limit": _MOST_DEVIATIONS}
    clip = FunctionTransformer(soft_clip, kw_args=limit, feature_names_out="one-to-one")
    scale = SequenceTransformer(make_pipeline(StandardScaler(), clip))
    return Pipeline([("scale", scale), ("detect", ensemble)])


def _stride_for(n_timesteps, size):
    return max(1, min(n_timesteps // _STEPS_PER_STRIDE, size // 4))
