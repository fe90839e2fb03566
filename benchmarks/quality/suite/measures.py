"""What one series tells of the scores and labels that a detector gave it."""

import numpy as np

from skanomaly import metrics
from skanomaly.intervals import find_intervals

__all__ = ["VERSION", "measure", "tsb_ad_window"]

#: Raised by one when measures change, so that kept scores are measured anew.
VERSION = 1

# TSB-AD's rule for the largest buffer, as its published values were computed.
_MOST_STEPS, _MOST_LAGS, _LEAST_LAG, _MOST_LAG, _OTHERWISE = 20_000, 400, 6, 303, 125


def tsb_ad_window(X):
    """Return the largest buffer of VUS-PR, in time steps, by the rule of TSB-AD.

    The lag from 4 to 399 of the highest peak of the autocorrelation of the first feature, over at
    most 20 000 time steps; 125 where there is no peak, or where it is at a lag below 6 or above
    303. A constant feature has no peak.

    Parameters
    ----------
    X : ndarray of shape (n_timesteps, n_features)

    Returns
    -------
    window : int

    References
    ----------
    .. [1] Q. Liu and J. Paparrizos, "The elephant in the room: towards a reliable time-series
       anomaly detection benchmark", NeurIPS 2024; function find_length_rank of its program.
    """
    values = np.asarray(X, dtype=np.float64)[:_MOST_STEPS, 0]
    values = values - values.mean()
    power = np.abs(np.fft.rfft(values, 2 * len(values))) ** 2
    products = np.fft.irfft(power)[: min(_MOST_LAGS + 1, len(values))]
    if not products[0] > 0:
        return _OTHERWISE
    correlation = products[3:] / products[0]
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner > correlation[:-2]) & (inner > correlation[2:]))
    if not len(peaks):
        return _OTHERWISE
    lag = 3 + int(peaks[np.argmax(correlation[peaks])])
    return lag if _LEAST_LAG <= lag <= _MOST_LAG else _OTHERWISE


def measure(X, y, scores, labels):
    """Rate anomaly scores and labels of one series, or of runs that are labelled as a whole.

    Parameters
    ----------
    X : ndarray of shape (n_timesteps, n_features) or (n_runs, n_timesteps, n_features)
    y : ndarray of shape (n_timesteps,) or (n_runs,), int
        -1 for anomalies, 1 for the rest.
    scores : ndarray, shaped as y
        Higher is more anomalous.
    labels : ndarray, shaped as y, int

    Returns
    -------
    measures : dict
        Of float and int. NaN where a measure says nothing, as areas of a series without anomalies,
        and for runs all that speaks of intervals.
    """
    truth, flags = y == -1, labels == -1
    found = {
        "n": len(y),
        "average_precision": metrics.average_precision(y, scores),
        "roc_auc": metrics.roc_auc(y, scores),
        "point_f": metrics.point_precision_recall_f(y, labels).f,
        "tp": np.count_nonzero(truth & flags),
        "fp": np.count_nonzero(~truth & flags),
        "fn": np.count_nonzero(truth & ~flags),
        "tn": np.count_nonzero(~truth & ~flags),
    }
    found |= _of_runs() if np.ndim(X) == 3 else _of_intervals(X, y, scores, labels)
    return {
        name: value.item() if hasattr(value, "item") else value for name, value in found.items()
    }


def _of_runs():
    floats = ("vus_pr", "event_f", "range_f", "delay")
    whole = ("max_buffer", "events", "events_found", "false_alarms")
    return dict.fromkeys(floats, float("nan")) | dict.fromkeys(whole, 0)


def _of_intervals(X, y, scores, labels):
    window = tsb_ad_window(X)
    delays = metrics.detection_delay(y, labels)
    # A false alarm is a flagged interval that touches no anomaly.
    truth = np.concatenate([[0], np.cumsum(y == -1)])
    flagged = find_intervals(labels == -1)
    touching = truth[flagged[:, 1]] > truth[flagged[:, 0]]
    return {
        "vus_pr": metrics.vus_pr(y, scores, max_buffer=window),
        "max_buffer": window,
        "event_f": metrics.event_precision_recall_f(y, labels).f,
        "range_f": metrics.range_precision_recall_f(y, labels).f,
        "delay": delays.mean,
        "events": len(delays.delays),
        "events_found": len(delays.delays) - delays.n_missed,
        "false_alarms": np.count_nonzero(~touching),
    }
