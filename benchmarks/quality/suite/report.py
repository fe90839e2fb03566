"""Tables and pictures of results: CSV files for the documentation, Markdown to read."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.quality.suite import leaderboards
from benchmarks.quality.suite.comparison import (
    friedman,
    paired_tests,
    plot_critical_differences,
    summarise,
)

__all__ = ["make_tables", "to_markdown", "write_pictures", "write_tables"]

# Published rows in pictures, the best of them.
_MOST_PUBLISHED = 6

_OVERVIEWS = ("split", "tsb-ad")
_LEADERBOARDS = ("skab", "nab", "telemanom", "orion")
_TITLES = {
    "split": "Fitted on the training part, test part scored",
    "tsb-ad": "TSB-AD cut: fitted on the prefix, whole series scored",
    "skab": "SKAB leaderboard",
    "nab": "NAB scoreboard",
    "telemanom": "Telemanom's labels, SMAP and MSL",
    "orion": "Orion: F1 of overlapping segments",
    "tsb-ad-m": "TSB-AD-M, published VUS-PR of the same series beside ours",
    "tsb-ad-u": "TSB-AD-U, published VUS-PR of the same series beside ours",
    "failures": "What failed",
    "warnings": "What was warned of",
}


def make_tables(results, folder):
    """Return tables by name, from what evaluate returned.

    Parameters
    ----------
    results : pandas.DataFrame
    folder : path-like
        Of the labelled series, for published results.

    Returns
    -------
    tables : dict of str to pandas.DataFrame
    """
    tables = {}
    for protocol, part in results.groupby("protocol", sort=False):
        good = part[part["error"] == ""]
        if protocol in _LEADERBOARDS and len(good):
            tables[protocol] = getattr(leaderboards, protocol)(good, folder)
        elif protocol in _OVERVIEWS and len(good):
            values = _values(good)
            tables[protocol] = _overview(part, values)
            tables[f"{protocol}-measures"] = _measures(good, values.mean())
            tables[f"{protocol}-data"] = _by_data(values)
            tables[f"{protocol}-tests"] = paired_tests(values).reset_index(names="detector")
    for width, values in _beside_published(results, folder).items():
        table = summarise(values).sort_values("mean", ascending=False)
        tables[f"tsb-ad-{width}"] = table.reset_index(names="detector")
        tables[f"tsb-ad-{width}-series"] = _by_series(values)
    return tables | _what_went_wrong(results)


def _what_went_wrong(results):
    tables, where = {}, ["protocol", "data", "series", "estimator"]
    failed = results[results["error"] != ""]
    if len(failed):
        tables["failures"] = failed[[*where, "error"]]
    if "warnings" in results:
        warned = results[results["warnings"].fillna("") != ""]
        if len(warned):
            counts = warned.groupby(["estimator", "warnings"], sort=False).size()
            tables["warnings"] = counts.reset_index(name="results")
    return tables


def _values(good):
    """Return VUS-PR by series and estimator; of labelled runs, average precision in its place.

    Series without anomalies are left out.
    """
    value = good["vus_pr"].where(good["max_buffer"] > 0, good["average_precision"])
    table = good.assign(value=value).pivot(
        index=["data", "series"], columns="estimator", values="value"
    )
    return table[good["estimator"].unique()].dropna(how="all")


def _overview(part, values):
    """Summarise VUS-PR of a protocol, best first: one row per estimator."""
    table = summarise(values)
    table.insert(0, "series", len(values.dropna()))
    by = part[part["error"] == ""].groupby("estimator")
    table["s to fit"], table["s to score"] = (
        by["seconds_fit"].median(),
        by["seconds_score"].median(),
    )
    table["failed"] = part["error"].ne("").groupby(part["estimator"]).sum()
    return table.sort_values("mean", ascending=False).reset_index(names="detector")


def _measures(good, order):
    """Average the other measures, each over the series where it is defined."""
    by = good.groupby("estimator")
    table = pd.DataFrame(
        {
            "AP": by["average_precision"].mean(),
            "ROC AUC": by["roc_auc"].mean(),
            "point F": by["point_f"].mean(),
            "event F": by["event_f"].mean(),
            "range F": by["range_f"].mean(),
            "found": by["events_found"].sum() / by["events"].sum(),
            "false alarms": by["false_alarms"].sum(),
            "delay": by["delay"].median(),
        }
    )
    places = order.sort_values(ascending=False).index
    return table.loc[places].reset_index(names="detector")


def _by_data(values):
    """Average each data set, and then the data sets, so that large ones count no more."""
    values = values.dropna()
    means = values.groupby("data", sort=False).mean()
    means.insert(0, "series", values.groupby("data").size())
    means.loc["mean of data sets"] = means.mean()
    means.loc["mean of data sets", "series"] = len(values)
    return means.reset_index()


def _beside_published(results, folder):
    """Return values of the TSB-AD protocol by width, "m" and "u", published ones beside them."""
    if not results["protocol"].eq("tsb-ad").any():
        return {}
    found = {width: leaderboards.tsb_ad_values(results, folder, width) for width in "mu"}
    return {width: values for width, values in found.items() if len(values)}


def _by_series(values):
    ours = [name for name in values if not name.endswith("(published)")]
    published = values.drop(columns=ours)
    table = values[ours].copy()
    table["best published"] = published.max(axis=1)
    table["by"] = published.idxmax(axis=1).str.removesuffix(" (published)")
    return table.reset_index()


def write_tables(tables, folder, prefix=""):
    """Write each table as a CSV file of four significant digits."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        path = Path(folder) / f"{prefix}{name}.csv"
        rounded(table).to_csv(path, index=False, lineterminator="\n")


