"""How much does the recommended detector flag on real series, and is it right?

    SKANOMALY_DATA=... python -m benchmarks.quality.flagging --cache FOLDER --csv FILE

Series are those of ``benchmarks/quality/defaults.py``, for tuning and further ones. The detector is
fitted on the prefix and labels what follows: by the quantile of the training scores itself, by
twice the quantile, which is the default, and with ``sharp=True``. Written are means over the
series: the share of steps that are flagged, F1 of time steps and of events, and the VUS-PR of the
scores of multivariate and univariate series.

Scores are kept in the cache, so that a run can be stopped and goes on. About 15 seconds per series.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.quality.defaults import extra_series, read_loader, tsb_series
from benchmarks.quality.suite.measures import tsb_ad_window
from skanomaly import make_detector, metrics


def scores_and_threshold(X_fit, X, sharp, place):
    """Fit and score, or read what was kept."""
    if not place.exists():
        made = make_detector(X_fit, sharp=sharp, random_state=0).fit(X_fit)
        place.parent.mkdir(parents=True, exist_ok=True)
        factor = made[-1].threshold.factor
        np.savez(place, scores=-made.score_samples(X), threshold=made[-1].threshold_, factor=factor)
    with np.load(place) as kept:
        return kept["scores"], float(kept["threshold"]), float(kept["factor"])


def evaluate(split, rows, cache):
    """Return one row per series and way to label."""
    found = []
    for data, series, X_fit, X, y in rows:
        n_fit, labels = len(X_fit), metrics.to_outlier_labels(y > 0)
        usual, sharp = (
            scores_and_threshold(X_fit, X, sharp, cache / f"{split}-{data}-{series}-{sharp}.npz")
            for sharp in (False, True)
        )
        scores, threshold, factor = usual
        ways = {
            "the quantile itself": (scores, threshold / factor),
            "twice the quantile: default": (scores, threshold),
            "sharp": sharp[:2],
        }
        for name, (scores, threshold) in ways.items():
            said = metrics.to_outlier_labels(scores[n_fit:] > threshold)
            later = labels[n_fit:]
            kind = "multivariate" if X.shape[1] > 1 else "univariate"
            found.append(
                {
                    "split": split,
                    "labels": name,
                    "flagged": np.mean(said == -1),
                    "anomalous": np.mean(later == -1),
                    "F1": metrics.point_precision_recall_f(later, said)[2],
                    "F1 of events": metrics.event_precision_recall_f(later, said)[2],
                    kind: metrics.vus_pr(labels, scores, max_buffer=tsb_ad_window(X)),
                }
            )
        print(f"{split:7s} {data:14s} {series[:50]}", flush=True)
    return pd.DataFrame(found)


def main():
    """Evaluate the series for tuning and further ones, and print or write the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for scores")
    parser.add_argument("--csv", type=Path, help="file for the means")
    arguments = parser.parse_args()
    loader = read_loader()
    splits = {"tuning": tsb_series(loader, "tuning"), "further": extra_series(loader)}
    tables = [evaluate(split, rows, arguments.cache) for split, rows in splits.items()]
    means = pd.concat(tables).groupby(["split", "labels"], sort=False).mean().round(3)
    print(means.to_string())
    if arguments.csv:
        means.to_csv(arguments.csv)


if __name__ == "__main__":
    main()
