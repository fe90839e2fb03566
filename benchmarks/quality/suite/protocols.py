"""The labelled series, cut into a part to fit on and a part to score, as each protocol asks."""

import importlib.util
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

from skanomaly.metrics import to_outlier_labels

__all__ = ["HALVES", "PROTOCOLS", "Labelled", "find_data", "half_of", "read_series"]

HALVES = ("all", "tuning", "test")


class Labelled(NamedTuple):
    """One series, cut and labelled.

    Attributes
    ----------
    protocol : str
        A key of PROTOCOLS.
    cut : str
        How it is cut: protocols that cut alike share what is kept.
    data : str
        Name of its data set.
    name : str
        Its own name, unique within protocol and data set.
    group : str
        What its data set groups it by; empty where there are no groups.
    X_fit : ndarray (n, n_features), list of such, or ndarray (n_runs, n_timesteps, n_features)
        To fit on, unscaled.
    X_score : ndarray (n_timesteps, n_features) or (n_runs, n_timesteps, n_features)
        To score.
    y : ndarray (n_timesteps,) or (n_runs,), int
        -1 for anomalies, 1 for the rest.
    key : str
        Its name in published results; empty where there are none.
    """

    protocol: str
    cut: str
    data: str
    name: str
    group: str
    X_fit: object
    X_score: np.ndarray
    y: np.ndarray
    key: str


def find_data(folder=None):
    """Return the folder of the labelled series, or None and the reason why there is none."""
    folder = folder or os.environ.get("SKANOMALY_DATA")
    if not folder:
        return None, "SKANOMALY_DATA is not set to the folder of the labelled series"
    if not (Path(folder) / "benchmark_data.py").is_file():
        return None, f"{folder}, to which SKANOMALY_DATA is set, has no benchmark_data.py"
    return Path(folder), ""


def half_of(names, half):
    """Return the names in order, or every other one: the fixed halves of each data set.

    Even positions (0, 2, ...) of the sorted names are "tuning", odd ones "test".
    """
    if half not in HALVES:
        raise ValueError(f"half must be one of {', '.join(HALVES)}; got {half!r}. Choose one.")
    names = sorted(names)
    return {"all": names, "tuning": names[::2], "test": names[1::2]}[half]


def read_series(folder, protocol, *, data=None, half="all"):
    """Yield the series of a protocol, data set by data set, each sorted by name.

    Parameters
    ----------
    folder : path-like
        With benchmark_data.py and the data sets.
    protocol : str
        A key of PROTOCOLS.
    data : collection of str or None, default=None
        Names of data sets to read; None reads all.
    half : {"all", "tuning", "test"}, default="all"
        See :func:`half_of`.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(
            f"protocol must be one of {', '.join(PROTOCOLS)}; got {protocol!r}. Choose one."
        )
    module = _load_module(folder)
    known = list(module.datasets())
    unknown = sorted(set(data or ()) - set(known))
    if unknown:
        raise ValueError(
            f"data must name data sets of {folder}; got {', '.join(unknown)}. Choose from "
            f"{', '.join(known)}."
        )
    cut, of_protocol = PROTOCOLS[protocol]
    for name in known:
        if (data is None or name in data) and (of_protocol is None or name in of_protocol):
            rows = {row[3]["series"]: row for row in _CUTS[cut](module, name)}
            for chosen in half_of(rows, half):
                yield _labelled(protocol, cut, name, *rows[chosen])


def _load_module(folder):
    path = Path(folder) / "benchmark_data.py"
    spec = importlib.util.spec_from_file_location("benchmark_data", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _split(module, data):
    """Fit on the training part, score the test part."""
    for X_fit, X_score, y, meta in module.load(data):
        if y is None:
            continue
        if "train_lengths" in meta:  # several runs to fit on, end to end
            X_fit = np.split(X_fit, np.cumsum(meta["train_lengths"])[:-1])
        yield X_fit, X_score, y, meta, meta.get("channel", "")


def _tsb_ad(module, data):
    """Fit on the prefix named by the TSB-AD file, score the whole file, prefix included."""
    for X_fit, X_score, y, meta in module.load_tsb_ad(data):
        yield X_fit, X_score, y, meta, meta["tsb_ad"]


def _orion(module, data):
    """Cut as Orion's benchmark: telemetry alone for NASA, whole signals of NAB fitted and scored.

    NAB's signals without anomalies and those of known causes are not in that benchmark.
    """
    for X_fit, X_score, y, meta in module.load(data):
        if data == "nasa_smap_msl":
            yield X_fit[:, :1], X_score[:, :1], y, meta, meta["channel"]
        elif meta["group"] not in ("artificialNoAnomaly", "realKnownCause"):
            X, y = np.concatenate([X_fit, X_score]), np.concatenate([meta["y_train"], y])
            yield X, X, y, meta, meta["series"].split("__")[1]


_CUTS = {"split": _split, "tsb-ad": _tsb_ad, "orion": _orion}

#: By name, the cut of each protocol and its data sets, None for all that have labels for it.
PROTOCOLS = {
    "split": ("split", None),
    "tsb-ad": ("tsb-ad", None),
    "skab": ("split", ("skab",)),
    "nab": ("split", ("nab",)),
    "telemanom": ("split", ("nasa_smap_msl",)),
    "orion": ("orion", ("nasa_smap_msl", "nab")),
}


def _labelled(protocol, cut, data, X_fit, X_score, y, meta, key):
    y, group = to_outlier_labels(np.asarray(y).astype(int)), meta.get("group") or ""
    return Labelled(protocol, cut, data, meta["series"], group, X_fit, X_score, y, key)
