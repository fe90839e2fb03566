"""Run with ``python -m pytest benchmarks``; pytest-benchmark prints medians and ratios."""

import pytest

from skanomaly.datasets import make_flights


@pytest.fixture(scope="session")
def flights():
    """The panel of the practitioner's question, (89, 1500, 77)."""
    return make_flights(random_state=0).X_train
