"""From labelled rows of real series to what the fetchers return."""

import csv
import difflib
import io
from collections.abc import Mapping

import numpy as np
from sklearn.utils import Bunch

from skanomaly.datasets._anomalies import ANOMALOUS, NORMAL
from skanomaly.exceptions import MissingDependencyError

# What is cut into the training and the test part, besides X.
_PER_TIMESTEP = ("X", "y", "timestamps", "changepoint")
_MOST_NEAR = 3


def choose_series(name: str | list, known: Mapping, lister: str) -> tuple[list[str], bool]:
    """Return the names of series that `name` stands for, and whether it is that of one series."""
    if isinstance(name, str):
        if name in known:
            return [name], True
        members = [one for one in known if one.split("/")[0] == name]
        if members:
            return members, False
    wrong = [name] if isinstance(name, str) else [one for one in name if one not in known]
    if wrong:
        raise ValueError(
            f"name must be a series or a group of series, or a list of series; got "
            f"{wrong[0]!r}.{_near(wrong[0], known)} {lister}() lists the series."
        )
    if not name:
        raise ValueError(f"name must not be an empty list; {lister}() lists the series.")
    return list(name), False


def select_group(group: str | None, known: Mapping, hidden: tuple = ()) -> list[str]:
    """List the series of a group; None lists those of all groups but the hidden ones."""
    groups = list(dict.fromkeys(one.split("/")[0] for one in known))
    if group is None:
        return [one for one in known if one.split("/")[0] not in hidden]
    if group not in groups:
        raise ValueError(
            f"group must be None or one of {', '.join(map(repr, groups))}; got {group!r}. Use None "
            "for all series."
        )
    return [one for one in known if one.split("/")[0] == group]


def read_columns(content: bytes, delimiter: str) -> dict[str, np.ndarray]:
    """Read a CSV file with a header; values are text of shape (n_timesteps,), by column."""
    text = io.StringIO(content.decode("utf-8"), newline="")
    header, *rows = [row for row in csv.reader(text, delimiter=delimiter) if row]
    return dict(zip(header, np.array(rows).T, strict=True))


def to_numbers(texts: np.ndarray) -> np.ndarray:
    """Turn text into float64 of the same shape; empty text is a value that was not observed."""
    return np.where(texts == "", "nan", texts).astype(np.float64)


def to_labels(anomalous: np.ndarray) -> np.ndarray:
    """Turn a mask (n_timesteps,) into labels, -1 where it holds and else 1."""
    return np.where(anomalous, ANOMALOUS, NORMAL)


def bundle(parts: list, alone: bool, *, as_frame: bool, fetcher: str, **about) -> Bunch:
    """Make one result of series: attributes of the only one, or lists with one entry per series.

    Each part is a dict with `name`, `n_train` and values per time step, X of shape
    (n_timesteps, n_features); `about` goes into the result as it is.
    """
    parts = [_split(part) for part in parts]
    if as_frame:
        parts = [_to_frames(part, about["feature_names"], fetcher) for part in parts]
    if alone:
        return Bunch(**parts[0], **about)
    return Bunch(**{key: [part[key] for part in parts] for key in parts[0]}, **about)


def _split(part):
    n_train = part.pop("n_train")
    for key in _PER_TIMESTEP:
        if key in part:
            part[f"{key}_train"] = part[key][:n_train].copy()
            part[f"{key}_test"] = part[key][n_train:].copy()
    return part


def _to_frames(part, feature_names, fetcher):
    try:
        import pandas as pd
    except ImportError as error:
        raise MissingDependencyError(
            f"{fetcher} with as_frame=True needs the package pandas; it is not installed. Run: "
            "pip install pandas"
        ) from error
    for suffix in ("", "_train", "_test"):
        index = pd.DatetimeIndex(part[f"timestamps{suffix}"], name="timestamp")
        part[f"X{suffix}"] = pd.DataFrame(part[f"X{suffix}"], index, feature_names)
        part[f"y{suffix}"] = pd.Series(part[f"y{suffix}"], index, name="label")
    part["frame"] = part["X"].assign(label=part["y"])
    return part


def _near(name, known):
    """Suggest groups and series: those with the name in theirs, or else of a similar name."""
    if not isinstance(name, str) or not name:
        return ""
    name = name.lower().removesuffix(".csv")
    full = {one.lower(): one for one in [*(one.split("/")[0] for one in known), *known]}
    ends = {one.split("/")[-1]: full[one] for one in full}
    near = (
        [full[one] for one in full if name in one]
        or [full[one] for one in difflib.get_close_matches(name, full, n=_MOST_NEAR)]
        or [ends[one] for one in difflib.get_close_matches(name, ends, n=_MOST_NEAR)]
    )
    return f" Similar: {', '.join(map(repr, near[:_MOST_NEAR]))}." if near else ""
