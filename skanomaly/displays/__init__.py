"""Pictures of series, anomaly scores and labels, in scikit-learn's display form."""

from skanomaly.displays._score_display import ScoreDisplay

__all__ = ["ScoreDisplay"]
