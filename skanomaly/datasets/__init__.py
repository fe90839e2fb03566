"""Series and panels with labelled anomalies: synthetic ones, made offline, and public real ones."""

from skanomaly.datasets._flights import make_flights
from skanomaly.datasets._nab import fetch_nab, nab_series
from skanomaly.datasets._series import make_series
from skanomaly.datasets._skab import fetch_skab, skab_series

__all__ = ["fetch_nab", "fetch_skab", "make_flights", "make_series", "nab_series", "skab_series"]
