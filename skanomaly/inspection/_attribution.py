"""Which features an anomaly score is made of, and how often they are the guilty ones."""

from numbers import Real

import numpy as np

from skanomaly.inspection._inputs import check_detector
from skanomaly.sequences import nesting
from skanomaly.validation import Interval, validate_params

__all__ = ["feature_contributions", "hit_rate"]


def feature_contributions(detector, X):
    """Divide the anomaly score of each time step among its features.

    Parameters
    ----------
    detector : detector
        Fitted.
    X : array-like of shape (n_timesteps, n_features), (n_series, n_timesteps, n_features), \
or list of (n_timesteps_i, n_features)
        One series with rows in time order (array, pandas or polars frame), a panel of series
        of equal length, or a list of series of any lengths. NaN means not observed.

    Returns
    -------
    contributions : ndarray or list of ndarray, shaped like X
        In units of the score, float64, higher meaning more anomalous. Their sum over the features
        is minus ``detector.score_timesteps(X)``. NaN where a value was not observed or the
        detector has no opinion; where all features of a step are, its score is made of nothing.

    Raises
    ------
    TypeError
        If the detector has no method ``score_features``.
    sklearn.exceptions.NotFittedError
        If the detector is not fitted.

    See Also
    --------
    explain : The features and steps of one alarm, and what would have prevented it.
    hit_rate : How often the features with the highest contributions are the guilty ones.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly import PersistenceDetector
    >>> from skanomaly.inspection import feature_contributions
    >>> X = np.array([[0.0, 0.0], [0.0, 2.0], [1.0, 2.0]])
    >>> detector = PersistenceDetector().fit(X)
    >>> feature_contributions(detector, X)
    array([[0. , 2. ],
           [0. , 2. ],
           [0.5, 0. ]])
    >>> -detector.score_timesteps(X)
    array([2. , 2. , 0.5])
    """
    check_detector(detector, "score_features")
    errors = detector.score_features(X)
    if nesting(X) == "ragged":
        return [_shares(np.asarray(part)) for part in errors]
    return _shares(np.asarray(errors))


def _shares(scores):
    """Turn scores per value into shares of the step's anomaly score: shape kept."""
    n_known = np.isfinite(scores).sum(axis=-1, keepdims=True)
    # Minus zero is a matter of printing alone, but it looks wrong.
    return -scores / np.maximum(n_known, 1) + 0.0


@validate_params(
    {"percent": [Interval(Real, 0, None, closed="neither")]}, prefer_skip_nested_validation=True
)
def hit_rate(contributions, guilty, percent=100):
    """Rate an attribution: the share of guilty features among those that contribute most.

    Parameters
    ----------
    contributions : array-like of shape (n_segments, n_features)
        Contribution of each feature to each anomalous segment, for example the mean of
        :func:`feature_contributions` over its time steps. NaN ranks last.
    guilty : sequence of n_segments sequences of int
        Indices of the features that caused each segment, at least one.
    percent : float, default=100
        How many features are looked at in each segment: this percentage of the number of guilty
        ones, rounded up.

    Returns
    -------
    rate : float
        Mean over the segments of the share of guilty features found, from 0 to 1. Of features
        with equal contributions, of which only some can be looked at, the expected share counts.

    Raises
    ------
    ValueError
        If a segment has no guilty feature or one that does not exist, or the lengths differ.

    References
    ----------
    .. [1] Y. Su, Y. Zhao, C. Niu, R. Liu, W. Sun and D. Pei, "Robust anomaly detection for
       multivariate time series through stochastic recurrent neural network", KDD 2019.

    Examples
    --------
    >>> from skanomaly.inspection import hit_rate
    >>> hit_rate([[5.0, 1.0, 4.0, 0.0]], [[0, 1]])
    0.5
    >>> hit_rate([[5.0, 1.0, 4.0, 0.0]], [[0, 1]], percent=150)
    1.0
    """
    contributions = np.asarray(contributions, dtype=np.float64)
    if contributions.ndim != 2 or len(contributions) != len(guilty) or not len(guilty):
        raise ValueError(
            "contributions must have one row per segment of guilty, (n_segments, n_features); got "
            f"shape {contributions.shape} for {len(guilty)} segments. Average the contributions "
            "over the time steps of each segment first."
        )
    ranked = np.where(np.isnan(contributions), -np.inf, contributions)
    rates = [
        _hits(row, _check_guilty(g, i, len(row)), percent)
        for i, (row, g) in enumerate(zip(ranked, guilty, strict=True))
    ]
    return float(np.mean(rates))


def _check_guilty(guilty, segment, n_features):
    features = np.unique(np.asarray(guilty, dtype=np.int64))
    if not len(features) or features[0] < 0 or features[-1] >= n_features:
        raise ValueError(
            f"guilty must name features from 0 to {n_features - 1} for each segment, at least one; "
            f"got {list(guilty)} for segment {segment}. Number features from 0, and leave out "
            "segments without guilty ones."
        )
    return features


def _hits(contributions, guilty, percent):
    """Share of the guilty among the top features: (n_features,), (n_guilty,) -> float."""
    n_looked_at = min(int(np.ceil(percent / 100 * len(guilty) - 1e-9)), len(contributions))
    last = np.sort(contributions)[-n_looked_at]
    above, tied = contributions > last, contributions == last
    chance = (n_looked_at - above.sum()) / tied.sum()
    return float((above[guilty].sum() + chance * tied[guilty].sum()) / len(guilty))
