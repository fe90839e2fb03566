"""Options of the speed suite, and the fixture with which works take turns.

``python -m benchmarks`` runs all of it and writes the report; ``python -m pytest benchmarks`` runs
it without, and prints medians and ratios as the report would have them.
"""

from pathlib import Path

import pytest

from benchmarks.contenders import present
from benchmarks.results import lines
from benchmarks.turns import compete
from skanomaly.datasets import make_flights

# Doctests are not looked for in the other modules, some of which need packages that may be absent.
HERE = Path(__file__).parent
collect_ignore_glob = ["quality/*"]
collect_ignore = [path.name for path in HERE.glob("*.py") if not path.name.startswith("test_")]
SLOW = ("keras-torch", "keras-tensorflow", "new-jax", "new-tensorflow")


def pytest_addoption(parser):
    group = parser.getgroup("speed suite")
    group.addoption("--rounds", type=int, default=9, help="turns of each work, 9 by default")
    group.addoption("--quick", action="store_true", help="small shapes and no slow contenders")
    group.addoption("--contenders", help="run only these LSTMs, 'fused-jax nn.LSTM' for example")


def pytest_configure(config):
    # What pytest-benchmark would print are seconds of a turn of the first work alone.
    config.option.benchmark_quiet = True
    config.addinivalue_line("markers", "benchmark: of pytest-benchmark, if it is not installed")


def pytest_terminal_summary(terminalreporter):
    rows = terminalreporter.config.stash.get(ROWS, [])
    for line in lines(rows):
        terminalreporter.write_line(line)


ROWS = pytest.StashKey()


@pytest.fixture(autouse=True)
def _kept(request):
    """Keep what a benchmark leaves in its extra_info, to be printed at the end."""
    benchmark = request.getfixturevalue("benchmark")
    yield
    request.config.stash.setdefault(ROWS, []).extend(benchmark.extra_info.get("rows", []))


@pytest.fixture(scope="session")
def quick(pytestconfig):
    return pytestconfig.getoption("--quick")


@pytest.fixture
def turns(benchmark, pytestconfig):
    """Return turns(group, case, works, peers=(), skipped=None), as in compete."""

    def take(group, case, works, peers=(), skipped=None):
        rounds = pytestconfig.getoption("--rounds")
        return compete(
            benchmark,
            group=group,
            case=case,
            works=works,
            rounds=rounds,
            peers=peers,
            skipped=skipped,
        )

    return take


@pytest.fixture(scope="session")
def choose(pytestconfig, quick):
    """Return choose(names): those that take part, of which the first must, and why others do not.

    ``--contenders`` chooses among all LSTMs; a quick run leaves out slow ones.
    """
    only = pytestconfig.getoption("--contenders")

    def divide(names):
        here, skipped = present(names)
        left_out = [name for name in here if quick and name in SLOW]
        reasons = dict.fromkeys(left_out, "left out of a quick run")
        if only:
            others = [name for name in here if name not in only.split()]
            reasons.update(dict.fromkeys(others, "not named by --contenders"))
        here = [name for name in here if name not in reasons]
        if not here or here[0] != names[0]:
            why = {**skipped, **reasons}[names[0]]
            pytest.skip(f"ratios refer to {names[0]}: {why}")
        return here, {**skipped, **reasons}

    return divide


@pytest.fixture(scope="session")
def flights():
    """The panel of the practitioner's question, (89, 1500, 77)."""
    return make_flights(random_state=0).X_train
