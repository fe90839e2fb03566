"""From a table to what a detector takes: values, time axis and true labels."""

from dataclasses import dataclass

import click
import numpy as np
import pandas as pd

from skanomaly.cli._files import check_columns, read_table
from skanomaly.cli._time import read_time_axis
from skanomaly.datasets import make_series

_LABEL_NAMES = ("anomaly", "is_anomaly", "label", "labels", "outlier", "is_outlier", "y")


@dataclass(frozen=True)
class Data:
    """One series and what is known about it.

    Parameters
    ----------
    source : str
        Name of the file, or of what was made instead.
    keys : DataFrame of shape (n_timesteps, 1)
        What names the rows, as it was read.
    time : ndarray of shape (n_timesteps,) or None
        Numbers or datetime64, in order; None numbers the rows.
    values : DataFrame of shape (n_timesteps, n_features), float64
        NaN where missing, else finite.
    y : ndarray of shape (n_timesteps,) or None
        True labels, -1 or 1.
    train : str
        The training part, as the user gives it.
    notes : tuple of str
        What the user should know about how the table was read.
    """

    source: str
    keys: pd.DataFrame
    time: np.ndarray | None
    values: pd.DataFrame
    y: np.ndarray | None
    train: str
    notes: tuple = ()


def make_data(seed):
    """Make a synthetic series with known anomalies, all of them after the training part."""
    made = make_series(random_state=seed)
    values = pd.DataFrame(np.concatenate([made.X_train, made.X_test]), columns=made.feature_names)
    return Data(
        source="a synthetic series",
        keys=pd.DataFrame({"row": np.arange(len(values))}),
        time=None,
        values=values,
        y=np.concatenate([np.ones(len(made.X_train), dtype=int), made.y_test]),
        train=str(len(made.X_train)),
    )


def read_data(path, *, time_column=None, by_row=False, columns=None, label_column=None, fill=None):
    """Read the series of a file; the parameters are the options of the command line."""
    frame, time_column = read_table(path, time_column)
    labels = [] if label_column is None else [label_column]
    check_columns(frame, labels, "--label-column")
    apart = {time_column, label_column}
    if columns is None:
        values = frame[[name for name in frame.columns if name not in apart]]
        values = values.select_dtypes(["number", "bool"])
        if not values.shape[1]:
            raise click.ClickException(
                f"FILE must have a column of numbers besides time and labels; {path} has only "
                f"{', '.join(map(repr, frame.columns))}. Check the decimal sign and the separator."
            )
    else:
        check_columns(frame, columns, "--columns")
        if label_column in columns:
            raise click.ClickException(
                f"--columns must not hold the labels; got {label_column!r}, the --label-column. "
                "Leave it out."
            )
        values = frame[list(dict.fromkeys(columns))]
        _refuse_text(values)
    values = values.astype(np.float64)
    values, notes = _fill(values, fill)
    frame = frame.loc[values.index]
    time = None if time_column is None or by_row else read_time_axis(frame[time_column])
    left_out = [n for n in frame.columns if n not in apart and n not in values.columns]
    if columns is None:
        notes += [
            f"column {name!r} looks like labels but is read as a feature; use --label-column"
            for name in values.columns
            if _looks_like_labels(values[name])
        ]
    if columns is None and left_out:
        notes.append(f"columns without numbers left out: {', '.join(left_out)}")
    if time is not None and (repeated := int((time[1:] == time[:-1]).sum())):
        notes.append(f"{repeated} rows repeat the time of the row before; each counts as a step")
    return Data(
        source=str(path),
        keys=frame[[time_column]] if time_column is not None else _row_numbers(values),
        time=time,
        values=values,
        y=None if label_column is None else read_labels(frame[label_column]),
        train="0.5",
        notes=tuple(notes),
    )


def _row_numbers(values):
    return pd.DataFrame({"row": values.index}, index=values.index)


def _refuse_text(values):
    for name in values.columns:
        if not pd.api.types.is_numeric_dtype(values[name]):
            numbers = pd.to_numeric(values[name], errors="coerce")
            text = values[name][numbers.isna() & values[name].notna()]
            example = f"such as {text.iloc[0]!r}" if len(text) else f"({values[name].dtype})"
            raise click.ClickException(
                f"--columns must name columns of numbers; {name!r} has other values, {example}. "
                "Leave it out, or correct them."
            )


def _fill(values, fill):
    """Treat NaN in the way that the user chose, and say so in notes; refuse infinity."""
    # Detectors calculate with float32.
    infinite = (values.abs() > np.finfo(np.float32).max).sum()
    for name in infinite.index[infinite > 0]:
        raise click.ClickException(
            f"column {name!r} must hold finite numbers; got {infinite[name]} that are infinite or "
            "too large. Leave these cells empty."
        )
    missing = values.isna().sum()
    if not missing.any():
        return values, []
    if fill is None:
        return values, [f"{missing.sum()} missing values, taken as not observed"]
    if fill == "drop":
        kept = values.dropna()
        _refuse_empty(len(kept), "--fill drop must leave rows; every row has a missing value")
        return kept, [f"{len(values) - len(kept)} rows with missing values left out"]
    _refuse_empty(
        (missing < len(values)).all(),
        f"--fill interpolate needs values to start from; column {missing.idxmax()!r} has none",
    )
    # The ends have one neighbour, whose value they take.
    filled = values.interpolate(limit_direction="both")
    return filled, [f"{missing.sum()} missing values interpolated"]


def _refuse_empty(something_left, message):
    if not something_left:
        raise click.ClickException(f"{message}. Choose other --columns.")


def _looks_like_labels(column):
    """Tell labels by name and values: as features they would give the anomalies away."""
    found = set(column.unique().tolist())
    return column.name.lower() in _LABEL_NAMES and (found <= {0, 1} or found <= {-1, 1})


def read_labels(column):
    """Read true labels as -1 (anomalous) and 1, from 1 and 0 or from -1 and 1."""
    numbers = pd.to_numeric(column, errors="coerce")
    found = set(numbers.unique().tolist())
    if found <= {0, 1}:
        return np.where(numbers == 1, -1, 1)
    if found <= {-1, 1}:
        return numbers.to_numpy().astype(int)
    raise click.ClickException(
        f"--label-column must hold 1 (anomaly) and 0 (normal), or -1 and 1; got "
        f"{', '.join(map(str, column.unique()[:5].tolist()))} in {column.name!r}. Convert it, or "
        "leave the option out."
    )
