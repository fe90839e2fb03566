"""The group of commands, and what the user sees when one of them fails."""

import warnings

import click

import skanomaly
from skanomaly.cli._detect import detect
from skanomaly.exceptions import MissingDependencyError


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(skanomaly.__version__, prog_name="skanomaly")
@click.pass_context
def group(context):
    """Find anomalies in time series with LSTM autoencoders."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


group.add_command(detect)


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
