"""What importing skanomaly loads, and what it offers."""

import importlib.util
import json
import pkgutil
import subprocess
import sys

import pytest

import skanomaly

HEAVY = {
    "keras", "jax", "torch", "tensorflow", "numba", "matplotlib", "pandas", "polars",
    "dask", "onnx", "onnxruntime", "plotly", "pooch", "requests",
}  # fmt: skip
MODULES = ["skanomaly", *(m.name for m in pkgutil.walk_packages(skanomaly.__path__, "skanomaly."))]
MODULES.remove("skanomaly.__main__")  # runs the command line
for backend in ("jax", "torch"):
    if importlib.util.find_spec(backend) is None:
        MODULES.remove(f"skanomaly.layers.kernels._{backend}")


def heavy_packages_after(statement):
    """Run a statement in a new process and return the heavy packages that it loaded."""
    code = f"{statement}; import json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return HEAVY.intersection(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def loaded_by_scikit_learn():
    """Return what scikit-learn loads by itself: since 1.9, pandas where it is installed."""
    return heavy_packages_after("import sklearn.base, sklearn.pipeline")


@pytest.mark.parametrize(
    "statement",
    [
        "import skanomaly",
        "from skanomaly import LSTMAutoencoder, PersistenceDetector, Seq2SeqLSTMAutoencoder",
        "from skanomaly import LSTMForecaster, VariationalLSTMAutoencoder, LinearForecaster",
        "import skanomaly.preprocessing, skanomaly.thresholds, skanomaly.datasets",
        "import skanomaly.displays, skanomaly.inspection",
        "import skanomaly.persistence, skanomaly.streaming, skanomaly.reports, skanomaly.export",
        "import skanomaly.metrics, skanomaly.model_selection",
        "import skanomaly.cli",
        # The baseline needs no network, from fit to labels.
        "from skanomaly import PersistenceDetector as P; P().fit_predict([[0.0], [1.0], [0.0]])",
    ],
)
def test_no_heavy_package_is_loaded_by(statement, loaded_by_scikit_learn):
    assert heavy_packages_after(statement) <= loaded_by_scikit_learn


def test_scikit_learn_loads_no_deep_learning_library(loaded_by_scikit_learn):
    assert not loaded_by_scikit_learn & {"keras", "jax", "torch", "tensorflow", "matplotlib"}


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_there(name):
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    assert len(names) == len(set(names))
    for public in names:
        assert hasattr(module, public), f"{name}.__all__ names {public}, which is not there"


@pytest.mark.parametrize("name", skanomaly.__all__)
def test_dir_lists_what_can_be_imported(name):
    assert name in dir(skanomaly)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'LSTMautoencoder'"):
        skanomaly.LSTMautoencoder  # noqa: B018
