"""What ``skanomaly detect`` does: fit on the first rows, score all of them, write and report."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skanomaly
from skanomaly._backend import choose_backend
from skanomaly.cli._data import make_data, read_data
from skanomaly.cli._files import PLOT_SUFFIXES, TABLE_SUFFIXES, check_writable, write_table
from skanomaly.cli._report import write_report
from skanomaly.cli._time import count_train_rows, has_zone
from skanomaly.displays import ScoreDisplay
from skanomaly.displays.plotting import add_legend, import_matplotlib
from skanomaly.preprocessing import Differencer, SequenceTransformer


@dataclass(frozen=True)
class Result:
    """What the fitted pipeline says about all rows.

    Parameters
    ----------
    n_train : int
        Number of rows of the training part, which come first.
    scores : ndarray of shape (n_timesteps,)
        ``score_samples``: higher = more normal.
    labels : ndarray of shape (n_timesteps,)
        -1 for flagged rows, else 1.
    detector : detector
        The fitted last step of the pipeline.
    """

    n_train: int
    scores: np.ndarray
    labels: np.ndarray
    detector: object


def run_detection(*, file, output, plot, no_plot, train, backend, quiet, **options):
    """Run the command; the parameters are its options."""
    plot = None if no_plot else plot
    check_writable(output, TABLE_SUFFIXES, "--output", source=file)
    if plot is not None:
        check_writable(plot, PLOT_SUFFIXES, "--plot", source=file)
        import_matplotlib()
    if options["architecture"] != "persistence":
        _set_backend(backend)
    names = ("time_column", "by_row", "columns", "label_column", "fill")
    reading = {name: options.pop(name) for name in names}
    if file is None:
        _refuse_reading_options(reading)
        data = make_data(options["seed"])
    else:
        data = read_data(file, **reading)
    n_train = count_train_rows(train or data.train, data.time, len(data.values))
    pipeline = _make_pipeline(n_train, verbose=0 if quiet else 1, **options)
    result = _detect(pipeline, data.values.to_numpy(), n_train)
    write_table(_make_table(data, result), output)
    if plot is not None:
        _draw(data, result, plot)
    write_report(data, result, [path for path in (output, plot) if path is not None])


def _set_backend(backend):
    """Choose what Keras runs on in this process, and fail now if it is not installed."""
    if backend is not None:
        loaded = sys.modules.get("keras")
        if loaded is not None and loaded.backend.backend() != backend:
            raise click.ClickException(
                f"--backend must be {loaded.backend.backend()!r}, on which the Keras of this "
                f"process runs already; got {backend!r}. Start a new process."
            )
        os.environ["KERAS_BACKEND"] = backend
    choose_backend()


def _refuse_reading_options(options):
    for name, value in options.items():
        if value:
            option = f"--{name.replace('_', '-')}"
            raise click.ClickException(f"{option} needs a FILE; got none. Name a .csv or .parquet.")


def _make_pipeline(
    n_train,
    *,
    architecture,
    window_size,
    stride,
    hidden_units,
    epochs,
    difference,
    no_scale,
    contamination,
    seed,
    verbose,
):
    steps = [] if no_scale else [SequenceTransformer(StandardScaler())]
    if difference:
        steps.append(Differencer())
    if architecture == "persistence":
        return make_pipeline(*steps, skanomaly.PersistenceDetector(contamination=contamination))
    if window_size > n_train:
        raise click.ClickException(
            f"--window-size must be at most {n_train}, the number of rows to train on; got "
            f"{window_size}. Use a smaller window or a larger --train."
        )
    if stride is None:
        stride = _choose_stride(window_size, n_train)
    elif stride > window_size:
        raise click.ClickException(
            f"--stride must be at most --window-size {window_size}; got {stride}. Use a smaller "
            "one, or some rows would be in no window."
        )
    classes = {
        "autoencoder": skanomaly.LSTMAutoencoder,
        "seq2seq": skanomaly.Seq2SeqLSTMAutoencoder,
    }
    detector = classes[architecture](
        window_size=window_size,
        stride=stride,
        hidden_units=hidden_units,
        max_epochs=epochs,
        contamination=contamination,
        random_state=seed,
        verbose=verbose,
    )
    return make_pipeline(*steps, detector)


def _choose_stride(window_size, n_train):
    """Choose a stride that bounds the time to fit: about 4000 windows are enough to learn."""
    return int(np.clip(n_train // 4000, 1, max(1, window_size // 4)))


def _detect(pipeline, X, n_train):
    pipeline.fit(X[:n_train])
    scores = pipeline.score_samples(X)
    labels = np.where(scores < pipeline[-1].offset_, -1, 1)
    return Result(n_train, scores, labels, pipeline[-1])


def _make_table(data, result):
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


def _draw(data, result, path):
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
    if result.n_train < len(data.values):
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
