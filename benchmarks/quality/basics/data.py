"""How much data a detector needs, and what anomalies in the training part cost."""

import numpy as np
from sklearn.preprocessing import StandardScaler

from skanomaly import LinearForecaster, LSTMAutoencoder
from skanomaly.datasets import make_series
from skanomaly.detectors import NearestWindowDetector
from skanomaly.metrics import average_precision, point_precision_recall_f
from skanomaly.thresholds import MADThreshold, QuantileThreshold

LENGTHS = (100, 200, 400, 800, 1600, 3200, 6400)
TRAINED_WINDOWS = 20_000


def network(n_timesteps, seed, **options):
    """An autoencoder that sees as many windows in training however short the series is."""
    window_size = min(50, n_timesteps // 2)
    n_windows = min(n_timesteps - window_size + 1, 2000)
    options = {
        "window_size": window_size,
        "hidden_units": 16,
        "max_epochs": -(-TRAINED_WINDOWS // n_windows),
        "max_windows_per_epoch": 2000,
        "batch_size": 32,
        "learning_rate": 0.003,
        "random_state": seed,
    } | options
    return LSTMAutoencoder(**options)


def study_length(seeds):
    """Quality and false alarms against the length of the training part."""
    found = {length: [] for length in LENGTHS}
    for seed in seeds:
        size = {"n_train": max(LENGTHS), "n_test": 4000, "random_state": seed}
        series, quiet = make_series(**size, n_anomalies=2), make_series(**size, n_anomalies=0)
        for length in LENGTHS:
            scale = StandardScaler().fit(series.X_train[-length:])
            X_train, X_test, X_quiet = (
                scale.transform(X) for X in (series.X_train[-length:], series.X_test, quiet.X_test)
            )
            row = []
            for detector in (LinearForecaster(), network(length, seed)):
                detector.fit(X_train)
                row.append(average_precision(series.y_test, -detector.score_samples(X_test)))
                row.append((detector.predict(X_quiet) == -1).mean())
            found[length].append(row)
    rows = []
    for length in LENGTHS:
        linear, linear_flagged, lstm, lstm_flagged = np.mean(found[length], axis=0)
        rows.append(
            {
                "time steps": length,
                "periods": length // 50,
                "linear: AP": f"{linear:.2f}",
                "linear: flagged": f"{linear_flagged:.1%}".replace("%", " %"),
                "LSTM: AP": f"{lstm:.2f}",
                "LSTM: flagged": f"{lstm_flagged:.1%}".replace("%", " %"),
            }
        )
    return rows


def study_contamination(seeds):
    """What anomalies in the training part do to ranking and to the threshold."""
    kept = (0.0, 0.1, 0.25, 0.5, 1.0)
    found = {share: [] for share in kept}
    for seed in seeds:
        size = {"n_train": 2, "n_test": 8000, "random_state": seed}
        series, quiet = make_series(**size, n_anomalies=8), make_series(**size, n_anomalies=0)
        half = 4000
        for share in kept:
            X, y = quiet.X_test.copy(), np.ones(8000, dtype=int)
            in_training = [a for a in series.anomalies if a["stop"] <= half]
            for anomaly in in_training[: round(share * len(in_training))]:
                stretch = slice(anomaly["start"], anomaly["stop"])
                X[stretch], y[stretch] = series.X_test[stretch], -1
            X[half:], y[half:] = series.X_test[half:], series.y_test[half:]
            found[share].append(_rate_contaminated(X, y, half, seed))
    rows = []
    for share in kept:
        anomalous, *figures = np.mean(found[share], axis=0)
        rows.append(
            {"anomalous": f"{anomalous:.1%}".replace("%", " %")}
            | dict(
                zip(
                    (
                        "linear: AP",
                        "nearest: AP",
                        "LSTM: AP",
                        "F1, 0.01",
                        "F1, true share",
                        "F1, MAD",
                    ),
                    (f"{figure:.2f}" for figure in figures),
                    strict=True,
                )
            )
        )
    return rows


def _rate_contaminated(X, y, half, seed):
    X = StandardScaler().fit(X[:half]).transform(X)
    anomalous = float((y[:half] == -1).mean())
    figures = [anomalous]
    for detector in (
        LinearForecaster(),
        NearestWindowDetector(window_size=50),
        network(half, seed),
    ):
        detector.fit(X[:half])
        scores = -detector.score_samples(X[half:])
        figures.append(average_precision(y[half:], scores))
    calibration = -detector.score_samples(X[:half])
    selectors = (
        QuantileThreshold(contamination=0.01),
        QuantileThreshold(contamination=max(anomalous, 0.01)),
        MADThreshold(),
    )
    for selector in selectors:
        labels = selector.fit(calibration).predict(scores)
        figures.append(point_precision_recall_f(y[half:], labels).f)
    return figures
