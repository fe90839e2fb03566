"""Is my LSTM autoencoder any good, or does it copy its input?

A practitioner compared two LSTM autoencoders on flights, and found the first too good to be true.
Model 1 (``LSTMAutoencoder``): the decoder reads the encoder's whole output and starts from its
state. Model 2 (``Seq2SeqLSTMAutoencoder``): everything must pass through the encoder's last
state. The question can only be asked beside a baseline: persistence, which expects every value to
be what it was one time step before. The mean of the training flights, which knows nothing of time,
is printed too: differences scatter around zero, so that on them the mean alone beats persistence.

This repeats the comparison on generated flights, raw and differenced, and prints the mean squared
error (MSE) of each on the test flights without anomalies, and how well it ranks the labelled
anomalies (average precision over time steps).

    python practitioners_question.py                 # a few minutes
    python practitioners_question.py --epochs 200    # as many epochs as the practitioner
    python practitioners_question.py --small         # seconds, for a look
"""

import argparse

import numpy as np
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline

from skanomaly import LSTMAutoencoder, PersistenceDetector, Seq2SeqLSTMAutoencoder
from skanomaly.datasets import make_flights
from skanomaly.preprocessing import Differencer

SMALL = {"n_train": 12, "n_test": 6, "n_timesteps": 120, "n_features": 6}


def make_models(epochs, units, verbose):
    """Make the practitioner's two models and the baseline."""
    options = {
        "window_size": None,  # whole flights
        "hidden_units": units,
        "max_epochs": epochs,
        "batch_size": 32,
        "random_state": 0,
        "verbose": verbose,
    }
    return {
        "Model 1": LSTMAutoencoder(**options),
        "Model 2": Seq2SeqLSTMAutoencoder(**options),
        "persistence": PersistenceDetector(),
    }


def compare(flights, models):
    """Fit every model on raw and on differenced flights; return {(data, model): (MSE, AP)}."""
    normal = flights.y_test == 1
    results = {}
    for data, first_step in {"raw": "passthrough", "differenced": Differencer()}.items():
        for name, model in models.items():
            pipeline = make_pipeline(first_step, model).fit(flights.X_train)
            steps = pipeline[:-1].transform(flights.X_test)
            scores = pipeline[-1].score_timesteps(steps)
            mse = -scores[normal].mean()
            precision = average_precision_score(~normal.ravel(), -scores.ravel())
            results[data, name] = mse, precision
        mean = pipeline[:-1].transform(flights.X_train).mean(axis=(0, 1))
        errors = np.square(steps - mean).mean(axis=-1)
        precision = average_precision_score(~normal.ravel(), errors.ravel())
        results[data, "mean"] = errors[normal].mean(), precision
    return results


def print_table(results):
    """Print one row per form of the data, as the practitioner did."""
    models = list(dict.fromkeys(name for _, name in results))
    for title, which in (("MSE on normal test steps", 0), ("average precision", 1)):
        print(f"\n{title:<26}" + "".join(f"{name:>14}" for name in models))
        for data in ("raw", "differenced"):
            row = "".join(f"{results[data, name][which]:>14.4f}" for name in models)
            print(f"{data:<26}{row}")


def main(argv=None):
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=20, help="passes over the training flights")
    parser.add_argument("--units", type=int, default=16, help="units of the LSTM layers")
    parser.add_argument("--seed", type=int, default=0, help="random state of the flights")
    parser.add_argument("--small", action="store_true", help="few, short flights")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    options = parser.parse_args(argv)

    flights = make_flights(random_state=options.seed, **(SMALL if options.small else {}))
    anomalous = np.mean(flights.y_test == -1)
    print(f"train {flights.X_train.shape}, test {flights.X_test.shape}, {anomalous:.1%} anomalous")
    models = make_models(options.epochs, options.units, verbose=not options.quiet)
    results = compare(flights, models)
    print_table(results)
    return results


if __name__ == "__main__":
    main()
