"""Series of the Skoltech Anomaly Benchmark."""

import os
from numbers import Integral

import numpy as np

from skanomaly.datasets._labelled import (
    bundle,
    choose_series,
    read_columns,
    select_group,
    to_labels,
    to_numbers,
)
from skanomaly.datasets._sources import Source, read_files, read_registry
from skanomaly.validation import Interval, validate_params

_COMMIT = "b2c0d46c2971dcbfe71e26087b6d231998bb91c2"
_SOURCE = Source(
    name="SKAB",
    repository="https://github.com/waico/SKAB",
    commit=_COMMIT,
    raw=f"https://raw.githubusercontent.com/waico/SKAB/{_COMMIT}/",
    licence="GPL-3.0",
)
_GROUPS = ("valve1", "valve2", "other", "anomaly-free")
_ALL_NORMAL = "anomaly-free"
_N_TRAIN = 400
_NOT_SENSORS = ("datetime", "anomaly", "changepoint")

_DESCR = """Skoltech Anomaly Benchmark (SKAB)

Series: {names}
Eight sensors of a water pump on a test bed, about one time step per second.

Labels: -1 where the column `anomaly` of the file is 1 (a valve closes, the rotor is out of balance,
water leaks or cavitates, ...), else +1. More than half of all time steps of the test parts are
anomalous: whoever flags all of them has F1 0.70, so that the rate of false alarms must be told too.
Training part: the first 400 time steps, as on the leaderboard of the benchmark; some series have a
few anomalous ones among them. The anomaly-free series is a training part alone.

Source: {repository} at commit {commit}
Licence: {licence}
"""


def skab_series(group=None):
    """List the names of the series that :func:`fetch_skab` knows.

    Nothing is downloaded.

    Parameters
    ----------
    group : str or None, default=None
        One of ``"valve1"``, ``"valve2"``, ``"other"`` and ``"anomaly-free"``. None lists all
        labelled series: those of the first three groups.

    Returns
    -------
    names : list of str
        Names in the order of their numbers, each ``"group/number"``; the only one of its group is
        ``"anomaly-free"``.

    Raises
    ------
    ValueError
        If there is no such group.

    See Also
    --------
    fetch_skab : Read the series.

    Examples
    --------
    >>> from skanomaly.datasets import skab_series
    >>> len(skab_series())
    34
    >>> skab_series("valve2")
    ['valve2/0', 'valve2/1', 'valve2/2', 'valve2/3']
    """
    return select_group(group, _known(), hidden=(_ALL_NORMAL,))


