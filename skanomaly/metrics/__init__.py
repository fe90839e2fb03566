"""Measures of detection, for labels -1 (anomaly) and 1 and for anomaly scores; NumPy alone."""

from skanomaly.metrics._adjusted import (
    AdjustedPrecisionRecallF,
    pa_k_area,
    pa_k_precision_recall_f,
    point_adjusted_precision_recall_f,
)
from skanomaly.metrics._affiliation import affiliation_precision_recall_f
from skanomaly.metrics._curves import average_precision, roc_auc
from skanomaly.metrics._events import DetectionDelay, detection_delay, event_precision_recall_f
from skanomaly.metrics._inputs import to_outlier_labels
from skanomaly.metrics._nab import BestNabScore, best_nab_score, nab_score
from skanomaly.metrics._points import point_precision_recall_f
from skanomaly.metrics._ranges import range_precision_recall_f
from skanomaly.metrics._results import PrecisionRecallF
from skanomaly.metrics._threshold_curve import ThresholdCurve, threshold_curve
from skanomaly.metrics._ucr import ucr_accuracy
from skanomaly.metrics._vus import (
    RangeCurve,
    range_auc_pr,
    range_auc_roc,
    range_curve,
    vus_pr,
    vus_roc,
)

__all__ = [
    "AdjustedPrecisionRecallF",
    "BestNabScore",
    "DetectionDelay",
    "PrecisionRecallF",
    "RangeCurve",
    "ThresholdCurve",
    "affiliation_precision_recall_f",
    "average_precision",
    "best_nab_score",
    "detection_delay",
    "event_precision_recall_f",
    "nab_score",
    "pa_k_area",
    "pa_k_precision_recall_f",
    "point_adjusted_precision_recall_f",
    "point_precision_recall_f",
    "range_auc_pr",
    "range_auc_roc",
    "range_curve",
    "range_precision_recall_f",
    "roc_auc",
    "threshold_curve",
    "to_outlier_labels",
    "ucr_accuracy",
    "vus_pr",
    "vus_roc",
]
