"""A process that follows a stream whose steps come late, twice or as NaN, until it is killed.

Run as ``python streaming_worker.py FOLDER SECONDS PAUSE``. In the folder it keeps a log of results,
one line per step, and a snapshot. It goes on from the snapshot, and drops from its log what came
after, for those steps will come again.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from skanomaly import LinearForecaster
from skanomaly.streaming import Stream, read_snapshot, write_snapshot

BETWEEN_SNAPSHOTS = 200
BLOCK = 1000


def make_detector():
    """Fit the detector, the same in every process."""
    return LinearForecaster(
        lags=(1, 2, 7), smoothing="triangular", smoothing_span=5, smoothing_causal=True
    ).fit(steps(-4000, 0, gaps=False))


def steps(start, stop, gaps=True):
    """Make the time steps (n, 2) that the world has in store, by their numbers alone."""
    parts = []
    for block in range(start // BLOCK, -(-stop // BLOCK)):
        rng = np.random.default_rng(block % 2**32)
        t = np.arange(block * BLOCK, (block + 1) * BLOCK)
        x = np.column_stack([np.sin(t / 9), np.cos(t / 31)]) + 0.1 * rng.normal(size=(BLOCK, 2))
        if gaps:
            for first in rng.integers(BLOCK, size=4):
                x[first : first + rng.integers(40), rng.integers(3) :] = np.nan
            x[rng.integers(BLOCK)] += 5
        parts.append(x)
    first = start // BLOCK * BLOCK
    return np.concatenate(parts)[start - first : stop - first]


def deliveries(n_seen, rng):
    """Yield (step, x) for ever: next steps, some of them twice, late, or beside ones known."""
    at = n_seen
    while True:
        n = int(rng.integers(1, 30))
        x = steps(at, at + n)
        yield at, x
        fault = rng.integers(8)
        if fault == 0:  # again
            yield at, x
        elif fault == 1 and at > 50:  # late
            yield at - 50, steps(at - 50, at - 40)
        elif fault == 2:  # overlapping
            yield max(at - 5, 0), steps(max(at - 5, 0), at + n)
        at += n


def save(stream, folder, full):
    """Write a snapshot; on a disk that is full tell so and keep the older one."""
    import resource  # which Windows has not

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if full:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        write_snapshot(stream.snapshot(), folder / "stream.npz")
    except OSError:
        return False
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    return True


def take_up(folder):
    """Restore the stream and open its log where the stream stands; begin both where there is none.

    The log may be shorter than the snapshot says only if a step was lost, which must not be.
    """
    detector, log = make_detector(), folder / "log.txt"
    if (folder / "stream.npz").exists():
        stream = Stream.restore(detector, read_snapshot(folder / "stream.npz"))
    else:
        stream = Stream(detector)
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    assert len(lines) >= stream.n_seen, "the log lacks steps that the snapshot has"
    log.write_text("".join(lines[: stream.n_seen]))
    return stream, log.open("a")


def write_counts(folder, counts, memory):
    """Tell what happened; memory (bytes) at every twentieth snapshot."""
    (folder / "counts.json").write_text(json.dumps(counts | {"memory": memory[::20]}))


def follow(folder, seconds, pause):
    """Follow the stream for so many seconds, and until each kind of fault was met."""
    stream, log = take_up(folder)
    rng = np.random.default_rng(stream.n_seen)
    counts = {"failed_saves": 0, "dropped": 0, "saves": 0}
    process, memory = psutil.Process(), []
    saved, deadline = stream.n_seen, time.monotonic() + seconds
    for step, x in deliveries(stream.n_seen, rng):
        result = stream.update(x, step=step)
        new = result.scored
        counts["dropped"] += int((~new).sum())
        for values in zip(result.step[new], result.score[new], result.label[new], strict=True):
            log.write("{} {:.17g} {}\n".format(*values))
        if stream.n_seen - saved >= BETWEEN_SNAPSHOTS:
            log.flush()  # before the snapshot: what it has seen must be in the log
            done = save(stream, folder, full=rng.random() < 0.3)
            saved = stream.n_seen
            counts["saves" if done else "failed_saves"] += 1
            memory.append(process.memory_info().rss)
            write_counts(folder, counts, memory)
        if time.monotonic() > deadline and min(counts.values()) > 0:
            log.close()
            write_counts(folder, counts, memory)
            return
        time.sleep(pause)


if __name__ == "__main__":
    follow(Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
