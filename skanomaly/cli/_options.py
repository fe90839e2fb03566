"""Options that several commands share, and what their values may be."""

from pathlib import Path

import click

from skanomaly._backend import BACKENDS

PATH = click.Path(path_type=Path)


class Names(click.ParamType):
    """Names separated by commas."""

    name = "names"

    def convert(self, value, param, ctx):
        """Split the names."""
        if isinstance(value, (tuple, list)):
            return tuple(value)
        names = tuple(name.strip() for name in value.split(","))
        if not all(names):
            self.fail(f"{value!r} has an empty name between its commas.", param, ctx)
        return names


class Units(click.ParamType):
    """One positive integer per LSTM layer, separated by commas."""

    name = "units"

    def convert(self, value, param, ctx):
        """Read the integers."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in str(value).strip("[]").split(",")]
        if not all(part.isdecimal() and int(part) for part in parts):
            self.fail(f"{value!r} is not a positive integer, nor several as in 64,32.", param, ctx)
        return tuple(int(part) for part in parts)


class WindowSize(click.ParamType):
    """A positive integer, or "auto"."""

    name = "size"

    def convert(self, value, param, ctx):
        """Read the integer."""
        if value == "auto":
            return value
        if not str(value).isdecimal() or not int(value):
            self.fail(f"{value!r} is not a positive integer, nor 'auto'.", param, ctx)
        return int(value)


def together(*options):
    """Make one decorator of several, so that options come in this order in the help."""

    def decorate(command):
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


#: Names of detectors on the command line.
ARCHITECTURES = (
    "autoencoder",
    "seq2seq",
    "variational",
    "forecaster",
    "recommended",
    "linear",
    "nearest",
    "persistence",
    "mean",
)
#: Names of threshold rules on the command line.
THRESHOLDS = ("quantile", "sigma", "mad", "iqr", "pot", "conformal")

#: How a table is read.
READING = together(
    click.option(
        "--time-column",
        metavar="NAME",
        help="Column with the time axis.  [default: the first column if it holds dates or is named "
        "time, timestamp, date, datetime or index]",
    ),
    click.option(
        "--by-row",
        is_flag=True,
        help="Count rows instead of reading the time column, for times that are not in order; the "
        "column is still written to the table.",
    ),
    click.option(
        "--columns",
        type=Names(),
        metavar="A,B,...",
        help="Columns to look at.  [default: all that hold numbers]",
    ),
    click.option(
        "--label-column",
        metavar="NAME",
        help="Column with true labels (1 = anomaly, 0 = normal) to compare with; never used to "
        "detect.",
    ),
    click.option(
        "--fill",
        type=click.Choice(["interpolate", "drop"]),
        help="Replace missing values by a straight line between their neighbours, or leave those "
        "rows out.  [default: take them as not observed, which never raises an alarm]",
    ),
)

#: What is learned, and from which rows.
TRAINING = together(
    click.option(
        "--train",
        metavar="ROWS|FRACTION|DATE",
        help="Training part, mostly normal: the first rows, as a number of them (1000), as a share "
        "(0.5), or all before a date (2014-07-16; in UTC if times have a zone).  [default: 0.5]",
    ),
    click.option(
        "--architecture",
        type=click.Choice(list(ARCHITECTURES)),
        default="autoencoder",
        help="What to detect with: an LSTM autoencoder whose decoder reads the whole encoded "
        "sequence; one with a bottleneck; a variational one; an LSTM that forecasts the next row; "
        "the recommended combination of three detectors; or a baseline: vector autoregression, "
        "the nearest window of the past, the last value again, the mean.",
    ),
    click.option(
        "--window-size",
        type=WindowSize(),
        default="64",
        help="Rows per window, or 'auto' for one that follows from the data.",
    ),
    click.option(
        "--stride",
        type=click.IntRange(min=1),
        help="Rows between the starts of windows; more is faster.  [default: 1, and more when "
        "there are over 8000 rows to train on, up to a quarter of a window]",
    ),
    click.option(
        "--hidden-units", type=Units(), default="32", help="Units per LSTM layer, as in 64,32."
    ),
    click.option("--epochs", type=click.IntRange(min=0), default=10, help="Passes over the data."),
    click.option("--difference", is_flag=True, help="Look at changes from row to row."),
    click.option("--no-scale", is_flag=True, help="Do not standardise the columns."),
    click.option(
        "--online",
        is_flag=True,
        help="Score each row from what came before and from itself, so that a score never changes "
        "later. Windows then start at every row.",
    ),
    click.option(
        "--smoothing",
        type=click.IntRange(min=1),
        metavar="ROWS",
        help="Average scores over so many rows, with weights that fall to both sides.",
    ),
    click.option(
        "--threshold",
        type=click.Choice(list(THRESHOLDS)),
        default="quantile",
        help="Rule that sets the threshold from the scores of the training part.",
    ),
    click.option(
        "--contamination",
        type=click.FloatRange(0, 0.5, min_open=True),
        default=0.01,
        help="Share of the training part to be flagged, or for --threshold conformal the false "
        "alarm rate. Other rules than quantile have settings of their own.",
    ),
    click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Random seed."),
)

#: What Keras runs on.
BACKEND = click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="What Keras runs on.  [default: KERAS_BACKEND, else the first that is installed]",
)
#: No progress on standard error.
QUIET = click.option("--quiet", is_flag=True, help="Show no progress.")
#: Output for machines.
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
#: Where results go.
WRITING = together(
    click.option(
        "--output",
        type=PATH,
        default="skanomaly-labels.csv",
        metavar="PATH",
        help="Table of scores and labels: .csv, .csv.gz or .parquet.",
    ),
    click.option(
        "--plot",
        type=PATH,
        default="skanomaly-scores.png",
        metavar="PATH",
        help="Picture of series and scores: .png, .pdf or .svg.",
    ),
    click.option("--no-plot", is_flag=True, help="Draw no picture."),
)
