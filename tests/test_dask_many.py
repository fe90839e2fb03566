"""One detector per entity, in this process: forms of groups, failures, warnings and stores."""

import functools
import subprocess
import sys
import threading

import dask
import dask.array
import dask.dataframe
import numpy as np
import pandas as pd
import polars as pl
import pytest
from dask_detectors import Awkward, Drawing, break_down, load
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import LinearForecaster, MeanDetector
from skanomaly.dask import ManyResults, fit_many, load_many, score_many

quiet_fit = functools.partial(fit_many, progress=False)
quiet_score = functools.partial(score_many, progress=False)


@pytest.fixture
def groups():
    return {f"sensor {i}": load(i) for i in range(4)}


def long_frame(groups):
    """Rows of all entities in one frame, dealt in turns."""
    parts = [
        pd.DataFrame(X, columns=["x", "y"]).assign(sensor=name, step=range(len(X)))
        for name, X in groups.items()
    ]
    frame = pd.concat(parts, ignore_index=True)
    return frame.sort_values("step", kind="stable").drop(columns="step")


FORMS = {
    "dict": lambda groups: groups,
    "pairs": lambda groups: iter(groups.items()),
    "list of pairs": lambda groups: [*groups.items()],
    "callables": lambda groups: {
        f"sensor {i}": functools.partial(load, i) for i in range(len(groups))
    },
    "Delayed": lambda groups: {f"sensor {i}": dask.delayed(load)(i) for i in range(len(groups))},
    "Dask arrays": lambda groups: {
        name: dask.array.from_array(X, chunks=(7, 2)) for name, X in groups.items()
    },
    "pandas": long_frame,
    "polars": lambda groups: pl.from_pandas(long_frame(groups)),
    "Dask frame": lambda groups: dask.dataframe.from_pandas(long_frame(groups), npartitions=3),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_groups_fits_and_scores_what_a_loop_does(form, groups):
    id_column = "sensor" if form in ("pandas", "polars", "Dask frame") else None
    detector = LinearForecaster(lags=3)
    fitted = quiet_fit(detector, FORMS[form](groups), id_column=id_column)
    scores = quiet_score(fitted, FORMS[form](groups), id_column=id_column)
    assert list(fitted) == list(scores) == list(groups)
    assert not fitted.failures
    for name, X in groups.items():
        expected = clone(detector).fit(X)
        assert fitted[name].threshold_ == expected.threshold_
        np.testing.assert_array_equal(scores[name], expected.score_samples(X))
    assert not hasattr(detector, "threshold_")


@pytest.mark.parametrize("random_state", [3, np.int64(3), np.random.RandomState(3)])
def test_each_entity_draws_its_own_numbers_whatever_the_order(random_state, groups):
    state = random_state if isinstance(random_state, np.random.RandomState) else None
    fitted = quiet_fit(Drawing(random_state=random_state), groups)
    drawn = {name: detector.drawn_ for name, detector in fitted.items()}
    assert len(set(drawn.values())) == len(groups)
    if state is not None:
        random_state = np.random.RandomState(3)
    other_way = dict(reversed([*groups.items()][1:]))
    again = quiet_fit(Drawing(random_state=random_state), other_way)
    assert {name: again[name].drawn_ for name in again} == {name: drawn[name] for name in other_way}
    seed = fitted["sensor 1"].random_state
    assert Drawing(random_state=seed).fit(groups["sensor 1"]).drawn_ == drawn["sensor 1"]


def test_seeds_reach_into_pipelines_and_none_stays_none(groups):
    seeded = quiet_fit(make_pipeline(StandardScaler(), Drawing(random_state=0)), groups)
    assert len({pipeline[-1].drawn_ for pipeline in seeded.values()}) == len(groups)
    free = quiet_fit(Drawing(), groups)
    assert all(detector.random_state is None for detector in free.values())


def test_other_methods_give_their_results(groups):
    fitted = quiet_fit(MeanDetector(), groups)
    for method in ("predict", "decision_function", "score_features", "reconstruct"):
        results = quiet_score(fitted, groups, method=method)
        for name, X in groups.items():
            np.testing.assert_array_equal(results[name], getattr(fitted[name], method)(X))


# -------------------------------------------------------------------------- failures and warnings


def test_what_fails_is_recorded_and_stops_no_other(groups):
    bad = {
        "empty": np.empty((0, 2)),
        "infinite": np.array([[np.inf, 0.0], [0.0, 1.0]]),
        "gone": break_down,
        "gone too": dask.delayed(break_down)(),
        "leaves": np.full((3, 2), Awkward.EXIT),
    }
    fitted = quiet_fit(Awkward(), bad | groups)
    assert list(fitted) == list(groups)
    types = {name: failure.type for name, failure in fitted.failures.items()}
    assert types == {
        "empty": "ValueError", "infinite": "ValueError", "gone": "OSError", "gone too": "OSError",
        "leaves": "SystemExit",
    }  # fmt: skip
    failure = fitted.failures["gone"]
    assert failure.entity == "gone"
    assert failure.message == "the file of this sensor is gone"
    assert "in break_down" in failure.traceback
    with pytest.raises(KeyError, match="'gone' failed with OSError: the file"):
        fitted["gone"]
    with pytest.raises(KeyError, match="unheard of"):
        fitted["unheard of"]
    frame = fitted.to_frame()
    assert list(frame.index) == [*bad, *groups]
    assert list(frame["status"]) == ["failed"] * 5 + ["new"] * 4
    assert frame.loc["gone", "exception"] == "OSError"
    assert frame.loc["sensor 0", ["exception", "message"]].isna().all()


def test_the_table_says_what_is_in_it(groups):
    fitted = quiet_fit(Awkward(), groups | dict.fromkeys(range(7), break_down))
    assert repr(fitted) == (
        "ManyResults: 4 of 11 entities, 7 failed (OSError 7): 0, 1, 2, 3, 4, ..."
    )
    assert len(fitted) == 4
    assert "sensor 0" in fitted
    assert 0 not in fitted
    assert fitted.seconds.keys() == set(groups) | set(range(7))


def test_scoring_an_entity_without_a_detector_is_a_failure(groups):
    fitted = quiet_fit(MeanDetector(), groups | {"gone": break_down})
    scores = quiet_score(fitted, {"new": load(9), "gone": load(8), "sensor 2": groups["sensor 2"]})
    assert list(scores) == ["sensor 2"]
    assert scores.failures["new"].type == scores.failures["gone"].type == "KeyError"
    assert "failed with OSError" in scores.failures["gone"].message


def test_warnings_are_collected_by_entity_and_not_shown(groups):
    odd = np.vstack([[Awkward.WARN] * 2, groups["sensor 0"]])
    fitted = quiet_fit(Awkward(), groups | {"odd": odd})
    assert fitted.warnings == {"odd": ["UserWarning: this one is odd"]}
    assert repr(fitted) == "ManyResults: 5 of 5 entities, 1 with warnings"
    assert fitted.to_frame()["n_warnings"].to_dict()["odd"] == 1


def test_threads_collect_their_own_warnings():
    from skanomaly.dask._many_task import Job, attempt

    barrier = threading.Barrier(2, timeout=30)

    class Both(Awkward):
        def fit(self, X, y=None):
            barrier.wait()
            super().fit(X)
            barrier.wait()
            return self

    outcomes = {}

    def work(name, first):
        X = np.vstack([np.full((1, 2), first), load(0)])
        outcomes[name] = attempt(Job(name, X, Both().fit), X)

    threads = [
        threading.Thread(target=work, args=args) for args in (("odd", Awkward.WARN), ("plain", 0.0))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes["odd"].warnings == ["UserWarning: this one is odd"]
    assert outcomes["plain"].warnings == []


# ---------------------------------------------------------------------------------------- progress


def test_progress_goes_to_standard_error_to_a_callable_or_nowhere(groups, capsys):
    fit_many(MeanDetector(), groups | {"gone": break_down})
    out, err = capsys.readouterr()
    assert not out
    assert "fit_many: 5 of 5 entities, 1 failed" in err.splitlines()[-1]
    seen = []
    fit_many(MeanDetector(), groups.items(), progress=lambda *args: seen.append(args))
    fit_many(MeanDetector(), iter(groups.items()), progress=lambda *args: seen.append(args))
    assert seen == [(i, 4, 0) for i in range(1, 5)] + [(i, None, 0) for i in range(1, 5)]
    fit_many(MeanDetector(), groups, progress=False)
    assert capsys.readouterr().err == ""


# ------------------------------------------------------------------------------------------ stores


@pytest.fixture
def noted(tmp_path):
    """A folder that notes fits, as the detector and a function that counts those since last."""
    folder = tmp_path / "notes"
    folder.mkdir()

    def count():
        notes = [*folder.iterdir()]
        for note in notes:
            note.unlink()
        return len(notes)

    return Drawing(random_state=0, folder=str(folder)), count


@pytest.mark.parametrize("form", ["dict", "callables", "Delayed", "pandas", "polars", "Dask frame"])
def test_a_run_that_was_cut_goes_on_where_it_was(form, noted, groups, tmp_path):
    detector, count = noted
    id_column = "sensor" if form in ("pandas", "polars", "Dask frame") else None

    def stop(n_done, n_total, n_failed):
        if n_done == 2:
            raise KeyboardInterrupt

    store = tmp_path / "store"
    with pytest.raises(KeyboardInterrupt):
        fit_many(detector, FORMS[form](groups), id_column=id_column, store=store, progress=stop)
    assert count() == 2
    fitted = quiet_fit(detector, FORMS[form](groups), id_column=id_column, store=store)
    assert count() == 2
    assert fitted.reused == {"sensor 0", "sensor 1"}
    assert repr(fitted) == "ManyResults: 4 of 4 entities (2 from the store)"
    expected = quiet_fit(detector, groups)
    for name in groups:
        assert fitted[name].drawn_ == expected[name].drawn_
        assert fitted[name].threshold_ == expected[name].threshold_


@pytest.mark.parametrize(
    ("change", "n_fits"),
    [
        (lambda detector, groups: (detector, groups), 0),
        (lambda detector, groups: (detector.set_params(scale=2.0), groups), 4),
        (lambda detector, groups: (detector.set_params(random_state=1), groups), 4),
        (lambda detector, groups: (make_pipeline(detector), groups), 4),
        (lambda detector, groups: (detector, groups | {"sensor 1": load(7)}), 1),
        (lambda detector, groups: (detector, groups | {"sensor 1": [load(1)]}), 1),
        (lambda detector, groups: (detector, groups | {"sensor 1": load(1)[:-1]}), 1),
        (lambda detector, groups: (detector, groups | {"sensor 1": load(1)[:, ::-1]}), 1),
        (lambda detector, groups: (detector, groups | {"sensor 1": pd.DataFrame(load(1))}), 1),
        (lambda detector, groups: (detector, groups | {"sensor 1": load(1).astype("f4")}), 1),
        (lambda detector, groups: (detector, groups | {"sensor 9": load(9)}), 1),
    ],
)  # fmt: skip
def test_what_was_made_from_something_else_is_made_again(change, n_fits, noted, groups, tmp_path):
    detector, count = noted
    quiet_fit(detector, groups, store=tmp_path / "store")
    count()
    detector, changed = change(detector, groups)
    fitted = quiet_fit(detector, changed, store=tmp_path / "store")
    assert count() == n_fits
    assert len(fitted.reused) == len(changed) - n_fits
    assert len(fitted) == len(changed)


@pytest.mark.parametrize("damage", ["empty", "cut", "last byte", "flipped", "other", "swapped"])
def test_a_damaged_file_is_not_trusted(damage, noted, groups, tmp_path):
    detector, count = noted
    fitted = quiet_fit(detector, groups, store=tmp_path / "store")
    path = next((tmp_path / "store").glob("sensor_1-*"))
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    other = next((tmp_path / "store").glob("sensor_2-*")).read_bytes()
    path.write_bytes(
        {
            "empty": b"", "cut": content[:middle], "last byte": content[:-1], "flipped": flipped,
            "other": b"something else\n" * 9, "swapped": other,
        }[damage]
    )  # fmt: skip
    with pytest.raises(OSError, match="whole file for 'sensor 1'"):
        fitted["sensor 1"]
    count()
    again = quiet_fit(detector, groups, store=tmp_path / "store")
    assert count() == 1
    assert again["sensor 1"].drawn_ == quiet_fit(detector, groups)["sensor 1"].drawn_


def test_unfinished_files_are_left_behind_by_nothing_and_read_by_nothing(groups, tmp_path):
    quiet_fit(MeanDetector(), groups, store=tmp_path)
    assert len([*tmp_path.iterdir()]) == len(groups)
    path = next(tmp_path.glob("sensor_1-*"))
    path.rename(f"{path}.99-99.unfinished")
    assert set(load_many(tmp_path)) == set(groups) - {"sensor 1"}


NAMES = ["../up", "/root", "a/b", "a\\b", "a:b", "a b", "a_b", "A b", "", ".", "..", "con", 7, "7",
         -7, "ü", "ø" * 300, "x" * 300, "x" * 301, "line\nbreak", "\x00", "%2e"]  # fmt: skip


def test_any_name_is_a_safe_file_and_its_own(tmp_path):
    store = tmp_path / "a" / "store"
    groups = {name: np.full((3, 1), float(i)) for i, name in enumerate(NAMES)}
    fitted = quiet_fit(MeanDetector(), groups, store=store)
    assert not fitted.failures
    assert len([*tmp_path.rglob("*.detector")]) == len(NAMES)
    assert {path.name.lower() for path in store.iterdir()} == {
        path.name.lower() for path in tmp_path.rglob("*.detector")
    }
    loaded = load_many(store)
    assert set(loaded) == set(NAMES)
    for i, name in enumerate(NAMES):
        np.testing.assert_array_equal(loaded[name].reconstruct([[0.0]]), [[i]])


def test_what_fails_later_leaves_no_older_result(groups, tmp_path):
    quiet_fit(Awkward(), groups, store=tmp_path)
    later = quiet_fit(Awkward(), groups | {"sensor 1": break_down}, store=tmp_path)
    assert "sensor 1" in later.failures
    assert set(load_many(tmp_path)) == set(groups) - {"sensor 1"}
    assert not quiet_fit(Awkward(), groups, store=tmp_path).failures


def test_detectors_and_scores_share_a_folder_and_scores_go_on_too(groups, tmp_path):
    odd = {"odd": np.vstack([[Awkward.WARN] * 2, load(0)])}
    fitted = quiet_fit(Awkward(), groups | odd, store=tmp_path)
    expected = quiet_score(quiet_fit(Awkward(), groups), groups)
    first = quiet_score(tmp_path, groups, store=tmp_path)
    again = quiet_score(fitted, groups | {"sensor 0": load(9)}, store=str(tmp_path))
    assert first.reused == set()
    assert again.reused == set(groups) - {"sensor 0"}
    for name in again.reused:
        np.testing.assert_array_equal(first[name], expected[name])
    with pytest.raises(OSError, match="'sensor 0', was written anew"):
        first["sensor 0"]
    labels = quiet_score(fitted, groups, method="predict", store=tmp_path)
    assert labels.reused == set()
    assert set(np.unique(labels["sensor 3"])) <= {-1, 1}
    refitted = quiet_fit(Awkward(contamination=0.2), groups, store=tmp_path)
    assert quiet_score(refitted, groups, method="predict", store=tmp_path).reused == set()
    reused = quiet_fit(Awkward(), odd, store=tmp_path)
    assert reused.reused == {"odd"}
    assert reused.warnings == fitted.warnings


def test_arrays_on_disk_are_described_by_their_values(noted, groups, tmp_path):
    detector, count = noted
    paths = {name: tmp_path / f"{name}.npy" for name in groups}
    for name, X in groups.items():
        np.save(paths[name], X)
    for n_fits in (4, 0):
        mapped = {name: np.load(path, mmap_mode="r") for name, path in paths.items()}
        quiet_fit(detector, mapped, store=tmp_path / "store")
        assert count() == n_fits
    changed = np.load(paths["sensor 2"], mmap_mode="r+")
    changed[-1, -1] += 1
    changed.flush()
    quiet_fit(detector, mapped, store=tmp_path / "store")
    assert count() == 1


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("groups", "options", "error", "match"),
    [
        (np.zeros((3, 5, 2)), {}, TypeError, r"enumerate\(panel\)"),
        (5, {}, TypeError, "got int"),
        ([load(0)], {}, TypeError, r"must yield \(entity, X\) pairs; got ndarray"),
        ([("a", load(0)), ("a", load(1))], {}, ValueError, "each entity once; got 'a' again"),
        ([(7, load(0)), (np.int8(7), load(1))], {}, ValueError, "got 7 again"),
        ({None: load(0)}, {}, TypeError, "str or int; got None"),
        ({1.5: load(0)}, {}, TypeError, "str or int; got 1.5 of type float"),
        (
            {"a": load(0)},
            {"id_column": "sensor"},
            ValueError,
            "id_column must be None unless groups is a frame",
        ),
        (pd.DataFrame({"x": [1.0]}), {}, ValueError, r"one of \['x'\]; got None"),
        (pl.DataFrame({"x": [1.0]}), {"id_column": "y"}, ValueError, r"one of \['x'\]; got 'y'"),
        (pd.DataFrame({"x": [1.0, 2], "s": ["a", None]}), {"id_column": "s"}, TypeError, "fill in"),
        ({}, {"tasks_per_thread": 0}, ValueError, "tasks_per_thread"),
        ({}, {"worker_timeout": 0}, ValueError, "worker_timeout"),
        ({}, {"progress": "yes"}, ValueError, "progress"),
        ({}, {"client": "127.0.0.1"}, ValueError, "client"),
    ],
)
@pytest.mark.parametrize("function", [functools.partial(fit_many, MeanDetector()),
                                      functools.partial(score_many, {})])  # fmt: skip
def test_wrong_arguments_are_refused(function, groups, options, error, match):
    with pytest.raises(error, match=match):
        function(groups, **{"progress": False} | options)


def test_wrong_stores_and_detectors_are_refused(groups, tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(NotADirectoryError, match="store must be a folder"):
        quiet_fit(MeanDetector(), groups, store=file)
    with pytest.raises(FileNotFoundError, match="store must be a folder that fit_many wrote"):
        quiet_score(tmp_path / "absent", groups)
    with pytest.raises(ValueError, match="detector must be picklable to be kept in a store"):
        quiet_fit(MeanDetector(after_fit=lambda *_: None), groups, store=tmp_path / "store")
    with pytest.raises(ValueError, match="'detector' parameter"):
        quiet_fit("MeanDetector", groups)
    with pytest.raises(ValueError, match="'store' parameter"):
        quiet_fit(MeanDetector(), groups, store=3)
    with pytest.raises(ValueError, match="'method' parameter"):
        quiet_score({}, groups, method="fit")


def test_no_entities_make_an_empty_table():
    fitted = quiet_fit(MeanDetector(), {})
    assert repr(fitted) == "ManyResults: 0 of 0 entities"
    assert fitted.to_frame().empty
    assert isinstance(fitted, ManyResults)


@pytest.mark.parametrize("package", ["dask", "distributed"])
def test_without_dask_the_error_names_the_extra(package):
    code = f"import sys; sys.modules[{package!r}] = None; import skanomaly.dask"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'skanomaly[dask]'" in done.stderr.splitlines()[-1]
