"""A stream in a bad world: nothing is lost, no step is scored twice, and memory stays flat.

A few seconds here; SKANOMALY_SOAK_SECONDS=3600 makes it an hour.
"""

import functools
import gc
import json
import os
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from tiny import TINY

import skanomaly
from skanomaly import LinearForecaster, LSTMForecaster
from skanomaly.streaming import Stream
from skanomaly.thresholds import SPOT

SECONDS = float(os.environ.get("SKANOMALY_SOAK_SECONDS", 1.5))
ROOT = Path(skanomaly.__file__).parents[1]
WORKER = Path(__file__).parent / "streaming_worker.py"


def live_and_die(folder, seconds, pause, *, kill):
    """Run the worker for about so many seconds of work; kill it, or let it end by itself."""
    longest = 10 * seconds + 600
    command = [sys.executable, str(WORKER), str(folder), str(longest if kill else seconds)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": path}
    with subprocess.Popen(
        [*command, str(pause)], stderr=subprocess.PIPE, env=environment
    ) as process:
        if not kill:
            error = process.communicate(timeout=longest)[1]
            assert process.returncode == 0, error.decode()
            return
        counts = folder / "counts.json"
        counts.unlink(missing_ok=True)
        while not counts.exists():  # it has written a snapshot, or could not
            assert process.poll() is None, process.stderr.read().decode()
            time.sleep(0.01)
        time.sleep(seconds)
        process.kill()


def test_nothing_is_lost_when_steps_are_late_disks_full_and_processes_killed(tmp_path):
    pytest.importorskip("resource")
    from streaming_worker import make_detector, steps

    n_lives = max(2, int(SECONDS / 60))
    pause = 0.0 if SECONDS < 60 else 0.02
    for life in range(n_lives):
        live_and_die(tmp_path, SECONDS / n_lives, pause, kill=life < n_lives - 1)
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert min(counts["dropped"], counts["failed_saves"], counts["saves"]) > 0
    log = np.loadtxt(tmp_path / "log.txt", ndmin=2)
    assert log[:, 0].tolist() == list(range(len(log)))  # each step once, in order
    expected = Stream(make_detector()).update(steps(0, len(log)))
    np.testing.assert_allclose(log[:, 1], expected.score, rtol=1e-9)
    np.testing.assert_array_equal(log[:, 2], expected.label)
    assert (expected.label == -1).any()
    memory = np.array(counts["memory"]) / 2**20
    assert memory[-1] - memory[len(memory) // 4] < 8, "MiB"


@functools.cache
def forecaster():
    X = np.random.default_rng(0).normal(size=(400, 2))
    return LSTMForecaster(**TINY | {"max_epochs": 0}).fit(X)


@pytest.mark.parametrize("kind", ["linear", "forecaster", "carried", "many"])
def test_memory_stays_flat(kind):
    X = np.random.default_rng(0).normal(size=(400, 2))
    if kind in ("linear", "many"):
        detector = LinearForecaster(smoothing="median", smoothing_causal=True).fit(X)
    else:
        detector = forecaster()
    n_streams = 20 if kind == "many" else 1
    stream = Stream(detector, n_streams=n_streams, carry_state=kind == "carried", engine="numpy")
    x = np.zeros((n_streams, 2)) if n_streams > 1 else np.zeros(2)

    def run(n):
        for _ in range(n):
            stream.update(x)
        gc.collect()
        # Of the package alone: threads of other tests, such as Dask's, allocate at the same time.
        own = tracemalloc.Filter(True, str(Path(skanomaly.__file__).parent / "*"))
        traces = tracemalloc.take_snapshot().filter_traces([own])
        return sum(trace.size for trace in traces.traces)

    tracemalloc.start()
    try:
        before = run(100)
        assert run(400) - before < 20_000
    finally:
        tracemalloc.stop()


def test_a_long_stream_of_one_at_a_time_does_not_drift_from_the_batch():
    X = np.random.default_rng(0).normal(size=(300, 2))
    new = np.random.default_rng(1).normal(size=(5000, 2)) + np.linspace(0, 50, 5000)[:, None]
    detector = LinearForecaster(lags=3, threshold=SPOT(alpha=0.01, level=0.8)).fit(X)
    stream = Stream(detector, adaptive=True)
    scores = [stream.update(x).score for x in new]
    np.testing.assert_allclose(scores[1:], detector.score_samples(new)[1:], rtol=1e-9)
