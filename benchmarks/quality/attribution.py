"""How often the features that contribute most to a score are those that caused the anomaly.

    SKANOMALY_DATA=... python benchmarks/quality/attribution.py

The labels of the Server Machine Dataset name the metrics behind each anomalous segment. Printed is
the mean HitRate@100% and @150% over all segments of all machines: of the guilty metrics, the share
among as many of those that contribute most, or half as many again. Detectors read the metrics
standardised on the training part and clipped. Beside them: the metrics that deviate most from
their training mean, which needs no detector, and chance.
"""

import argparse
import importlib.util
import os
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

from skanomaly import LSTMAutoencoder, PersistenceDetector, Seq2SeqLSTMAutoencoder
from skanomaly.inspection import feature_contributions, hit_rate

CLIP = 6.0


def detectors(epochs, seed, n_timesteps):
    """Make the detectors to compare, fast ones."""
    options = {
        "stride": max(1, n_timesteps // 1500),
        "max_epochs": epochs,
        "learning_rate": 0.003,
        "random_state": seed,
    }
    made = {}
    for norm in ("squared", "standardised"):
        made["autoencoder", norm] = LSTMAutoencoder(score_norm=norm, **options)
        made["bottleneck", norm] = Seq2SeqLSTMAutoencoder(score_norm=norm, **options)
        made["persistence", norm] = PersistenceDetector(score_norm=norm)
    return made


def segments(meta):
    """Read start, stop and guilty features of each segment; metrics are numbered from 1 there."""
    found = []
    for interval, metrics in meta["interpretation"]:
        start, stop = map(int, interval.split("-"))
        found.append((start, stop, [int(metric) - 1 for metric in metrics.split(",")]))
    return found


def per_segment(values, found):
    """Average values (n_timesteps, n_features) over each segment: (n_segments, n_features)."""
    return np.array([values[start:stop].mean(axis=0) for start, stop, _ in found])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--machines", type=int, default=11)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    path = Path(os.environ["SKANOMALY_DATA"]) / "benchmark_data.py"
    spec = importlib.util.spec_from_file_location("benchmark_data", path)
    data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(data)

    rows = []
    for X_train, X_test, _, meta in islice(data.load("smd"), options.machines):
        scaler = StandardScaler().fit(X_train)
        deviations = np.abs(scaler.transform(X_test))
        X_train, X_test = (np.clip(scaler.transform(X), -CLIP, CLIP) for X in (X_train, X_test))
        found = segments(meta)
        values = {
            ("deviation", "as it is"): deviations,
            ("deviation", "clipped"): np.minimum(deviations, CLIP),
            ("chance", ""): np.zeros(X_test.shape),
        }
        for name, detector in detectors(options.epochs, options.seed, len(X_train)).items():
            values[name] = feature_contributions(detector.fit(X_train), X_test)
        for (method, variant), value in values.items():
            contributions = per_segment(value, found)
            for contribution, (start, stop, guilty) in zip(contributions, found, strict=True):
                rates = [hit_rate([contribution], [guilty], percent=p) for p in (100, 150)]
                rows.append((meta["series"], start, stop, method, variant, *rates))
        done = pd.DataFrame(
            rows, columns=["machine", "start", "stop", "method", "variant", "@100%", "@150%"]
        )
        here = done[done.machine == meta["series"]].groupby(["method", "variant"])
        print(meta["series"], len(found), "segments", flush=True)
        print(here[["@100%", "@150%"]].mean().round(3).to_string(), flush=True)
    mean = done.groupby(["method", "variant"])[["@100%", "@150%"]].mean()
    print(f"\nall {len(done) // len(mean)} segments\n{mean.round(3).to_string()}")


if __name__ == "__main__":
    main()
