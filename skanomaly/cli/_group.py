"""The group of commands, and what the user sees when one of them fails."""

import warnings

import click

import skanomaly
from skanomaly.cli._commands import COMMANDS
from skanomaly.cli._config import read_config
from skanomaly.cli._options import PATH
from skanomaly.exceptions import MissingDependencyError


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(skanomaly.__version__, prog_name="skanomaly")
@click.option(
    "--config",
    type=PATH,
    metavar="PATH",
    help="TOML file with options: a table for each command, as in [detect] window-size = 128. The "
    "command line comes before it.",
)
@click.pass_context
def group(context, config):
    """Find anomalies in time series with LSTM autoencoders.

    Results go to files and to standard output, progress and warnings to standard error. Exit
    status: 0 when all went well, 2 for an error that one line tells, 130 after Ctrl-C; any other is
    a bug.
    """
    if config is not None:
        context.default_map = read_config(config, group.commands)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


for command in COMMANDS:
    group.add_command(command)


def run(argv):
    """Run a command and return the exit status; see `skanomaly.cli.main`.

    Only errors that tell the user what to change become one line. Others are bugs, whose traceback
    must stay.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            status = group.main(args=argv, prog_name="skanomaly", standalone_mode=False)
    except click.ClickException as error:
        return _fail(error.format_message())
    except MissingDependencyError as error:
        return _fail(str(error))
    except click.Abort:
        return 130
    return status or 0


def _fail(message):
    click.echo(f"skanomaly: error: {_one_line(message)}", err=True)
    return 2


def _show_warning(message, category, filename, lineno, file=None, line=None):
    click.echo(f"skanomaly: warning: {_one_line(str(message))}", err=True)


def _one_line(text):
    return " ".join(text.split())
