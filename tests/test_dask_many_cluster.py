"""One detector per entity on a cluster: the results of one process, whatever workers do."""

import functools
import os
import signal
import threading

import dask
import dask.dataframe
import numpy as np
import pandas as pd
import pytest
from dask_cluster import workers_of
from dask_detectors import Awkward, break_down, load
from distributed import Client, Future, LocalCluster
from distributed.utils import key_split
from tiny import TINY

from skanomaly import LinearForecaster, LSTMAutoencoder, MeanDetector
from skanomaly.dask import fit_many, score_many

pytest_plugins = ["dask_cluster"]

quiet_fit = functools.partial(fit_many, progress=False)
quiet_score = functools.partial(score_many, progress=False)
KILL = np.full((2, 2), Awkward.KILL)


def wait_and_load(seed):
    return np.vstack([[Awkward.WAIT] * 2, load(seed)])


@pytest.fixture
def groups():
    return {f"sensor {i}": load(i) for i in range(6)}


def assert_same(results, expected, method="score_samples"):
    assert list(results) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(
            getattr(results[name], method)(load(99)), getattr(expected[name], method)(load(99))
        )


def test_a_network_is_that_of_one_process(client):
    groups = {"sensor 0": load(0)}
    detector = LSTMAutoencoder(**TINY | {"max_epochs": 1})
    assert_same(quiet_fit(detector, groups, client=client), quiet_fit(detector, groups))


def test_warnings_come_back_and_scores_are_those_of_one_process(client, groups):
    odd = groups | {"odd": np.vstack([[Awkward.WARN] * 2, load(0)])}
    here, there = (quiet_fit(Awkward(), odd, client=client) for client in (None, client))
    assert there.warnings == here.warnings == {"odd": ["UserWarning: this one is odd"]}
    scores = quiet_score(there, odd, client=client)
    assert list(scores) == list(odd)
    for name, X in odd.items():
        np.testing.assert_array_equal(scores[name], here[name].score_samples(X))


def dask_frame(groups):
    parts = [pd.DataFrame(X, columns=["x", "y"]).assign(sensor=name) for name, X in groups.items()]
    return dask.dataframe.from_pandas(pd.concat(parts), npartitions=4, sort=False)


FORMS = {
    "callables": lambda groups: {f"sensor {i}": functools.partial(load, i) for i in range(6)},
    "Delayed": lambda groups: {f"sensor {i}": dask.delayed(load)(i) for i in range(6)},
    "Dask frame": dask_frame,
}


@pytest.mark.parametrize("form", FORMS)
def test_data_that_workers_load_gives_the_same(form, client, groups, tmp_path):
    options = {"id_column": "sensor" if form == "Dask frame" else None, "client": client}
    detector, X = LinearForecaster(lags=2), FORMS[form](groups)
    for n_reused in (0, len(groups)):
        fitted = quiet_fit(detector, X, store=tmp_path, **options)
        assert len(fitted.reused) == n_reused
    scores = quiet_score(tmp_path, X, **options)
    expected = quiet_score(quiet_fit(detector, groups), groups)
    assert list(scores) == list(expected)
    for name in groups:
        np.testing.assert_array_equal(scores[name], expected[name])


def test_what_fails_on_a_worker_is_told_as_it_is_here(client, groups):
    bad = {
        "gone": break_down,
        "gone too": dask.delayed(break_down)(),
        "leaves": np.full((3, 2), Awkward.EXIT),
        "text": np.array([["a", "b"]]),
    }
    here = quiet_fit(Awkward(), bad | groups)
    there = quiet_fit(Awkward(), bad | groups, client=client)
    assert list(there) == list(groups)
    for name in bad:
        assert there.failures[name][:3] == here.failures[name][:3]
    assert "break_down" in there.failures["gone"].traceback
    scores = quiet_score(there, bad | groups, client=client)
    assert list(scores) == list(groups)
    assert len(scores.failures) == len(bad)


