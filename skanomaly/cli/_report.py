"""The summary that ``skanomaly detect`` prints."""

import click
import numpy as np

from skanomaly._backend import load_keras
from skanomaly.intervals import find_intervals

_MOST_INTERVALS = 5
_MOST_NAMES = 6


def write_report(data, result, written):
    """Print what was read, learned, found and written."""
    threshold = result.detector.threshold_
    n_train = result.n_train if result.n_train < len(result.scores) else 0
    intervals = find_intervals(result.labels[n_train:] == -1) + n_train
    lines = [
        ("data", _describe_data(data)),
        *[("note", note) for note in data.notes],
        ("training", _describe_training(data, result)),
        ("model", _describe_model(result.detector)),
        ("threshold", f"anomaly score {threshold:.4g}, that is score {-threshold:.4g}"),
        ("flagged", _describe_flagged(result.labels[n_train:], n_train, len(intervals))),
        *_list_intervals(data, result, intervals),
    ]
    if data.y is not None:
        lines.append(("labelled", _compare(data.y, n_train, intervals)))
    lines.append(("written", ", ".join(map(str, written))))
    for name, text in lines:
        click.echo(f"{name:<10} {text}")


def _describe_data(data):
    n_rows, n_features = data.values.shape
    names = list(data.values.columns)
    shown = ", ".join(names[:_MOST_NAMES]) + (", ..." if n_features > _MOST_NAMES else "")
    return f"{data.source}: {n_rows} rows, {n_features} feature{'s' * (n_features > 1)} ({shown})"


def _describe_training(data, result):
    last = result.n_train - 1
    return f"{result.n_train} rows, {_name_row(data, 0)} to {_name_row(data, last)}"


def _describe_model(detector):
    if not hasattr(detector, "history_"):
        return f"{type(detector).__name__}, lag {detector.lag}"
    backend = load_keras().backend.backend()
    losses = detector.history_.get("loss", [])
    loss = f", last loss {losses[-1]:.4g}" if losses else ""
    return (
        f"{type(detector).__name__}, window {detector.window_size_}, stride "
        f"{detector.stride}, {backend}; {detector.n_iter_} epochs{loss}"
    )


def _describe_flagged(labels, n_train, n_intervals):
    part = "after training" if n_train else "of the training part, which is all"
    n_flagged = int((labels == -1).sum())
    return (
        f"{n_flagged} of {len(labels)} time steps {part} ({n_flagged / len(labels):.1%}), in "
        f"{n_intervals} interval{'s' * (n_intervals != 1)}"
    )


def _list_intervals(data, result, intervals):
    """Make the lines of a table of the intervals with the highest anomaly scores."""
    if not len(intervals):
        return []
    peaks = np.array([-result.scores[start:stop].min() for start, stop in intervals])
    rows = [("start", "end", "length", "highest anomaly score")]
    for i in np.argsort(-peaks, kind="stable")[:_MOST_INTERVALS]:
        start, stop = intervals[i]
        ends = _name_row(data, start), _name_row(data, stop - 1)
        rows.append((*ends, str(stop - start), f"{peaks[i]:.4g}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [("", "  ".join(map(str.ljust, row, widths)).rstrip()) for row in rows]


def _compare(y, n_train, intervals):
    """Count true anomalies that an interval overlaps, and intervals that overlap none."""
    anomalies = find_intervals(y[n_train:] == -1) + n_train
    overlaps = (intervals[:, None, 0] < anomalies[None, :, 1]) & (
        anomalies[None, :, 0] < intervals[:, None, 1]
    )
    return (
        f"{overlaps.any(axis=0).sum()} of {len(anomalies)} true anomalies hit; "
        f"{(~overlaps.any(axis=1)).sum()} of {len(intervals)} flagged intervals false"
    )


def _name_row(data, row):
    return str(data.keys.iloc[row, 0])
