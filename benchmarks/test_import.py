"""What importing skanomaly adds to importing scikit-learn, each in a new process."""

import subprocess
import sys

import pytest

STATEMENTS = {
    "nothing": "pass",
    "scikit-learn": "import sklearn.base, sklearn.utils.validation",
    "skanomaly": "import skanomaly",
    "a detector": "from skanomaly import LSTMAutoencoder",
}


@pytest.mark.benchmark(group="import")
@pytest.mark.parametrize("what", STATEMENTS)
def test_import(benchmark, what):
    command = [sys.executable, "-c", STATEMENTS[what]]
    benchmark.pedantic(subprocess.run, (command,), {"check": True}, warmup_rounds=1, rounds=7)
