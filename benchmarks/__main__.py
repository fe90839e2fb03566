"""Run the speed suite: ``python -m benchmarks``.

It measures, prints, writes a JSON file with every row and, with ``--docs``, the tables of
docs/guide/speed.rst. ``--compare`` reads the JSON file of an earlier run and says what became
slower.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.results import PACKAGES, changes, condense, join, write_tables

HERE = Path(__file__).parent
TABLES = HERE.parent / "docs" / "guide" / "speed"


def read_arguments(arguments=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small shapes, no slow contenders")
    parser.add_argument("--only", help="run tests whose names match this expression of pytest's -k")
    parser.add_argument("--contenders", help="of LSTMs only these: 'fused-jax nn.LSTM', say")
    parser.add_argument("--rounds", type=int, help="turns of each work; 9, or 3 of a quick run")
    parser.add_argument(
        "--output", type=Path, help="the JSON file; by default benchmarks/results/COMMIT.json"
    )
    parser.add_argument("--docs", action="store_true", help="write the tables of the guide, too")
    parser.add_argument("--compare", type=Path, help="the JSON file of an earlier run")
    parser.add_argument(
        "--run",
        type=Path,
        nargs="+",
        help="measure nothing: take the JSON file of a run, or files of several parts of one",
    )
    chosen = parser.parse_args(arguments)
    if chosen.rounds is not None and chosen.rounds < 1:
        parser.error(f"--rounds must be at least 1; got {chosen.rounds}. Leave it out for 9.")
    for path in [*(chosen.run or []), *([chosen.compare] if chosen.compare else [])]:
        if not path.is_file():
            parser.error(f"--run and --compare take JSON files of runs; got {path}, which is none.")
    return chosen


def measure(chosen):
    """Run the suite and return what it found; the process ends if that is nothing."""
    if importlib.util.find_spec("pytest_benchmark") is None:
        sys.exit("The speed suite needs pytest-benchmark. Run: pip install --group benchmark")
    rounds = chosen.rounds or (3 if chosen.quick else 9)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", str(HERE), "-p", "no:cacheprovider", "-q"]
        command += ["-rs", f"--rootdir={HERE.parent}", f"--benchmark-json={report}"]
        # Where all is skipped the reasons are shown, and said below is that nothing was measured.
        command += ["-W", "ignore:Not saving anything"]
        command += [f"--rounds={rounds}", *(["--quick"] if chosen.quick else [])]
        command += ["-k", chosen.only] if chosen.only else []
        command += [f"--contenders={chosen.contenders}"] if chosen.contenders else []
        status = subprocess.run(command, cwd=HERE.parent).returncode
        # pytest says 1 where single benchmarks failed; the others are worth keeping.
        if status > 1 or not report.exists() or not report.stat().st_size:
            sys.exit(f"Nothing was measured: pytest ended with status {status}, see above.")
        found = json.loads(report.read_text(encoding="utf-8"))
    return condense(
        found,
        complete=status == 0,
        quick=chosen.quick,
        rounds=rounds,
        load=f"{load:.1f} before, {os.getloadavg()[0]:.1f} after",
        versions=versions(),
    )


def versions():
    """Versions of Python and of those packages that are installed."""
    found = {"Python": sys.version.split()[0]}
    for package in PACKAGES:
        names = [package, "tensorflow-cpu"] if package == "tensorflow" else [package]
        for name in names:
            try:
                found[package] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue  # what is not installed has no version
    return found


def save(run, path):
    """Write the run; its default folder is no part of the repository."""
    if path is None:
        folder = HERE / "results"
        folder.mkdir(exist_ok=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        path = folder / f"{run['commit'].split()[0][:12]}.json"
    path.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path}")


def compare(then, now):
    """Print what changed and return whether something became slower."""
    for name in ("processor", "versions", "quick", "rounds"):
        if then.get(name) != now.get(name):
            print(f"Mind: {name} was {then.get(name)}, and is {now.get(name)}.")
    found = changes(then, now)
    print(f"{len(found)} works compared with those of {then['commit']}:")
    for change in sorted(found, key=lambda change: -change.factor):
        if change.verdict != "same":
            print(
                f"  {change.verdict}: {change.what} takes {change.factor:.2f} times as long; "
                f"up to {change.noise:.2f} is noise"
            )
    slower = sum(change.verdict == "slower" for change in found)
    faster = sum(change.verdict == "faster" for change in found)
    print(f"{slower} slower, {faster} faster, {len(found) - slower - faster} the same")
    return slower > 0


def main(arguments=None):
    """Measure or read a run, write what is asked for, and compare."""
    chosen = read_arguments(arguments)
    # Before anything is written: the file of the earlier run may be the one to be replaced.
    then = json.loads(chosen.compare.read_text(encoding="utf-8")) if chosen.compare else None
    if chosen.run:
        run = join([json.loads(path.read_text(encoding="utf-8")) for path in chosen.run])
    else:
        run = measure(chosen)
        save(run, chosen.output)
    if chosen.docs and not run["complete"]:
        print("The tables of the guide are left as they were, for some benchmarks failed.")
    elif chosen.docs:
        for path in write_tables(TABLES, run):
            print(f"written: {path}")
    slower = compare(then, run) if then else False
    return int(slower or not run["complete"])


if __name__ == "__main__":
    sys.exit(main())
