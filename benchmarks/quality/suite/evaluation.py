"""Fit each estimator on each series, score, rate, and keep what is done."""

import hashlib
import json
import os
import time
import traceback
import warnings
import zlib
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import skanomaly
from benchmarks.quality.suite.estimators import make
from benchmarks.quality.suite.measures import VERSION, measure
from benchmarks.quality.suite.protocols import PROTOCOLS, find_data, read_series
from skanomaly.preprocessing import SequenceTransformer

__all__ = ["evaluate"]

# Of the training scores, what counts as high where one threshold is to serve several series.
_HIGH = 0.99


def evaluate(
    estimators,
    folder=None,
    cache=None,
    *,
    protocols=tuple(PROTOCOLS),
    data=None,
    half="all",
    most=None,
    fresh=(),
    n_jobs=1,
    say=print,
):
    """Evaluate estimators on the series of some protocols.

    Every series is standardised, feature by feature, by mean and standard deviation of its part
    to fit on; then it is fitted, scored by ``score_samples`` and labelled by ``predict``.

    Parameters
    ----------
    estimators : dict of str to callable
        By name, factories of scikit-learn compatible outlier detectors: called without arguments,
        or with the part to fit on if they need one.
    folder : path-like or None, default=None
        Of the labelled series; None is SKANOMALY_DATA.
    cache : path-like
        Folder for scores and measures. What is in it is not computed again, unless parameters of
        the estimator, their defaults, the version of skanomaly or the series have changed.
    protocols : sequence of str, default=all
        Keys of PROTOCOLS.
    data : collection of str or None, default=None
        Data sets; None takes all.
    half : {"all", "tuning", "test"}, default="all"
        Every series, or one of the two fixed halves of each data set.
    most : int or None, default=None
        Most series of each data set, the first by name; for a quick look.
    fresh : collection of str, default=()
        Names of estimators to compute again, for when their code has changed.
    n_jobs : int, default=1
        Series evaluated at once, in processes of joblib.
    say : callable, default=print
        Told one line of progress for each result.

    Returns
    -------
    results : pandas.DataFrame
        One row per protocol, series and estimator: measures, seconds, what was warned of, where
        the scores are; ``error`` says what went wrong, empty where all went well.

    Raises
    ------
    ValueError
        If the folder of the series is not there, or a name is unknown.
    """
    folder, reason = find_data(folder)
    if folder is None:
        raise ValueError(f"folder must hold the labelled series; {reason}. Name their folder.")
    if cache is None:
        raise ValueError("cache must be a folder to keep results in; got None. Name one.")
    unknown = sorted(set(fresh) - set(estimators))
    if unknown:
        raise ValueError(
            f"fresh must name estimators of this run; got {', '.join(unknown)}. Choose from "
            f"{', '.join(estimators)}."
        )

    def jobs():
        for protocol in protocols:
            for series in _first(read_series(folder, protocol, data=data, half=half), most):
                for name, factory in estimators.items():
                    yield series, name, factory

    n_jobs_in_all = sum(1 for _ in jobs())
    tasks = (
        joblib.delayed(_evaluate_one)(series, name, factory, Path(cache), name in fresh)
        for series, name, factory in jobs()
    )
    rows, started = [], time.perf_counter()
    for row in joblib.Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks):
        rows.append(row)
        say(_progress(row, len(rows), n_jobs_in_all, time.perf_counter() - started))
    order = ["protocol", "data", "series", "estimator"]
    table = pd.DataFrame(rows, columns=None if rows else [*order, "error"])
    place = {name: number for number, name in enumerate(estimators)}
    return table.sort_values(
        order, key=lambda column: column.map(place) if column.name == "estimator" else column
    ).reset_index(drop=True)


def _first(rows, most):
    counts = {}
    for series in rows:
        counts[series.data] = counts.get(series.data, 0) + 1
        if most is None or counts[series.data] <= most:
            yield series


