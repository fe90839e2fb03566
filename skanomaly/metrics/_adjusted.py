"""Point adjustment, never without what flags at random get from it."""

from typing import NamedTuple

import numpy as np

from skanomaly.intervals import find_intervals
from skanomaly.metrics._checks import check_beta, check_between, check_random_state
from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._joined import count_flags, read_joined
from skanomaly.metrics._results import divide, f_of_counts, f_of_ratios

__all__ = [
    "AdjustedPrecisionRecallF",
    "pa_k_area",
    "pa_k_precision_recall_f",
    "point_adjusted_precision_recall_f",
]

_N_DRAWS = 1000
# Draws times anomalies at once: a few arrays of 8 MB.
_BLOCK = 2**20


class AdjustedPrecisionRecallF(NamedTuple):
    """Precision, recall and F after point adjustment, and the F of flags at random.

    Parameters
    ----------
    precision : float
        Between 0 and 1. NaN if nothing is flagged.
    recall : float
        Between 0 and 1. NaN if nothing is anomalous.
    f : float
        Between 0 and 1. 0 if one of the two is NaN, NaN if both are.
    random_f : float
        What `f` is on average for as many flags on time steps chosen at random. Compare `f` with
        it: only what is above has been found.

    Examples
    --------
    >>> from skanomaly.metrics import point_adjusted_precision_recall_f
    >>> result = point_adjusted_precision_recall_f([1, -1, -1, 1], [1, 1, -1, 1])
    >>> result.precision, result.recall, result.f
    (1.0, 1.0, 1.0)
    >>> 0.4 < result.random_f < 0.6  # half of all places of one flag are in the anomaly
    True
    """

    precision: float
    recall: float
    f: float
    random_f: float


@with_docs
def point_adjusted_precision_recall_f(y_true, y_pred, *, beta=1.0, random_state=0):
    """Compute precision, recall and F over time steps after point adjustment.

    Point adjustment [1]_ counts all time steps of an anomaly as flagged if one of them is. On
    long anomalies that makes almost any detector look good [2]_: some flags at random are enough
    to touch each. So the result has `random_f` beside `f`. It is there to compare with published
    figures; for anything else prefer :func:`event_precision_recall_f` or
    :func:`affiliation_precision_recall_f`.

    Parameters
    ----------
    y_true : {y_true}
    y_pred : {y_pred}
    beta : {beta}
    random_state : {random_state}

    Returns
    -------
    result : AdjustedPrecisionRecallF
        Four floats: `precision`, `recall`, `f` and `random_f`.

    Raises
    ------
    ValueError
        {label_errors} or if `beta` or `random_state` is outside its range.

    See Also
    --------
    pa_k_precision_recall_f : Adjusts only anomalies of which enough is flagged.

    Notes
    -----
    `random_f` is the mean over 1000 draws, without replacement, of as many flagged time steps as
    `y_pred` has among all those of all series. Its standard error is the standard deviation of the
    F of a draw divided by 32, and so at most 0.016. Time grows with the number of anomalies.

    References
    ----------
    .. [1] H. Xu et al., "Unsupervised anomaly detection via variational auto-encoder for seasonal
       KPIs in web applications", WWW 2018.
    .. [2] S. Kim, K. Choi, H.-S. Choi, B. Lee and S. Yoon, "Towards a rigorous evaluation of
       time-series anomaly detection", AAAI 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.metrics import point_adjusted_precision_recall_f
    >>> y_true = np.ones(1000, dtype=int)
    >>> y_true[300:500] = -1
    >>> y_pred = np.ones(1000, dtype=int)
    >>> y_pred[::50] = -1  # 20 flags that know nothing
    >>> result = point_adjusted_precision_recall_f(y_true, y_pred)
    >>> round(result.f, 2), round(result.random_f, 2)
    (0.96, 0.95)
    """
    return _adjusted(y_true, y_pred, beta, random_state, _at(0))


@with_docs
def pa_k_precision_recall_f(y_true, y_pred, *, k=20, beta=1.0, random_state=0):
    """Compute precision, recall and F after adjusting anomalies of which over k % are flagged.

    PA%K [1]_. All time steps of an anomaly count as flagged if more than `k` percent of them are;
    the others count as they are. 0 is point adjustment, 100 adjusts nothing. Flags at random gain
    little where `k` is above the percentage of time steps that is flagged.

    Parameters
    ----------
    y_true : {y_true}
    y_pred : {y_pred}
    k : float, default=20
        Percentage of an anomaly's time steps, from 0 to 100.
    beta : {beta}
    random_state : {random_state}

    Returns
    -------
    result : AdjustedPrecisionRecallF
        Four floats: `precision`, `recall`, `f` and `random_f`, the same of flags at random as in
        :func:`point_adjusted_precision_recall_f`.

    Raises
    ------
    ValueError
        {label_errors} or if `k`, `beta` or `random_state` is outside its range.

    See Also
    --------
    pa_k_area : The mean over all k.

    References
    ----------
    .. [1] S. Kim, K. Choi, H.-S. Choi, B. Lee and S. Yoon, "Towards a rigorous evaluation of
       time-series anomaly detection", AAAI 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.metrics import pa_k_precision_recall_f
    >>> y_true = np.ones(1000, dtype=int)
    >>> y_true[300:500] = -1
    >>> y_pred = np.ones(1000, dtype=int)
    >>> y_pred[::50] = -1
    >>> result = pa_k_precision_recall_f(y_true, y_pred)
    >>> round(result.f, 2), round(result.random_f, 2)
    (0.04, 0.04)
    """
    check_between("k", k, 100)
    return _adjusted(y_true, y_pred, beta, random_state, _at(k))


