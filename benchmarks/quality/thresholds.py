"""Rates of false alarms of threshold selectors on normal scores, against those asked for.

    python benchmarks/quality/thresholds.py --output docs/guide/threshold-rates.csv

Each selector is fitted on 1000 scores and labels the 10,000 that follow, none of which is an
anomaly. Written, in percent, are the mean rate over the repetitions and the range from the 5th to
the 95th percentile.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.signal import lfilter
from scipy.stats import norm
from sklearn.base import clone

from skanomaly.thresholds import (
    DSPOT,
    SPOT,
    ConformalThreshold,
    DynamicThreshold,
    IQRThreshold,
    MADThreshold,
    PeaksOverThreshold,
    QuantileThreshold,
    SigmaThreshold,
)

N_FIT, N_TEST, BLOCK, BATCH = 1000, 10_000, 50, 100


def autocorrelated(random, n_scores):
    """Return scores of an AR(1) process with coefficient 0.9 and variance 1."""
    n_warm_up = 200
    noise = random.normal(scale=np.sqrt(1 - 0.9**2), size=n_scores + n_warm_up)
    return lfilter([1.0], [1.0, -0.9], noise)[n_warm_up:]


SCORES = {
    "normal": lambda random, n_scores: random.normal(size=n_scores),
    "AR(1), 0.9": autocorrelated,
    "t, 3 degrees": lambda random, n_scores: random.standard_t(3, size=n_scores),
    "Pareto, 3": lambda random, n_scores: random.pareto(3, size=n_scores),
}


def flagged_scores(selector, scores):
    return np.mean(selector.predict(scores) == -1)


def flagged_blocks(selector, scores):
    return np.mean((selector.predict(scores) == -1).reshape(-1, BLOCK).any(axis=1))


def flagged_batches(selector, scores):
    return np.mean([(selector.predict(s) == -1).any() for s in scores.reshape(-1, BATCH)])


# Selector, the rate asked for (with normal scores in mind where there is a formula), and of what.
ROWS = [
    (SigmaThreshold(n_sigmas=3), norm.sf(3), flagged_scores),
    (MADThreshold(n_deviations=3.5), norm.sf(3.5), flagged_scores),
    (IQRThreshold(factor=1.5), norm.sf(4 * norm.ppf(0.75)), flagged_scores),
    (QuantileThreshold(contamination=0.01), 0.01, flagged_scores),
    (ConformalThreshold(alpha=0.01), 0.01, flagged_scores),
    (ConformalThreshold(alpha=0.1, block_size=BLOCK), 0.1, flagged_blocks),
    (ConformalThreshold(alpha=0.1, method="benjamini-hochberg"), 0.1, flagged_batches),
    (PeaksOverThreshold(alpha=1e-3), 1e-3, flagged_scores),
    (PeaksOverThreshold(alpha=1e-3, level=0.9), 1e-3, flagged_scores),
    (PeaksOverThreshold(alpha=1e-3, method="pwm"), 1e-3, flagged_scores),
    (SPOT(alpha=1e-3), 1e-3, flagged_scores),
    (DSPOT(alpha=1e-3), 1e-3, flagged_scores),
    (DynamicThreshold(), None, flagged_scores),
]
OF = {flagged_scores: "scores", flagged_blocks: "blocks", flagged_batches: "batches"}


def rates(selector, rate, make, n_repetitions):
    """Return the rate in each repetition, the same scores for every selector."""
    found = []
    for seed in range(n_repetitions):
        scores = make(np.random.default_rng(seed), N_FIT + N_TEST)
        found.append(rate(clone(selector).fit(scores[:N_FIT]), scores[N_FIT:]))
    return 100 * np.array(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    table = [["selector", "% of", "asked", *SCORES]]
    for selector, asked, rate in ROWS:
        row = [str(selector), OF[rate], "" if asked is None else f"{100 * asked:.2g}"]
        for make in SCORES.values():
            found = rates(selector, rate, make, options.repetitions)
            low, high = np.quantile(found, [0.05, 0.95])
            row.append(f"{found.mean():.2g} ({low:.2g} to {high:.2g})")
        table.append(row)
        print(*row, sep=" | ", flush=True)
    if options.output:
        with options.output.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(table)


if __name__ == "__main__":
    main()
