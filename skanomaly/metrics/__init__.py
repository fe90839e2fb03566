"""Measures of detection, for labels -1 (anomaly) and 1 and for anomaly scores; NumPy alone."""

from skanomaly.metrics._adjusted import (
    AdjustedPrecisionRecallF,
    pa_k_area,
    pa_k_precision_recall_f,
    point_adjusted_precision_recall_f,
)
from skanomaly.metrics._affiliation import affiliation_precision_recall_f
from skanomaly.metrics._events import DetectionDelay, detection_delay, event_precision_recall_f
from skanomaly.metrics._inputs import to_outlier_labels
from skanomaly.metrics._points import point_precision_recall_f
from skanomaly.metrics._ranges import range_precision_recall_f
from skanomaly.metrics._results import PrecisionRecallF
from skanomaly.metrics._ucr import ucr_accuracy

__all__ = [
    "AdjustedPrecisionRecallF",
    "DetectionDelay",
    "PrecisionRecallF",
    "affiliation_precision_recall_f",
    "detection_delay",
    "event_precision_recall_f",
    "pa_k_area",
    "pa_k_precision_recall_f",
    "point_adjusted_precision_recall_f",
    "point_precision_recall_f",
    "range_precision_recall_f",
    "to_outlier_labels",
    "ucr_accuracy",
]