def test_what_cannot_be_sent_is_a_failure_of_its_own(client, groups):
    fitted = quiet_fit(MeanDetector(), {"lock": threading.Lock()} | groups, client=client)
    assert list(fitted.failures) == ["lock"]
    assert list(fitted) == list(groups)


def test_an_entity_that_ends_its_worker_is_named_and_stops_no_other(
    client, cluster, groups, tmp_path, monkeypatch
):
    """Others that were on the same worker are tried again, and found innocent."""
    # Whatever is on a worker that ends is given up at once: the hardest case, and the shortest.
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    poisoned = {"deadly": KILL, **groups}
    there = quiet_fit(Awkward(), poisoned, client=client, store=tmp_path)
    assert list(there.failures) == ["deadly"]
    failure = there.failures["deadly"]
    assert failure.type == "KilledWorker"
    assert "memory_limit" in failure.message
    monkeypatch.undo()
    assert_same({name: there[name] for name in there}, quiet_fit(Awkward(), groups))


def test_results_survive_workers_that_are_killed(client):
    groups = {i: functools.partial(wait_and_load, i) for i in range(12)}
    expected = quiet_fit(Awkward(), groups)

    def kill(n_done, n_total, n_failed):
        if n_done in (1, 6):
            # Waits for both: the one killed before may only just be starting again.
            os.kill(min(workers_of(client)), signal.SIGKILL)

    there = fit_many(Awkward(), groups, client=client, progress=kill)
    assert not there.failures
    assert_same({name: there[name] for name in expected}, expected)


def test_tasks_that_somebody_cancels_are_done_after_all(client):
    groups = {i: functools.partial(wait_and_load, i) for i in range(6)}

    def cancel(n_done, n_total, n_failed):
        if n_done == 1:
            client.cancel([Future(key, client) for key in list(client.futures)], force=True)

    there = fit_many(Awkward(), groups, client=client, progress=cancel)
    assert list(there) == list(groups)


def test_only_so_many_entities_are_on_their_way(client):
    asked, most = 0, 0

    def pairs():
        nonlocal asked
        for i in range(60):
            asked += 1
            yield i, load(i)

    def look(n_done, n_total, n_failed):
        nonlocal most
        most = max(most, asked - n_done)

    fitted = fit_many(MeanDetector(), pairs(), client=client, tasks_per_thread=2, progress=look)
    assert len(fitted) == 60
    # So many run or wait, and as many results are fetched meanwhile.
    assert most <= 2 * 2 * 2
    assert most > 1


def test_tasks_have_names_that_can_be_read(client, cluster, groups):
    fit_many(MeanDetector(), groups, client=client, progress=False)
    assert "fit_many" in cluster.scheduler.task_prefixes
    assert key_split(("fit_many-1234abcd", "sensor 1", 0)) == "fit_many"


def test_an_error_in_groups_drops_what_was_submitted(client, cluster):
    def pairs():
        yield from ((i, functools.partial(wait_and_load, i)) for i in range(8))
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        quiet_fit(Awkward(), pairs(), client=client, tasks_per_thread=9)
    client.sync(_settled, cluster.scheduler)
    assert not cluster.scheduler.tasks


async def _settled(scheduler):
    """Wait until there are no tasks, and none of those on their way to the scheduler arrives."""
    import asyncio

    empty_for = 0
    while empty_for < 50:
        await asyncio.sleep(0.02)
        empty_for = 0 if scheduler.tasks else empty_for + 1


def test_a_cluster_without_workers_is_waited_for_and_then_given_up(watchdog):
    options = {"n_workers": 0, "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(**options) as empty, Client(empty) as client:
        with pytest.raises(TimeoutError, match="none for 0.2 s"):
            quiet_fit(MeanDetector(), {"a": load(0)}, client=client, worker_timeout=0.2)
        assert not client.futures


def test_a_closed_client_is_refused(cluster, groups):
    client = Client(cluster, set_as_default=False)
    client.close()
    with pytest.raises(RuntimeError, match="client must be connected to its scheduler; it is"):
        quiet_fit(MeanDetector(), groups, client=client)
