"""A convolutional network beside LSTM autoencoders: accuracy and the time that training takes.

    SKANOMALY_DATA=... python benchmarks/quality/own_network.py

Each series of SKAB (valves and pumps, 8 sensors) is standardised on its training part, of which
all networks learn windows of 32 steps for the same number of epochs. Printed are the means over
series and random states of average precision and area under the ROC curve of the scores on the
test part, plain and smoothed, and the processor time of fit, relative to the wide LSTM, and
the verdicts of identity_report. A first fit, in which networks are compiled, is not counted.
"""

import argparse
import importlib.util
import os
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

from skanomaly import KerasDetector, LSTMAutoencoder
from skanomaly.inspection import identity_report

WINDOW = 32


def convolutions(x, n_features, *, filters=32, kernel_size=7, code=4):
    """Build an autoencoder of convolutions whose code has fewer columns than the series."""
    from keras import layers

    same = {"padding": "same", "activation": "relu"}
    y = layers.Conv1D(filters, kernel_size, **same)(x)
    y = layers.Conv1D(code, kernel_size, **same)(y)
    y = layers.Conv1D(filters, kernel_size, **same)(y)
    return layers.Dense(n_features)(y)


def detectors(epochs, seed):
    """Make the detectors to compare."""
    options = {
        "window_size": WINDOW,
        "max_epochs": epochs,
        "learning_rate": 0.003,
        "random_state": seed,
    }
    return {
        "LSTM": LSTMAutoencoder(hidden_units=32, **options),
        "narrow LSTM": LSTMAutoencoder(hidden_units=(32, 4), **options),
        "Conv1D": KerasDetector(convolutions, **options),
    }


def load_series(folder, most):
    """Yield (X_train, X_test, y_test) of SKAB, standardised."""
    spec = importlib.util.spec_from_file_location("data", Path(folder) / "benchmark_data.py")
    data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(data)
    for train, test, y, _ in islice(data.load("skab"), most):
        scaler = StandardScaler().fit(train)
        yield scaler.transform(train), scaler.transform(test), np.asarray(y) > 0


def measure(folder, most, epochs, seeds):
    """Fit all detectors to all series: one row each."""
    rows = []
    for number, (train, test, y) in enumerate(load_series(folder, most)):
        for seed in range(seeds):
            for name, detector in detectors(epochs, seed).items():
                if number == seed == 0:
                    detector.fit(train)
                start = time.process_time()
                detector.fit(train)
                row = {"network": name, "seconds": time.process_time() - start}
                for kind, smoothing in (("plain", None), ("smoothed", "triangular")):
                    detector.set_params(smoothing=smoothing, smoothing_span=32)
                    scores = -detector.score_samples(test)
                    row |= {
                        f"AP {kind}": average_precision_score(y, scores),
                        f"AUC {kind}": roc_auc_score(y, scores),
                    }
                detector.set_params(smoothing=None)
                row["verdict"] = identity_report(detector, test, random_state=0).verdict
                rows.append(row)
    return pd.DataFrame(rows)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=17)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    rows = measure(os.environ["SKANOMALY_DATA"], args.series, args.epochs, args.seeds)
    means = rows.groupby("network").mean(numeric_only=True)
    print((means / {c: means.loc["LSTM", c] if c == "seconds" else 1 for c in means}).round(3))
    print({name: Counter(part["verdict"]) for name, part in rows.groupby("network")})


if __name__ == "__main__":
    main()
