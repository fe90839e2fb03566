"""The command line: ``skanomaly detect data.csv``.

Importing this package needs nothing beyond the standard library, so that an entry point without
the extra ``cli`` can say in one line what to install.
"""

import importlib.util
import signal
import sys

__all__ = ["main"]

_NEEDED = ("click", "pandas")


def main(argv=None):
    """Run the command line.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments after the name of the program. None takes those of the process.

    Returns
    -------
    status : int
        0 when all went well, 2 for an error of the user, told in one line on standard error, and
        130 after Ctrl-C, which ends a process of its own (`argv` is None) at once.

    Examples
    --------
    >>> from skanomaly.cli import main
    >>> main(["--version"])
    skanomaly, version ...
    0
    """
    for package in _NEEDED:
        if importlib.util.find_spec(package) is None:
            print(
                f"skanomaly: error: the command line needs the package {package}; it is not "
                "installed. Run: pip install 'skanomaly[cli]'",
                file=sys.stderr,
            )
            return 2
    try:
        if argv is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            # End at once: XLA may lose the exception that Python would raise instead.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        from skanomaly.cli._group import run

        return run(argv)
    except KeyboardInterrupt:
        return 130