@validate_params(
    {
        "name": [str, list],
        "data_home": [str, os.PathLike, None],
        "download_if_missing": ["boolean"],
        "as_frame": ["boolean"],
        "n_retries": [Interval(Integral, 0, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def fetch_skab(name, *, data_home=None, download_if_missing=True, as_frame=False, n_retries=3):
    """Read series of the Skoltech Anomaly Benchmark (SKAB), downloading them once.

    34 labelled experiments with a water pump on a test bed, each of eight sensors and 12 to 20
    minutes long, and a longer recording in which nothing happens. See :ref:`real-data` for what is
    in them.

    **More than half of the time steps after training are anomalous.** Flagging all of them scores
    F1 0.70. Tell the rate of false alarms beside F1.

    **Licence.** GPL-3.0. Keep the files out of packages under other licences.

    Parameters
    ----------
    name : str or list of str
        A series, as ``"valve1/0"``, a group of series, as ``"valve1"``, or a list of series.
        :func:`skab_series` lists them. ``"anomaly-free"`` is the recording without anomalies.
    data_home : str or path-like or None, default=None
        Folder to read from and to download to. It may be, or hold in ``SKAB``, a clone of the
        repository, which is read without network. None takes the environment variable
        ``SKANOMALY_DATA_HOME``, and without it the cache folder of the user,
        ``pooch.os_cache("skanomaly")``.
    download_if_missing : bool, default=True
        Whether to download what is not in `data_home`. False raises instead.
    as_frame : bool, default=False
        Whether ``X``, ``y`` and their parts are pandas objects, indexed by time.
    n_retries : int, default=3
        How often a failed download is tried again.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        With the following attributes; of a group or a list, all that tell of single series are
        lists with one entry per series.

        name : str
            Name of the series.
        X : ndarray of shape (n_timesteps, 8), dtype=float64, or DataFrame
            The series, in the units of the sensors.
        y : ndarray of shape (n_timesteps,), dtype=int64, or Series
            -1 where the file says that something is wrong, else 1.
        timestamps : ndarray of shape (n_timesteps,), dtype=datetime64[s]
            Times as in the file, about one per second; some seconds are missing.
        changepoint : ndarray of shape (n_timesteps,), dtype=bool
            Where the state of the pump starts to change.
        X_train, y_train, timestamps_train, changepoint_train
            The first 400 time steps, as on the leaderboard; all of the anomaly-free series.
        X_test, y_test, timestamps_test, changepoint_test
            The rest.
        frame : DataFrame of shape (n_timesteps, 9)
            Values and labels; only with ``as_frame=True``.
        feature_names : list of str
            Names of the sensors.
        licence : str
            Under what terms the series may be used.
        DESCR : str
            Description of the data, with source and licence.

    Raises
    ------
    ValueError
        If there is no such series; the message names some of a similar name.
    OSError
        If a file is missing and not to be downloaded, cannot be downloaded, or is not the one whose
        checksum this package knows. Files that fail are not kept, those of a clone not changed.
    MissingDependencyError
        If pooch is needed and not installed, or pandas for ``as_frame=True``.

    See Also
    --------
    skab_series : The names of all series.
    fetch_nab : Series of one feature from many fields.

    References
    ----------
    .. [1] I. Katser and V. Kozitsin, "Skoltech Anomaly Benchmark (SKAB)", Kaggle, 2020,
       doi:10.34740/KAGGLE/DSV/1693952.

    Examples
    --------
    >>> from skanomaly.datasets import fetch_skab
    >>> data = fetch_skab("valve1/0")  # doctest: +SKIP
    >>> data.X_train.shape, data.X_test.shape  # doctest: +SKIP
    ((400, 8), (747, 8))

    From a clone, without network and without pooch:

    >>> data = fetch_skab("valve1", data_home="SKAB")  # doctest: +SKIP
    >>> len(data.X_train)  # doctest: +SKIP
    16
    """
    known = _known()
    names, alone = choose_series(name, known, "skab_series")
    contents = read_files(
        _SOURCE,
        [known[one] for one in names],
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
    )
    columns = [read_columns(contents[known[one]], ";") for one in names]
    return bundle(
        [_read(one, table) for one, table in zip(names, columns, strict=True)],
        alone,
        as_frame=as_frame,
        fetcher="fetch_skab",
        feature_names=_sensors(columns[0]),
        licence=_SOURCE.licence,
        DESCR=_DESCR.format(names=", ".join(names), **_SOURCE._asdict()),
    )


def _known():
    """Return the path of each series by its name, in the order of groups and numbers."""
    found = {}
    for path in read_registry(_SOURCE.name):
        group, number = path.removeprefix("data/").removesuffix(".csv").split("/")
        found[group if group == _ALL_NORMAL else f"{group}/{number}"] = path
    return dict(sorted(found.items(), key=_place))


def _place(item):
    group, _, number = item[0].partition("/")
    return _GROUPS.index(group), int(number or 0)


def _sensors(columns):
    return [column for column in columns if column not in _NOT_SENSORS]


def _read(name, columns):
    timestamps = columns["datetime"].astype("datetime64[s]")
    flags = {
        key: to_numbers(columns[key]) == 1 if key in columns else np.zeros(len(timestamps), bool)
        for key in ("anomaly", "changepoint")
    }
    return {
        "name": name,
        "X": np.column_stack([to_numbers(columns[sensor]) for sensor in _sensors(columns)]),
        "y": to_labels(flags["anomaly"]),
        "timestamps": timestamps,
        "changepoint": flags["changepoint"],
        "n_train": len(timestamps) if name == _ALL_NORMAL else _N_TRAIN,
    }
