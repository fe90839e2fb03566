"""Series of the Numenta Anomaly Benchmark."""

import json
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

_COMMIT = "ea702d75cc2258d9d7dd35ca8e5e2539d71f3140"
_SOURCE = Source(
    name="NAB",
    repository="https://github.com/numenta/NAB",
    commit=_COMMIT,
    raw=f"https://raw.githubusercontent.com/numenta/NAB/{_COMMIT}/",
    licence=(
        "MIT, copyright 2014-2024 Numenta Inc.; the taxi, traffic and Twitter series come from "
        "others, and the repository names no licence of theirs"
    ),
)
_WINDOWS = "labels/combined_windows.json"
_PROBATION = 0.15
_LONGEST_PROBATION = 750

_DESCR = """Numenta Anomaly Benchmark (NAB)

Series: {names}
One value per time step, and the time at which it was measured.

Labels: -1 inside a window around an event, its first and last time included, else +1. A window is
far longer than what is odd in it: most of its time steps look normal.
Training part: the first 15 % of a series, at most 750 time steps, in which the benchmark lets a
detector learn. No window touches it.

Source: {repository} at commit {commit}
Licence: {licence}
"""


def nab_series(group=None):
    """List the names of the series that :func:`fetch_nab` knows.

    Nothing is downloaded.

    Parameters
    ----------
    group : str or None, default=None
        One of ``"artificialNoAnomaly"``, ``"artificialWithAnomaly"``, ``"realAWSCloudwatch"``,
        ``"realAdExchange"``, ``"realKnownCause"``, ``"realTraffic"`` and ``"realTweets"``. None
        lists the series of all groups.

    Returns
    -------
    names : list of str
        Sorted names, each ``"group/series"``.

    Raises
    ------
    ValueError
        If there is no such group.

    See Also
    --------
    fetch_nab : Read the series.

    Examples
    --------
    >>> from skanomaly.datasets import nab_series
    >>> len(nab_series())
    58
    >>> nab_series("realKnownCause")[4]
    'realKnownCause/nyc_taxi'
    """
    return select_group(group, _known())


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
def fetch_nab(name, *, data_home=None, download_if_missing=True, as_frame=False, n_retries=3):
    """Read series of the Numenta Anomaly Benchmark (NAB), downloading them once.

    58 series of one feature: server metrics, advertisement prices, road traffic, numbers of tweets,
    machines, taxis, and artificial ones. See :ref:`real-data` for what is in them.

    **Labels are windows.** The benchmark draws a window around each event and rewards the first
    alarm in it, the earlier the better. Most time steps of a window look normal, so that a detector
    that flags exactly what is odd has a poor recall per time step. Use
    :func:`~skanomaly.metrics.nab_score`, or a measure of whole ranges.

    **Licence.** MIT, copyright 2014-2024 Numenta Inc. The taxi, traffic and Twitter series come
    from others, and the repository names no licence of theirs: ask before you pass them on.

    Parameters
    ----------
    name : str or list of str
        A series, as ``"realKnownCause/nyc_taxi"``, a group of series, as ``"realTraffic"``, or a
        list of series. :func:`nab_series` lists them.
    data_home : str or path-like or None, default=None
        Folder to read from and to download to. It may be, or hold in ``NAB``, a clone of the
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
        X : ndarray of shape (n_timesteps, 1), dtype=float64, or DataFrame
            The series.
        y : ndarray of shape (n_timesteps,), dtype=int64, or Series
            -1 inside the windows, else 1.
        timestamps : ndarray of shape (n_timesteps,), dtype=datetime64[s]
            Times as in the file. They need not be equidistant.
        X_train, y_train, timestamps_train
            The first 15 % of the time steps, at most 750: the probationary period, in which the
            benchmark lets a detector learn.
        X_test, y_test, timestamps_test
            The rest.
        windows : ndarray of shape (n_windows, 2), dtype=datetime64[s]
            First and last time of each window; both belong to it.
        frame : DataFrame of shape (n_timesteps, 2)
            Values and labels; only with ``as_frame=True``.
        feature_names : list of str
            ``["value"]``.
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
    nab_series : The names of all series.
    fetch_skab : Multivariate series of a water pump.

    References
    ----------
    .. [1] A. Lavin and S. Ahmad, "Evaluating real-time anomaly detection algorithms - the Numenta
       Anomaly Benchmark", ICMLA 2015.

    Examples
    --------
    >>> from skanomaly.datasets import fetch_nab
    >>> data = fetch_nab("realKnownCause/nyc_taxi")  # doctest: +SKIP
    >>> data.X_train.shape, data.X_test.shape, len(data.windows)  # doctest: +SKIP
    ((750, 1), (9570, 1), 5)

    From a clone, without network and without pooch:

    >>> data = fetch_nab("realTraffic", data_home="NAB")  # doctest: +SKIP
    >>> len(data.X_train)  # doctest: +SKIP
    7
    """
    known = _known()
    names, alone = choose_series(name, known, "nab_series")
    contents = read_files(
        _SOURCE,
        [_WINDOWS, *(known[one] for one in names)],
        data_home=data_home,
        download_if_missing=download_if_missing,
        n_retries=n_retries,
    )
    windows = json.loads(contents[_WINDOWS])
    return bundle(
        [_read(one, contents[known[one]], windows[f"{one}.csv"]) for one in names],
        alone,
        as_frame=as_frame,
        fetcher="fetch_nab",
        feature_names=["value"],
        licence=_SOURCE.licence,
        DESCR=_DESCR.format(names=", ".join(names), **_SOURCE._asdict()),
    )


def _known():
    """Return the path of each series by its name."""
    paths = [path for path in read_registry(_SOURCE.name) if path.startswith("data/")]
    return {path.removeprefix("data/").removesuffix(".csv"): path for path in paths}


def _read(name, content, windows):
    columns = read_columns(content, ",")
    timestamps = columns["timestamp"].astype("datetime64[s]")
    bounds = np.array(windows, dtype="datetime64[us]").astype("datetime64[s]").reshape(-1, 2)
    inside = (timestamps[:, None] >= bounds[:, 0]) & (timestamps[:, None] <= bounds[:, 1])
    return {
        "name": name,
        "X": to_numbers(columns["value"])[:, None],
        "y": to_labels(inside.any(axis=1)),
        "timestamps": timestamps,
        "windows": bounds,
        "n_train": min(int(_PROBATION * len(timestamps)), _LONGEST_PROBATION),
    }
