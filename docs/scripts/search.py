"""Search for a detector: with labels, without them, and in less time.

What to search: differencing or not, architecture, window size, units and threshold. The data are a
training part, normal and without labels, and a test part with labels. The first half of the test
part is for those who have labels to choose by; the second half rates all choices.

1. ``GridSearchCV`` without labels: every candidate is rated by how well it ranks anomalies that
   ``InjectionScorer`` writes into held-out parts of the training series.
2. ``HalvingGridSearchCV`` without labels: all candidates train for few epochs, the better ones for
   longer.
3. ``GridSearchCV`` with labels, which can choose the threshold as well.

    python search.py                               # a generated series, some minutes
    python search.py --series skab/other_9.npz     # a real one
    python search.py --small                       # less than a minute, for a look

A file holds the arrays ``X_train`` and ``X_test`` (n_timesteps, n_features) and ``y_test``
(n_timesteps,), not zero at anomalies. If it is not there, it is looked for in the folder that the
environment variable SKANOMALY_DATA names.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    LSTMForecaster,
    Seq2SeqLSTMAutoencoder,
)
from skanomaly.datasets import make_series
from skanomaly.metrics import to_outlier_labels
from skanomaly.model_selection import ExpandingWindowSplit, InjectionScorer, get_scorer
from skanomaly.preprocessing import Differencer, SequenceTransformer

CONTAMINATIONS = [0.001, 0.01, 0.05]
PARTS = ("X_train", "X_test", "y_test")
METRICS = {name: get_scorer(name) for name in ("f1", "average_precision")}


def read(path):
    """Read a labelled series: X_train, X_test, y_test (-1 at anomalies, else 1)."""
    path = Path(path)
    if not path.exists() and "SKANOMALY_DATA" in os.environ:
        path = Path(os.environ["SKANOMALY_DATA"]) / path
    with np.load(path, allow_pickle=False) as file:
        missing = [part for part in PARTS if part not in file]
        if missing:
            raise SystemExit(
                f"{path} must hold the arrays {', '.join(PARTS)}; it lacks {', '.join(missing)}. "
                "Save it with numpy.savez(path, X_train=..., X_test=..., y_test=...)."
            )
        X_train, X_test, y_test = (file[part] for part in PARTS)
    return X_train, X_test, to_outlier_labels(y_test != 0, outlier=True)


def make_pipeline():
    """Make the pipeline whose parts the searches exchange."""
    return Pipeline(
        [
            ("scale", SequenceTransformer(StandardScaler())),
            ("difference", "passthrough"),
            ("detect", LinearForecaster()),
        ]
    )


def make_grids(networks, windows, units):
    """Make the grids of linear detectors and of networks."""
    shared = {"difference": ["passthrough", Differencer()]}
    linear = {**shared, "detect": [LinearForecaster(lags=lags) for lags in (1, 10)]}
    deep = {
        **shared,
        "detect": networks,
        "detect__window_size": windows,
        "detect__hidden_units": units,
    }
    return linear, deep


def describe(params):
    """Describe a candidate in a few words."""
    named = {name.split("__")[-1]: value for name, value in params.items()}
    detector = named.pop("detect")
    words = [type(detector).__name__]
    if isinstance(detector, LinearForecaster):
        words.append(f"lags={detector.lags}")
    difference = named.pop("difference")
    words += ["raw" if difference == "passthrough" else "differenced"]
    return " ".join(words + [f"{name}={value}" for name, value in sorted(named.items())])


def print_best(title, search, metric="score", n_shown=5):
    """Print the best candidates of a search."""
    results = search.cv_results_
    order = np.argsort(results[f"rank_test_{metric}"], kind="stable")
    if "iter" in results:  # only those that halving left in the end had all the epochs
        order = order[results["iter"][order] == results["iter"].max()]
    print(f"\n{title}: {len(results['params'])} fits per split")
    for i in order[:n_shown]:
        print(f"  {results[f'mean_test_{metric}'][i]:.3f}  {describe(results['params'][i])}")


def main(argv=None):
    """Run the searches; return one row per choice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", metavar="FILE", help="labelled series, .npz")
    parser.add_argument("--epochs", type=int, default=18, help="passes over the training part")
    parser.add_argument("--jobs", type=int, default=1, help="processes that search")
    parser.add_argument("--small", action="store_true", help="a short series and few candidates")
    options = parser.parse_args(argv)

    if options.series:
        X_train, X_test, y_test = read(options.series)
    else:
        size = {"n_train": 300, "n_test": 300, "period": 20} if options.small else {}
        made = make_series(random_state=0, **size)
        X_train, X_test, y_test = made.X_train, made.X_test, made.y_test
    print(f"train {X_train.shape}, test {X_test.shape}, {np.mean(y_test == -1):.1%} anomalous")
    epochs = 3 if options.small else options.epochs
    training = {
        "max_epochs": epochs,
        "learning_rate": 0.005,
        "batch_size": 32,
        "stride": max(1, len(X_train) // 1000),
        "random_state": 0,
    }
    kinds = [LSTMAutoencoder, Seq2SeqLSTMAutoencoder, LSTMForecaster]
    windows, units = [16, 64], [8, 32]
    if options.small:
        kinds, windows, units = kinds[:1], [8], [2, 4]
    linear, deep = make_grids([kind(**training) for kind in kinds], windows, units)

    # No window of a test part may reach into the training part.
    cv = ExpandingWindowSplit(n_splits=2, window_size=max(windows))
    scorer = InjectionScorer(n_injections=10 if options.small else 40)
    shared = {"n_jobs": options.jobs, "error_score": "raise"}
    chosen = {}

    grid = GridSearchCV(make_pipeline(), [linear, deep], scoring=scorer, cv=cv, **shared)
    grid.fit(X_train)
    print_best("Grid without labels, by average precision of injected anomalies", grid)
    chosen["grid, no labels"] = grid.best_estimator_

    halving = HalvingGridSearchCV(
        make_pipeline().set_params(detect=deep["detect"][0]),  # whose epochs are the resource
        deep,
        scoring=scorer,
        cv=cv,
        resource="detect__max_epochs",
        min_resources="exhaust",  # so that the last ones train for all epochs
        max_resources=epochs,
        **shared,
    ).fit(X_train)
    print_best("Halving without labels, networks alone", halving)
    chosen["halving, no labels"] = halving.best_estimator_

    # Labels are at hand for the first half of the test part, which follows the training part.
    half = len(X_test) // 2
    X = np.concatenate([X_train, X_test[:half]])
    y = np.concatenate([np.ones(len(X_train), dtype=int), y_test[:half]])
    steps = np.arange(len(X))
    labelled = GridSearchCV(
        make_pipeline(),
        [
            {**part, "detect__contamination": CONTAMINATIONS[: 2 if options.small else None]}
            for part in (linear, deep)
        ],
        scoring=METRICS,
        refit=False,
        cv=[(steps[: len(X_train)], steps[len(X_train) :])],
        **shared,
    ).fit(X, y)
    print_best("Grid with labels, by F1", labelled, "f1")
    best = labelled.cv_results_["params"][np.argmin(labelled.cv_results_["rank_test_f1"])]
    best = make_pipeline().set_params(**clone(best, safe=False))
    chosen["grid, labels"] = best.fit(X_train)  # not on the test part, which is not normal

    rows = []
    print(f"\nOn the second half of the test part\n{'':<22}{'AP':>7}{'F1':>7}")
    for name, estimator in {"default": make_pipeline().fit(X_train), **chosen}.items():
        rest = X_test[half:], y_test[half:]
        found = {metric: scorer(estimator, *rest) for metric, scorer in METRICS.items()}
        rows.append({"choice": name, **found})
        print(f"{name:<22}{found['average_precision']:7.3f}{found['f1']:7.3f}")
    return rows


if __name__ == "__main__":
    main()
