"""How fast ONNX Runtime scores what ``score_samples`` scores on the active backend.

For each shape: all windows as a panel, and the newest step from one window alone, by the file and
by ``load_onnx``; for series the whole series, cut in the graph. Both take turns in one process, on
float64 input, networks untrained. Ratios are backend / ONNX Runtime: above 1, ONNX Runtime is
faster. It needs the extras "onnx" and, for the fused kernel, "fast"::

    KERAS_BACKEND=jax python -m benchmarks.onnx_scoring [--windows 256] [--rounds 9]
        [--output TABLE.csv]
"""

import argparse
import csv
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.cases import NETWORKS, SERIES, name_of
from benchmarks.turns import rows_of, timed
from skanomaly import LSTMAutoencoder
from skanomaly.export import export_onnx, load_onnx
from skanomaly.layers import kernels

HEADER = [
    "case",
    "work",
    "backend, ms",
    "ONNX Runtime, ms",
    "backend / ONNX Runtime",
    "error of it",
]


def opened(detector, form, read):
    """Export a detector and read the file."""
    with tempfile.TemporaryDirectory() as folder:
        export_onnx(detector, Path(folder) / "detector.onnx", form=form)
        return read(Path(folder) / "detector.onnx")


def session(path):
    """Read a file as it is: a function from X to the scores of its time steps."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return lambda X: session.run(["score_timesteps"], {"X": X})[0]


def works(shape, window_size, hidden_units):
    """Yield (name of the work, what the backend does, what ONNX Runtime does)."""
    X = np.random.default_rng(0).standard_normal(shape)
    detector = LSTMAutoencoder(
        window_size=window_size, hidden_units=hidden_units, max_epochs=0, random_state=0
    ).fit(X)
    panel = len(shape) == 3
    say = opened(detector, "windows" if panel else "series", session)
    yield "all", lambda: detector.score_timesteps(X), lambda: say(X)
    window = X[:1] if panel else X[None, -window_size:]
    say_one = say if panel else opened(detector, "windows", session)
    yield "newest", lambda: detector.score_timesteps(window), lambda: say_one(window)
    loaded = opened(detector, "series", load_onnx)
    yield (
        "newest, load_onnx",
        lambda: detector.score_timesteps(window[0]),
        lambda: loaded.score_timesteps(window[0]),
    )


def rows(arguments):
    """Yield a row of the table for each case and work."""
    cases = [((min(n, arguments.windows), t, f), t, units) for n, t, f, units, _ in NETWORKS]
    cases += [((min(n, 4 * arguments.windows), f), size, units) for n, f, size, units, _ in SERIES]
    for case in cases:
        for work, backend, runtime in works(*case):
            difference = np.abs(backend() - runtime()).max() / np.abs(backend()).max()
            contenders = {"ONNX Runtime": timed(runtime), "backend": timed(backend)}
            taken = {name: [] for name in contenders}
            for turn in range(arguments.rounds + 1):  # the first sets how often to repeat
                for name, contend in contenders.items():
                    seconds = contend()
                    if turn:
                        taken[name].append(seconds)
            own, backend_row = rows_of("onnx", name_of(case[0]), taken, ["backend"])
            ratio, error = own["against"]["backend"]
            milliseconds = [1000 * row["seconds"] for row in (backend_row, own)]
            name = f"{name_of(case[0])}; window {case[1]}, {case[2]} units"
            yield name, work, *(f"{ms:.3g}" for ms in milliseconds), f"{ratio:.2f}", f"{error:.0%}"
            print(f"{name} {work}: differ by {difference:.1e} of the largest", file=sys.stderr)


def main(argv=None):
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--windows", type=int, default=256, help="most windows of a panel")
    parser.add_argument("--rounds", type=int, default=9, help="turns of each")
    parser.add_argument("--output", type=Path, help="file for the table; printed by default")
    arguments = parser.parse_args(argv)
    print(f"kernel: {kernels.obstacle() or 'fused'}", file=sys.stderr)
    with arguments.output.open("w") if arguments.output else sys.stdout as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for row in rows(arguments):
            writer.writerow(row)
            file.flush()


if __name__ == "__main__":
    main()
