"""What ``skanomaly evaluate``, ``identity`` and ``report`` do."""

import json
import math
from pathlib import Path

import click
import numpy as np

from skanomaly import metrics
from skanomaly.cli._data import read_labels
from skanomaly.cli._detection import READING, fitted
from skanomaly.cli._files import PAGE_SUFFIXES, check_columns, check_writable, read_table
from skanomaly.cli._models import read_for, read_model
from skanomaly.cli._pipeline import score_table
from skanomaly.cli._summary import summarise, write_summary
from skanomaly.inspection import identity_report
from skanomaly.reports import write_report


def run_evaluation(*, scores, truth, label_column, score_column, prediction_column, part, as_json):
    """Run the command; the parameters are its options."""
    table, _ = read_table(scores, None)
    check_columns(table, [score_column], "--score-column")
    check_columns(table, [prediction_column], "--prediction-column")
    labelled, _ = read_table(truth, None)
    check_columns(labelled, [label_column], "--label-column")
    if len(table) != len(labelled):
        raise click.ClickException(
            f"SCORES and TRUTH must have the same rows; got {len(table)} and {len(labelled)}. "
            "Leave out of TRUTH what was not scored."
        )
    y_true = read_labels(labelled[label_column])
    rows = np.ones(len(table), bool)
    if part == "test" and "part" in table:
        rows = (table["part"] == "test").to_numpy()
    y_true, y_pred = y_true[rows], table[prediction_column].to_numpy()[rows]
    if not 0 < (y_true == -1).sum() < len(y_true):
        raise click.ClickException(
            f"--label-column must have anomalous and normal rows among the {len(y_true)} that are "
            f"judged; got {(y_true == -1).sum()} anomalous ones. Use --part all, or other data."
        )
    found = _measure(y_true, -table[score_column].to_numpy(dtype=float)[rows], y_pred)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    width = max(map(len, found)) + 2
    for name, value in found.items():
        shown = (
            f"{value:.3f}" if isinstance(value, float) else "none" if value is None else str(value)
        )
        click.echo(f"{name:<{width}}{shown}")


def _measure(y_true, anomaly_scores, y_pred):
    points = metrics.point_precision_recall_f(y_true, y_pred)
    events = metrics.event_precision_recall_f(y_true, y_pred)
    near = metrics.affiliation_precision_recall_f(y_true, y_pred)
    delay = metrics.detection_delay(y_true, y_pred)
    found = {
        "rows": len(y_true),
        "anomalous share": float(np.mean(y_true == -1)),
        "flagged share": float(np.mean(y_pred == -1)),
        "VUS-PR": metrics.vus_pr(y_true, anomaly_scores),
        "average precision (chance: anomalous share)": metrics.average_precision(
            y_true, anomaly_scores
        ),
        "ROC AUC (chance: 0.5)": metrics.roc_auc(y_true, anomaly_scores),
        "precision of rows": points.precision,
        "recall of rows": points.recall,
        "F1 of rows": points.f,
        "precision of events": events.precision,
        "recall of events": events.recall,
        "F1 of events": events.f,
        "affiliation F1": near.f,
        "mean delay, rows": delay.mean,
        "missed events": int(delay.n_missed),
    }
    # JSON knows no NaN.
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in found.items()
    }


def run_identity(*, as_json, **options):
    """Run the command; the parameters are its options."""
    if options["model"] is None and options["architecture"] == "recommended":
        raise click.ClickException(
            "--architecture must be a single detector for identity; got recommended, which "
            "combines three. Ask for each: autoencoder, forecaster, nearest."
        )
    seed = options["seed"]
    data, n_train, pipeline = _learned_or_read(**options)
    if not hasattr(pipeline[-1], "reconstruct"):
        raise click.ClickException(
            f"--model must hold a detector with a reconstruction; got "
            f"{type(pipeline[-1]).__name__}. Fit a single one."
        )
    X = data.values.iloc[: n_train or len(data.values)]
    for _, step in pipeline.steps[:-1]:
        X = step.transform(X)
    report = identity_report(pipeline[-1], X, random_state=seed)
    click.echo(json.dumps(report.to_dict(), indent=2) if as_json else str(report))


def run_report(*, output, as_json, **options):
    """Run the command; the parameters are its options."""
    check_writable(output, PAGE_SUFFIXES, "--output", source=options["file"])
    data, n_train, pipeline = _learned_or_read(**options)
    try:
        write_report(
            pipeline, data.values, output, y=data.y, index=data.time, title=Path(data.source).name
        )
    except OSError as error:
        raise click.ClickException(f"--output could not be written: {error}") from error
    result = score_table(pipeline, data.values, n_train)
    write_summary(summarise(data, result, [output]), as_json)


def _learned_or_read(*, model, **options):
    """Learn a pipeline from the first rows of a table, or read it from a file and learn nothing."""
    if model is None:
        return fitted(**options)
    pipeline = read_model(model, options["backend"])
    data = read_for(pipeline, options["file"], **{name: options[name] for name in READING})
    return data, 0, pipeline
