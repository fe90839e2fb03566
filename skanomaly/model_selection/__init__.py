"""Choose detectors, parameters and thresholds: splits of series, scorers with or without labels."""

from skanomaly.model_selection._classifier import OutlierClassifier
from skanomaly.model_selection._fixed import FixedThresholdDetector
from skanomaly.model_selection._injection import InjectedAnomaly
from skanomaly.model_selection._injection_scorer import InjectedCopy, InjectionScorer
from skanomaly.model_selection._label_free import StabilityScorer, reconstruction_skill
from skanomaly.model_selection._recommended import make_detector
from skanomaly.model_selection._score_ensemble import ScoreEnsemble
from skanomaly.model_selection._scorers import OutlierScorer, get_scorer, get_scorer_names
from skanomaly.model_selection._split import BlockedSplit, ExpandingWindowSplit, SegmentSplit
from skanomaly.model_selection._tuned import TunedThresholdDetectorCV

__all__ = [
    "BlockedSplit",
    "ExpandingWindowSplit",
    "FixedThresholdDetector",
    "InjectedAnomaly",
    "InjectedCopy",
    "InjectionScorer",
    "OutlierClassifier",
    "OutlierScorer",
    "ScoreEnsemble",
    "SegmentSplit",
    "StabilityScorer",
    "TunedThresholdDetectorCV",
    "get_scorer",
    "get_scorer_names",
    "make_detector",
    "reconstruction_skill",
]
