"""What differencing does to the ranking of anomalies, on three kinds of normal data."""

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import LinearForecaster, LSTMAutoencoder
from skanomaly.metrics import average_precision
from skanomaly.preprocessing import Differencer, SequenceTransformer

PERIOD, N_TRAIN, N_TEST, N_ANOMALIES = 50, 3000, 4000, 8
LENGTHS = {"spike": 1, "level shift": 100, "flat line": 50, "slow drift": 200}
NORMAL = ("stationary", "trend", "random walk")
WAYS = {"raw": None, "lag 1": Differencer(), f"lag {PERIOD}": Differencer(lag=PERIOD)}


def make(normal, kind, seed):
    """Return X_train, X_test and y_test: a season with noise, and what wanders besides."""
    rng = np.random.default_rng(seed)
    steps = np.arange(N_TRAIN + N_TEST)
    X = np.sin(2 * np.pi * steps / PERIOD) + 0.2 * rng.normal(size=len(steps))
    if normal == "trend":
        X += 0.003 * steps
    elif normal == "random walk":
        X += np.cumsum(0.1 * rng.normal(size=len(steps)))
    y = np.ones(len(steps), dtype=int)
    room, length = N_TEST // N_ANOMALIES, LENGTHS[kind]
    for start in range(N_TRAIN, len(steps), room):
        start += int(rng.integers(100, room - length - 50))
        stretch = slice(start, start + length)
        sign = rng.choice((-1.0, 1.0))
        if kind == "flat line":
            X[stretch] = X[start - 1]
        elif kind == "slow drift":
            X[stretch] += 2.0 * sign * np.sin(np.pi * np.arange(length) / length)
        else:
            X[stretch] += 2.0 * sign
        y[stretch] = -1
    return X[:N_TRAIN, None], X[N_TRAIN:, None], y[N_TRAIN:]


def detectors(seed):
    """The detectors whose rankings are compared."""
    return {
        "linear": LinearForecaster(),
        "LSTM": LSTMAutoencoder(
            window_size=50,
            hidden_units=16,
            max_epochs=10,
            batch_size=32,
            learning_rate=0.003,
            random_state=seed,
        ),
    }


def study(seeds):
    """Average precision for each kind of data, anomaly and differencing."""
    rows = []
    for normal in NORMAL:
        for kind in LENGTHS:
            row = {"data": normal, "anomaly": kind}
            data = [make(normal, kind, seed) for seed in seeds]
            for name in detectors(0):
                for way, differencer in WAYS.items():
                    found = [
                        _precision(differencer, detectors(seed)[name], *parts)
                        for seed, parts in zip(seeds, data, strict=True)
                    ]
                    row[f"{name} {way}"] = f"{np.mean(found):.2f}"
            rows.append(row)
    return rows


def _precision(differencer, detector, X_train, X_test, y_test):
    """Average precision; the test part is differenced together with the training part."""
    # Else the first differences of the test part would be filled.
    X = np.concatenate([X_train, X_test])
    if differencer is not None:
        X = differencer.fit_transform(X)
    pipeline = make_pipeline(SequenceTransformer(StandardScaler()), detector).fit(X[:N_TRAIN])
    return average_precision(y_test, -pipeline.score_samples(X[N_TRAIN:]))
