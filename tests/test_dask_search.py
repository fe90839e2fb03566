"""Searches on a Dask cluster: the scores of one process, whatever happens to workers."""

import asyncio
import dataclasses
import os
import signal
import sys
import threading
import time
import types

import cloudpickle
import joblib
import numpy as np
import pytest
from dask.distributed import Client, KilledWorker, LocalCluster
from dask_cluster import Mortal, in_worker, workers_of
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    TimeSeriesSplit,
    cross_val_score,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from tiny import TINY

from skanomaly import LinearForecaster, LSTMAutoencoder
from skanomaly._backend import choose_backend, load_keras
from skanomaly.dask import WorkerDiedError, _remote, _search, search_backend
from skanomaly.exceptions import BackendNotFoundError, MissingDependencyError
from skanomaly.preprocessing import SequenceTransformer

pytest_plugins = ["dask_cluster"]

LINEAR = {"detect__lags": [1, 2, 3], "detect__score_norm": ["squared", "mahalanobis"]}
FACTORS = {"factor": [0.5, 1.0, 2.0]}
N_FITS = 6  # three factors, two folds
NEVER = ("fit", 10**6)
NONE = r"cluster must have a worker; got none for 0.5 s. Start workers"
SPLITTERS = {"series": TimeSeriesSplit(2, gap=3), "panel": KFold(2), "ragged": KFold(3)}


@pytest.fixture
def in_process(watchdog, request):
    """Client of one worker in this process, of one thread unless told otherwise."""
    options = {"processes": False, "dashboard_address": ":0", "n_workers": 1}
    n_threads = getattr(request, "param", 1)
    with LocalCluster(threads_per_worker=n_threads, **options) as made, Client(made) as client:
        yield client


def make_pipeline():
    scale = SequenceTransformer(StandardScaler())
    return Pipeline([("scale", scale), ("detect", LinearForecaster())])


def split_scores(search):
    """All scores of a search, (n_candidates, n_splits)."""
    names = sorted(name for name in search.cv_results_ if name.startswith("split"))
    return np.column_stack([search.cv_results_[name] for name in names if "test_score" in name])


def assert_same(search, expected):
    np.testing.assert_array_equal(split_scores(search), split_scores(expected))
    assert search.best_params_ == expected.best_params_


# ------------------------------------------------------------------------------- equal scores


@pytest.mark.parametrize("form", SPLITTERS)
def test_a_grid_search_scores_as_one_process_and_as_loky(client, form, request):
    X = request.getfixturevalue(form)
    search = GridSearchCV(make_pipeline(), LINEAR, cv=SPLITTERS[form])
    serial = search.fit(X)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        loky = GridSearchCV(make_pipeline(), LINEAR, cv=SPLITTERS[form]).fit(X)
    with search_backend(client):
        dask = GridSearchCV(make_pipeline(), LINEAR, cv=SPLITTERS[form]).fit(X)
    assert len(np.unique(split_scores(serial))) > 6
    assert_same(loky, serial)
    assert_same(dask, serial)
    for scores, expected in zip(dask.score_samples(X), serial.score_samples(X), strict=True):
        np.testing.assert_array_equal(scores, expected)


def test_a_halving_search_over_epochs_of_networks_scores_as_one_process(client, series):
    def search():
        return HalvingGridSearchCV(
            LSTMAutoencoder(**TINY),
            {"learning_rate": [0.001, 0.01, 0.1]},
            resource="max_epochs",
            min_resources=1,
            max_resources=3,
            factor=3,
            cv=TimeSeriesSplit(2, gap=8),
            refit=False,
            random_state=0,
        )

    serial = search().fit(series)
    with search_backend(client):
        dask = search().fit(series)
    assert set(serial.cv_results_["n_resources"]) == {1, 3}
    assert_same(dask, serial)


@pytest.mark.parametrize("in_process", [2], indirect=True)
def test_two_threads_of_a_worker_train_networks_as_one_process(in_process, series):
    def search():
        grid = {"learning_rate": [0.01, 0.1]}
        return GridSearchCV(LSTMAutoencoder(**TINY), grid, cv=TimeSeriesSplit(2, gap=8))

    serial = search().fit(series)
    with search_backend(in_process):
        dask = search().fit(series)
    assert_same(dask, serial)


