"""What ``skanomaly stream`` does: lines from standard input, scores to standard output."""

import csv
import json
import math
import sys

import click
import numpy as np
import pandas as pd

from skanomaly.cli._models import read_model
from skanomaly.preprocessing import SequenceTransformer
from skanomaly.streaming import Stream, read_snapshot, write_snapshot

_MISSING = {"", "nan", "na", "null", "none"}


def run_stream(*, model, time_column, snapshot, snapshot_every, backend, as_json):
    """Run the command; the parameters are its options."""
    pipeline = read_model(model, backend)
    stream = _start(pipeline, snapshot)
    rows = csv.reader(line for line in sys.stdin if line.strip())
    header = [name.strip() for name in next(rows, [])]
    names = [str(name) for name in getattr(pipeline, "feature_names_in_", [])]
    places, time = _find_columns(header, names, time_column)
    write = _write_json if as_json else _write_csv
    if not as_json:
        click.echo(f"{header[time] if time is not None else 'row'},score,label")
    for number, row in enumerate(rows):
        x = _read_row(row, places, number)
        for _, step in pipeline.steps[:-1]:
            x = step.transform(x)
        # Given its number, a row that was there before a restart is not scored again.
        result = stream.update(np.asarray(x)[0], step=number)
        if result.scored:
            write(row[time] if time is not None else str(number), result)
        if snapshot is not None and stream.n_seen % snapshot_every == 0:
            write_snapshot(stream.snapshot(), snapshot)
    if snapshot is not None:
        write_snapshot(stream.snapshot(), snapshot)


def _start(pipeline, snapshot):
    for _, step in pipeline.steps[:-1]:
        if not isinstance(step, SequenceTransformer):
            raise click.ClickException(
                f"MODEL must scale rows one by one to score a stream; got {type(step).__name__} "
                "in it, which needs other rows. Fit without --difference."
            )
    detector = pipeline[-1]
    try:
        if snapshot is not None and snapshot.exists():
            return Stream.restore(detector, read_snapshot(snapshot))
        return Stream(detector)
    except ValueError as error:
        raise click.ClickException(
            f"MODEL cannot score a stream as it is: {error} On the command line: fit with --online."
        ) from error


def _find_columns(header, names, time_column):
    """Return the places of the features in a line, and that of the time column or None."""
    if not header:
        raise click.ClickException(
            "standard input must begin with a line of column names; got nothing. Pipe a .csv in."
        )
    if time_column is not None and time_column not in header:
        raise click.ClickException(
            f"--time-column must be in the first line; got {time_column!r}, there are "
            f"{', '.join(header)}. Correct the name."
        )
    absent = [name for name in names if name not in header]
    if absent:
        raise click.ClickException(
            f"standard input must name the columns that MODEL was fitted on, {', '.join(names)}; "
            f"got {', '.join(header)}. Add a first line with names."
        )
    if time_column is None and header[0] not in names:
        time_column = header[0]
    time = None if time_column is None else header.index(time_column)
    return [(name, header.index(name)) for name in names], time


def _read_row(row, places, number):
    values = {}
    for name, place in places:
        text = row[place].strip() if place < len(row) else ""
        try:
            values[name] = math.nan if text.lower() in _MISSING else float(text)
        except ValueError as error:
            raise click.ClickException(
                f"column {name!r} must hold numbers; got {text!r} in row {number}. Leave what was "
                "not observed empty."
            ) from error
    return pd.DataFrame([values])


def _write_csv(name, result):
    score = "" if math.isnan(result.score) else f"{result.score:.9g}"
    click.echo(f"{name},{score},{result.label}")


def _write_json(name, result):
    known = not math.isnan(result.score)
    line = {"row": name, "score": result.score if known else None, "label": result.label}
    click.echo(json.dumps(line))
