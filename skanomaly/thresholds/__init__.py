"""From anomaly scores to labels: small estimators on one-dimensional scores.

They know nothing of networks: any scores will do, higher meaning more anomalous. Scores of
scikit-learn's own detectors need their sign turned: ``selector.fit(-detector.score_samples(X))``.
"""

from skanomaly.thresholds._base import BaseThreshold
from skanomaly.thresholds._best_f import BestFThreshold
from skanomaly.thresholds._conformal import ConformalThreshold
from skanomaly.thresholds._dynamic import DynamicThreshold
from skanomaly.thresholds._fixed import FixedThreshold
from skanomaly.thresholds._peaks import PeaksOverThreshold
from skanomaly.thresholds._quantile import QuantileThreshold
from skanomaly.thresholds._spot import DSPOT, SPOT
from skanomaly.thresholds._spread import IQRThreshold, MADThreshold, SigmaThreshold

__all__ = [
    "DSPOT",
    "SPOT",
    "BaseThreshold",
    "BestFThreshold",
    "ConformalThreshold",
    "DynamicThreshold",
    "FixedThreshold",
    "IQRThreshold",
    "MADThreshold",
    "PeaksOverThreshold",
    "QuantileThreshold",
    "SigmaThreshold",
]
