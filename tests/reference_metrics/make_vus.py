"""Write vus.json: python make_vus.py, with TSB-AD 1.5 (pip install --no-deps TSB-AD) importable.

``RangeAUC_volume_opt`` of the package vus 0.0.6 has the same source. ``RangeAUC`` of both packages
is not used: it differs from the slices of the volume, and between the packages.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

N_CASES = 60


def make_case(rng):
    """Return 0/1 labels in clusters or at random, whole-numbered scores and parameters."""
    n_timesteps = int(rng.integers(3, 150))
    if rng.random() < 0.4:
        labels = rng.random(n_timesteps) < rng.choice([0.05, 0.3, 0.7])
    else:
        walk = np.convolve(rng.normal(size=n_timesteps + 8), np.ones(9), "valid")
        labels = walk > rng.choice([0.0, 2.0, 4.0])
    scores = rng.integers(0, rng.choice([3, 10_000]), size=n_timesteps)
    scores = scores + labels * rng.choice([0, scores.max() // 2])
    return labels.astype(int), scores, int(rng.integers(0, 40)), int(rng.choice([5, 50, 250]))


def areas(tpr, fpr, precision):
    """Integrate one slice of the volume as the packages do."""
    roc = np.sum(np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2)
    return [float(roc), float(np.sum(np.diff(tpr[:-1]) * precision[1:]))]


def main():
    """Score random cases and write them beside this file."""
    # Here, for pytest imports all files that may hold doctests.
    from TSB_AD.evaluation.basic_metrics import basic_metricor

    rng = np.random.default_rng(0)
    cases = []
    while len(cases) < N_CASES:
        labels, scores, buffer, n_thresholds = make_case(rng)
        if labels.all() or not labels.any():
            continue
        tpr, fpr, precision, _, roc, pr = basic_metricor().RangeAUC_volume_opt(
            labels, scores, buffer, n_thresholds
        )
        cases.append(
            {
                "labels": "".join(map(str, labels)),
                "scores": scores.tolist(),
                "buffer": buffer,
                "n_thresholds": n_thresholds,
                "vus": [float(roc), float(pr)],
                "range_auc": areas(tpr[buffer], fpr[buffer], precision[buffer]),
            }
        )
    made_by = f"TSB-AD {version('TSB_AD')}, numpy {np.__version__}"
    path = Path(__file__).with_name("vus.json")
    path.write_text(json.dumps({"made_by": made_by, "cases": cases}))


if __name__ == "__main__":
    main()
