"""Time columns: telling dates from numbers and names, and where the training part ends."""

import re
import warnings

import click
import numpy as np
import pandas as pd

TIME_NAMES = ("time", "timestamp", "date", "datetime", "index", "row", "")


def is_time_axis(column):
    """Tell whether the first column of a table is its time axis, by its name or its values."""
    named = str(column.name).strip().lower() in TIME_NAMES
    return named or _kind(column) == "dates"


def read_dates(column):
    """Read dates as datetime64 without time zone, in UTC where they had one; NaT if unreadable.

    >>> read_dates(pd.Series(["2014-07-01 00:30", "2014-07-01T02:30:00+02:00", "soon"])).tolist()
    [Timestamp('2014-07-01 00:30:00'), Timestamp('2014-07-01 00:30:00'), NaT]
    >>> read_dates(pd.Series(["31.12.2014 23:30", "01.01.2015 00:00"])).tolist()
    [Timestamp('2014-12-31 23:30:00'), Timestamp('2015-01-01 00:00:00')]
    """
    dates = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601")
    dates = dates.dt.tz_localize(None)
    if dates.notna().any():
        return dates
    month_first, day_first = (_guess_dates(column, dayfirst) for dayfirst in (False, True))
    return day_first if day_first.notna().sum() > month_first.notna().sum() else month_first


def has_zone(column):
    """Tell whether dates have a time zone, so that `read_dates` moves them to UTC.

    >>> has_zone(pd.Series(["2014-07-01T00:30Z"])), has_zone(pd.Series(["2014-07-01 00:30"]))
    (True, False)
    """
    return re.search(r":\d\d.*(Z|[+-]\d\d:?\d\d)$", str(column.iloc[0])) is not None


def read_time_axis(column):
    """Return dates or numbers (n_timesteps,) in order, or None for a column of mere names.

    A column is taken for dates (or numbers) when more than half of its values are.
    """
    name = repr(column.name)
    missing = np.flatnonzero(column.isna())
    if len(missing):
        raise click.ClickException(
            f"the time column {name} must have a value in every row; {len(missing)} have none, "
            f"the first is row {missing[0] + 1}. Fill them in, or name another --time-column."
        )
    kind = _kind(column)
    if kind == "names":
        return None
    time = read_dates(column) if kind == "dates" else pd.to_numeric(column, errors="coerce")
    unreadable = np.flatnonzero(time.isna())
    if len(unreadable):
        row = unreadable[0]
        raise click.ClickException(
            f"the time column {name} must hold {kind} only; got {column.iloc[row]!r} in row "
            f"{row + 1}. Correct it, or name another --time-column."
        )
    if kind == "dates":
        _refuse_ambiguous(column, time)
    time = time.to_numpy()
    backwards = np.flatnonzero(time[1:] < time[:-1])
    if len(backwards):
        row = backwards[0] + 1
        raise click.ClickException(
            f"the time column {name} must be in order; got {column.iloc[row]!r} in row {row + 1} "
            f"after {column.iloc[row - 1]!r}. Sort the rows by it, or use --by-row."
        )
    return time


def count_train_rows(train, time, n_rows):
    """Turn --train into a number of rows: as it is, as a share, or the rows before a date."""
    if re.fullmatch(r"\d+", train):
        n_train = int(train)
    elif re.fullmatch(r"\d*\.\d*(e-?\d+)?", train) and train != ".":
        if not 0 < float(train) <= 1:
            raise click.ClickException(
                f"--train as a share must be above 0 and at most 1; got {train}. Use for example "
                "0.5, or a number of rows."
            )
        n_train = round(float(train) * n_rows)
    else:
        n_train = _count_before(train, time)
    if not 2 <= n_train <= n_rows:
        raise click.ClickException(
            f"--train must leave between 2 and all {n_rows} rows for training; got {train!r}, "
            f"that is {n_train}. A date is written 2014-07-16."
        )
    return n_train


def _count_before(train, time):
    date = read_dates(pd.Series([train], dtype=str)).to_numpy()[0]
    if np.isnat(date):
        raise click.ClickException(
            f"--train must be a number of rows, a share or a date; got {train!r}. Use for example "
            "1000, 0.5 or 2014-07-16."
        )
    if time is None or time.dtype.kind != "M":
        raise click.ClickException(
            f"--train can be a date only with a time column of dates; got {train!r}. Name the "
            "column with --time-column, or give a number of rows."
        )
    if not time[0] < date <= time[-1]:
        first, last = (str(np.datetime64(end, "s")).replace("T", " ") for end in time[[0, -1]])
        raise click.ClickException(
            f"--train must be a date in the data, which run from {first} to {last}; got {train!r}."
        )
    return int(np.searchsorted(time, date))


def _guess_dates(column, dayfirst):
    """Read dates that are not in ISO format by the one format that pandas finds in the first."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dates = pd.to_datetime(column, utc=True, errors="coerce", dayfirst=dayfirst)
    if any("Could not infer format" in str(warning.message) for warning in caught):
        dates = dates.where(dates.isna())  # each value was guessed on its own
    return dates.dt.tz_localize(None)


def _refuse_ambiguous(column, dates):
    """Raise if day and month could as well be swapped."""
    if (
        column.dtype.kind == "M"
        or pd.to_datetime(column.iloc[:1], utc=True, errors="coerce", format="ISO8601")
        .notna()
        .all()
    ):
        return
    swapped = _guess_dates(column, dayfirst=True)
    if swapped.notna().all() and not swapped.equals(dates):
        raise click.ClickException(
            f"the time column {column.name!r} must tell day from month; got dates such as "
            f"{column.iloc[-1]!r}. Write them as in 2014-07-16, or use --by-row."
        )


def _kind(column):
    """Tell whether a column holds mostly "dates", "numbers" or "names"."""
    if column.dtype.kind == "M":
        return "dates"
    sample = column.iloc[np.linspace(0, len(column) - 1, min(len(column), 1000)).astype(int)]
    if pd.to_numeric(sample, errors="coerce").notna().mean() > 0.5:
        return "numbers"
    return "dates" if read_dates(sample).notna().mean() > 0.5 else "names"
