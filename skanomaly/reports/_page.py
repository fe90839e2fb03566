"""One HTML page of figures and tables, with all that it needs inside."""

import html
from types import SimpleNamespace

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skanomaly.exceptions import MissingDependencyError
from skanomaly.files import replace_file
from skanomaly.reports._figures import (
    contribution_figure,
    history_figure,
    overview_figure,
    score_figure,
)
from skanomaly.reports._findings import find
from skanomaly.validation import HasMethods, validate_params

__all__ = ["write_report"]

_MOST_INTERVALS = 20
_MOST_GUILTY = 3
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 0 12px;
  color: #222; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; } td, th { padding: 2px 10px 2px 0; text-align: left;
  vertical-align: top; white-space: nowrap; } th { border-bottom: 1px solid #999; }
.wide { overflow-x: auto; } .verdict { font-weight: bold; } .note { color: #666; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
"""


@validate_params(
    {
        "estimator": [HasMethods(["fit", "score_samples"])],
        "X": "no_validation",
        "path": "no_validation",
        "y": ["array-like", None],
        "index": ["array-like", None],
        "title": [str, None],
        "identity": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def write_report(estimator, X, path, *, y=None, index=None, title=None, identity=True):
    """Write one HTML page about what a fitted detector finds in a series.

    The page has the series and its anomaly scores, to be zoomed, with flagged intervals; a table
    of these with the features that raised them; contributions of all features over time; the
    distribution of scores with the threshold; losses of training; and whether the detector copies
    its input. It holds all that it needs, about 5 MB, and opens from a file without a network.

    Parameters
    ----------
    estimator : detector or Pipeline
        A fitted detector of skanomaly, or a :class:`~sklearn.pipeline.Pipeline` that ends in one
        and keeps the number of time steps.
    X : array-like or DataFrame of shape (n_timesteps, n_features)
        One series, rows in time order; columns of a frame give the names. NaN means not observed.
    path : str or path-like
        Where to write.
    y : array-like of shape (n_timesteps,) or None, default=None
        True labels, -1 for anomalies and 1, drawn beside what is flagged.
    index : array-like of shape (n_timesteps,) or None, default=None
        Names of the time steps, numbers or dates. None counts from 0.
    title : str or None, default=None
        Heading of the page. None names the detector.
    identity : bool, default=True
        Ask whether the detector copies its input, by
        :func:`~skanomaly.inspection.identity_report` on up to 5000 time steps. Detectors without
        ``reconstruct`` are not asked.

    Raises
    ------
    MissingDependencyError
        If plotly is not installed.
    ValueError
        If X is not one series, or `y` or `index` are of another length.

    Notes
    -----
    Lines of many points are drawn by the lowest and the highest value of equal stretches, so that
    no peak gets lost, and each point shows its true time and value; so is the map of contributions
    by the largest of each stretch. All flagged intervals are drawn. With many features the six
    that raised flagged scores most are drawn, and the others at a click on their names.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> from skanomaly import LinearForecaster
    >>> from skanomaly.reports import write_report
    >>> X = np.sin(np.arange(600) / 5)[:, None]
    >>> detector = LinearForecaster(lags=5).fit(X[:300])
    >>> X[400:410] += 1.0
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "report.html"
    ...     write_report(detector, X, path)
    ...     "LinearForecaster" in path.read_text(encoding="utf-8")
    True
    """
    plotly = _import_plotly()
    check_is_fitted(estimator)
    _check(X, y, index)
    found = find(estimator, X, y, index, identity)
    figures = [
        ("Series and anomaly scores", overview_figure(found, plotly)),
        ("Which features raised the scores", contribution_figure(found, plotly)),
        ("Scores and threshold", score_figure(found, plotly)),
        ("Training", history_figure(found, plotly)),
    ]
    first, *others = [(name, figure) for name, figure in figures if figure is not None]
    title = title or f"{type(found.detector).__name__}: what it found"
    body = [
        f"<h1>{html.escape(title)}</h1>",
        _summary(found),
        _drawn(*first),
        _intervals(found),
        *(_drawn(*one) for one in others),
        _identity(found),
        _parameters(found),
    ]
    page = (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
        f"<script>{plotly.javascript}</script></head><body>{''.join(body)}</body></html>\n"
    )
    replace_file(path, page.encode())


def _import_plotly():
    try:
        import plotly.graph_objects
        import plotly.offline
        import plotly.subplots
    except ImportError as error:
        raise MissingDependencyError(
            "Reports need the package plotly; it is not installed. "
            "Run: pip install 'skanomaly[report]'"
        ) from error
    return SimpleNamespace(
        graph_objects=plotly.graph_objects,
        subplots=plotly.subplots,
        javascript=plotly.offline.get_plotlyjs(),
    )


def _check(X, y, index):
    if np.ndim(X) != 2:
        raise ValueError(
            f"X must be one series (n_timesteps, n_features) for a report; got {np.ndim(X)} "
            "dimensions. Write a report for each series."
        )
    for name, values in (("y", y), ("index", index)):
        if values is not None and len(values) != len(X):
            raise ValueError(
                f"{name} must have one entry per time step, {len(X)}; got {len(values)}. Pass that "
                "of the same rows."
            )


def _drawn(name, figure):
    # With the same id every time, so that equal reports are equal files.
    drawn = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name.lower().replace(" ", "-"),
        config={"responsive": True, "displaylogo": False},
    )
    return f"<h2>{name}</h2>{drawn}"


def _table(header, rows):
    head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<div class='wide'><table><tr>{head}</tr>{cells}</table></div>"


def _summary(found):
    n_steps, n_features = found.X.shape
    flagged = int((found.scores > found.threshold).sum())
    text = (
        f"{n_steps} time steps, {n_features} features, from {_name(found.index[0])} to "
        f"{_name(found.index[-1])}. Flagged: {flagged} time steps ({flagged / n_steps:.1%}) in "
        f"{len(found.intervals)} intervals, where the anomaly score exceeds {found.threshold:.4g}."
    )
    verdict = ""
    if found.identity is not None:
        verdict = f"<p class='verdict'>The detector {html.escape(found.identity.verdict)}.</p>"
    return f"<p>{html.escape(text)}</p>{verdict}"


def _intervals(found):
    """List the flagged intervals with the highest scores, and what raised them."""
    if not len(found.intervals):
        return "<h2>Flagged intervals</h2><p>None.</p>"
    peaks = np.array([np.nanmax(found.scores[a:b]) for a, b in found.intervals])
    rows = []
    for i in np.argsort(-peaks, kind="stable")[:_MOST_INTERVALS]:
        start, stop = found.intervals[i]
        rows.append(
            (
                _name(found.index[start]),
                _name(found.index[stop - 1]),
                stop - start,
                f"{peaks[i]:.4g}",
                _guilty(found, start, stop),
            )
        )
    header = ("from", "to", "time steps", "highest anomaly score", "raised by")
    left = len(found.intervals) - len(rows)
    more = f"<p class='note'>{left} more with lower scores.</p>" if left > 0 else ""
    return f"<h2>Flagged intervals</h2>{_table(header, rows)}{more}"


def _name(step):
    """Write a time step as its number, or its date to the second."""
    if isinstance(step, np.datetime64):
        return np.datetime_as_string(step, unit="s").replace("T", " ")
    return str(step)


def _guilty(found, start, stop):
    if found.contributions is None:
        return "unknown"
    total = np.nansum(found.contributions[start:stop], axis=0)
    if total.sum() <= 0:
        return "unknown"
    most = np.argsort(-total, kind="stable")[:_MOST_GUILTY]
    shares = total / total.sum()
    return ", ".join(f"{found.inner_names[j]} {shares[j]:.0%}" for j in most if shares[j] > 0)


def _identity(found):
    if found.identity is None:
        return ""
    return f"<h2>Does it copy its input?</h2><div class='wide'>{found.identity._repr_html_()}</div>"


def _parameters(found):
    rows = [
        ("detector", type(found.detector).__name__),
        *((name, value) for name, value in found.detector.get_params(deep=False).items()),
    ]
    return f"<h2>Parameters</h2>{_table(('parameter', 'value'), rows)}"
