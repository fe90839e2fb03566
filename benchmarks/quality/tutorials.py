"""Repeat the tutorials of docs/examples/tutorials on the real data of the originals.

    SKANOMALY_DATA=... python benchmarks/quality/tutorials.py heartbeats|daily|keras|stocks

heartbeats: ECG5000, 200 of its 292 normal training beats train, 92 set the conformal threshold,
all 4500 test beats judge; three random states. daily: art_daily_small_noise, ten days train and
four are held out; art_daily_jumpsup judges. keras: the network of the Keras example on the same
pair, trained on all 14 days (minutes). stocks: closes of the S&P 500, 1999 to 2008 train, 2009 to
2018 judge.
"""

import argparse
import importlib.util
import os
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import LSTMAutoencoder, MeanDetector, PersistenceDetector, Seq2SeqLSTMAutoencoder
from skanomaly.inspection import identity_report
from skanomaly.metrics import average_precision, point_precision_recall_f, roc_auc
from skanomaly.preprocessing import Downsampler
from skanomaly.thresholds import ConformalThreshold, QuantileThreshold, SigmaThreshold

DAY, FACTOR = 288, 6
WINDOW = DAY // FACTOR


def load(name, series):
    """Load one series: X_train, X_test, labels -1 and 1 or None, and what else is known of it."""
    path = Path(os.environ["SKANOMALY_DATA"]) / "benchmark_data.py"
    spec = importlib.util.spec_from_file_location("benchmark_data", path)
    data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(data)
    for X_train, X_test, y, meta in data.load(name):
        if meta["series"] == series:
            labels = None if y is None else np.where(y == 1, -1, 1)
            return X_train.astype(float), X_test.astype(float), labels, meta
    raise SystemExit(f"no series {series} of {name} in SKANOMALY_DATA")


# ------------------------------------------------------------------------------- heartbeats


def heartbeats():
    X, X_test, y, _ = load("ecg5000", "ecg5000")
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(X))
        train, held_out = X[order[:200]], X[order[200:]]
        detector = beat_detector(seed, batch_size=16, max_epochs=60).fit(train)
        s, at_training, unseen = (-detector.score_samples(Z) for Z in (X_test, train, held_out))
        rival = ((X_test - train.mean(axis=0)) ** 2).mean(axis=(1, 2))
        for name, scores in (("LSTM", s), ("distance to the mean beat", rival)):
            measured = average_precision(y, scores), roc_auc(y, scores)
            print(f"seed {seed}, {name}: AP {measured[0]:.3f}, ROC AUC {measured[1]:.3f}")
        rules = {
            "mean + 1 std, training": SigmaThreshold(n_sigmas=1).fit(at_training),
            "2 % of training": QuantileThreshold(contamination=0.02).fit(at_training),
            "2 % of held-out, conformal": ConformalThreshold(alpha=0.02).fit(unseen),
        }
        for name, rule in rules.items():
            labels = rule.predict(s)
            result = point_precision_recall_f(y, labels)
            false = (labels[y == 1] == -1).mean()
            print(f"    {name}: false {false:.3f}, recall {result.recall:.3f}, F1 {result.f:.3f}")
    cost = {}
    for batch_size in (1, 16):  # the second fit of the same form compiles nothing
        for _ in range(2):
            detector = beat_detector(0, batch_size=batch_size, max_epochs=10)
            start = process_time()
            detector.fit(X[:200])
            cost[batch_size] = process_time() - start
    print(f"time to train, one beat per update / sixteen: {cost[1] / cost[16]:.1f}")


def beat_detector(seed, **options):
    return make_pipeline(
        Downsampler(factor=4),
        Seq2SeqLSTMAutoencoder(
            window_size=None, hidden_units=16, learning_rate=0.01, random_state=seed, **options
        ),
    )


# ------------------------------------------------------------------------------------- daily


