"""How ranking quality degrades when values are missing, by what is done about them.

    SKANOMALY_DATA=... python benchmarks/quality/missing_values.py

Entries of training and test part are removed at random, or in blocks of 20 time steps of one
feature. Compared are the detector on NaN as it is, two other ways of telling a network what is
missing, and linear interpolation before a detector that is told nothing. Printed is the mean
average precision over the series, and over series and seeds the number of wins against
interpolation.
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

from skanomaly import LSTMAutoencoder, training
from skanomaly.preprocessing import SequenceTransformer
from skanomaly.windows import fill_gaps

SERIES = [
    ("skab", "valve1_0"),
    ("skab", "other_9"),
    ("skab", "other_1"),
    ("nab", "realKnownCause__nyc_taxi"),
    ("smd", "machine-1-6"),
    ("smd", "machine-3-4"),
]
BLOCK = 20


def indicator(x, mask, network):
    """Zero, beside whether the value was observed."""
    observed = ~np.isnan(x) & mask[:, :, None]
    return _arrange(np.where(observed, x, 0.0), observed, mask, network)


def age(x, mask, network):
    """The last value, beside the time since it was observed, in windows."""
    position = np.arange(x.shape[1])[:, None]
    seen = np.maximum.accumulate(np.where(np.isnan(x), -1, position), axis=1)
    return _arrange(fill_gaps(x), (position - seen) / x.shape[1], mask, network)


def _arrange(x, beside, mask, network):
    inputs = {"x": np.asarray(x, np.float32)}
    if network.indicator:
        inputs["observed"] = np.asarray(beside, np.float32)
    if network.masked:
        inputs["mask"] = mask
    return inputs["x"] if len(inputs) == 1 else inputs


WAYS = {
    "last value and indicator": training._inputs,
    "zero and indicator": indicator,
    "last value and age": age,
    "interpolation": training._inputs,
}


def remove(X, share, how, rng):
    """Set a share of X (n_timesteps, n_features) to NaN."""
    if how == "random":
        gone = rng.random(X.shape) < share
    else:
        starts = rng.random((-(-len(X) // BLOCK), X.shape[1])) < share
        gone = np.repeat(starts, BLOCK, axis=0)[: len(X)]
    return np.where(gone, np.nan, X)


def precision(parts, way, seed, epochs):
    """Average precision on one series."""
    X_train, X_test, y_test = parts
    if way == "interpolation":
        X_train, X_test = (
            pd.DataFrame(X).interpolate(limit_direction="both").fillna(0.0).to_numpy()
            for X in (X_train, X_test)
        )
    training._inputs = WAYS.get(way, WAYS["interpolation"])
    detector = LSTMAutoencoder(
        stride=max(1, len(X_train) // 1000), max_epochs=epochs, random_state=seed
    )
    pipeline = make_pipeline(SequenceTransformer(StandardScaler()), detector).fit(X_train)
    return average_precision_score(y_test, -pipeline.score_samples(X_test))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    path = Path(os.environ["SKANOMALY_DATA"]) / "benchmark_data.py"
    spec = importlib.util.spec_from_file_location("benchmark_data", path)
    data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(data)

    rows = []
    for name, series in SERIES:
        X_train, X_test, y = next(r[:3] for r in data.load(name) if r[3]["series"] == series)
        X_test, y = X_test[:12000], y[:12000]
        for seed in range(options.seeds):
            full = precision((X_train, X_test, y), "full", seed, options.epochs)
            rows.append((series, "none", 0.0, "nothing missing", seed, full))
            for how in ("random", "blocks"):
                for share in (0.05, 0.2, 0.5):
                    rng = np.random.default_rng(seed)
                    gapped = remove(X_train, share, how, rng), remove(X_test, share, how, rng), y
                    for way in WAYS:
                        value = precision(gapped, way, seed, options.epochs)
                        rows.append((series, how, share, way, seed, value))
                        print(*rows[-1], flush=True)
    table = pd.DataFrame(rows, columns=["series", "how", "share", "way", "seed", "ap"])
    print(table.pivot_table(index=["how", "share"], columns="way", values="ap").round(3))
    wide = table[table.share > 0].pivot(
        index=["series", "how", "share", "seed"], columns="way", values="ap"
    )
    wins = (wide.sub(wide["interpolation"], axis=0) > 0).sum()
    print(f"wins against interpolation, of {len(wide)}:\n{wins.to_string()}")


if __name__ == "__main__":
    main()