def _evaluate_one(series, name, factory, cache, fresh):
    """Return one row of results, from the cache if it is there."""
    row = {
        "protocol": series.protocol,
        "data": series.data,
        "series": series.name,
        "group": series.group,
        "key": series.key,
        "estimator": name,
        "kept": False,
        "error": "",
    }
    try:
        estimator, text = make(factory, series.X_fit)
        return row | _find(series, estimator, text, cache, fresh)
    except Exception as error:  # told in the report; the other series are of use without it
        message = "".join(traceback.format_exception_only(error)).strip()
        return row | {"error": message, "traceback": traceback.format_exc()}


def _find(series, estimator, text, cache, fresh):
    """Return measures and more, as a dict; compute what is not kept."""
    key = hashlib.sha256(f"{text} {skanomaly.__version__}".encode()).hexdigest()[:16]
    place = cache / series.cut / series.data / series.name / key
    kept, told, mark = place.with_suffix(".npz"), place.with_suffix(".json"), _fingerprint(series)
    old = json.loads(told.read_text()) if told.exists() and kept.exists() else {}
    if fresh or old.get("fingerprint") != mark:
        place.parent.mkdir(parents=True, exist_ok=True)
        told.unlink(missing_ok=True)
        # Times are those of one thread, as far as libraries allow.
        with threadpool_limits(1), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            # What libraries say of each other's code says nothing of results.
            warnings.simplefilter("ignore", DeprecationWarning)
            arrays, old = _fit_and_score(series, estimator)
        said = sorted({f"{each.category.__name__}: {each.message}" for each in caught})
        old["warnings"] = "\n".join(said)
        old |= {"fingerprint": mark, "text": text}
        _write(kept, lambda file: np.savez_compressed(file, **arrays))
    elif old.get("version") == VERSION:
        return old | {"kept": True, "scores": str(kept)}
    with np.load(kept) as arrays:
        found = measure(series.X_score, arrays["y"], arrays["scores"], arrays["labels"])
    old |= found | {"version": VERSION}
    _write(told, lambda file: file.write(json.dumps(old).encode()))
    return old | {"scores": str(kept)}


def _fit_and_score(series, estimator):
    """Return arrays and seconds."""
    scaler = SequenceTransformer(StandardScaler()).fit(series.X_fit)
    X_fit, X_score = scaler.transform(series.X_fit), scaler.transform(series.X_score)
    began = time.perf_counter()
    estimator.fit(X_fit)
    fitted = time.perf_counter()
    scores = -estimator.score_samples(X_score)
    scored = time.perf_counter()
    labels = estimator.predict(X_score)
    for what, values in (("score_samples", scores), ("predict", labels)):
        if np.shape(values) != series.y.shape:
            raise ValueError(
                f"{what} must give one value for each label, shape {series.y.shape}; got "
                f"{np.shape(values)}. Score every time step, or every run."
            )
    arrays = {"scores": scores, "labels": labels.astype(np.int8), "y": series.y.astype(np.int8)}
    seconds = {"seconds_fit": fitted - began, "seconds_score": scored - fitted}
    if series.cut == "split" and series.data == "nab":
        # NAB has one threshold for all series: what the training scores are, for a common scale.
        of_fit = -estimator.score_samples(X_fit)
        arrays["fit_scores"] = np.quantile(of_fit, [0.5, _HIGH])
    return arrays, seconds


def _fingerprint(series):
    """Tell whether the series is the same as when its results were kept."""
    total = 0
    fit = series.X_fit if isinstance(series.X_fit, list) else [series.X_fit]
    for array in (*fit, series.X_score, series.y):
        array = np.ascontiguousarray(array)
        total = zlib.crc32(array.tobytes(), zlib.crc32(str(array.shape).encode(), total))
    return f"{total:08x}"


def _write(path, write):
    """Write a file whole or not at all: a run may be stopped at any time."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        write(file)
    part.replace(path)


def _progress(row, number, total, seconds):
    where = f"{number}/{total} {row['protocol']} {row['data']} {row['series']}: {row['estimator']}"
    if row["error"]:
        return f"{where} FAILED: {row['error']}"
    how = "kept" if row["kept"] else f"{row['seconds_fit'] + row['seconds_score']:.1f} s"
    area = row["average_precision"] if np.isnan(row["vus_pr"]) else row["vus_pr"]
    return f"{where} {area:.3f} ({how}; {seconds:.0f} s in all)"
