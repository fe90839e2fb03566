"""Precision and recall over intervals: how much of each, where in it, and in how many pieces."""

from numbers import Real

import numpy as np

from skanomaly.intervals import find_intervals
from skanomaly.metrics._checks import check_beta, check_between, check_choice
from skanomaly.metrics._docs import with_docs
from skanomaly.metrics._joined import read_joined
from skanomaly.metrics._results import PrecisionRecallF, divide, f_of_ratios

__all__ = ["range_precision_recall_f"]

_BIASES = ("flat", "front", "middle", "back")
_CARDINALITIES = ("one", "reciprocal")


@with_docs
def range_precision_recall_f(
    y_true,
    y_pred,
    *,
    beta=1.0,
    precision_alpha=0.0,
    recall_alpha=0.0,
    precision_cardinality="one",
    recall_cardinality="one",
    precision_bias="flat",
    recall_bias="flat",
):
    """Compute range-based precision, recall and F [1]_.

    Each anomalous interval gets a reward between 0 and 1 for how it is covered by flags, and
    recall is the mean reward; precision is the mean reward of the flagged intervals for how they
    are covered by anomalies. An interval counts once, however long. Its reward is
    ``alpha * existence + (1 - alpha) * cardinality * overlap``: `existence` is 1 if it is covered
    at all, `overlap` is the covered share of its time steps, weighted by `bias`, and `cardinality`
    is a discount for being covered in several pieces. Intervals of all series are averaged
    together; none joins two series.

    Parameters
    ----------
    y_true : {y_true}
    y_pred : {y_pred}
    beta : {beta}
    precision_alpha, recall_alpha : float, default=0.0
        Weight of being covered at all, from 0 to 1. The authors use 0 for precision, for which it
        asks little.
    precision_cardinality, recall_cardinality : "one", "reciprocal" or callable, default="one"
        Factor of `overlap` for an interval that is covered by several others: 1, one divided by
        their number, or what a callable returns, from 0 to 1, for that number, an int from 2.
    precision_bias, recall_bias : "flat", "front", "middle" or "back", default="flat"
        Where in an interval time steps count most. Weights are equal, fall to the end, fall from
        the middle to both ends or rise to the end, always in equal steps from or to 1. "front" for
        recall rewards early detection.

    Returns
    -------
    result : {prf}

    Raises
    ------
    ValueError
        {label_errors} if a parameter is outside its range, or if a callable returns
        what is not a number from 0 to 1.

    See Also
    --------
    event_precision_recall_f : Whether intervals are covered at all.

    References
    ----------
    .. [1] N. Tatbul, T. J. Lee, S. Zdonik, M. Alam and J. Gottschlich, "Precision and recall for
       time series", NeurIPS 2018.

    Examples
    --------
    >>> from skanomaly.metrics import range_precision_recall_f
    >>> y_true = [1, -1, -1, -1, -1, 1, 1, -1]
    >>> y_pred = [1, 1, 1, 1, -1, 1, 1, -1]
    >>> range_precision_recall_f(y_true, y_pred).recall  # of a quarter and of all
    0.625
    >>> range_precision_recall_f(y_true, y_pred, recall_bias="front").recall  # the quarter is late
    0.55
    """
    check_beta(beta)
    for side, alpha, cardinality, bias in (
        ("precision", precision_alpha, precision_cardinality, precision_bias),
        ("recall", recall_alpha, recall_cardinality, recall_bias),
    ):
        check_between(f"{side}_alpha", alpha, 1)
        check_choice(f"{side}_bias", bias, _BIASES)
        if not callable(cardinality):
            check_choice(f"{side}_cardinality", cardinality, _CARDINALITIES, " or a callable")
    truth, flags, _ = read_joined(y_true, y_pred)
    # No two pairs of intervals overlap in neighbouring steps: each pair has a run of its own.
    pieces = find_intervals(truth & flags)
    precision = _mean_reward(
        find_intervals(flags), pieces, precision_alpha, precision_cardinality, precision_bias
    )
    recall = _mean_reward(
        find_intervals(truth), pieces, recall_alpha, recall_cardinality, recall_bias
    )
    return PrecisionRecallF(precision, recall, f_of_ratios(precision, recall, beta))


def _mean_reward(intervals, pieces, alpha, cardinality, bias):
    """Average the rewards of intervals (n, 2), given the pieces (k, 2) of them that are covered."""
    owner = np.searchsorted(intervals[:, 0], pieces[:, 0], side="right") - 1
    start, stop = intervals[owner].T
    lengths = stop - start
    earned = _weight(pieces[:, 1] - start, lengths, bias) - _weight(
        pieces[:, 0] - start, lengths, bias
    )
    overlap = np.bincount(owner, earned / _weight(lengths, lengths, bias), minlength=len(intervals))
    n_pieces = np.bincount(owner, minlength=len(intervals))
    rewards = alpha * (n_pieces > 0) + (1 - alpha) * _factor(cardinality, n_pieces) * overlap
    return divide(rewards.sum(), len(intervals))


def _weight(n_steps, lengths, bias):
    """Add up the weights of the first n_steps (k,) of intervals of the given lengths (k,)."""
    n_steps, lengths = n_steps.astype(np.float64), lengths.astype(np.float64)
    left = lengths - n_steps
    if bias == "flat":
        return n_steps
    if bias == "back":
        return n_steps * (n_steps + 1) / 2
    if bias == "front":
        return (lengths * (lengths + 1) - left * (left + 1)) / 2
    # Up to and including step `half` weights rise, after it they fall to 1.
    half = np.floor(lengths / 2)
    total = (half * (half + 1) + (lengths - half) * (lengths - half + 1)) / 2
    return np.where(n_steps <= half, n_steps * (n_steps + 1) / 2, total - left * (left + 1) / 2)


def _factor(cardinality, n_pieces):
    """Discount intervals for being covered in n_pieces (n,)."""
    if cardinality == "one":
        return np.ones(len(n_pieces))
    if cardinality == "reciprocal":
        return 1 / np.maximum(n_pieces, 1)
    counts, place = np.unique(n_pieces, return_inverse=True)
    return np.array([_asked(cardinality, int(n)) if n > 1 else 1.0 for n in counts])[place]


def _asked(cardinality, count):
    factor = cardinality(count)
    if not isinstance(factor, Real) or not 0 <= factor <= 1:
        raise ValueError(
            "A callable for cardinality must return a number from 0 to 1; got "
            f"{factor!r} for {count} pieces. Use 'reciprocal' for one divided by their number."
        )
    return float(factor)
