"""``skanomaly detect``: the options and their help."""

from pathlib import Path

import click

from skanomaly._backend import BACKENDS

_PATH = click.Path(path_type=Path)


class _Names(click.ParamType):
    """Names separated by commas."""

    name = "names"

    def convert(self, value, param, ctx):
        """Split the names."""
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(","))
        if not all(names):
            self.fail(f"{value!r} has an empty name between its commas.", param, ctx)
        return names


class _Units(click.ParamType):
    """One positive integer per LSTM layer, separated by commas."""

    name = "units"

    def convert(self, value, param, ctx):
        """Read the integers."""
        if isinstance(value, tuple):
            return value
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isdecimal() and int(part) for part in parts):
            self.fail(f"{value!r} is not a positive integer, nor several as in 64,32.", param, ctx)
        return tuple(int(part) for part in parts)


@click.command(context_settings={"show_default": True})
@click.argument("file", required=False, type=_PATH)
@click.option(
    "--time-column",
    metavar="NAME",
    help="Column with the time axis.  [default: the first column if it holds dates or is named "
    "time, timestamp, date, datetime or index]",
)
@click.option(
    "--by-row",
    is_flag=True,
    help="Count rows instead of reading the time column, for times that are not in order; the "
    "column is still written to the table.",
)
@click.option(
    "--columns",
    type=_Names(),
    metavar="A,B,...",
    help="Columns to look at.  [default: all that hold numbers]",
)
@click.option(
    "--label-column",
    metavar="NAME",
    help="Column with true labels (1 = anomaly, 0 = normal) to compare with; never used to detect.",
)
@click.option(
    "--train",
    metavar="ROWS|FRACTION|DATE",
    help="Training part, mostly normal: the first rows, as a number of them (1000), as a share "
    "(0.5), or all before a date (2014-07-16; in UTC if times have a zone).  [default: 0.5]",
)
@click.option(
    "--fill",
    type=click.Choice(["interpolate", "drop"]),
    help="Replace missing values by a straight line between their neighbours, or leave those rows "
    "out.  [default: take them as not observed, which never raises an alarm]",
)
@click.option(
    "--architecture",
    type=click.Choice(["autoencoder", "seq2seq", "persistence"]),
    default="autoencoder",
    help="LSTM autoencoder whose decoder reads the whole encoded sequence, one with a bottleneck, "
    "or the baseline that expects the last value again.",
)
@click.option("--window-size", type=click.IntRange(min=1), default=64, help="Rows per window.")
@click.option(
    "--stride",
    type=click.IntRange(min=1),
    help="Rows between the starts of windows; more is faster.  [default: 1, and more when there "
    "are over 8000 rows to train on, up to a quarter of a window]",
)
@click.option(
    "--hidden-units", type=_Units(), default="32", help="Units per LSTM layer, as in 64,32."
)
@click.option("--epochs", type=click.IntRange(min=0), default=10, help="Passes over the data.")
@click.option("--difference", is_flag=True, help="Look at differences between neighbouring rows.")
@click.option("--no-scale", is_flag=True, help="Do not standardise the columns.")
@click.option(
    "--contamination",
    type=click.FloatRange(0, 0.5, min_open=True),
    default=0.01,
    help="Share of the training part to be flagged, which sets the threshold.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Random seed.")
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="What Keras runs on.  [default: KERAS_BACKEND, else the first that is installed]",
)
@click.option(
    "--output",
    type=_PATH,
    default="skanomaly-labels.csv",
    metavar="PATH",
    help="Table of scores and labels: .csv, .csv.gz or .parquet.",
)
@click.option(
    "--plot",
    type=_PATH,
    default="skanomaly-scores.png",
    metavar="PATH",
    help="Picture of series and scores: .png, .pdf or .svg.",
)
@click.option("--no-plot", is_flag=True, help="Draw no picture.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def detect(**options):
    """Learn what is normal from the first rows of FILE, then score and label all its rows.

    FILE is a .csv, .csv.gz or .parquet table, one row per time step, in time order. Without FILE a
    synthetic series with known anomalies is made.

    The table written has the time column, score (higher = more normal, as in scikit-learn), label
    (-1 = anomaly, 1 = normal) and part (train or test).
    """
    # scikit-learn takes a second to import, for which --help and wrong options need not wait.
    from skanomaly.cli._detection import run_detection

    run_detection(**options)
