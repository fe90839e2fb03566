"""Figures about real data that the examples of uses quote, each with its protocol.

    SKANOMALY_DATA=... python -m benchmarks.quality.uses servers
    SKANOMALY_DATA=... python -m benchmarks.quality.uses pumps
    SKANOMALY_DATA=... python -m benchmarks.quality.uses market

*servers*: the AWS series of NAB, one value every 5 minutes, fitted on the probationary part.
Printed are the anomalies that are found by any of their time steps, and flagged intervals that
touch none, per day, with a quantile as threshold and with SPOT.

*pumps*: the files of SKAB with a closed valve, fitted on the first 400 rows. Printed is how often
each sensor contributes most to the scores of the rows labelled as anomalous.

*market*: daily closes of the S&P 500 from 1999 to 2018. Forecasters are fitted on the first half.
Printed are squared errors on the second half over those of the mean; how many alarms fall into the
12 months from September 2008; and the returns on the day after alarms.
"""

import argparse
import sys

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.suite.protocols import find_data, read_series
from skanomaly import LinearForecaster, LSTMAutoencoder, LSTMForecaster
from skanomaly.inspection import feature_contributions
from skanomaly.intervals import find_intervals
from skanomaly.preprocessing import SequenceTransformer
from skanomaly.thresholds import SPOT, QuantileThreshold

STEPS_PER_DAY = 288  # of NAB's servers


def servers(folder):
    """Count anomalies found and false alarms per day on the AWS series of NAB."""
    series = [one for one in read_series(folder, "nab") if one.group == "realAWSCloudwatch"]
    days = sum(len(one.y) for one in series) / STEPS_PER_DAY
    selectors = {"1 % quantile": QuantileThreshold(), "SPOT": SPOT(alpha=1e-4)}
    for name, make in {"linear": LinearForecaster, "LSTM": _forecaster}.items():
        counts = {key: np.zeros(3, dtype=int) for key in selectors}
        for one in series:
            detector = make_pipeline(StandardScaler(), make()).fit(one.X_fit)
            past, live = (-detector.score_samples(X) for X in (one.X_fit, one.X_score))
            for key, selector in selectors.items():
                flags = selector.fit(past).predict(live) == -1
                counts[key] += _count(one.y == -1, flags)
        for key, (found, anomalies, false) in counts.items():
            print(
                f"{name:8}{key:14}{found} of {anomalies} found, {false / days:.2f} false alarms "
                f"per day ({len(series)} series, {days:.0f} days)"
            )


def _forecaster():
    return LSTMForecaster(
        window_size=64, hidden_units=16, learning_rate=0.01, max_epochs=30, random_state=0
    )


def _count(truth, flags):
    """Count anomalies found, all anomalies, and flagged intervals that touch none."""
    anomalies, flagged = find_intervals(truth), find_intervals(flags)
    found = sum(flags[start:stop].any() for start, stop in anomalies)
    false = sum(not truth[start:stop].any() for start, stop in flagged)
    return found, len(anomalies), false


def pumps(folder):
    """Count which sensor contributes most while a valve is being closed."""
    with np.load(folder / "skab" / "valve1_0.npz") as file:
        first = pd.Series(0, index=[str(name) for name in file["columns"]])
    for one in read_series(folder, "skab"):
        if not one.name.startswith("valve"):
            continue
        scaler = SequenceTransformer(StandardScaler()).fit(one.X_fit)
        detector = LSTMAutoencoder(
            window_size=32,
            hidden_units=8,
            learning_rate=0.01,
            max_epochs=60,
            score_norm="standardised",
            random_state=0,
        ).fit(scaler.transform(one.X_fit))
        shares = feature_contributions(detector, scaler.transform(one.X_score))
        first.iloc[shares[one.y == -1].mean(axis=0).argmax()] += 1
    print(first.sort_values(ascending=False).to_string())


def market(folder):
    """Measure forecasts, alarms in the crisis, and returns after alarms."""
    frame = pd.read_csv(folder / "stocks" / "sp500.csv.gz", index_col=0, parse_dates=True)
    returns = np.log(frame["Adj Close"].dropna()).diff().dropna()
    size = np.log(returns.abs() + 1e-3)
    for name, values in {"returns": returns, "their size": size}.items():
        print(name, _relative_errors(values.to_numpy()[:, None]))
    volatility = np.sqrt((returns**2).ewm(halflife=20, min_periods=20).mean().shift(1))
    scores = pd.DataFrame({"size": returns.abs(), "surprise": returns.abs() / volatility}).dropna()
    crisis = slice("2008-09-01", "2009-08-31")
    for name in scores:
        flags = scores[name] > scores[name].quantile(0.99)
        print(f"by {name}: {flags[crisis].sum()} of {flags.sum()} alarms from September 2008 on")
        after = returns.shift(-1)[flags[flags].index].dropna()
        error = after.std() / np.sqrt(len(after))
        print(f"  return on the next day {after.mean():.2%} +- {error:.2%} (standard error)")


def _relative_errors(values):
    train, test = np.split(values, [len(values) // 2])
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    models = {
        "linear": LinearForecaster(lags=40, alpha=500),
        "LSTM": LSTMForecaster(window_size=20, hidden_units=8, max_epochs=15, random_state=0),
    }
    mean = np.mean(test**2)
    errors = {k: np.mean((test - m.fit(train).reconstruct(test)) ** 2) for k, m in models.items()}
    return {name: f"{error / mean:.3f}" for name, error in errors.items()}


def main(argv=None):
    """Print the figures of one use."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    uses = {"servers": servers, "pumps": pumps, "market": market}
    parser.add_argument("use", choices=uses, help="which figures to print")
    options = parser.parse_args(argv)
    folder, reason = find_data()
    if folder is None:
        sys.exit(f"{reason}.")
    uses[options.use](folder)


if __name__ == "__main__":
    main()