def rounded(table):
    """Return the table as text of the digits that matter."""
    return table.map(_digits) if len(table) else table


def _digits(value):
    if isinstance(value, (float, np.floating)):
        if np.isnan(value):
            return ""
        if value == round(value) and abs(value) < 1e6:
            return str(int(value))
        if 1e-3 <= abs(value) < 1:
            return f"{value:.3f}"
        return f"{value:.3g}" if abs(value) < 1e3 else f"{value:.0f}"
    return value


def write_pictures(results, folder, into, prefix="quality-"):
    """Draw critical differences of VUS-PR, of ours alone and beside the best published.

    Returns
    -------
    paths : list of pathlib.Path
    """
    Path(into).mkdir(parents=True, exist_ok=True)
    values, paths = {}, []
    for protocol, part in results.groupby("protocol", sort=False):
        if protocol in _OVERVIEWS:
            values[protocol] = _values(part[part["error"] == ""])
    for width, table in _beside_published(results, folder).items():
        published = [name for name in table if name.endswith("(published)")]
        best = table[published].mean().nlargest(_MOST_PUBLISHED).index
        values[f"tsb-ad-{width}"] = table.drop(columns=set(published) - set(best))
    for name, table in values.items():
        table = table.dropna()
        if table.shape[1] < 2 or not len(table):
            continue
        path = Path(into) / f"{prefix}{name}.png"
        p = friedman(table)
        title = f"{_TITLES[name]}; {len(table)} series; Friedman p = {p:.2g}"
        ranks = summarise(table)["rank"]
        plot_critical_differences(ranks, paired_tests(table), path, title=title)
        paths.append(path)
    return paths


def to_markdown(tables):
    """Write tables as one Markdown text."""
    parts = []
    for name, table in tables.items():
        if name.endswith("-series"):
            continue
        parts.append(f"## {_TITLES.get(name, name)}\n")
        head = [str(column) for column in table.columns]
        rows = [["" if pd.isna(v) else str(v) for v in row] for row in rounded(table).to_numpy()]
        cells = [head, ["---"] * len(head), *rows]
        # A line break would end the row.
        text = ["| " + " | ".join(row).replace("\n", "; ") + " |" for row in cells]
        parts.append("\n".join(text) + "\n")
    return "\n".join(parts)
