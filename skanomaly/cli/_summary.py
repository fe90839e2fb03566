"""The summary that ``skanomaly detect`` and ``skanomaly score`` print."""

import json

import click

from skanomaly._backend import load_keras
from skanomaly.intervals import find_intervals

_MOST_INTERVALS = 5
_MOST_NAMES = 6


def summarise(data, result, written):
    """Collect what was read, learned, found and written, as plain values."""
    n_train = result.n_train if result.n_train < len(result.scores) else 0
    labels = result.labels[n_train:]
    intervals = find_intervals(labels == -1) + n_train
    summary = {
        "data": _describe_data(data),
        "notes": list(data.notes),
        "training": _describe_training(data, result),
        "model": describe_model(result.detector),
        "threshold": float(result.detector.threshold_),
        "rows": len(labels),
        "part": "test" if n_train else "train",
        "flagged_rows": int((labels == -1).sum()),
        "intervals": [_describe_interval(data, result, *interval) for interval in intervals],
        "written": [str(path) for path in written],
    }
    if data.y is not None:
        summary["labelled"] = _compare(data.y, n_train, intervals)
    return summary


def write_summary(summary, as_json):
    """Print a summary, as text or as JSON."""
    if as_json:
        click.echo(json.dumps(summary, indent=2))
        return
    threshold = summary["threshold"]
    lines = [
        ("data", summary["data"]),
        *[("note", note) for note in summary["notes"]],
        *([("training", summary["training"])] if summary["training"] else []),
        ("model", summary["model"]),
        ("threshold", f"anomaly score {threshold:.4g}, that is score {-threshold:.4g}"),
        ("flagged", _describe_flagged(summary)),
        *_list_intervals(summary["intervals"]),
    ]
    if "labelled" in summary:
        lines.append(("labelled", _describe_compared(summary["labelled"])))
    lines.append(("written", ", ".join(summary["written"])))
    for name, text in lines:
        click.echo(f"{name:<10} {text}")


def _describe_data(data):
    n_rows, n_features = data.values.shape
    names = list(data.values.columns)
    shown = ", ".join(names[:_MOST_NAMES]) + (", ..." if n_features > _MOST_NAMES else "")
    return f"{data.source}: {n_rows} rows, {n_features} feature{'s' * (n_features > 1)} ({shown})"


def _describe_training(data, result):
    if not result.n_train:
        return None
    last = result.n_train - 1
    return f"{result.n_train} rows, {_name_row(data, 0)} to {_name_row(data, last)}"


def describe_model(detector):
    """Say in a line what a fitted detector is."""
    name = type(detector).__name__
    if hasattr(detector, "estimators_"):
        return f"{name} of {', '.join(type(one).__name__ for one in detector.estimators_)}"
    if not hasattr(detector, "history_"):
        lag = f", lag {detector.lag}" if hasattr(detector, "lag") else ""
        return f"{name}{lag}"
    backend = load_keras().backend.backend()
    losses = detector.history_.get("loss", [])
    loss = f", last loss {losses[-1]:.4g}" if losses else ""
    return (
        f"{name}, window {detector.window_size_}, stride {detector.stride}, {backend}; "
        f"{detector.n_iter_} epochs{loss}"
    )


def _describe_flagged(summary):
    part = "after training" if summary["part"] == "test" else "of the training part, which is all"
    if summary["training"] is None:
        part = "of the table"
    n_flagged, n_rows, n_intervals = (
        summary["flagged_rows"],
        summary["rows"],
        len(summary["intervals"]),
    )
    return (
        f"{n_flagged} of {n_rows} time steps {part} ({n_flagged / n_rows:.1%}), in "
        f"{n_intervals} interval{'s' * (n_intervals != 1)}"
    )


def _describe_interval(data, result, start, stop):
    return {
        "start": _name_row(data, start),
        "end": _name_row(data, stop - 1),
        "length": int(stop - start),
        "highest_anomaly_score": float(-result.scores[start:stop].min()),
    }


def _list_intervals(intervals):
    """Make the lines of a table of the intervals with the highest anomaly scores."""
    if not intervals:
        return []
    rows = [("start", "end", "length", "highest anomaly score")]
    by_peak = sorted(intervals, key=lambda interval: -interval["highest_anomaly_score"])
    for one in by_peak[:_MOST_INTERVALS]:
        peak = f"{one['highest_anomaly_score']:.4g}"
        rows.append((one["start"], one["end"], str(one["length"]), peak))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [("", "  ".join(map(str.ljust, row, widths)).rstrip()) for row in rows]


def _compare(y, n_train, intervals):
    """Count true anomalies that an interval overlaps, and intervals that overlap none."""
    anomalies = find_intervals(y[n_train:] == -1) + n_train
    overlaps = (intervals[:, None, 0] < anomalies[None, :, 1]) & (
        anomalies[None, :, 0] < intervals[:, None, 1]
    )
    return {
        "anomalies": len(anomalies),
        "hit": int(overlaps.any(axis=0).sum()),
        "intervals": len(intervals),
        "false": int((~overlaps.any(axis=1)).sum()),
    }


def _describe_compared(counts):
    return (
        f"{counts['hit']} of {counts['anomalies']} true anomalies hit; "
        f"{counts['false']} of {counts['intervals']} flagged intervals false"
    )


def _name_row(data, row):
    return str(data.keys.iloc[row, 0])
