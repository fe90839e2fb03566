"""Saving to disks that fail, by processes that die: the old file or the new one, whole."""

import errno
import io
import os
import random
import stat
import subprocess
import sys

import numpy as np
import pytest
from files import MUTATIONS, bounded_memory

from skanomaly import LinearForecaster, MeanDetector, ScoreEnsemble
from skanomaly.persistence import load, save


@pytest.fixture
def old(tmp_path):
    """The path of a file that is there."""
    path = tmp_path / "detector.skanomaly"
    save(MeanDetector(contamination=0.5), path)
    return path


def assert_old_is_there(path):
    assert load(path).contamination == 0.5
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_a_failure_while_saving_leaves_the_old_file_alone(function, error, old, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(type(error)):
        save(MeanDetector(), old)
    monkeypatch.undo()
    assert_old_is_there(old)


@pytest.mark.skipif(os.name != "posix", reason="needs limits of POSIX")
def test_a_file_that_the_system_cuts_off_leaves_the_old_one_alone(old):
    import resource

    X = np.random.default_rng(0).normal(size=(5000, 1))
    large = ScoreEnsemble([("linear", LinearForecaster(lags=60))], spans=None).fit(X)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            save(large, old)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_old_is_there(old)


KILLED = """
import os, sys
from skanomaly import MeanDetector
from skanomaly.persistence import save
os.replace = lambda *_: os._exit(9)
save(MeanDetector(), sys.argv[1])
"""


def test_a_process_that_dies_while_saving_leaves_the_old_file_alone(old):
    done = subprocess.run([sys.executable, "-c", KILLED, str(old)], timeout=300, check=False)
    assert done.returncode == 9
    assert load(old).contamination == 0.5
    save(MeanDetector(), old)
    assert load(old).contamination == 0.01


def test_many_saves_that_may_fail_lose_nothing_and_no_memory(old, monkeypatch):
    rng = random.Random(3)
    fsync, kept = os.fsync, 0.5

    def unreliable(number):
        if rng.random() < 0.3:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    monkeypatch.setattr("skanomaly.files._sync_folder", lambda folder: None)
    monkeypatch.setattr(os, "fsync", unreliable)
    n_failed = 0
    with bounded_memory(2**23):
        for i in range(MUTATIONS // 3):
            wanted = (1 + i % 40) / 100
            try:
                save(MeanDetector(contamination=wanted), old)
                kept = wanted
            except OSError:
                n_failed += 1
            assert load(old).contamination == kept
    assert 0 < n_failed < MUTATIONS // 3
    assert [one.name for one in old.parent.iterdir()] == [old.name]


def test_paths_that_cannot_be_written_are_told(tmp_path):
    with pytest.raises(FileNotFoundError, match="folder that exists"):
        save(MeanDetector(), tmp_path / "no" / "file")
    with pytest.raises(IsADirectoryError, match="not a folder"):
        save(MeanDetector(), tmp_path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "file")
    with pytest.raises(TypeError, match="binary mode"):
        load(io.StringIO("PK"))


@pytest.mark.skipif(os.name != "posix", reason="needs links and modes of POSIX")
def test_links_and_modes_of_the_old_file_are_kept(old):
    link = old.parent / "link"
    link.symlink_to(old)
    old.chmod(0o640)
    save(MeanDetector(contamination=0.25), link)
    assert link.is_symlink()
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert load(old).contamination == 0.25
