"""What does the recommended detector reach on real series, beside simple peers?

    SKANOMALY_DATA=... python -m benchmarks.quality.defaults --split tuning --cache FOLDER
    SKANOMALY_DATA=... python -m benchmarks.quality.defaults --split test --cache FOLDER \\
        --csv docs/guide/recommended-test.csv

Series are those of the benchmark TSB-AD in the data folder. The detector is fitted on the prefix
that the benchmark gives and scores the whole series, the prefix included. Of the series of each
data set, sorted by name, those at even positions are for tuning and the others for the test;
"extra" are labelled series of the same data sets that the benchmark does not use, cut at a quarter
or before the first anomaly. Choices were made by "tuning" and "extra" alone.

Reported are the mean VUS-PR and average precision of multivariate and univariate series. VUS-PR has
250 thresholds, and buffers up to the period of the first channel, as published values have. Peers
get the same scaling, error norm, averages over the same spans, and warm-up: "linear" and "nearest"
are detectors of the package, "PCA" is what the first principal components of windows leave over,
"k-means" the distance of windows to the nearest of 20 centres.

SKAB has its own protocol (``--split skab-tuning``, ``skab-test``): fitted on the first 400 rows of
each file, labels by ``predict``, rates pooled over the files.

Scores are kept in the cache, so that a run can be stopped and goes on. About 20 seconds per series
on one core.
"""

import argparse
import importlib.util
import time
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.suite.measures import tsb_ad_window
from benchmarks.quality.suite.protocols import find_data, half_of
from skanomaly import LinearForecaster, NearestWindowDetector, make_detector, metrics
from skanomaly.detectors import BaseDetector
from skanomaly.preprocessing import SequenceTransformer
from skanomaly.thresholds import QuantileThreshold

MORE = ("nasa_smap_msl", "smd", "nab", "wsd", "kpi", "ucr_kdd21", "mgab")
MOST_EXTRA, LEAST_TRAINED = 24_000, 500
WINDOW = 64


# ------------------------------------------------------------------------------------- series


def read_loader():
    """Import benchmark_data.py of the data folder; exit with the reason where there is none."""
    folder, reason = find_data()
    if folder is None:
        raise SystemExit(f"{reason}. Set it to that folder.")
    spec = importlib.util.spec_from_file_location("benchmark_data", folder / "benchmark_data.py")
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    return loader


def half(rows, part):
    """Take the rows of the series that are for tuning, or for the test, sorted by name."""
    rows = {row[3]["series"]: row for row in rows}
    return [rows[name] for name in half_of(rows, part)]


def tsb_series(loader, part):
    """Yield data set, series, X_fit, X and y (1 = anomaly) as the benchmark cuts them."""
    for name in loader.datasets():
        for X_fit, X, y, meta in half(loader.load_tsb_ad(name), part):
            yield name, meta["series"], X_fit, X, y