def daily_pair():
    """Return the training series (4032, 1), the test series (4032, 1), and its labels."""
    parts = []
    for folder, name in (("No", "small_noise"), ("With", "jumpsup")):
        X, X_test, y, _ = load("nab", f"artificial{folder}Anomaly__art_daily_{name}")
        parts.append(np.concatenate([X, X_test]))
    return *parts, np.concatenate([np.ones(len(X), int), y])


def daily():
    X, X_test, y = daily_pair()
    halves = Downsampler(factor=FACTOR).fit(X)
    train, held_out = halves.transform(X[: 10 * DAY]), halves.transform(X[10 * DAY :])
    test = halves.transform(X_test)
    y = Downsampler(factor=FACTOR, statistic="min").fit_transform(y[:, None]).ravel()
    pipeline = make_pipeline(
        StandardScaler(),
        LSTMAutoencoder(
            window_size=WINDOW,
            hidden_units=8,
            noise_std=0.3,
            learning_rate=0.01,
            max_epochs=25,
            batch_size=32,
            score_norm="absolute",
            aggregation="min",
            random_state=0,
        ),
    ).fit(train)

    def window_errors(X):
        windows = sliding_window_view(X[:, 0], WINDOW)[..., None]
        scaled = pipeline[0].transform(windows.reshape(-1, 1)).reshape(windows.shape)
        return -pipeline[-1].score_samples(scaled)

    rules = {
        "smallest error of the day": lambda X: smallest(window_errors(X), WINDOW),
        "smallest error of the row": lambda X: -pipeline.score_samples(X),
    }
    for name, rule in rules.items():
        scores = rule(test)
        print(f"{name}: AP {average_precision(y, scores):.3f}")
        maximum = window_errors(train).max() if name.endswith("day") else rule(train).max()
        limits = maximum, ConformalThreshold(alpha=0.01).fit(rule(held_out)).threshold_
        for kind, limit in zip(("maximum in training", "held-out"), limits, strict=True):
            print_rows(f"    {kind}", y, scores > limit, FACTOR)
    yesterday = PersistenceDetector(lag=WINDOW).fit(train)
    print(f"the day before: AP {average_precision(y, -yesterday.score_samples(test)):.3f}")


def smallest(errors, window):
    """Smallest error of the windows that hold a row: (n_windows,) to (n_windows + window - 1,)."""
    edge = np.full(window - 1, np.inf)
    return sliding_window_view(np.concatenate([edge, errors, edge]), window).min(axis=1)


def print_rows(name, y, flagged, factor):
    rows = np.flatnonzero(flagged)
    where = f"{rows[0] * factor} to {(rows[-1] + 1) * factor}" if len(rows) else "none"
    hits = (y[rows] == -1).mean() if len(rows) else np.nan
    share = flagged[y == -1].mean()
    print(f"{name}: rows {where}, precision {hits:.2f}, share of the labelled {share:.2f}")


def keras_example():
    import keras

    X, X_test, y = daily_pair()
    X, X_test = (X - X.mean()) / X.std(ddof=1), (X_test - X.mean()) / X.std(ddof=1)
    windows, test = (sliding_window_view(Z[:, 0], DAY)[..., None] for Z in (X, X_test))
    keras.utils.set_random_seed(0)
    down = [(keras.layers.Conv1D, 32), (keras.layers.Conv1D, 16)]
    up = [(keras.layers.Conv1DTranspose, 16), (keras.layers.Conv1DTranspose, 32)]
    model = keras.Sequential([keras.layers.Input((DAY, 1))])
    for i, (layer, filters) in enumerate(down + up):
        model.add(layer(filters, 7, padding="same", strides=2, activation="relu"))
        if i in (0, 2):
            model.add(keras.layers.Dropout(0.2))
    model.add(keras.layers.Conv1DTranspose(1, 7, padding="same"))
    model.compile(optimizer="adam", loss="mse")
    patience = keras.callbacks.EarlyStopping(patience=5)
    options = {"epochs": 50, "batch_size": 128, "validation_split": 0.1, "verbose": 0}
    model.fit(windows, windows, callbacks=[patience], **options)
    limit = np.abs(model.predict(windows, verbose=0) - windows).mean(axis=(1, 2)).max()
    scores = smallest(np.abs(model.predict(test, verbose=0) - test).mean(axis=(1, 2)), DAY)
    print(f"threshold {limit:.4f}, AP of rows {average_precision(y, scores):.3f}")
    print_rows("all windows above the threshold", y, scores > limit, 1)
    noise = np.random.default_rng(0).normal(X.mean(), X.std(), (500, DAY, 1))
    back = model.predict(noise, verbose=0)
    share = 1 - ((noise - back) ** 2).sum() / ((noise - noise.mean()) ** 2).sum()
    print(f"white noise returned {share:.2f}")


