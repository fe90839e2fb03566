"""Contenders: processes of their own, so that neither threads nor memory of one touch another.

Their work is that of benchmarks/worker.py. A contender whose packages are not installed is left out
with a reason; one that fails is an error, with what it printed.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["PEERS", "Contender", "missing", "present", "started"]

ROOT = Path(__file__).parents[1]

#: What each contender is, and the packages that it needs.
NEEDS = {
    "fused-jax": ("jax", "numba"),
    "fused-torch": ("torch", "numba"),
    "keras-jax": ("jax",),
    "keras-torch": ("torch",),
    "keras-tensorflow": ("tensorflow",),
    "nn.LSTM": ("torch",),
    "PyOD LSTMAD": ("pyod", "torch"),
    "TSB-AD LSTMAD": ("TSB_AD", "torch", "torchinfo", "tqdm"),
    "new-jax": ("jax",),
    "new-torch": ("torch",),
    "new-tensorflow": ("tensorflow",),
}
#: Those that run nothing of skanomaly.
PEERS = [name for name in NEEDS if not name.startswith(("fused", "keras"))]


def missing(name):
    """Say why a contender cannot take part.

    Parameters
    ----------
    name : str
        One of NEEDS.

    Returns
    -------
    reason : str or None
        None where it can.

    Raises
    ------
    ValueError
        If nothing is known of that name.
    """
    if name not in NEEDS:
        raise ValueError(
            f"contenders must be among {', '.join(NEEDS)}; got {name!r}. Correct the name."
        )
    absent = [package for package in NEEDS[name] if importlib.util.find_spec(package) is None]
    if not absent:
        return None
    return f"{name} needs {' and '.join(absent)}, not installed here"


def present(names):
    """Divide names into those that can take part and reasons for the others.

    Returns
    -------
    names : list of str
    skipped : dict of str to str
    """
    reasons = {name: missing(name) for name in names}
    here = [name for name, reason in reasons.items() if reason is None]
    return here, {name: reason for name, reason in reasons.items() if reason}


class Contender:
    """A process that works when told to, and says how long that took.

    Parameters
    ----------
    name : str
        One of NEEDS.
    kind : str
        One of KINDS in benchmarks/worker.py.
    cases : list of dict
        What to work on, as benchmarks/cases.py describes it.
    """

    def __init__(self, name, kind, cases):
        self.name = name
        self._printed = tempfile.TemporaryFile()
        task = json.dumps({"name": name, "kind": kind, "cases": cases})
        environment = {**os.environ, "PYTHONPATH": _with_root(os.environ.get("PYTHONPATH"))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", task],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            env=environment,
            text=True,
        )

    def ask(self, **question):
        """Send a question and return the answer, a list of numbers."""
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            status = self._process.wait()
            raise RuntimeError(
                f"The process of {self.name} ended with status {status} when asked {question}. "
                f"The end of what it printed:\n{self._said()}"
            )
        return json.loads(answer)

    def work(self, what, case=0, number=1):
        """Make work of it that asks for `number` calls; seconds are per call."""

        def work():
            wall, used = self.ask(work=what, case=case, number=number)
            return wall / number, used / number

        return work

    def memory(self, what, case=0):
        """Work once and return by how many MiB the peak rose above what imports and data take."""
        before, after = self.ask(memory=what, case=case)
        return (after - before) / 2**20

    def end(self):
        """Let the process end."""
        with suppress(BrokenPipeError):  # it has ended by itself, which ask() has told
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._printed.close()

    def _said(self):
        self._printed.seek(0)
        return self._printed.read().decode(errors="replace")[-3000:]


def _with_root(path):
    return os.pathsep.join([str(ROOT), *([path] if path else [])])


@contextmanager
def started(names, kind, cases):
    """Start a process for each name, {name: Contender}, and end all of them."""
    running = {}
    try:
        for name in names:
            running[name] = Contender(name, kind, cases)
        yield running
    finally:
        for contender in running.values():
            contender.end()
