"""HTML reports: complete, self-contained, and no anomaly hidden by drawing fewer points."""

import base64
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import LinearForecaster, MeanDetector, PersistenceDetector, ScoreEnsemble
from skanomaly.exceptions import MissingDependencyError
from skanomaly.preprocessing import SequenceTransformer
from skanomaly.reports import write_report

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture
def X():
    X = np.random.default_rng(0).normal(size=(400, 3))
    X[300:305, 1] += 30
    return pd.DataFrame(X, columns=["flow", "heat <b>", "tilt"])


def written(tmp_path, *args, **options):
    write_report(*args[:2], tmp_path / "report.html", **options)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def figures(page):
    """Read the data of all figures back from the page."""
    found = {}
    for match in re.finditer(r'Plotly\.newPlot\(\s*"([^"]+)",\s*', page):
        found[match[1]] = json.JSONDecoder().raw_decode(page[match.end() :])[0]
    return found


def test_a_report_names_intervals_with_the_features_that_raised_them(tmp_path, X):
    detector = make_pipeline(SequenceTransformer(StandardScaler()), MeanDetector()).fit(X)
    page = written(tmp_path, detector, X, title="Pump <7>")
    assert "<h1>Pump &lt;7&gt;</h1>" in page
    assert re.search(r"<td>heat &lt;b&gt; 9\d%", page)
    assert "The detector is barely better than the mean." in page
    assert "<td>contamination</td><td>0.01</td>" in page


def test_a_report_needs_no_network(tmp_path, X):
    page = written(tmp_path, MeanDetector().fit(X), X)
    outside = page[: page.index("<script>")] + page[page.index("</head>") :]
    assert not re.search(r"(src|href)\s*=\s*['\"]?(https?:)?//", outside)
    assert "plotly.js v" in page


def test_peaks_and_intervals_stay_when_points_are_left_out(tmp_path):
    X = np.random.default_rng(0).normal(size=(200_000, 2))
    X[123_456, 1] = 50.0
    page = written(tmp_path, PersistenceDetector().fit(X[:1000]), X, identity=False)
    assert len(page) < 12_000_000
    traces = {trace["name"]: trace for trace in figures(page)["series-and-anomaly-scores"]}
    drawn = np.array(decoded(traces["1"]["customdata"]))
    assert drawn.max() == 50.0
    times = np.array(decoded(traces["1"]["x"]))
    assert times[drawn.argmax()] == 123_456
    scores = np.array(decoded(traces["anomaly score"]["y"]))
    assert scores.max() == pytest.approx((50.0 - X[123_455, 1]) ** 2 / 2, rel=0.2)


def decoded(values):
    """Read an array as plotly writes it."""
    if isinstance(values, dict):
        return np.frombuffer(base64.b64decode(values["bdata"]), np.dtype(values["dtype"]))
    return values


def test_dates_labels_and_missing_values_are_drawn(tmp_path, X):
    X.iloc[10:20, 0] = np.nan
    index = pd.date_range("2026-01-01", periods=len(X), freq="h")
    y = np.where((np.arange(len(X)) >= 300) & (np.arange(len(X)) < 305), -1, 1)
    detector = LinearForecaster(lags=3).fit(X)
    page = written(tmp_path, detector, X, y=y, index=index)
    names = [trace["name"] for trace in figures(page)["series-and-anomaly-scores"]]
    assert names[-2:] == ["flagged", "true anomalies"]
    assert "2026-01-13" in page


def test_ensembles_are_reported_without_a_verdict(tmp_path, X):
    ensemble = ScoreEnsemble([("mean", MeanDetector())], spans=(1, 4)).fit(X)
    page = written(tmp_path, ensemble, X)
    assert "Does it copy its input?" not in page
    assert "which-features-raised-the-scores" in figures(page)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"y": [1]}, "y must have one entry"), ({"index": [1]}, "index must have one entry")],
)
def test_wrong_lengths_are_refused(tmp_path, X, change, message):
    with pytest.raises(ValueError, match=message):
        write_report(MeanDetector().fit(X), X, tmp_path / "r.html", **change)
    with pytest.raises(ValueError, match="got 3 dimensions"):
        write_report(MeanDetector().fit(X), np.zeros((2, 3, 3)), tmp_path / "r.html")


def test_without_plotly_the_error_names_the_extra(tmp_path, X, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingDependencyError, match=r"skanomaly\[report\]"):
        write_report(MeanDetector().fit(X), X, tmp_path / "r.html")


@pytest.mark.skipif(BROWSER is None, reason="no headless Chromium on this machine")
def test_a_browser_draws_all_figures_from_the_file(tmp_path, X):
    page = tmp_path / "report.html"
    write_report(MeanDetector().fit(X), X, page)
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000",
               f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert dom.count('class="main-svg"') >= 3
    assert "anomaly score" in dom
