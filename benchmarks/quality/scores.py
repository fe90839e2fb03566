"""How score norms and smoothing change the ranking of time steps on real series.

    SKANOMALY_DATA=... python benchmarks/quality/scores.py

Printed is the average precision of an autoencoder and of persistence on each series, for each
norm without smoothing and with exponential smoothing of several spans, centred and causal, and the
mean over the series.
"""

import argparse
import importlib.util
import os
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import LSTMAutoencoder, PersistenceDetector
from skanomaly.preprocessing import SequenceTransformer
from skanomaly.scoring import SCORE_NORMS, step_scores
from skanomaly.smoothing import Smoother

SERIES = [
    ("skab", "valve1_0"),
    ("skab", "other_9"),
    ("skab", "other_1"),
    ("nab", "realKnownCause__nyc_taxi"),
    ("smd", "machine-1-6"),
    ("smd", "machine-3-4"),
]
SMOOTHINGS = [
    ("none", 1, False),
    ("exponential", 8, False),
    ("exponential", 32, False),
    ("exponential", 32, True),
    ("median", 33, False),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    options = parser.parse_args()
    path = Path(os.environ["SKANOMALY_DATA"]) / "benchmark_data.py"
    spec = importlib.util.spec_from_file_location("benchmark_data", path)
    data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(data)

    rows = []
    for name, series in SERIES:
        X_train, X_test, y = next(r[:3] for r in data.load(name) if r[3]["series"] == series)
        X_test, y = X_test[:12000], y[:12000]
        stride = max(1, len(X_train) // 1000)
        network = LSTMAutoencoder(stride=stride, max_epochs=options.epochs, random_state=0)
        for detector in (PersistenceDetector(), network):
            for norm in SCORE_NORMS:
                detector.set_params(score_norm=norm)
                pipeline = make_pipeline(SequenceTransformer(StandardScaler()), detector)
                pipeline.fit(X_train)
                errors = -detector.score_features(pipeline[:-1].transform(X_test))
                for kind, span, causal in SMOOTHINGS:
                    smooth = errors
                    if kind != "none":
                        blocks = Smoother(kind, span, causal)([errors], np.array([len(errors)]))
                        smooth = np.concatenate(list(blocks))
                    value = average_precision_score(y, step_scores(smooth))
                    how = f"{kind} {span}{' causal' * causal}" if span > 1 else kind
                    rows.append((type(detector).__name__, series, norm, how, value))
                print(*rows[-len(SMOOTHINGS) :], sep="\n", flush=True)
    table = pd.DataFrame(rows, columns=["detector", "series", "norm", "smoothing", "ap"])
    pivot = table.pivot_table(index=["detector", "norm"], columns="smoothing", values="ap")
    print(pivot.round(3).to_string())


if __name__ == "__main__":
    main()