# ------------------------------------------------------------------------------------ stocks


def stocks():
    X, X_test, _, meta = load("stocks", "sp500")
    close = list(meta["columns"]).index("Close")
    closes = np.concatenate([X, X_test])[:, [close]]
    dates = pd.DatetimeIndex(np.concatenate([meta["t_train"], meta["t_test"]]))
    train = dates.year <= 2008
    settings = {
        "window_size": 30,
        "stride": 5,
        "hidden_units": 16,
        "learning_rate": 0.01,
        "batch_size": 32,
        "score_norm": "absolute",
        "random_state": 0,
    }
    prices = make_pipeline(StandardScaler(), Seq2SeqLSTMAutoencoder(max_epochs=10, **settings)).fit(
        closes[train]
    )
    flagged = pd.Series(prices.predict(closes) == -1, dates)
    print("days flagged on prices, by year:")
    print(flagged.groupby(dates.year).mean().round(2).to_string())
    scaled = prices[0].transform(closes[train])
    persistence = PersistenceDetector(score_norm="absolute").fit(scaled)
    ratio = prices[-1].score(scaled) / persistence.score(scaled)
    print(f"error, in errors of persistence {ratio:.1f}")

    returns = pd.Series(np.log(closes[:, 0])).diff().fillna(0)
    volatility = returns.shift(1).ewm(span=40, min_periods=20).std().bfill()
    surprises = (returns / volatility).to_numpy()[:, None]
    for name, values in (("returns", returns.to_numpy()), ("surprises", surprises[:, 0])):
        ratio = values[~train].std() / values[train].std()
        print(f"{name}: spread after training / in training {ratio:.2f}")
    detectors = {
        "autoencoder": LSTMAutoencoder(max_epochs=30, contamination=0.002, **settings),
        "bottleneck": Seq2SeqLSTMAutoencoder(max_epochs=10, contamination=0.002, **settings),
        "mean": MeanDetector(score_norm="absolute", contamination=0.002),
    }
    alarms = {}
    for name, detector in detectors.items():
        detector.fit(surprises[train])
        report = identity_report(detector, surprises[~train], random_state=0)
        alarms[name] = set(np.flatnonzero((detector.predict(surprises) == -1) & ~train))
        shared = len(alarms[name] & alarms.get("autoencoder", set()))
        print(
            f"{name}: {report.verdict}, noise back {report.copied:.2f}, explains "
            f"{report.explained:.2f}; {len(alarms[name])} alarms, {shared} of the autoencoder's"
        )
    for day in sorted(alarms["mean"]):
        change, size = 100 * returns[day], surprises[day, 0]
        print(f"{dates[day].date()} {change:+.1f} %, {size:+.1f} volatilities")


TUTORIALS = {
    "heartbeats": heartbeats,
    "daily": daily,
    "keras": keras_example,
    "stocks": stocks,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tutorial", choices=TUTORIALS)
    TUTORIALS[parser.parse_args().tutorial]()


if __name__ == "__main__":
    main()
