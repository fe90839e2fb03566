"""The same detectors beyond one machine, on Dask: searches, lazy scores, thousands of series.

Needs the extra ``dask``.
"""

# First, for it says what to install where Dask is missing.
from skanomaly.dask import _extra as _extra
from skanomaly.dask._many import fit_many, load_many, score_many
from skanomaly.dask._many_results import Failure, ManyResults
from skanomaly.dask._scoring import (
    decision_function,
    predict,
    predict_timesteps,
    score_samples,
    score_timesteps,
)
from skanomaly.dask._search import WorkerDiedError, search_backend

__all__ = [
    "Failure",
    "ManyResults",
    "WorkerDiedError",
    "decision_function",
    "fit_many",
    "load_many",
    "predict",
    "predict_timesteps",
    "score_many",
    "score_samples",
    "score_timesteps",
    "search_backend",
]
