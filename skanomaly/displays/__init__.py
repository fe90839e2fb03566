"""Pictures of series, scores, reconstructions and reports, in scikit-learn's display form."""

from skanomaly.displays._contribution_display import ContributionDisplay
from skanomaly.displays._identity_display import IdentityDisplay
from skanomaly.displays._metric_display import MetricDisplay
from skanomaly.displays._reconstruction_display import ReconstructionDisplay
from skanomaly.displays._score_display import ScoreDisplay
from skanomaly.displays._threshold_display import ThresholdDisplay
from skanomaly.displays._training_history_display import TrainingHistoryDisplay

__all__ = [
    "ContributionDisplay",
    "IdentityDisplay",
    "MetricDisplay",
    "ReconstructionDisplay",
    "ScoreDisplay",
    "ThresholdDisplay",
    "TrainingHistoryDisplay",
]
