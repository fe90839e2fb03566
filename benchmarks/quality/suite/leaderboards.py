"""Published results beside ours, each in the protocol that they were published in."""

from pathlib import Path

import numpy as np
import pandas as pd

from skanomaly.metrics import best_nab_score, nab_score

__all__ = ["nab", "orion", "skab", "telemanom", "tsb_ad_values"]

_PROFILES = ("standard", "reward_low_FP", "reward_low_FN")


def skab(results, folder):
    """Pool the time steps of all files: F1, false-alarm rate and missed-alarm rate in percent.

    The published rows pool all 34 files of SKAB; ``files`` says how many there are here.

    Returns
    -------
    table : pandas.DataFrame
        "detector", "files", "F1", "FAR", "MAR", and F1 of each group of files.
    """
    rows = []
    for name, part in _part(results, "skab").groupby("estimator", sort=False):
        groups = {f"F1 {group}": _pooled(own)["F1"] for group, own in part.groupby("group")}
        rows.append({"detector": name, "files": len(part), **_pooled(part), **groups})
    known = pd.read_csv(Path(folder) / "_published" / "skab_outlier_leaderboard.csv")
    known.columns = ["detector", "F1", "FAR", "MAR"]
    return _under(rows, known.assign(files=34), "F1", "detector")


def _pooled(part):
    tp, fp, fn, tn = (part[name].sum() for name in ("tp", "fp", "fn", "tn"))
    return {
        "F1": 2 * tp / (2 * tp + fp + fn),
        "FAR": 100 * fp / (fp + tn),
        "MAR": 100 * fn / (fn + tp),
    }


def nab(results, folder):
    """Score by NAB: with labels of each detector, and with the best threshold for all series.

    The benchmark itself takes the second: one threshold for the scores of all files, the best by
    the labels that it scores on. For it, scores of each series are put on a common scale: 0 is the
    median of the training scores, 1 their 0.99 quantile. Each detector learns from the probationary
    part of a file and from no more, while those of the benchmark go on learning.

    Returns
    -------
    table : pandas.DataFrame
        "detector", "files", and of each profile the score with its own labels ("own ...") and at
        the best threshold.
    """
    rows = []
    for name, part in _part(results, "nab").groupby("estimator", sort=False):
        truth, labels, scores = [], [], []
        for path in part["scores"]:
            with np.load(path) as arrays:
                truth.append(arrays["y"])
                labels.append(arrays["labels"])
                scores.append(_on_common_scale(arrays["scores"], *arrays["fit_scores"]))
        row = {"detector": name, "files": len(part)}
        for profile in _PROFILES:
            best = best_nab_score(truth, scores, profile=profile, probation=0)
            row[profile] = best.score
            row[f"own {profile}"] = nab_score(truth, labels, profile=profile, probation=0)
        rows.append(row)
    known = pd.read_csv(Path(folder) / "_published" / "nab_scoreboard.csv")
    return _under(rows, known.assign(files=58), "standard", "detector")


def _on_common_scale(scores, median, high):
    """Put scores on a scale where training scores have the median 0 and the 0.99 quantile 1.

    Training scores that are all but constant have no scale: then 0, 1 and 2 are below, at and
    above them.
    """
    if not high > median:
        return np.sign(scores - median) + 1.0
    return (scores - median) / (high - median)


