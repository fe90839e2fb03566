"""Is my LSTM autoencoder any good, or does it copy its input?

A practitioner compared two LSTM autoencoders on flights, and found the first too good to be true.
Model 1 (``LSTMAutoencoder``): the decoder reads the encoder's whole output and starts from its
state. Model 2 (``Seq2SeqLSTMAutoencoder``): everything must pass through the encoder's last
state. The question can only be asked beside baselines: persistence, which expects every value to
be what it was one time step before; the mean, which knows nothing of time; and a linear forecaster.

This repeats the comparison on generated flights, raw and differenced. For each it prints

- the mean squared error (MSE) on the time steps of the test flights without anomalies,
- the share of the variance of normal flights that is explained, the share of white noise that
  comes back, and the verdict (``skanomaly.inspection.identity_report``),
- how well the labelled anomalies are ranked, as average precision over time steps: by plain squared
  errors, and by smoothed errors that know how sensors are correlated (Mahalanobis).

    python practitioners_question.py                 # a few minutes
    python practitioners_question.py --epochs 200    # as many epochs as the practitioner
    python practitioners_question.py --small         # seconds, for a look

With ``--save FOLDER`` the table is saved as CSV, beside pictures of reconstructions and of the
report on Model 1.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from sklearn.base import clone
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline

from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    MeanDetector,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
)
from skanomaly.datasets import make_flights
from skanomaly.inspection import identity_report
from skanomaly.preprocessing import Differencer

SMALL = {"n_train": 12, "n_test": 6, "n_timesteps": 120, "n_features": 6}
# Chosen with the linear forecaster on flights of another random state.
SCORES = {"score_norm": "mahalanobis", "smoothing": "exponential", "smoothing_span": 64}
HEADINGS = {
    "data": "data",
    "model": "model",
    "mse": "MSE",
    "explained": "explained",
    "noise_returned": "noise back",
    "verdict": "verdict",
    "ap_squared": "AP",
    "ap_smoothed": "AP, Mahalanobis, smoothed",
}


def make_models(epochs, units, verbose):
    """Make the practitioner's two models and the baselines."""
    options = {
        "window_size": None,  # whole flights
        "hidden_units": units,
        "max_epochs": epochs,
        "batch_size": 32,
        "random_state": 0,
        "verbose": verbose,
    }
    return {
        "Model 1": LSTMAutoencoder(**options, **SCORES),
        "Model 2": Seq2SeqLSTMAutoencoder(**options, **SCORES),
        "persistence": PersistenceDetector(**SCORES),
        "mean": MeanDetector(**SCORES),
        "linear": LinearForecaster(**SCORES),
    }


def compare(flights, models):
    """Fit every model on raw and on differenced flights; return rows and fitted pipelines."""
    anomalous = flights.y_test == -1
    rows, fitted = [], {}
    for data, first_step in {"raw": "passthrough", "differenced": Differencer()}.items():
        for name, model in models.items():
            pipeline = make_pipeline(first_step, clone(model)).fit(flights.X_train)
            steps, detector = pipeline[:-1].transform(flights.X_test), pipeline[-1]
            squared = np.square(steps - detector.reconstruct(steps)).mean(axis=-1)
            report = identity_report(
                detector, pipeline[:-1].transform(flights.X_train), random_state=0
            )
            rows.append(
                {
                    "data": data,
                    "model": name,
                    "mse": squared[~anomalous].mean(),
                    "explained": report.explained,
                    "noise_returned": report.copied,
                    "verdict": report.verdict,
                    "ap_squared": average_precision_score(anomalous.ravel(), squared.ravel()),
                    "ap_smoothed": average_precision_score(
                        anomalous.ravel(), -detector.score_timesteps(steps).ravel()
                    ),
                }
            )
            fitted[data, name] = pipeline, report
    return rows, fitted


def print_table(rows):
    """Print one row per model and form of the data."""
    print(
        f"\n{'':<27}{'MSE':>8}{'explained':>11}{'noise back':>12}  {'AP':>6}{'AP smoothed':>13}"
        "  verdict"
    )
    for row in rows:
        print(
            f"{row['data']:<14}{row['model']:<13}{row['mse']:8.4f}{row['explained']:11.0%}"
            f"{row['noise_returned']:12.0%}  {row['ap_squared']:6.3f}{row['ap_smoothed']:13.3f}"
            f"  {row['verdict']}"
        )


def choose_features(pipeline, X):
    """Choose the features that a model reconstructs best, middling and worst, for its pictures."""
    steps = pipeline[:-1].transform(X)
    residuals = steps - pipeline[-1].reconstruct(steps)
    variance = steps.var(axis=(0, 1))
    moving = np.flatnonzero(variance > 0.01 * variance.max())  # settings may not change at all
    order = moving[np.argsort(residuals.var(axis=(0, 1))[moving] / variance[moving])]
    return [int(order[i]) for i in (0, len(order) // 2, -1)]


def save(folder, rows, fitted, flights):
    """Save the table and the pictures."""
    from matplotlib.figure import Figure

    from skanomaly.displays import IdentityDisplay, ReconstructionDisplay

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "practitioners-question.csv", "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADINGS.values())
        for row in rows:
            values = [row[name] for name in HEADINGS]
            writer.writerow([f"{v:.3g}" if isinstance(v, float) else v for v in values])
    for data in ("raw", "differenced"):
        figure = Figure(figsize=(12, 5), layout="constrained")
        halves = figure.subfigures(1, 2)
        features = choose_features(fitted[data, "Model 1"][0], flights.X_test[:1])
        for half, name in zip(halves, ("Model 1", "Model 2"), strict=True):
            pipeline, _ = fitted[data, name]
            ReconstructionDisplay.from_estimator(
                pipeline,
                flights.X_test,
                series=0,
                features=features,
                feature_names=flights.feature_names,
                name=f"{name}, {data}",
                ax=half,
            )
        figure.savefig(folder / f"practitioner-{data}.png", dpi=90)
        figure = Figure(figsize=(10, 5), layout="constrained")
        IdentityDisplay.from_report(fitted[data, "Model 1"][1], ax=figure)
        figure.savefig(folder / f"practitioner-identity-{data}.png", dpi=90)


def main(argv=None):
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20, help="passes over the training flights")
    parser.add_argument("--units", type=int, default=16, help="units of the LSTM layers")
    parser.add_argument("--seed", type=int, default=0, help="random state of the flights")
    parser.add_argument("--small", action="store_true", help="few, short flights")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.add_argument("--save", metavar="FOLDER", help="where to save table and pictures")
    options = parser.parse_args(argv)

    flights = make_flights(random_state=options.seed, **(SMALL if options.small else {}))
    anomalous = np.mean(flights.y_test == -1)
    print(f"train {flights.X_train.shape}, test {flights.X_test.shape}, {anomalous:.1%} anomalous")
    models = make_models(options.epochs, options.units, verbose=not options.quiet)
    rows, fitted = compare(flights, models)
    print_table(rows)
    if options.save:
        save(options.save, rows, fitted, flights)
    return rows


if __name__ == "__main__":
    main()
