"""Thresholds by labels, splits of series, and scorers in which anomalies are to be found."""

from skanomaly.model_selection._classifier import OutlierClassifier
from skanomaly.model_selection._fixed import FixedThresholdDetector
from skanomaly.model_selection._scorers import OutlierScorer, get_scorer, get_scorer_names
from skanomaly.model_selection._split import BlockedSplit, ExpandingWindowSplit, SegmentSplit
from skanomaly.model_selection._tuned import TunedThresholdDetectorCV

__all__ = [
    "BlockedSplit",
    "ExpandingWindowSplit",
    "FixedThresholdDetector",
    "OutlierClassifier",
    "OutlierScorer",
    "SegmentSplit",
    "TunedThresholdDetectorCV",
    "get_scorer",
    "get_scorer_names",
]
