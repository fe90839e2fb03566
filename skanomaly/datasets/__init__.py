"""Synthetic series and panels with labelled anomalies, reproducible and offline."""

from skanomaly.datasets._flights import make_flights
from skanomaly.datasets._series import make_series

__all__ = ["make_flights", "make_series"]
