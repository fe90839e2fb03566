"""Detect in public series that are downloaded once: taxi passengers (NAB) and a pump (SKAB).

    python real_data.py                          # some minutes; needs pip install "skanomaly[data]"
    python real_data.py --data-home FOLDER       # clones of NAB and SKAB in FOLDER, no network
    python real_data.py --picture taxi.png       # draws the taxi series, too

Taxis: fitted on the probationary part, the first 750 half-hours, the rest scored and labelled.
Pump: fitted on the first 400 seconds of each experiment, the rest labelled, all labels pooled.
"""

import argparse

import numpy as np
from sklearn.metrics import average_precision_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import LinearForecaster, LSTMAutoencoder, make_detector
from skanomaly.datasets import fetch_nab, fetch_skab, skab_series
from skanomaly.preprocessing import SequenceTransformer


def rate_taxis(data):
    """Fit the recommended detector; return anomaly scores, threshold and what they are worth."""
    detector = make_detector(data.X_train, random_state=0).fit(data.X_train)
    scores = -detector.score_samples(data.X_test)
    flagged, inside = detector.predict(data.X_test) == -1, data.y_test == -1
    times = data.timestamps_test
    found = [flagged[(times >= first) & (times <= last)].any() for first, last in data.windows]
    rates = {
        "time steps inside windows": inside.mean(),
        "average precision": average_precision_score(inside, scores),
        "windows with an alarm": f"{sum(found)} of {len(found)}",
        "time steps flagged": flagged.mean(),
        "of those flagged, inside windows": inside[flagged].mean() if flagged.any() else np.nan,
        "of those inside windows, flagged": flagged[inside].mean(),
    }
    return scores, detector[-1].threshold_, rates


def rate_pump(data):
    """Fit one detector per experiment; return F1, false and missed alarms of pooled labels."""
    detectors = {
        "flag everything": None,
        "LinearForecaster": LinearForecaster(),
        "LSTMAutoencoder": LSTMAutoencoder(random_state=0),
    }
    truth = np.concatenate(data.y_test) == -1
    rows = {}
    for name, detector in detectors.items():
        flags = np.ones(len(truth), dtype=bool)
        if detector is not None:
            pipeline = make_pipeline(SequenceTransformer(StandardScaler()), detector)
            pairs = zip(data.X_train, data.X_test, strict=True)
            labels = [pipeline.fit(X_train).predict(X_test) for X_train, X_test in pairs]
            flags = np.concatenate(labels) == -1
        rows[name] = (f1_score(truth, flags), flags[~truth].mean(), (~flags)[truth].mean())
    return rows


def draw(data, scores, threshold, path):
    """Draw the series with its windows, and the anomaly scores below."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 1, figsize=(8, 4.5), sharex=True, layout="constrained")
    axes[0].plot(data.timestamps_test, data.X_test[:, 0] / 1000, lw=0.5, color="#0072b2")
    axes[0].set_ylabel("passengers per\nhalf-hour [1000]")
    axes[1].plot(data.timestamps_test, scores, lw=0.9, color="#0072b2", label="anomaly score")
    axes[1].axhline(threshold, ls="--", lw=1, color="black", label="threshold")
    axes[1].set_ylabel("anomaly score")
    axes[1].set_xlabel("time")
    for ax in axes:
        for first, last in data.windows:
            label = "window of NAB" if first == data.windows[0, 0] else None
            ax.axvspan(first, last, color="#e69f00", alpha=0.35, lw=0, label=label)
    axes[1].legend(loc="upper left", bbox_to_anchor=(0, -0.3), ncol=3, frameon=False)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def main(argv=None):
    """Print the tables; return the rates of both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-home", metavar="FOLDER", help="where the files are or go")
    parser.add_argument("--picture", metavar="FILE", help="draw the taxi series")
    parser.add_argument("--skab", nargs="+", metavar="NAME", help="series of SKAB; default all")
    options = parser.parse_args(argv)

    taxi = fetch_nab("realKnownCause/nyc_taxi", data_home=options.data_home)
    print(taxi.DESCR)
    scores, threshold, rates = rate_taxis(taxi)
    for name, rate in rates.items():
        print(f"{name:<34} {rate if isinstance(rate, str) else f'{rate:.3f}'}")
    if options.picture:
        draw(taxi, scores, threshold, options.picture)

    pump = fetch_skab(options.skab or skab_series(), data_home=options.data_home)
    rows = rate_pump(pump)
    print(f"\n{pump.DESCR}\n{'':<20}   F1  false alarms  missed")
    for name, (f1, false, missed) in rows.items():
        print(f"{name:<20} {f1:.2f}  {false:12.1%} {missed:7.1%}")
    return rates, rows


if __name__ == "__main__":
    main()
