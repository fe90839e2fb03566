"""What ``skanomaly detect`` does: fit on the first rows, score all of them, write and report."""

from pathlib import Path

import click
import numpy as np

from skanomaly.cli._data import make_data, read_data
from skanomaly.cli._files import PLOT_SUFFIXES, TABLE_SUFFIXES, check_writable, write_table
from skanomaly.cli._pipeline import make_pipeline_for, needs_keras, score_table, set_backend
from skanomaly.cli._summary import summarise, write_summary
from skanomaly.cli._time import count_train_rows, has_zone
from skanomaly.displays import ScoreDisplay
from skanomaly.displays.plotting import add_legend, import_matplotlib

READING = ("time_column", "by_row", "columns", "label_column", "fill")


def run_detection(*, output, plot, no_plot, as_json, **options):
    """Run the command; the parameters are its options."""
    plot = None if no_plot else plot
    check_writable(output, TABLE_SUFFIXES, "--output", source=options["file"])
    if plot is not None:
        check_writable(plot, PLOT_SUFFIXES, "--plot", source=options["file"])
        import_matplotlib()
    data, n_train, pipeline = fitted(**options)
    result = score_table(pipeline, data.values, n_train)
    write_table(make_table(data, result), output)
    if plot is not None:
        draw(data, result, plot)
    written = [path for path in (output, plot) if path is not None]
    write_summary(summarise(data, result, written), as_json)


def fitted(*, file, train, backend, quiet, **options):
    """Read the table, make the pipeline and fit it: the data, training rows and the pipeline."""
    if needs_keras(options["architecture"]):
        set_backend(backend)
    reading = {name: options.pop(name) for name in READING}
    if file is None:
        _refuse_reading_options(reading)
        data = make_data(options["seed"])
    else:
        data = read_data(file, **reading)
    n_train = count_train_rows(train or data.train, data.time, len(data.values))
    X = data.values.iloc[:n_train]
    pipeline = make_pipeline_for(X, verbose=0 if quiet else 1, **options)
    return data, n_train, pipeline.fit(X)


def _refuse_reading_options(options):
    for name, value in options.items():
        if value:
            option = f"--{name.replace('_', '-')}"
            raise click.ClickException(f"{option} needs a FILE; got none. Name a .csv or .parquet.")


def make_table(data, result):
    """Put what names the rows beside their scores, labels and parts."""
    table = data.keys.copy()
    taken = {"score", "label", "part"} & set(table.columns)
    if taken:
        raise click.ClickException(
            f"--time-column must not be named as a column of the output; got {taken.pop()!r}. "
            "Rename it."
        )
    table["score"] = result.scores
    table["label"] = result.labels
    table["part"] = np.where(np.arange(len(table)) < result.n_train, "train", "test")
    return table


def _name_time_axis(data):
    if data.time is None:
        return "row"
    zone = data.time.dtype.kind == "M" and has_zone(data.keys.iloc[:, 0])
    return f"{data.keys.columns[0]}{' (UTC)' if zone else ''}"


def draw(data, result, path):
    """Draw without pyplot, which would look for a screen."""
    figure_class = import_matplotlib().figure.Figure
    display = ScoreDisplay.from_predictions(
        data.values,
        -result.scores,
        threshold=result.detector.threshold_,
        y=data.y,
        index=np.arange(len(data.values)) if data.time is None else data.time,
        name=f"{Path(data.source).name}: {type(result.detector).__name__}",
        ax=figure_class(figsize=ScoreDisplay.figure_size(data.values)),
    )
    _, lower = display.axes_
    if 0 < result.n_train < len(data.values):
        for ax in display.axes_:
            ax.axvline(
                display.index[result.n_train], color="0.3", linestyle=":", label="end of training"
            )
        add_legend(lower)
    lower.set_xlabel(_name_time_axis(data))
    try:
        display.figure_.savefig(path, dpi=120)
    except OSError as error:
        raise click.ClickException(f"--plot could not be written: {error}") from error
