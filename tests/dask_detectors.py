"""Detectors and loaders for tests on a cluster: workers import them from here."""

import os
import time
import warnings
from pathlib import Path

import numpy as np

from skanomaly import MeanDetector


class Awkward(MeanDetector):
    """Does what the first value of X asks for, and is a mean detector otherwise."""

    KILL, EXIT, WARN, WAIT = 1000.0, 1001.0, 1002.0, 1003.0

    def fit(self, X, y=None):
        """Fit, or something worse."""
        asked = np.asarray(X).ravel()[:1]
        if asked == self.KILL:
            os._exit(1)
        if asked == self.EXIT:
            raise SystemExit("leaving")
        if asked == self.WARN:
            for _ in range(3):
                warnings.warn("this one is odd", UserWarning, stacklevel=2)
        if asked == self.WAIT:
            time.sleep(0.05)
        return super().fit(X)


class Drawing(MeanDetector):
    """Draws a number in fit, from its random state, and notes each fit in a folder."""

    def __init__(self, random_state=None, scale=1.0, folder=None, contamination=0.01):
        super().__init__(contamination=contamination)
        self.random_state = random_state
        self.scale = scale
        self.folder = folder

    _parameter_constraints = MeanDetector._parameter_constraints | {
        "random_state": ["random_state"],
        "scale": "no_validation",
        "folder": "no_validation",
    }

    def fit(self, X, y=None):
        """Draw, and fit."""
        from sklearn.utils import check_random_state

        self.drawn_ = self.scale * check_random_state(self.random_state).uniform()
        if self.folder is not None:
            name = f"{np.asarray(X).sum():.6f}-{time.monotonic_ns()}"
            Path(self.folder, name).touch()
        return super().fit(X)


def load(seed):
    """Make a series (40, 2)."""
    return np.random.default_rng(seed).normal(size=(40, 2))


def break_down():
    """Fail as a loader may."""
    raise OSError("the file of this sensor is gone")
