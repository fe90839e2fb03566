"""What several test files share."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Machines are shared: how long a case takes says nothing. In CI the same cases run every time.
settings.register_profile(
    "skanomaly",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.load_profile("skanomaly")


@pytest.fixture
def series():
    """One series (60, 2), float64."""
    steps = np.arange(60)
    noise = np.random.default_rng(0).normal(size=(60, 2))
    return np.column_stack([np.sin(steps / 3), np.cos(steps / 5)]) + 0.1 * noise


@pytest.fixture
def ragged(series):
    """Three series of different lengths."""
    return [series[:25], series[25:37], series[37:]]


@pytest.fixture
def panel(series):
    """A panel (4, 15, 2)."""
    return series.reshape(4, 15, 2)


@pytest.fixture
def data_folder():
    """Folder of the labelled real series."""
    folder = os.environ.get("SKANOMALY_DATA")
    if not folder:
        pytest.skip("SKANOMALY_DATA is not set to the folder of the labelled series")
    return folder
