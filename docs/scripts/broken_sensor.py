"""How often does an explanation name the sensor that broke?

Eight sensors follow the same seasons. In the test part one of them breaks at a time, for 40 time
steps, in one of five ways: it is stuck, off by a constant, noisy, drifting, or late. Then

- "top": the share of failures at which the broken sensor contributes most to the scores of those
  40 steps (chance: one in eight),
- "share": the part of the scores that it contributes, on average; the rest is smeared over sensors
  that are in order,
- "masked": how much lower the scores are once the broken sensor is masked with NaN, as a share,
- "other masked": the same for a sensor that is in order, the one with the highest contribution.

Beside a detector without a network, which expects the mean, stand networks and baselines, each with
several error norms. "unequal" adds noise to the sensors, from little to much.

    python broken_sensor.py            # some minutes
    python broken_sensor.py --small    # seconds, for a look
    python broken_sensor.py --output ../guide/explanation.csv
    python broken_sensor.py --gaps     # networks that were fitted on series with gaps

With ``--gaps`` each sensor is masked in five stretches of 40 steps of the training part, so that
networks learn to read around what is masked.
"""

import argparse
import csv

import numpy as np
from sklearn.preprocessing import StandardScaler

from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    LSTMForecaster,
    MeanDetector,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
)
from skanomaly.datasets import make_series
from skanomaly.inspection import feature_contributions

N_FEATURES, LENGTH, EVERY = 8, 40, 200
FAILURES = ("stuck", "constant", "noisy", "drifting", "late")
NORMS = ("squared", "standardised", "mahalanobis", "gaussian")
HEADER = ("detector", "score_norm", "noise", "top", "share", "masked", "other masked")


def make_detectors(small, gaps):
    """Make the detectors to compare."""
    options = {"window_size": 50, "stride": 5, "batch_size": 32, "random_state": 0}
    options |= {"max_epochs": 1, "hidden_units": 4} if small else {"learning_rate": 3e-3}
    networks = [LSTMAutoencoder, Seq2SeqLSTMAutoencoder, LSTMForecaster]
    made = [kind(**options) for kind in networks]
    return (
        made if gaps else [*made, LinearForecaster(lags=20), PersistenceDetector(), MeanDetector()]
    )


def break_sensor(x, start, feature, failure, rng):
    """Change one sensor of x (n_timesteps, n_features) for some steps, in place."""
    steps, before = slice(start, start + LENGTH), x[:, feature].copy()
    x[steps, feature] = {
        "stuck": lambda: np.full(LENGTH, before[start - 1]),
        "constant": lambda: before[steps] + rng.choice([-1.5, 1.5]),
        "noisy": lambda: before[steps] + rng.normal(size=LENGTH),
        "drifting": lambda: before[steps] + np.linspace(0, 2, LENGTH),
        "late": lambda: before[start - 12 : start - 12 + LENGTH],
    }[failure]()


def make_data(seed, unequal, gaps):
    """Make a normal and a failing series, and where what broke: list of (start, feature)."""
    plan = [(j, f) for j in range(N_FEATURES) for f in FAILURES]
    data = make_series(
        n_train=4000,
        n_test=EVERY * (len(plan) + 1),
        n_features=N_FEATURES,
        anomalies=(),
        random_state=seed,
    )
    rng = np.random.default_rng(seed)
    levels = np.geomspace(0.02, 0.6, N_FEATURES) if unequal else np.zeros(N_FEATURES)
    X_train, X_test = (x + levels * rng.normal(size=x.shape) for x in (data.X_train, data.X_test))
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    places = []
    for i, (feature, failure) in enumerate(plan):
        start = EVERY * (i + 1) - LENGTH // 2
        break_sensor(X_test, start, feature, failure, rng)
        places.append((start, feature))
    if gaps:
        for feature in range(N_FEATURES):
            for start in rng.integers(0, len(X_train) - LENGTH, size=5):
                X_train[start : start + LENGTH, feature] = np.nan
    return X_train, X_test, places


def rate(detector, X, places):
    """Rate the explanations of a fitted detector: top, share, masked, other masked."""
    broken = np.array([feature for _, feature in places])
    numbers = np.arange(len(places))
    sums = _per_failure(feature_contributions(detector, X), places)
    others = sums.copy()
    others[numbers, broken] = -np.inf
    before = sums.sum(axis=1)
    lower = [
        1 - _masked(detector, X, places, features) / before
        for features in (broken, others.argmax(axis=1))
    ]
    return (
        np.mean(sums.argmax(axis=1) == broken),
        np.mean(sums[numbers, broken] / before),
        *[np.median(share) for share in lower],
    )


def _masked(detector, X, places, features):
    """Sum the scores of each failure after a sensor was masked: (n_failures,)."""
    X = X.copy()
    for (start, _), feature in zip(places, features, strict=True):
        X[start : start + LENGTH, feature] = np.nan
    scores = -detector.score_samples(X)
    return np.array([scores[start : start + LENGTH].sum() for start, _ in places])


def _per_failure(contributions, places):
    """Sum contributions over the steps of each failure: (n_failures, n_features)."""
    return np.array([contributions[start : start + LENGTH].sum(axis=0) for start, _ in places])


def measure(seeds, small, gaps, show):
    """Return a row for every detector, error norm and kind of noise."""
    rows = []
    for unequal in (False, True):
        data = [make_data(seed, unequal, gaps) for seed in seeds]
        for detector in make_detectors(small, gaps):
            for norm in NORMS[1:3] if gaps or small else NORMS:
                found = [
                    rate(detector.set_params(score_norm=norm).fit(train), test, places)
                    for train, test, places in data
                ]
                numbers = np.mean(found, axis=0)
                noise = "unequal" if unequal else "equal"
                rows.append((type(detector).__name__, norm, noise, *numbers))
                show(rows[-1])
    return rows


def tabulate(rows):
    """Arrange top and share as the guide shows them: a column for each error norm."""
    norms = list(dict.fromkeys(row[1] for row in rows))
    cells = {(row[0], row[2], row[1]): f"{row[3]:.2f}, {row[4]:.2f}" for row in rows}
    table = [["detector", "noise", *norms]]
    for name, noise in dict.fromkeys((row[0], row[2]) for row in rows):
        table.append([name, noise, *(cells[name, noise, norm] for norm in norms)])
    return table


def main(arguments=None):
    """Measure, print, and write the table if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="little training, one series")
    parser.add_argument("--gaps", action="store_true", help="fit networks on series with gaps")
    parser.add_argument("--seeds", type=int, default=3, help="generated series, 40 failures each")
    parser.add_argument("--output", help="CSV file to write")
    chosen = parser.parse_args(arguments)
    print(("{:24}{:14}{:9}" + "{:>9}" * 4).format(*HEADER[:6], "other"))
    rows = measure(
        range(1 if chosen.small else chosen.seeds),
        chosen.small,
        chosen.gaps,
        lambda row: print(("{:24}{:14}{:9}" + "{:9.2f}" * 4).format(*row), flush=True),
    )
    if chosen.output:
        with open(chosen.output, "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(tabulate(rows))
    return rows


if __name__ == "__main__":
    main()
