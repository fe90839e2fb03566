"""What importing skanomaly adds to importing scikit-learn, each in a new process."""

import subprocess
import sys

from benchmarks.turns import timed

STATEMENTS = {
    "skanomaly": "import skanomaly",
    "a detector": "from skanomaly import LSTMAutoencoder",
    "scikit-learn": "import sklearn.base, sklearn.utils.validation",
    "nothing": "pass",
}


def test_import(turns):
    works = {
        name: timed(lambda s=statement: subprocess.run([sys.executable, "-c", s], check=True))
        for name, statement in STATEMENTS.items()
    }
    turns("import", "in a new process", works, peers=["scikit-learn", "nothing"])
