"""Measures of detection, for labels -1 (anomaly) and 1 and for anomaly scores; NumPy alone."""

from skanomaly.metrics._inputs import to_outlier_labels

__all__ = ["to_outlier_labels"]
