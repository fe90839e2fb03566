"""From anomaly scores to labels: small estimators on one-dimensional scores.

They know nothing of networks: any scores will do, higher meaning more anomalous. Scores of
scikit-learn's own detectors need their sign turned: ``selector.fit(-detector.score_samples(X))``.
"""

from skanomaly.thresholds._base import BaseThreshold
from skanomaly.thresholds._fixed import FixedThreshold
from skanomaly.thresholds._quantile import QuantileThreshold

__all__ = ["BaseThreshold", "FixedThreshold", "QuantileThreshold"]
