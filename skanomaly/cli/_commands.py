"""The commands: their options and help. What they do is imported when they run."""

import click

from skanomaly.cli._options import (
    BACKEND,
    JSON,
    PATH,
    QUIET,
    READING,
    TRAINING,
    WRITING,
)

__all__ = ["COMMANDS"]

_SETTINGS = {"show_default": True}
_MODEL = click.option(
    "--model",
    type=PATH,
    metavar="PATH",
    help="A detector that `skanomaly fit` saved, instead of learning one now.",
)

# scikit-learn takes a second to import, for which --help and wrong options need not wait.


@click.command(context_settings=_SETTINGS)
@click.argument("file", required=False, type=PATH)
@READING
@TRAINING
@BACKEND
@WRITING
@JSON
@QUIET
def detect(**options):
    """Learn what is normal from the first rows of FILE, then score and label all its rows.

    FILE is a .csv, .csv.gz or .parquet table, one row per time step, in time order. Without FILE a
    synthetic series with known anomalies is made.

    The table written has the time column, score (higher = more normal, as in scikit-learn), label
    (-1 = anomaly, 1 = normal) and part (train or test).

    Example: skanomaly detect machine.csv --train 2026-03-01
    """
    from skanomaly.cli._detection import run_detection

    run_detection(**options)


@click.command(context_settings=_SETTINGS)
@click.argument("file", required=False, type=PATH)
@READING
@TRAINING
@BACKEND
@click.option(
    "--output",
    "model",
    type=PATH,
    default="skanomaly-model.zip",
    metavar="PATH",
    help="Where to save the detector: a file without code, which `skanomaly score` reads.",
)
@JSON
@QUIET
def fit(**options):
    """Learn what is normal from the first rows of FILE and save the detector.

    Without FILE a synthetic series is made. Scaling and differencing are saved with it, so that
    later tables go in as they are.

    Example: skanomaly fit january.csv --train 1.0 --output pump.zip
    """
    from skanomaly.cli._models import run_fit

    run_fit(**options)


@click.command(context_settings=_SETTINGS)
@click.argument("model", type=PATH)
@click.argument("file", required=False, type=PATH)
@READING
@BACKEND
@WRITING
@JSON
def score(**options):
    """Score and label all rows of FILE with the detector saved in MODEL.

    The columns are those that it was fitted on, by name. Without FILE a synthetic series is made,
    as for fit.

    Example: skanomaly score pump.zip february.csv
    """
    from skanomaly.cli._models import run_score

    run_score(**options)


@click.command(context_settings=_SETTINGS)
@click.argument("model", type=PATH)
@click.option(
    "--time-column",
    metavar="NAME",
    help="Column that names the rows.  [default: the first, if it is no feature of MODEL]",
)
@click.option(
    "--snapshot",
    type=PATH,
    metavar="PATH",
    help="File in which the state is kept, and from which it goes on after a crash: rows that were "
    "scored before are skipped when they come again.",
)
@click.option(
    "--snapshot-every",
    type=click.IntRange(min=1),
    default=1000,
    metavar="ROWS",
    help="Rows after which the state is written.",
)
@BACKEND
@click.option("--json", "as_json", is_flag=True, help="Write a JSON object per line.")
def stream(**options):
    """Score lines of standard input as they come, with the detector saved in MODEL.

    The input is .csv with a first line of names. Each line is answered by one with its time, score
    (higher = more normal; empty before the first full window) and label (-1 = anomaly). MODEL must
    not look ahead: fit it with --online.

    Example: tail -f -n +1 pump.csv | skanomaly stream pump.zip
    """
    from skanomaly.cli._streaming import run_stream

    run_stream(**options)


@click.command(context_settings=_SETTINGS)
@click.argument("scores", type=PATH)
@click.argument("truth", type=PATH)
@click.option("--label-column", required=True, metavar="NAME", help="Column of TRUTH with labels.")
@click.option("--score-column", default="score", metavar="NAME", help="Higher is more normal.")
@click.option("--prediction-column", default="label", metavar="NAME", help="-1 is an anomaly.")
@click.option(
    "--part",
    type=click.Choice(["test", "all"]),
    default="test",
    help="Judge the rows after training, by the column part if there is one, or all.",
)
@JSON
def evaluate(**options):
    """Compare SCORES, a table from detect or score, with the true labels in TRUTH.

    Rows belong together by their order. Labels are 1 (anomaly) and 0 (normal), or -1 and 1.

    Example: skanomaly evaluate skanomaly-labels.csv machine.csv --label-column failure
    """
    from skanomaly.cli._judging import run_evaluation

    run_evaluation(**options)


@click.command(context_settings=_SETTINGS)
@click.argument("file", required=False, type=PATH)
@_MODEL
@READING
@TRAINING
@BACKEND
@JSON
@QUIET
def identity(**options):
    """Tell whether a detector has learned anything, or copies its input.

    It is learned from the first rows of FILE, or read from --model; then it is compared with
    persistence, the mean and its own untrained network, and shown noise, flat lines and shuffled
    windows. Without FILE a synthetic series is made.

    Example: skanomaly identity machine.csv --difference
    """
    from skanomaly.cli._judging import run_identity

    run_identity(**options)


@click.command(context_settings=_SETTINGS)
@click.argument("file", required=False, type=PATH)
@_MODEL
@READING
@TRAINING
@BACKEND
@click.option(
    "--output",
    type=PATH,
    default="skanomaly-report.html",
    metavar="PATH",
    help="The page, .html.",
)
@JSON
@QUIET
def report(**options):
    """Write one HTML page about what a detector finds in FILE; it opens without a network.

    The detector is learned from the first rows of FILE, or read from --model. The page has the
    series and scores to zoom into, flagged intervals with the columns that raised them, the
    threshold, the losses of training and whether the detector copies its input.

    Example: skanomaly report machine.csv --label-column failure
    """
    from skanomaly.cli._judging import run_report

    run_report(**options)


@click.command(context_settings=_SETTINGS)
@click.argument("model", required=False, type=PATH)
@BACKEND
@JSON
def info(**options):
    """Describe the detector saved in MODEL, as a model card; without it, what is installed here.

    Example: skanomaly info pump.zip
    """
    from skanomaly.cli._cards import run_info

    run_info(**options)


@click.command(context_settings=_SETTINGS)
@click.argument("name", required=False)
@click.option(
    "--output",
    type=PATH,
    metavar="PATH",
    help="Table to write.  [default: NAME.csv]",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Random seed.")
@JSON
def datasets(**options):
    """Write the data set NAME as a table; without NAME, list them.

    Those of nab and skab are public and downloaded once, the others are generated.

    Example: skanomaly datasets series --output series.csv
    """
    from skanomaly.cli._cards import run_datasets

    run_datasets(**options)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context, shell):
    """Print a script that completes commands and options in SHELL.

    Example: skanomaly completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    root = context.find_root()
    found = get_completion_class(shell)(root.command, {}, "skanomaly", "_SKANOMALY_COMPLETE")
    click.echo(found.source())


COMMANDS = (
    detect,
    fit,
    score,
    stream,
    evaluate,
    identity,
    report,
    info,
    datasets,
    completion,
)