@pytest.mark.parametrize("in_process", [2], indirect=True)
def test_two_threads_of_a_worker_search_as_one_process(in_process, ragged):
    serial = GridSearchCV(make_pipeline(), LINEAR, cv=KFold(3)).fit(ragged)
    with search_backend(in_process):
        assert_same(GridSearchCV(make_pipeline(), LINEAR, cv=KFold(3)).fit(ragged), serial)


def test_a_search_in_a_search_scores_as_one_process(client, series):
    def scores():
        search = GridSearchCV(LinearForecaster(), {"lags": [1, 3]}, cv=2, n_jobs=-1)
        return cross_val_score(search, series, cv=TimeSeriesSplit(2, gap=3))

    expected = scores()
    with search_backend(client):
        np.testing.assert_array_equal(scores(), expected)


def test_the_backend_is_known_by_name(client, series):
    search = GridSearchCV(LinearForecaster(), {"lags": [1, 2]}, cv=2)
    serial = search.fit(series)
    with joblib.parallel_config(backend="skanomaly-dask"):
        assert_same(GridSearchCV(LinearForecaster(), {"lags": [1, 2]}, cv=2).fit(series), serial)


def where_it_runs(_):
    return in_worker()


@pytest.mark.parametrize(("n_jobs", "expected"), [(1, False), (-1, True), (None, True)])
def test_one_job_is_this_process_and_else_all_workers(client, n_jobs, expected):
    with search_backend(client):
        places = joblib.Parallel(n_jobs=n_jobs)(joblib.delayed(where_it_runs)(i) for i in range(2))
    assert places == [expected] * 2


# --------------------------------------------------------------------------- workers that die


def mortal_search(folder, dies):
    estimator = Mortal(folder=str(folder), dies=dies)
    return GridSearchCV(estimator, FACTORS, cv=KFold(2), refit=False)


@pytest.fixture
def X():
    """A series (2000, 2): large enough for its place on the cluster to be a task of its own."""
    return np.random.default_rng(0).normal(size=(2000, 2))


@pytest.mark.parametrize(
    "dies", [("fit", 1), ("fit", 3), ("score", 4), ("fit", N_FITS)], ids="{0[0]}-{0[1]}".format
)
def test_a_search_goes_on_when_a_worker_dies(client, tmp_path, X, dies):
    serial = mortal_search(tmp_path, dies).fit(X)
    before = workers_of(client)
    with search_backend(client):
        dask = mortal_search(tmp_path, dies).fit(X)
    assert_same(dask, serial)
    assert workers_of(client) != before  # one did die


def test_a_search_goes_on_when_all_workers_die_at_once(client, tmp_path, X):
    serial = mortal_search(tmp_path, NEVER).fit(X)
    workers = workers_of(client)

    def kill_all():
        wait_for(tmp_path / "fit-3")
        for pid in workers:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_all)
    killer.start()
    with search_backend(client):
        dask = mortal_search(tmp_path, NEVER).fit(X)
    killer.join()
    assert_same(dask, serial)


def wait_for(path):
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} never came"
        time.sleep(0.005)


def test_a_fit_that_kills_every_worker_ends_the_search_and_says_so(
    client, cluster, tmp_path, X, monkeypatch
):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 1)
    said = "'fit Mortal' must leave its worker alive; got 2 workers that died .*memory_limit"
    with search_backend(client):
        with pytest.raises(WorkerDiedError, match=said) as caught:
            mortal_search(tmp_path, ("fit", 0)).fit(X)
        assert isinstance(caught.value, KilledWorker)
        again = mortal_search(tmp_path, None).fit(X)
    assert_same(again, mortal_search(tmp_path, None).fit(X))


def test_a_search_ends_when_no_worker_comes(in_process, series):
    in_process.cluster.scale(0)
    in_process.sync(in_process.cluster._correct_state)
    with search_backend(in_process, worker_timeout=0.5), pytest.raises(TimeoutError, match=NONE):
        GridSearchCV(LinearForecaster(), {"lags": [1, 2]}, cv=2).fit(series)