def telemanom(results, folder):
    """Count the anomalous sequences of SMAP and MSL that are found, and the false alarms.

    Published counts are of the same channels. A predicted sequence that touches an anomalous one
    finds it; one that touches none is a false alarm. F0.5 is by precision and recall.

    Returns
    -------
    table : pandas.DataFrame
        "detector", "channels", and for SMAP, MSL and both "TP", "FP", "FN" and "F0.5".
    """
    part = _part(results, "telemanom")
    counts = _events(part)
    known = pd.read_csv(Path(folder) / "_published" / "telemanom_2018-05-19_per_channel.csv")
    known = (
        known[known["chan_id"].isin(part["key"])]
        .groupby("chan_id")
        .agg({"true_positives": "sum", "false_positives": "sum", "false_negatives": "sum"})
    )
    known.columns = ["tp", "fp", "fn"]
    group = part.drop_duplicates("key").set_index("key")["group"]
    known = known.assign(group=group, estimator="telemanom (2018)").reset_index(names="key")
    rows = []
    for name, own in pd.concat([counts, known]).groupby("estimator", sort=False):
        row = {"detector": name, "channels": len(own)}
        for title, chosen in [*own.groupby("group"), ("all", own)]:
            tp, fp, fn = (int(chosen[column].sum()) for column in ("tp", "fp", "fn"))
            row |= {f"{title} TP": tp, f"{title} FP": fp, f"{title} FN": fn}
            row[f"{title} F0.5"] = 1.25 * tp / (1.25 * tp + 0.25 * fn + fp)
        rows.append(row)
    return pd.DataFrame(rows).sort_values("all F0.5", ascending=False, ignore_index=True)


def orion(results, folder):
    """Compute F1 over anomalies and detections that overlap, pooled over each data set.

    Published rows are of the same signals, so that they differ from the published means.

    Returns
    -------
    table : pandas.DataFrame
        "detector", "signals", F1 of each data set and "mean F1" over the data sets.
    """
    part = _part(results, "orion")
    known = pd.read_csv(Path(folder) / "_published" / "orion_0.7.1_per_signal.csv.gz")
    known = known.rename(columns={"signal": "key", "dataset": "group", "pipeline": "estimator"})
    keys = part[["group", "key"]].drop_duplicates()
    known = known.merge(keys, on=["group", "key"])
    known["estimator"] = known["estimator"] + " (Orion)"
    signals = set(known["key"])
    ours = _events(part[part["key"].isin(signals)])
    rows = []
    for name, own in pd.concat([ours, known]).groupby("estimator", sort=False):
        row = {"detector": name, "signals": len(own)}
        for group, chosen in own.groupby("group"):
            tp, fp, fn = (chosen[column].sum() for column in ("tp", "fp", "fn"))
            row[group] = 2 * tp / (2 * tp + fp + fn)
        row["mean F1"] = float(np.mean(list(row.values())[2:]))
        rows.append(row)
    return pd.DataFrame(rows).sort_values("mean F1", ascending=False, ignore_index=True)


def tsb_ad_values(results, folder, width):
    """Return VUS-PR by series and estimator, published values of the same files beside ours.

    Parameters
    ----------
    results : pandas.DataFrame
    folder : path-like
    width : "m" or "u"
        Multivariate or univariate series.

    Returns
    -------
    values : pandas.DataFrame of shape (n_series, n_estimators)
        Index (data, series). Published columns end with " (published)".
    """
    known = pd.read_csv(Path(folder) / "_published" / f"tsb_ad_{width}_per_file_vus_pr.csv")
    facts = [name for name in known if name.startswith(("ts_len", "anomaly_", "num_", "avg_"))]
    known = known.set_index("file").drop(columns=[*facts, "point_anomaly", "seq_anomaly"])
    part = _part(results, "tsb-ad")
    part = part[part["key"].isin(known.index)]
    index = ["data", "series", "key"]
    ours = part.pivot(index=index, columns="estimator", values="vus_pr")
    ours = ours[part["estimator"].unique()]
    theirs = known.loc[ours.index.get_level_values("key")].add_suffix(" (published)")
    theirs.index = ours.index
    return ours.join(theirs.dropna(axis=1)).droplevel("key")


def _part(results, protocol):
    return results[(results["protocol"] == protocol) & (results["error"] == "")]


def _events(part):
    return part.assign(
        tp=part["events_found"], fp=part["false_alarms"], fn=part["events"] - part["events_found"]
    )[["estimator", "group", "key", "tp", "fp", "fn"]]


def _under(rows, known, by, name):
    """Set published rows beside ours, the best first; they are marked."""
    known = known.assign(**{name: known[name] + " (published)"})
    table = pd.concat([pd.DataFrame(rows), known], ignore_index=True)
    place = pd.to_numeric(table[by].astype(str).str.split("-").str[0], errors="coerce")
    return table.loc[place.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)
