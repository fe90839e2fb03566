"""Training: epochs, options against overfitting, steps of the optimizer, ensembles."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    MeanDetector,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
)
from skanomaly.datasets import make_series
from skanomaly.metrics import average_precision

WINDOW_SIZE = 50
BASE = {
    "window_size": WINDOW_SIZE,
    "hidden_units": 32,
    "max_epochs": 100,
    "batch_size": 32,
    "learning_rate": 0.005,
}
NETWORKS = {"autoencoder": LSTMAutoencoder, "bottleneck": Seq2SeqLSTMAutoencoder}


def load(seed, n_train, noise=0.3):
    """Return X_train, normal X_new, X_test and y_test, scaled by X_train."""
    size = {"n_train": n_train, "n_test": 4000, "noise": noise, "random_state": seed}
    series, quiet = make_series(**size, n_anomalies=2), make_series(**size, n_anomalies=0)
    scale = StandardScaler().fit(series.X_train)
    parts = series.X_train, quiet.X_test, series.X_test
    return *(scale.transform(X) for X in parts), series.y_test


def rate(detector, parts):
    """Return mean squared errors on training and new normal data, and average precision."""
    X_train, X_new, X_test, y_test = parts
    detector.fit(X_train)
    errors = [-detector.score(X) for X in (X_train, X_new)]
    return [*errors, average_precision(y_test, -detector.score_samples(X_test))]


def mean_row(detector, seeds, n_train, **options):
    """Means of `rate` over series, formatted."""
    found = []
    for seed in seeds:
        made = detector(**options, random_state=seed) if options else detector()
        found.append(rate(made, load(seed, n_train)))
    training, new, precision = np.mean(found, axis=0)
    return {
        "training error": f"{training:.3f}",
        "new error": f"{new:.3f}",
        "ratio": f"{new / training:.1f}",
        "AP": f"{precision:.2f}",
    }


def study_epochs(seeds):
    """Errors and ranking against the number of epochs, on short and on long training parts."""
    rows = []
    for name, network in NETWORKS.items():
        for n_train, numbers in ((300, (0, 1, 10, 100)), (3000, (1, 10))):
            for epochs in numbers:
                options = BASE | {"max_epochs": epochs}
                row = {"detector": name, "time steps": n_train, "epochs": epochs}
                rows.append(row | mean_row(network, seeds, n_train, **options))
    for detector in (MeanDetector, PersistenceDetector, LinearForecaster):
        row = {"detector": detector.__name__, "time steps": 300, "epochs": ""}
        rows.append(row | mean_row(detector, seeds, 300))
    return rows


OPTIONS = {
    "as it is": {},
    "max_epochs=10": {"max_epochs": 10},
    "early_stopping=True": {"early_stopping": True, "validation_fraction": 0.2},
    "hidden_units=4": {"hidden_units": 4},
    "hidden_units=64": {"hidden_units": 64},
    "dropout=0.2": {"dropout": 0.2},
    "recurrent_dropout=0.2": {"recurrent_dropout": 0.2},
    "noise_std=0.5": {"noise_std": 0.5},
    "weight_decay=0.1": {"weight_decay": 0.1},
    "n_estimators=5": {"n_estimators": 5},
}


def study_options(seeds, networks=NETWORKS):
    """What each option does to both networks on 300 time steps."""
    return [
        {"detector": name, "option": option} | mean_row(network, seeds, 300, **BASE | changed)
        for name, network in networks.items()
        for option, changed in OPTIONS.items()
    ]


def study_steps(seeds):
    """Learning rate and batch size for as many windows."""
    rows = []
    for batch_size in (8, 32, 128):
        row = {"batch size": batch_size}
        for speed in (0.001, 0.003, 0.01, 0.03):
            options = BASE | {
                "max_epochs": 5,
                "batch_size": batch_size,
                "learning_rate": speed,
            }
            found = mean_row(Seq2SeqLSTMAutoencoder, seeds, 3000, **options)
            row[f"{speed:g}"] = found["new error"]
        rows.append(row)
    return rows


def study_networks(seeds):
    """How far rankings of six random states differ, with one network and with several."""
    rows = []
    parts = [load(seed, 1000) for seed in seeds]
    for n_estimators in (1, 5):
        options = BASE | {"max_epochs": 20, "n_estimators": n_estimators}
        found = [
            [rate(LSTMAutoencoder(**options, random_state=state), part)[2] for state in range(6)]
            for part in parts
        ]
        rows.append(
            {
                "n_estimators": n_estimators,
                "mean": f"{np.mean(found):.3f}",
                "standard deviation": f"{np.std(found, axis=1).mean():.3f}",
                "lowest": f"{np.min(found, axis=1).mean():.3f}",
                "highest": f"{np.max(found, axis=1).mean():.3f}",
            }
        )
    return rows
