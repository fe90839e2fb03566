"""Which label-free criterion chooses the detector that finds the anomalies of real series?

    SKANOMALY_DATA=... python benchmarks/quality/label_free.py --cache FOLDER --csv label-free.csv

On each of 14 series 12 configurations are fitted on the first three quarters of the training part.
Every criterion rates them on the last quarter, which has no (known) anomalies. The labelled metric
is the average precision of the time steps of the test part, or VUS-PR. For each criterion are
reported

- the rank correlation (Spearman's) of criterion and labelled metric over the configurations;
- the metric of the configuration that it chooses;
- the gain: how much more that is than the mean over all, which a random choice has on average;
- the regret: how much less that is than the best on the series.

"fixed" is no criterion: it is the configuration with the best mean on the other data sets, for
those who have labelled data, but not of their own.

Cut by rule: of the training part the last 6000 time steps, of the test part the first 12 000. The
training stride is such that there are at most 1500 windows. Fitted pipelines and all results are
kept in the cache, so that a run can be stopped and goes on. About 20 minutes on two cores.
"""

import argparse
import importlib.util
import json
import os
import time
from pathlib import Path

import joblib
import pandas as pd
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    LSTMForecaster,
    MeanDetector,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
    metrics,
)
from skanomaly.model_selection import InjectionScorer, StabilityScorer, reconstruction_skill
from skanomaly.preprocessing import Differencer, SequenceTransformer

SERIES = [
    ("skab", "valve1_0"),
    ("skab", "valve2_0"),
    ("skab", "other_9"),
    ("nab", "realKnownCause__nyc_taxi"),
    ("nab", "realKnownCause__machine_temperature_system_failure"),
    ("nab", "realAWSCloudwatch__ec2_cpu_utilization_5f5533"),
    ("kpi", "donut_cpu4"),
    ("wsd", "wsd_032"),
    ("wsd", "wsd_167"),
    ("nasa_smap_msl", "MSL_C-1"),
    ("nasa_smap_msl", "SMAP_E-3"),
    ("nasa_smap_msl", "SMAP_T-1"),
    ("smd", "machine-1-6"),
    ("smd", "machine-3-4"),
]
MOST_TRAINED, MOST_TESTED, MOST_WINDOWS, HELD_OUT = 6000, 12_000, 1500, 0.25
SMOOTHED = {"score_norm": "standardised", "smoothing": "exponential"}
# Name: (detector, its parameters, differenced?)
CONFIGURATIONS = {
    "autoencoder 32/16": (LSTMAutoencoder, {"window_size": 32, "hidden_units": 16}, False),
    "autoencoder 32/16 diff": (LSTMAutoencoder, {"window_size": 32, "hidden_units": 16}, True),
    "autoencoder 64/64": (LSTMAutoencoder, {"window_size": 64, "hidden_units": 64}, False),
    "seq2seq 32/16": (Seq2SeqLSTMAutoencoder, {"window_size": 32, "hidden_units": 16}, False),
    "seq2seq 64/64": (Seq2SeqLSTMAutoencoder, {"window_size": 64, "hidden_units": 64}, False),
    "forecaster 32/16": (LSTMForecaster, {"window_size": 32, "hidden_units": 16}, False),
    "forecaster 32/16 diff": (LSTMForecaster, {"window_size": 32, "hidden_units": 16}, True),
    "forecaster 64/64 smooth": (
        LSTMForecaster,
        {"window_size": 64, "hidden_units": 64, **SMOOTHED},
        False,
    ),
    "linear": (LinearForecaster, {}, False),
    "linear smooth": (LinearForecaster, SMOOTHED, False),
    "persistence": (PersistenceDetector, {}, False),
    "mean smooth": (MeanDetector, SMOOTHED, False),
}
CRITERIA = {
    "minus error": lambda estimator, X: estimator.score(X),
    "reconstruction_skill": reconstruction_skill,
    "StabilityScorer": StabilityScorer(),
    "InjectionScorer": InjectionScorer(),
    "InjectionScorer, other seed": InjectionScorer(random_state=1),
}

METRICS = {
    "average_precision": average_precision_score,
    # By ranges with soft borders, as published results on these data are.
    "vus_pr": lambda y, scores: metrics.vus_pr(metrics.to_outlier_labels(y), scores),
}


