"""What ``skanomaly info`` and ``skanomaly datasets`` do."""

import importlib.metadata
import importlib.util
import json
import platform
from pathlib import Path

import click
import numpy as np
import pandas as pd

import skanomaly
from skanomaly._backend import BACKENDS
from skanomaly.cli._files import TABLE_SUFFIXES, check_writable, write_table
from skanomaly.cli._models import read_model
from skanomaly.datasets import (
    fetch_nab,
    fetch_skab,
    make_flights,
    make_series,
    nab_series,
    skab_series,
)

_PACKAGES = ("keras", *BACKENDS, "numba", "sklearn", "numpy", "scipy", "pandas")
_MOST_NAMES = 20


def run_info(*, model, backend, as_json):
    """Run the command; the parameters are its options."""
    card = _installed() if model is None else _card(model, read_model(model, backend))
    if as_json:
        click.echo(json.dumps(card, indent=2))
        return
    width = max(map(len, card)) + 2
    for name, value in card.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {one}" for key, one in value.items())
        elif isinstance(value, list):
            more = ", ..." if len(value) > _MOST_NAMES else ""
            value = ", ".join(map(str, value[:_MOST_NAMES])) + more
        click.echo(f"{name:<{width}}{value}")


def _installed():
    # A module may come from packages of several names, as that of TensorFlow does.
    sources = importlib.metadata.packages_distributions()
    found = {
        name: importlib.metadata.version(sources[name][0]) if name in sources else "not installed"
        for name in _PACKAGES
    }
    backends = [name for name in BACKENDS if importlib.util.find_spec(name)]
    return {
        "skanomaly": skanomaly.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": found,
        "backends": backends or ["none: pip install 'skanomaly[jax]'"],
    }


def _card(path, pipeline):
    """Collect what a user of a saved detector should know."""
    detector = pipeline[-1]
    members = getattr(detector, "estimators_", [detector])
    weights = [one.weights_ for one in members if hasattr(one, "weights_")]
    card = {
        "file": f"{path}, {path.stat().st_size} bytes",
        "detector": type(detector).__name__,
        "steps before it": [type(step).__name__ for _, step in pipeline.steps[:-1]] or "none",
        "features": [str(name) for name in getattr(pipeline, "feature_names_in_", [])]
        or int(detector.n_features_in_),
        "threshold": f"{detector.threshold_:.6g} (flagged above it; minus score_samples)",
        "threshold rule": str(detector.threshold_selector_),
        "parameters": _changed_parameters(detector),
    }
    if len(members) > 1:
        card["members"] = [str(one) for one in members]
    if weights:
        card["weights"] = f"{sum(w.size for one in weights for w in one)} numbers"
    if hasattr(detector, "history_"):
        losses = detector.history_.get("loss", [])
        card["window"] = f"{detector.window_size_} time steps, stride {detector.stride}"
        card["training"] = f"{detector.n_iter_} epochs" + (
            f", loss {losses[0]:.4g} to {losses[-1]:.4g}" if losses else ""
        )
    card["use"] = f"skanomaly score {path} FILE, or skanomaly.load({str(path)!r})"
    card["limits"] = (
        "scores are relative to the training data; check `skanomaly identity`, and choose the "
        "threshold on later normal data"
    )
    return card


def _changed_parameters(detector):
    # An ensemble cannot be made without its members.
    alone = not hasattr(detector, "estimators")
    defaults = type(detector)().get_params(deep=False) if alone else {}
    return {
        name: str(value)
        for name, value in detector.get_params(deep=False).items()
        if name not in defaults or str(value) != str(defaults[name])
    } or "all default"


def run_datasets(*, name, output, seed, as_json):
    """Run the command; the parameters are its options."""
    if name is None or name in _FETCHED:
        _list(name, as_json)
        return
    source, _, series = name.partition("/")
    if name not in _DATASETS and source not in _FETCHED:
        raise click.ClickException(
            f"NAME must be one of {', '.join(_DATASETS)}, or a series of nab or skab, as in nab/"
            f"{nab_series()[0]}; got {name!r}. See `skanomaly datasets`."
        )
    output = Path(f"{name.replace('/', '-')}.csv") if output is None else output
    check_writable(output, TABLE_SUFFIXES, "--output")
    frame = _fetch(source, series) if source in _FETCHED else _DATASETS[name][1](seed)
    write_table(frame, output)
    n_train = int((frame["part"] == "train").sum())
    if as_json:
        written = {"written": str(output), "rows": len(frame), "training_rows": n_train}
        click.echo(json.dumps(written, indent=2))
    else:
        click.echo(f"written    {output}: {len(frame)} rows, the first {n_train} for training")


def _list(source, as_json):
    """List the data sets, or the series of one that is downloaded."""
    if source is None:
        listed = {key: text for key, (text, *_) in (_DATASETS | _FETCHED).items()}
    else:
        listed = {f"{source}/{series}": "" for series in _FETCHED[source][2]()}
    if as_json:
        click.echo(json.dumps(listed if source is None else list(listed), indent=2))
    else:
        for key, text in listed.items():
            click.echo(f"{key:<10} {text}".rstrip())


def _fetch(source, series):
    """Read a public series as a table, with the columns that generated ones have too."""
    _, fetch, list_series = _FETCHED[source]
    if series in {one.partition("/")[0] for one in list_series()}:
        raise click.ClickException(
            f"NAME must be a single series; got the group {source}/{series}. See `skanomaly "
            f"datasets {source}`."
        )
    try:
        read = fetch(series)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    frame = pd.DataFrame(read.X, columns=read.feature_names)
    frame.insert(0, "time", read.timestamps)
    frame["anomaly"] = (read.y == -1) * 1
    frame["part"] = ["train"] * len(read.X_train) + ["test"] * len(read.X_test)
    return frame


def _series(seed):
    made = make_series(random_state=seed)
    return _table(made.feature_names, [made.X_train, made.X_test], made.y_test)


def _flight(seed):
    made = make_flights(n_train=1, n_test=1, anomalous_fraction=1.0, random_state=seed)
    parts = [np.concatenate(list(made.X_train)), np.concatenate(list(made.X_test))]
    return _table(made.feature_names, parts, made.y_test.reshape(-1))


def _table(names, parts, y_test):
    train, test = parts
    frame = pd.DataFrame(np.concatenate([train, test]), columns=names)
    frame.insert(0, "row", np.arange(len(frame)))
    frame["anomaly"] = np.concatenate([np.zeros(len(train), int), (np.asarray(y_test) == -1) * 1])
    frame["part"] = ["train"] * len(train) + ["test"] * len(test)
    return frame


_DATASETS = {
    "series": ("three seasonal sensors, one anomaly of each kind after training", _series),
    "flights": ("two simulated flights of 77 sensors, the second with anomalies", _flight),
}
_FETCHED = {
    "nab": (
        "58 public series of one feature, downloaded; list: skanomaly datasets nab",
        fetch_nab,
        nab_series,
    ),
    "skab": (
        "34 public series of a water pump, downloaded; list: skanomaly datasets skab",
        fetch_skab,
        skab_series,
    ),
}
