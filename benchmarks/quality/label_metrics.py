"""What metrics of labels say of a detector and of flags at random, on real series.

    SKANOMALY_DATA=... python benchmarks/quality/label_metrics.py

Flagged are the 2 % of time steps that a linear forecaster scores highest, and as many chosen at
random. Printed are precision, recall and F of both, for the latter the means of 20 draws.
"""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import LinearForecaster
from skanomaly.metrics import (
    affiliation_precision_recall_f,
    event_precision_recall_f,
    pa_k_area,
    pa_k_precision_recall_f,
    point_adjusted_precision_recall_f,
    point_precision_recall_f,
    range_precision_recall_f,
)
from skanomaly.preprocessing import SequenceTransformer

SERIES = [
    ("nab", "realKnownCause__machine_temperature_system_failure"),
    ("smd", "machine-3-4"),
]
METRICS = [
    point_precision_recall_f,
    range_precision_recall_f,
    event_precision_recall_f,
    affiliation_precision_recall_f,
    point_adjusted_precision_recall_f,
    pa_k_precision_recall_f,
    pa_k_area,
]
SHARE, N_DRAWS = 0.02, 20


def flag(order):
    """Label the first of an order of the time steps (n_timesteps,) as anomalies."""
    y_pred = np.ones(len(order), dtype=int)
    y_pred[order[: round(SHARE * len(order))]] = -1
    return y_pred


def main():
    path = Path(os.environ["SKANOMALY_DATA"]) / "benchmark_data.py"
    spec = importlib.util.spec_from_file_location("benchmark_data", path)
    data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(data)
    rng = np.random.default_rng(0)
    for name, series in SERIES:
        X_train, X_test, y = next(r[:3] for r in data.load(name) if r[3]["series"] == series)
        y_true = np.where(y == 1, -1, 1)
        detector = make_pipeline(SequenceTransformer(StandardScaler()), LinearForecaster())
        y_pred = flag(np.argsort(detector.fit(X_train).score_samples(X_test)))
        random = [flag(rng.permutation(len(y))) for _ in range(N_DRAWS)]
        rows = {
            metric.__name__: np.concatenate(
                [
                    metric(y_true, y_pred)[:3],
                    np.mean([metric(y_true, flags)[:3] for flags in random], axis=0),
                ]
            )
            for metric in METRICS
        }
        columns = [f"{who} {what}" for who in ("detector", "random") for what in "prf"]
        print(series, pd.DataFrame(rows, index=columns).T.round(2).to_string(), sep="\n")


if __name__ == "__main__":
    main()