def extra_series(loader):
    """Yield the same of series that the benchmark does not use."""
    for name in MORE:
        for X_fit, X_test, y_test, meta in loader.load(name):
            if meta.get("tsb_ad"):
                continue
            X, y = loader._tsb_cut(name, X_fit, X_test, y_test, meta)
            X, y = X[:MOST_EXTRA], y[:MOST_EXTRA]
            if np.isnan(X).any() or not y.any():
                continue
            n_fit = min(len(X) // 4, int(np.argmax(y)) - 1)
            if n_fit >= LEAST_TRAINED:
                yield name, meta["series"], X[:n_fit], X, y


# -------------------------------------------------------------------------------------- peers


class WindowErrors(BaseDetector):
    """Reconstruct windows by "pca" or "k-means"; the mean over the windows that cover a step."""

    def __init__(self, how="pca", window_size=WINDOW, stride=8, score_norm="mahalanobis"):
        self.how = how
        self.window_size = window_size
        self.stride = stride
        self.score_norm = score_norm
        self.smoothing = self.feature_weights = self.threshold = self.after_fit = None
        self.contamination = 0.01

    def _start(self, sequences):
        """Forget nothing: a clone is fitted once."""

    def _learn(self, sequences, partial):
        X = sequences.read(0, sequences.n_timesteps)
        step = max(1, len(X) // 3000)
        windows = sliding_window_view(X, self.window_size, axis=0)[::step]
        flat = windows.reshape(len(windows), -1)
        n = min(40, len(flat) - 1, flat.shape[1])
        if self.how == "pca":
            self._model = PCA(n, random_state=0).fit(flat)
        else:
            self._model = KMeans(20, n_init=2, random_state=0).fit(flat)

    def _expected(self, sequences):
        for start, stop in zip(sequences.offsets[:-1], sequences.offsets[1:], strict=True):
            yield self._of_series(sequences.read(int(start), int(stop)))

    def _of_series(self, X):
        last = len(X) - self.window_size
        starts = np.unique(np.append(np.arange(0, last, self.stride), last))
        total, count = np.zeros(X.shape), np.zeros((len(X), 1))
        for some in np.array_split(starts, -(-len(starts) // 500)):
            windows = sliding_window_view(X, self.window_size, axis=0)[some]
            flat = windows.reshape(len(some), -1)
            if self.how == "pca":
                guess = self._model.inverse_transform(self._model.transform(flat))
            else:
                guess = self._model.cluster_centers_[self._model.predict(flat)]
            guess = guess.reshape(windows.shape)
            for i, start in enumerate(some):
                total[start : start + self.window_size] += guess[i].T
                count[start : start + self.window_size] += 1
        return total / count


def estimators(X):
    """Return what is compared, not fitted, by name, for training data X."""
    full, online = (make_detector(X, causal=c, random_state=0) for c in (False, True))
    alone = {
        "linear": LinearForecaster(score_norm="mahalanobis"),
        "nearest": NearestWindowDetector(stride=8, score_norm="mahalanobis"),
        "PCA": WindowErrors("pca"),
        "k-means": WindowErrors("k-means"),
    }
    found = {"recommended": full, "recommended, causal": online}
    found["networks alone"] = clone(full).set_params(detect__nearest="drop")
    for name, member in alone.items():
        found[name] = clone(full).set_params(detect__estimators=[("only", member)])
    return found


# ---------------------------------------------------------------------------------- measuring


def anomaly_scores(estimator, X_fit, X, place):
    """Fit and score, or read scores and seconds from the cache."""
    if not place.exists():
        began = time.perf_counter()
        scores = -estimator.fit(X_fit).score_samples(X)
        place.parent.mkdir(parents=True, exist_ok=True)
        np.savez(place, scores=scores, seconds=time.perf_counter() - began)
    with np.load(place) as kept:
        return kept["scores"], float(kept["seconds"])


def evaluate(rows, cache, names):
    """Return one row per series and estimator, with its metrics."""
    found = []
    for data, series, X_fit, X, y in rows:
        labels = metrics.to_outlier_labels(y > 0)
        for name, estimator in estimators(X_fit).items():
            if names and name not in names:
                continue
            place = cache / f"{data}-{series}-{name}.npz".replace(", ", "-")
            scores, seconds = anomaly_scores(estimator, X_fit, X, place)
            kind = "multivariate" if X.shape[1] > 1 else "univariate"
            vus = metrics.vus_pr(labels, scores, max_buffer=tsb_ad_window(X))
            precision = metrics.average_precision(labels, scores)
            found.append((data, series, kind, name, vus, precision, seconds))
            print(f"{data:14s} {series[:40]:40s} {name:20s} {vus:.3f} {seconds:6.1f} s", flush=True)
    columns = ["data", "series", "kind", "detector", "VUS-PR", "AP", "seconds"]
    return pd.DataFrame(found, columns=columns)


def summarise(table):
    """Mean metrics by kind, mean VUS-PR by data set, and seconds per series."""
    order = list(dict.fromkeys(table["detector"]))
    kinds = table.pivot_table(index="detector", columns="kind", values=["VUS-PR", "AP"])
    kinds.columns = [f"{metric} {kind}" for metric, kind in kinds.columns]
    data = table.pivot_table(index="detector", columns="data", values="VUS-PR")
    seconds = table.groupby("detector")["seconds"].mean().round(1)
    columns = list(reversed(kinds.columns))
    return pd.concat([kinds[columns].round(3), data.round(3), seconds], axis=1).loc[order]


def drifting():
    """Make the detector for process data that drift: linear, with room above the usual errors."""
    detector = LinearForecaster(
        lags=5,
        score_norm="standardised",
        smoothing="triangular",
        smoothing_span=16,
        smoothing_causal=True,
        threshold=QuantileThreshold(contamination=0.01, factor=2.5),
    )
    return make_pipeline(SequenceTransformer(StandardScaler()), detector)


def evaluate_skab(loader, part, cache):
    """Pooled F1 and rates (%) of false and missed alarms, labels by predict."""
    found = []
    for name in ("recommended", "recommended, causal", "for drift"):
        truth, flagged = [], []
        for X_fit, X, y, meta in half(loader.load("skab"), part):
            place = cache / f"skab-{meta['series']}-{name}.npz".replace(", ", "-")
            if not place.exists():
                made = drifting()
                if name != "for drift":
                    made = make_detector(X_fit, causal=name.endswith("causal"), random_state=0)
                place.parent.mkdir(parents=True, exist_ok=True)
                np.savez(place, flagged=made.fit(X_fit).predict(X) == -1)
            with np.load(place) as kept:
                flagged.append(kept["flagged"])
            truth.append(y > 0)
        y, found_y = np.concatenate(truth), np.concatenate(flagged)
        tp, fp, fn = (y & found_y).sum(), (~y & found_y).sum(), (y & ~found_y).sum()
        rates = 100 * fp / (~y).sum(), 100 * fn / y.sum()
        found.append((name, 2 * tp / (2 * tp + fp + fn), *rates))
    return pd.DataFrame(found, columns=["detector", "F1", "FAR %", "MAR %"]).set_index("detector")


def main():
    """Evaluate one split and print or write the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    splits = ["tuning", "test", "extra", "skab-tuning", "skab-test"]
    parser.add_argument("--split", choices=splits, default="tuning")
    parser.add_argument("--cache", type=Path, required=True, help="folder for scores")
    parser.add_argument("--only", nargs="*", help="names of what to evaluate; all by default")
    parser.add_argument("--part", default="1/1", help="i/n: of the series each n-th from the i-th")
    parser.add_argument("--csv", type=Path, help="file for the means")
    arguments = parser.parse_args()
    loader = read_loader()
    if arguments.split.startswith("skab"):
        means = evaluate_skab(loader, arguments.split.removeprefix("skab-"), arguments.cache)
    else:
        split = arguments.split
        rows = extra_series(loader) if split == "extra" else tsb_series(loader, split)
        first, every = map(int, arguments.part.split("/"))
        rows = list(rows)[first - 1 :: every]
        means = summarise(evaluate(rows, arguments.cache, arguments.only))
    print(means.to_string())
    if arguments.csv:
        means.round(3).to_csv(arguments.csv)


if __name__ == "__main__":
    main()
