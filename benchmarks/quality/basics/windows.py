"""Which window sizes see a spike, and which a beat that is missing or comes early."""

import numpy as np

from skanomaly import LinearForecaster, LSTMAutoencoder, LSTMForecaster, Seq2SeqLSTMAutoencoder
from skanomaly.detectors import NearestWindowDetector
from skanomaly.metrics import average_precision

PERIOD, N_ANOMALIES = 32, 12
SIZES = (4, 8, 16, 32, 64, 128)
BEAT = 2.0 * np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
KINDS = ("spike", "missing beat", "early beat")


def make_beats(n_timesteps, kind, rng):
    """Return X (n_timesteps, 1), a beat every 32 steps in noise, and y; kind None: normal."""
    beats = np.arange(PERIOD // 2, n_timesteps - PERIOD, PERIOD)
    X = 0.1 * rng.normal(size=n_timesteps)
    y = np.ones(n_timesteps, dtype=int)
    chosen = [] if kind is None else rng.permutation(np.arange(5, len(beats) - 5, 6))
    odd = set(beats[chosen[:N_ANOMALIES]].tolist()) if len(chosen) else set()
    for beat in beats.tolist():
        where = beat - 8 if kind == "early beat" and beat in odd else beat
        if kind == "missing beat" and beat in odd:
            y[beat - 4 : beat + 5] = -1
            continue
        X[where - 4 : where + 5] += BEAT
        if kind == "early beat" and beat in odd:
            y[where - 4 : beat + 5] = -1
        if kind == "spike" and beat in odd:
            X[beat + 12] += 1.5
            y[beat + 12] = -1
    return X[:, None], y


def detectors(size, seed):
    """All detectors, with windows (or lags) of so many time steps."""
    common = {
        "window_size": size,
        "hidden_units": 16,
        "max_epochs": 40,
        "max_windows_per_epoch": 2000,
        "batch_size": 32,
        "learning_rate": 0.005,
        "random_state": seed,
    }
    return {
        "LSTMForecaster": LSTMForecaster(**common, aggregation="last"),
        "LSTMAutoencoder": LSTMAutoencoder(**common),
        "Seq2SeqLSTMAutoencoder": Seq2SeqLSTMAutoencoder(**common),
        "NearestWindowDetector": NearestWindowDetector(window_size=size),
        "LinearForecaster": LinearForecaster(lags=size),
    }


def study(seeds):
    """Average precision for each kind of anomaly, detector and window size."""
    found = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        X_train, _ = make_beats(4000, None, rng)
        tests = {kind: make_beats(4000, kind, rng) for kind in KINDS}
        for size in SIZES:
            for name, detector in detectors(size, seed).items():
                detector.fit(X_train)
                for kind, (X, y) in tests.items():
                    precision = average_precision(y, -detector.score_samples(X))
                    found.setdefault((kind, name), {}).setdefault(size, []).append(precision)
    return [
        {"anomaly": kind, "detector": name}
        | {str(size): f"{np.mean(values):.2f}" for size, values in by_size.items()}
        for (kind, name), by_size in sorted(found.items(), key=lambda item: KINDS.index(item[0][0]))
    ]


def study_stride(seeds):
    """Average precision of the bottleneck with windows of 64 steps, by the stride."""
    found = {}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        X_train, _ = make_beats(4000, None, rng)
        tests = {kind: make_beats(4000, kind, rng) for kind in KINDS}
        for stride in (1, 4, 16, 32, 64):
            detector = detectors(64, seed)["Seq2SeqLSTMAutoencoder"]
            # As many windows are learned from, whatever the stride.
            n_windows = min((len(X_train) - 64) // stride + 1, 2000)
            detector.set_params(stride=stride, max_epochs=-(-80_000 // n_windows)).fit(X_train)
            for kind, (X, y) in tests.items():
                precision = average_precision(y, -detector.score_samples(X))
                found.setdefault(stride, {}).setdefault(kind, []).append(precision)
    return [
        {"stride": stride, "windows to score": (4000 - 64) // stride + 1}
        | {kind: f"{np.mean(values):.2f}" for kind, values in by_kind.items()}
        for stride, by_kind in found.items()
    ]