def read(folder, name, series):
    """Return X_fit, X_held, X_test and y_test (1 = anomaly) of one series."""
    path = Path(folder) / "benchmark_data.py"
    spec = importlib.util.spec_from_file_location("benchmark_data", path)
    data = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(data)
    X_train, X_test, y = next(row[:3] for row in data.load(name) if row[3]["series"] == series)
    X_train = X_train[-MOST_TRAINED:]
    n_fit = round(len(X_train) * (1 - HELD_OUT))
    return X_train[:n_fit], X_train[n_fit:], X_test[:MOST_TESTED], y[:MOST_TESTED]


def make(configuration, n_timesteps, epochs):
    """Make the pipeline of a configuration."""
    detector, params, differenced = CONFIGURATIONS[configuration]
    params = dict(params)
    if "window_size" in params:
        stride = max(1, -(-n_timesteps // MOST_WINDOWS))
        training = {"max_epochs": epochs, "batch_size": 32, "learning_rate": 0.005}
        params |= {"stride": stride, "random_state": 0, **training}
    steps = [SequenceTransformer(StandardScaler())]
    if differenced:
        steps.append(Differencer())
    return make_pipeline(*steps, detector(**params))


def rate(data, configuration, epochs, cache, metric):
    """Return the criteria and the labelled metric of one configuration on one series."""
    X_fit, X_held, X_test, y = data
    cache.mkdir(parents=True, exist_ok=True)
    place = cache / f"{configuration.replace('/', '-')}-{epochs}.joblib"
    if not place.exists():
        pipeline = make(configuration, len(X_fit), epochs).fit(X_fit)
        joblib.dump((pipeline, -pipeline.score_samples(X_test)), place, compress=3)
    pipeline, scores = joblib.load(place)
    known = place.with_suffix(".json")
    found = json.loads(known.read_text()) if known.exists() else {}
    for name, criterion in CRITERIA.items():
        if name not in found:
            started = time.perf_counter()
            found[name] = float(criterion(pipeline, X_held))
            found[f"seconds {name}"] = time.perf_counter() - started
    known.write_text(json.dumps(found))
    if metric not in found:
        found[metric] = float(METRICS[metric](y, scores))
        known.write_text(json.dumps(found))
    return found | {"labelled": found[metric]}


def judge(table):
    """Return one row per series and criterion: correlation, gain and regret."""
    rows = []
    for (name, series), part in table.groupby(["data", "series"], sort=False):
        labelled = part.set_index("configuration")["labelled"]
        others = table[table.data != name].groupby("configuration")["labelled"].mean()
        choices = {"fixed": (others.reindex(labelled.index), others.idxmax())}
        for criterion in CRITERIA:
            values = part.set_index("configuration")[criterion]
            choices[criterion] = values, values.idxmax()
        for criterion, (values, choice) in choices.items():
            rows.append(
                {
                    "data": name,
                    "series": series,
                    "criterion": criterion,
                    "correlation": spearmanr(values, labelled).statistic,
                    "chosen": choice,
                    "metric": labelled[choice],
                    "gain": labelled[choice] - labelled.mean(),
                    "regret": labelled.max() - labelled[choice],
                }
            )
    return pd.DataFrame(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", required=True, help="folder for what is done")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--labelled", choices=METRICS, default="average_precision")
    parser.add_argument("--csv", help="where to write criteria and metric of each configuration")
    options = parser.parse_args()

    cache, metric = Path(options.cache), options.labelled
    pd.set_option("display.width", 200, "display.max_columns", 20)
    rows, started = [], time.perf_counter()
    for number, (name, series) in enumerate(SERIES, 1):
        data = read(os.environ["SKANOMALY_DATA"], name, series)
        for configuration in CONFIGURATIONS:
            found = rate(data, configuration, options.epochs, cache / name / series, metric)
            rows.append({"data": name, "series": series, "configuration": configuration} | found)
        spent = time.perf_counter() - started
        print(f"{number}/{len(SERIES)} {name} {series}: {spent:.0f} s", flush=True)
    table = pd.DataFrame(rows)
    shown = ["labelled", *CRITERIA]
    print(table.pivot_table(index="configuration", values=shown, sort=False)[shown].round(3))
    judged = judge(table)
    print(
        judged.pivot(index=["data", "series"], columns="criterion", values="correlation").round(2)
    )
    summary = judged.groupby("criterion", sort=False)
    print(
        summary[["correlation", "metric", "gain", "regret"]]
        .agg(["mean", "median"])
        .round(3)
        .to_string()
    )
    print("series on which the choice is better than the mean configuration:")
    print(summary["gain"].agg(lambda gain: int((gain > 0).sum())).to_string())
    if options.csv:
        table[["data", "series", "configuration", *shown]].to_csv(
            options.csv, index=False, float_format="%.5g"
        )


if __name__ == "__main__":
    main()
