"""What ``skanomaly fit`` and ``skanomaly score`` do: detectors in files."""

import json

import click

from skanomaly.cli._data import make_data, read_data
from skanomaly.cli._detection import READING, draw, fitted, make_table
from skanomaly.cli._files import (
    MODEL_SUFFIXES,
    PLOT_SUFFIXES,
    TABLE_SUFFIXES,
    check_writable,
    write_table,
)
from skanomaly.cli._pipeline import score_table, set_backend
from skanomaly.cli._summary import describe_model, summarise, write_summary
from skanomaly.displays.plotting import import_matplotlib
from skanomaly.exceptions import FileFormatError
from skanomaly.persistence import load, save


def run_fit(*, model, as_json, **options):
    """Run the command; the parameters are its options."""
    check_writable(model, MODEL_SUFFIXES, "--output", source=options["file"])
    data, n_train, pipeline = fitted(**options)
    save(pipeline, model)
    if as_json:
        card = {"training_rows": n_train, "model": describe_model(pipeline[-1])}
        click.echo(json.dumps(card | {"written": str(model)}, indent=2))
        return
    click.echo(f"training   {n_train} rows of {data.source}")
    click.echo(f"model      {describe_model(pipeline[-1])}")
    click.echo(f"written    {model}")


def run_score(*, model, file, output, plot, no_plot, backend, as_json, **options):
    """Run the command; the parameters are its options."""
    plot = None if no_plot else plot
    check_writable(output, TABLE_SUFFIXES, "--output", source=file)
    if plot is not None:
        check_writable(plot, PLOT_SUFFIXES, "--plot", source=file)
        import_matplotlib()
    pipeline = read_model(model, backend)
    data = read_for(pipeline, file, **options)
    result = score_table(pipeline, data.values, 0)
    table = make_table(data, result).drop(columns="part")
    write_table(table, output)
    if plot is not None:
        draw(data, result, plot)
    written = [path for path in (output, plot) if path is not None]
    write_summary(summarise(data, result, written), as_json)


def read_model(path, backend):
    """Load the pipeline that a file holds, and choose what Keras runs on."""
    if not path.exists():
        raise click.ClickException(f"MODEL must exist; there is no {path}. Make it by `fit`.")
    try:
        pipeline = load(path)
    except FileFormatError as error:
        raise click.ClickException(f"MODEL must be a saved detector; {error}") from error
    if not hasattr(pipeline, "steps"):
        raise click.ClickException(
            f"MODEL must be a pipeline, as `skanomaly fit` saves it; got a "
            f"{type(pipeline).__name__} in {path}. Make it by `skanomaly fit`."
        )
    if _has_network(pipeline[-1]):
        set_backend(backend)
    return pipeline


def _has_network(detector):
    members = getattr(detector, "estimators_", [detector])
    return any(hasattr(one, "weights_") for one in members)


def read_for(pipeline, file, **options):
    """Read the columns of a table that a pipeline was fitted on."""
    if file is None:
        if any(options[name] for name in READING):
            raise click.ClickException(
                "Options about a table need a FILE; got none. Name a .csv or .parquet."
            )
        data = make_data(seed=0)
        names = list(data.values.columns)
    else:
        names = list(getattr(pipeline, "feature_names_in_", []))
        if options["columns"] is None and names:
            options["columns"] = tuple(names)
        data = read_data(file, **options)
    wanted = list(getattr(pipeline, "feature_names_in_", names))
    if list(data.values.columns) != wanted:
        raise click.ClickException(
            f"FILE must give the columns that MODEL was fitted on, {', '.join(wanted)}; got "
            f"{', '.join(data.values.columns)}. Choose them by --columns, or fit anew."
        )
    return data