def test_a_search_ends_when_no_worker_is_left(in_process, series):
    def remove():
        Waiting.started.wait(60)
        in_process.cluster.scale(0)

    remover = threading.Thread(target=remove)
    remover.start()
    with search_backend(in_process, worker_timeout=0.5), pytest.raises(TimeoutError, match=NONE):
        GridSearchCV(Waiting(), {"lags": [1, 2]}, cv=2).fit(series)
    Waiting.released.set()
    remover.join()


class Waiting(LinearForecaster):
    """Is in the middle of its fit until it is told to go on."""

    started, released = threading.Event(), threading.Event()

    def fit(self, X, y=None):
        self.started.set()
        self.released.wait(60)
        return super().fit(X)


class Failing(Mortal):
    def fit(self, X, y=None):
        raise ValueError("X is bad")


def test_an_error_of_a_fit_is_the_same_and_names_its_task(client, X):
    search = GridSearchCV(Failing(), FACTORS, cv=2, error_score="raise")
    with search_backend(client), pytest.raises(ValueError, match="X is bad") as caught:
        search.fit(X)
    (note,) = caught.value.__notes__
    assert "'fit Failing'" in note
    assert "in fit" in note  # the traceback of the worker


# -------------------------------------------------------------------------------- what is sent


def test_what_fits_share_is_sent_once_and_forgotten(client, X, monkeypatch):
    sent = []
    original = _search.SearchBackend._send

    def send(self, *args, name, **options):
        sent.append(name)
        return original(self, *args, name=name, **options)

    monkeypatch.setattr(_search.SearchBackend, "_send", send)
    with search_backend(client):
        GridSearchCV(Mortal(), FACTORS, cv=KFold(2, shuffle=True), refit=False).fit(X)
    assert sent.count("data of the search") == 1
    assert sent.count("fit Mortal") == N_FITS
    deadline = time.monotonic() + 60
    while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
        assert time.monotonic() < deadline, "the cluster still holds tasks"
        time.sleep(0.01)


def test_the_dashboard_shows_readable_names(client, X):
    with search_backend(client):
        GridSearchCV(Mortal(), FACTORS, cv=2, refit=False).fit(X)
    prefixes = client.run_on_scheduler(lambda dask_scheduler: set(dask_scheduler.task_prefixes))
    assert {"fit Mortal", "data of the search"} <= prefixes


def _fit_and_score(*args):
    """Has the name of what scikit-learn's searches call."""


def _calculate_importance(*args):
    """Has a name that does not start with fit."""


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ((_fit_and_score, [LSTMAutoencoder(), X]), "fit LSTMAutoencoder"),
        ((_fit_and_score, [make_pipeline(), X]), "fit LinearForecaster"),
        ((_calculate_importance, [LinearForecaster()]), "calculate importance LinearForecaster"),
        ((where_it_runs, [1]), "where it runs"),
    ],
)
def test_tasks_are_named_by_what_they_do(call, expected):
    assert _remote.name_of([(*call, {})]) == expected


def test_shared_arrays_cannot_be_changed(X):
    loaded = _remote.load(cloudpickle.dumps(X))
    with pytest.raises(ValueError, match="read-only"):
        loaded += 1


# ------------------------------------------------------------------- environments of workers


