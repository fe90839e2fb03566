"""A small folder of labelled series, laid out as the real one, and a detector that counts."""

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, OutlierMixin

# Stands in for the loader of the real folder: the same functions, small series.
LOADER = """
import numpy as np

def _series(name, number, n_features=1):
    rng = np.random.default_rng(number)
    X = np.sin(np.arange(120) / 4)[:, None] + 0.1 * rng.normal(size=(120, n_features))
    y = np.zeros(120, np.uint8)
    X[80:85] += 3
    y[80:85] = 1
    meta = {"series": f"s{number}", "group": "", "dataset": name}
    return X[:60], X[60:], y[60:], meta, y[:60]

def datasets():
    return ["skab", "nab", "nasa_smap_msl", "runs", "pieces", "unlabelled"]

def load(name, split=None):
    for number in (2, 0, 1) if name == "skab" else (0,):
        X_fit, X, y, meta, y_fit = _series(name, number, 3 if name == "nasa_smap_msl" else 1)
        if name == "skab":
            meta["group"] = "valve" if number else "other"
        elif name == "nab":
            meta |= {"series": "realTweets__T", "group": "realTweets", "y_train": y_fit}
        elif name == "nasa_smap_msl":
            meta |= {"series": "SMAP_A-1", "group": "SMAP", "channel": "A-1"}
        elif name == "runs":
            X_fit, X, y = X_fit.reshape(4, 15, 1), X.reshape(4, 15, 1), y.reshape(4, 15).max(axis=1)
        elif name == "pieces":
            meta["train_lengths"] = [20, 40]
        yield X_fit, X, None if name == "unlabelled" else y, meta

def load_tsb_ad(name, split=None):
    if name == "nab":
        for X_fit, X, y, meta in load(name):
            X, y = np.concatenate([X_fit, X]), np.concatenate([meta["y_train"], y])
            yield X_fit, X, y, meta | {"tsb_ad": "001_NAB_tr_60_1st_80.csv"}
"""
FACTS = "ts_len,anomaly_len,num_anomaly,avg_anomaly_len,anomaly_ratio,point_anomaly,seq_anomaly"
PUBLISHED = {
    "skab_outlier_leaderboard.csv": "algorithm,F1,FAR_pct,MAR_pct\nConv-AE,0.78,13.55,28.02\n",
    "nab_scoreboard.csv": (
        "detector,standard,reward_low_FP,reward_low_FN\nPerfect,100,100,100\n"
        "Numenta HTM,70.5-69.7,62.6-61.7,75.2-74.2\n"
    ),
    "telemanom_2018-05-19_per_channel.csv": (
        "chan_id,true_positives,false_positives,false_negatives\nA-1,1,0,0\nZ-9,5,5,5\n"
    ),
    "tsb_ad_m_per_file_vus_pr.csv": f"file,CNN,{FACTS}\nother.csv,0.5,1,1,1,1,1,0,1\n",
    "tsb_ad_u_per_file_vus_pr.csv": (
        f"file,POLY,LOF,{FACTS}\n001_NAB_tr_60_1st_80.csv,0.4,0.9,1,1,1,1,1,0,1\n"
    ),
}


def write_folder(place):
    """Write the folder; return it."""
    (place / "_published").mkdir(parents=True)
    (place / "benchmark_data.py").write_text(LOADER)
    for name, text in PUBLISHED.items():
        (place / "_published" / name).write_text(text)
    orion = pd.DataFrame(
        {"dataset": ["SMAP", "SMAP", "realTweets"], "pipeline": "aer", "signal": ["A-1", "X", "T"]}
    ).assign(fp=[1, 7, 0], fn=0, tp=[1, 7, 1])
    orion.to_csv(place / "_published" / "orion_0.7.1_per_signal.csv.gz", index=False)
    return place


class Counting(OutlierMixin, BaseEstimator):
    """Scores distance from 0, counts what is asked of it, and fails or stops where told to."""

    fitted: list = []  # noqa: RUF012
    trouble: dict = {}  # noqa: RUF012

    def __init__(self, *, limit=3.0):
        self.limit = limit

    def fit(self, X, y=None):
        self.fitted.append(len(X))
        if len(self.fitted) in self.trouble:
            raise self.trouble[len(self.fitted)]
        return self

    def score_samples(self, X):
        return -np.abs(X).max(axis=1)

    def predict(self, X):
        return np.where(self.score_samples(X) < -self.limit, -1, 1)
