"""Reading and writing tables, with errors that name the file and the remedy."""

import csv
import gzip
import os
import warnings
import zlib
from contextlib import contextmanager

import click
import pandas as pd

from skanomaly.cli._time import is_time_axis, read_dates

TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet")
PLOT_SUFFIXES = (".png", ".pdf", ".svg")
MODEL_SUFFIXES = (".zip",)
PAGE_SUFFIXES = (".html",)

_SEPARATORS = ",;\t"
_ENCODING = "utf-8-sig"
# What pandas, gzip and pyarrow raise for files that are not what their names say.
_UNREADABLE = (ValueError, OSError, EOFError, zlib.error, pd.errors.ParserWarning)
_NO_PYARROW = (
    ".parquet needs the package pyarrow; it is not installed. Run: pip install 'skanomaly[cli]'"
)


def read_table(path, time_column):
    """Read a table and find its time column, whose values stay as they are in the file.

    Parameters
    ----------
    path : pathlib.Path
        A .csv, .csv.gz or .parquet file. Columns of a .csv are separated by commas, semicolons or
        tabs; its first line names them.
    time_column : str or None
        None looks at the first column.

    Returns
    -------
    frame : DataFrame of shape (n_timesteps, n_columns)
        Column names are str.
    time_column : str or None
        The given one, or the first column when it is a time axis by its name or its values.

    Raises
    ------
    click.ClickException
        If there is no such table, or no such column in it.
    """
    suffix = _check_suffix(path, TABLE_SUFFIXES, "FILE")
    if path.is_dir():
        raise click.ClickException(f"FILE must be a table; got the directory {path}.")
    if not path.exists():
        raise click.ClickException(f"FILE must exist; there is no {path}. Check the path.")
    frame, time_column = (_read_parquet if suffix == ".parquet" else _read_csv)(path, time_column)
    if frame.empty:
        raise click.ClickException(f"FILE must have rows; got none in {path}.")
    return frame, time_column


def check_columns(frame, names, option):
    """Raise unless all names are columns of the frame."""
    for name in names:
        if name not in frame.columns:
            raise click.ClickException(
                f"{option} must name a column; got {name!r}. There are: "
                f"{', '.join(map(repr, frame.columns))}."
            )


def check_writable(path, suffixes, option, source=None):
    """Raise, before any work is done, where a file could not be written after it."""
    _check_suffix(path, suffixes, option)
    if path.is_dir():
        raise click.ClickException(f"{option} must be a file; got the directory {path}.")
    if not path.parent.is_dir():
        raise click.ClickException(
            f"{option} must be in a directory that exists; got {path}. Make {path.parent} first."
        )
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise click.ClickException(f"{option} must be writable; got {path}, which is not.")
    if source is not None and path.exists() and source.exists() and path.samefile(source):
        raise click.ClickException(
            f"{option} must not be FILE itself; got {path}. Choose another name."
        )


def write_table(frame, path):
    """Write a table in the format that the suffix of path names."""
    try:
        if path.suffix.lower() == ".parquet":
            frame.to_parquet(path, index=False)
        else:
            frame.to_csv(path, index=False)
    except OSError as error:
        raise click.ClickException(f"--output could not be written: {error}") from error
    except ImportError as error:
        raise click.ClickException(f"{_NO_PYARROW}, or write a .csv") from error


def _check_suffix(path, suffixes, option):
    for suffix in sorted(suffixes, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return suffix
    raise click.ClickException(
        f"{option} must end in one of {', '.join(suffixes)}; got {str(path)!r}. Rename or convert "
        "it."
    )


@contextmanager
def _readable(path):
    """Turn what goes wrong in reading a file, and nothing else, into an error of the user."""
    try:
        with warnings.catch_warnings():
            # Rows longer than the header lose values; pandas only warns.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            yield
    except _UNREADABLE as error:
        raise click.ClickException(
            f"FILE must be a table, as its name says; {path} cannot be read as one: "
            f"{error or 'it is cut short'}"
        ) from error
    except ImportError as error:
        raise click.ClickException(_NO_PYARROW) from error


def _read_parquet(path, time_column):
    with _readable(path):
        frame = pd.read_parquet(path)
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    frame.columns = frame.columns.map(str)
    if time_column is None and len(frame) and is_time_axis(frame.iloc[:, 0]):
        time_column = frame.columns[0]
    check_columns(frame, [] if time_column is None else [time_column], "--time-column")
    return frame, time_column


def _read_csv(path, time_column):
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with _readable(path), opened(path, "rt", encoding=_ENCODING, newline="") as file:
        line = file.readline()
    separator = max(_SEPARATORS, key=line.count)
    _check_header(next(csv.reader([line], delimiter=separator), []))
    settings = {"sep": separator, "encoding": _ENCODING, "index_col": False}
    with _readable(path):
        preview = pd.read_csv(path, nrows=1000, dtype=str, **settings)
    raw_names = preview.columns
    preview.columns = _unnamed_first(raw_names)
    if time_column is None and len(preview) and is_time_axis(preview.iloc[:, 0]):
        time_column = preview.columns[0]
    check_columns(preview, [] if time_column is None else [time_column], "--time-column")
    # As text, time stamps come out of the program as they went in.
    as_text = {
        raw: str
        for raw, name in zip(raw_names, preview.columns, strict=True)
        if name == time_column
    }
    with _readable(path):
        frame = pd.read_csv(path, dtype=as_text, low_memory=False, **settings)
    # A separator at the end of every line is no column.
    empty = [name for name in frame.columns[1:] if name.startswith("Unnamed: ")]
    frame = frame.drop(columns=[name for name in empty if frame[name].isna().all()])
    frame.columns = _unnamed_first(frame.columns)
    return frame, time_column


def _unnamed_first(names):
    """Give a first column without a name (an index that pandas wrote) its empty name back."""
    return ["" if name == "Unnamed: 0" else name for name in names]


def _check_header(names):
    """Raise where the first line of a .csv holds data; 0, 1, 2, ... are names that pandas gives."""
    named = [name for name in names if name]
    if named == [str(j) for j in range(len(named))]:
        return
    values = pd.Series(names, dtype=str)
    known = pd.to_numeric(values, errors="coerce").notna() | read_dates(values).notna()
    if known.all():
        raise click.ClickException(
            f"FILE must name its columns in the first line; got {', '.join(names[:3])}. Add a line "
            "with names."
        )