@with_docs
def pa_k_area(y_true, y_pred, *, beta=1.0, random_state=0):
    """Compute the means of precision, recall and F of PA%K over all k from 0 to 100.

    The area under the curve of :func:`pa_k_precision_recall_f` over `k`, so that none has to be
    chosen [1]_. Exact: the curve is constant between the percentages of the anomalies that are
    flagged, and not sampled at whole k.

    Parameters
    ----------
    y_true : {y_true}
    y_pred : {y_pred}
    beta : {beta}
    random_state : {random_state}

    Returns
    -------
    result : AdjustedPrecisionRecallF
        Four floats, each a mean over k: `f` is not F of `precision` and `recall`.

    Raises
    ------
    ValueError
        {label_errors} or if `beta` or `random_state` is outside its range.

    References
    ----------
    .. [1] S. Kim, K. Choi, H.-S. Choi, B. Lee and S. Yoon, "Towards a rigorous evaluation of
       time-series anomaly detection", AAAI 2022.

    Examples
    --------
    >>> from skanomaly.metrics import pa_k_area
    >>> pa_k_area([1, -1, -1, 1], [1, -1, 1, 1]).recall  # 1 up to k = 50, then a half
    0.75
    """
    return _adjusted(y_true, y_pred, beta, random_state, _over_all_k)


def _adjusted(y_true, y_pred, beta, random_state, adjust):
    """Measure what `adjust` makes of the flags, and of flags at random.

    ``adjust(hits, lengths)`` takes the flagged steps (..., n_anomalies) and all steps
    (n_anomalies,) of each anomaly. It returns the steps that count as flagged (..., n_levels) at
    each level of adjustment, and the weights of the levels, of the same shape.
    """
    check_beta(beta)
    rng = check_random_state(random_state)
    truth, flags, n_timesteps = read_joined(y_true, y_pred)
    anomalies = find_intervals(truth)
    lengths = anomalies[:, 1] - anomalies[:, 0]
    n_anomalous, n_flagged = lengths.sum(), np.count_nonzero(flags)

    hits = count_flags(flags, anomalies)
    right, weights = adjust(hits, lengths)
    n_wrong = n_flagged - hits.sum()
    precisions = [divide(n, n + n_wrong) for n in right]
    recalls = [divide(n, n_anomalous) for n in right]
    fs = [f_of_ratios(p, r, beta) for p, r in zip(precisions, recalls, strict=True)]

    random_fs = []
    colours = np.append(lengths, n_timesteps - n_anomalous)
    size = max(1, _BLOCK // len(colours))
    for first in range(0, _N_DRAWS, size):
        n_draws = min(size, _N_DRAWS - first)
        hits = rng.multivariate_hypergeometric(colours, n_flagged, n_draws, "marginals")[:, :-1]
        right, shares = adjust(hits, lengths)
        n_positives = right + (n_flagged - hits.sum(axis=1, keepdims=True))
        random_fs.append((shares * f_of_counts(right, n_positives, n_anomalous, beta)).sum(axis=1))
    means = [float(np.dot(weights, values)) for values in (precisions, recalls, fs)]
    return AdjustedPrecisionRecallF(*means, float(np.mean(np.concatenate(random_fs))))


def _at(k):
    """Adjust anomalies of which more than k percent are flagged: a single level."""

    def adjust(hits, lengths):
        right = np.where(100 * hits > k * lengths, lengths, hits).sum(axis=-1, keepdims=True)
        return right, np.ones(right.shape)

    return adjust


def _over_all_k(hits, lengths):
    """Adjust at each k: one level for each stretch of k in which the same anomalies are."""
    shares = hits / lengths
    order = np.argsort(shares, axis=-1)
    shares = np.take_along_axis(shares, order, axis=-1)
    gains = np.take_along_axis(lengths - hits, order, axis=-1)
    # Between the j-th lowest share and the next, all anomalies after the j-th are adjusted.
    lost = np.cumsum(gains, axis=-1)
    end = [*shares.shape[:-1], 1]
    edges = np.concatenate([np.zeros(end), shares, np.ones(end)], axis=-1)
    right = lengths.sum() - np.concatenate([np.zeros(end), lost], axis=-1)
    return right, np.diff(edges, axis=-1)