@pytest.mark.parametrize(
    ("differs", "error", "said"),
    [
        (
            "backend",
            BackendNotFoundError,
            r"KERAS_BACKEND must be the same .* got 'other' on the client \(because\) and "
            r".* on the worker tcp://127.0.0.1:\d+ .* Set KERAS_BACKEND=other",
        ),
        ("numba", MissingDependencyError, r"Numba .* Run on .* pip install 'skanomaly\[fast\]'"),
    ],
)
def test_a_worker_whose_networks_would_differ_is_refused(
    client, series, monkeypatch, differs, error, said
):
    here = _remote.describe_keras()
    other = {"backend": "other", "numba": not here.numba}
    there = dataclasses.replace(here, reason="because", **{differs: other[differs]})
    monkeypatch.setattr(_remote, "describe_keras", lambda: there)
    search = GridSearchCV(LSTMAutoencoder(**TINY), {"learning_rate": [0.1]}, cv=2)
    with search_backend(client):
        with pytest.raises(error, match=said):
            search.fit(series)
        GridSearchCV(LinearForecaster(), {"lags": [1]}, cv=2).fit(series)  # needs no Keras


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (([LSTMAutoencoder()], {}), True),
        (([Pipeline([("detect", LSTMAutoencoder())])], {}), True),
        (([make_pipeline()], {"parameters": {"detect": LSTMAutoencoder()}}), True),
        (([make_pipeline()], {"parameters": {"detect__lags": 3}}), False),
    ],
)
def test_networks_are_found_among_the_arguments(arguments, expected):
    assert _remote.needs_keras([(where_it_runs, *arguments)]) is expected


def test_the_backend_of_a_process_is_told_with_its_reason(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    chosen = choose_backend()
    monkeypatch.setenv("KERAS_BACKEND", chosen)
    assert _remote.describe_keras().reason == f"KERAS_BACKEND={chosen}"
    monkeypatch.delenv("KERAS_BACKEND")
    assert _remote.describe_keras().reason == "KERAS_BACKEND is not set"
    monkeypatch.setitem(sys.modules, "keras", load_keras())
    told = _remote.describe_keras()
    assert (told.backend, told.reason) == (chosen, "Keras was imported on it")


def test_a_worker_without_a_module_says_which(client, monkeypatch):
    absent = types.ModuleType("absent_package")
    exec("class Estimator: pass", absent.__dict__)  # noqa: S102 -- its module must be the absent one
    monkeypatch.setitem(sys.modules, "absent_package", absent)
    calls = joblib.Parallel()(joblib.delayed(where_it_runs)(i) for i in range(0))
    assert calls == []
    said = "got No module named 'absent_package' on the worker tcp.* pip install 'absent_package'"
    with search_backend(client), pytest.raises(MissingDependencyError, match=said):
        joblib.Parallel()(joblib.delayed(where_it_runs)(absent.Estimator()) for _ in range(2))


@pytest.mark.parametrize(
    ("module", "expected"),
    [("jax.numpy", "skanomaly[jax]"), ("numba", "skanomaly[fast]"), ("my_module", "my_module")],
)
def test_a_missing_module_is_installed_by_its_extra(module, expected):
    assert _remote.what_to_install(module) == expected


# ------------------------------------------------------------------------------- parameters


def test_without_a_client_the_error_tells_how_to_make_one():
    with pytest.raises(ValueError, match=r"client must be .* none is current; .* Client\(\)"):
        search_backend()


@pytest.mark.parametrize(
    "parameter", [{"client": "tcp://here"}, {"worker_timeout": 0}, {"resources": "GPU"}]
)
def test_parameters_of_a_wrong_type_are_refused(parameter):
    (name,) = parameter
    with pytest.raises(ValueError, match=f"'{name}' parameter of .*search_backend"):
        search_backend(**parameter)


def test_an_asynchronous_client_is_refused(cluster, watchdog):
    async def search():
        async with Client(cluster.scheduler_address, asynchronous=True) as client:
            with pytest.raises(ValueError, match="client must be synchronous"):
                search_backend(client)

    asyncio.run(search())


def test_a_cluster_of_one_thread_computes_not_this_process(in_process):
    with search_backend(in_process):
        threads = joblib.Parallel()(joblib.delayed(threading.get_ident)() for _ in range(2))
    assert threading.get_ident() not in threads


def test_tasks_ask_for_their_resources(client, X, monkeypatch):
    asked = {}
    original = client.submit

    def submit(function, *args, resources=None, **options):
        asked[function.__name__] = resources
        return original(function, *args, **options)

    monkeypatch.setattr(client, "submit", submit)
    with search_backend(client, resources={"GPU": 1}):
        GridSearchCV(Mortal(), FACTORS, cv=2, refit=False).fit(X)
    assert asked == {"run": {"GPU": 1}, "load": None}
