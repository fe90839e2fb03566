"""Who is better on many series, and could it be chance?"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import friedmanchisquare, rankdata, wilcoxon

__all__ = [
    "cliques",
    "compare",
    "friedman",
    "paired_tests",
    "plot_critical_differences",
    "summarise",
]


def compare(values):
    """Rank estimators on each series.

    Parameters
    ----------
    values : pandas.DataFrame of shape (n_series, n_estimators)
        Higher is better. Series on which any value is missing are left out.

    Returns
    -------
    table : pandas.DataFrame
        Of each estimator: mean, median, mean rank (1 is best, ties share) and wins, the number of
        series on which it is best; where several are, each has its share.
    """
    values = values.dropna()
    ranks = np.array([rankdata(-row) for row in values.to_numpy()]).reshape(values.shape)
    best = values.eq(values.max(axis=1), axis=0)
    return pd.DataFrame(
        {
            "mean": values.mean(),
            "median": values.median(),
            "rank": ranks.mean(axis=0) if len(ranks) else np.nan,
            "wins": best.div(best.sum(axis=1), axis=0).sum(),
        }
    )


def friedman(values):
    """Return the p-value of Friedman's test that all estimators are alike, NaN if it says nothing.

    It asks for three estimators and two series.
    """
    values = values.dropna()
    if values.shape[1] < 3 or len(values) < 2 or not values.nunique(axis=1).gt(1).any():
        return float("nan")
    return float(friedmanchisquare(*values.to_numpy().T).pvalue)


def paired_tests(values):
    """Test each pair of estimators by Wilcoxon's signed ranks, corrected by Holm.

    Parameters
    ----------
    values : pandas.DataFrame of shape (n_series, n_estimators)

    Returns
    -------
    p : pandas.DataFrame of shape (n_estimators, n_estimators)
        Two-sided p-values, multiplied as Holm asks for so many pairs; 1 where two are the same on
        every series. At least six series are needed for any p-value below 0.05.

    References
    ----------
    .. [1] J. Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7,
       2006.
    .. [2] A. Benavoli, G. Corani and F. Mangili, "Should we really use post-hoc tests based on
       mean-ranks?", JMLR 17, 2016.
    """
    values = values.dropna()
    names = list(values.columns)
    pairs = list(combinations(names, 2))
    corrected = _holm([_wilcoxon(values[one] - values[other]) for one, other in pairs])
    table = pd.DataFrame(1.0, index=names, columns=names)
    for (one, other), p in zip(pairs, corrected, strict=True):
        table.loc[one, other] = table.loc[other, one] = p
    return table


def _wilcoxon(differences):
    """Return the two-sided p-value of paired differences (n_series,), 1 if all are 0."""
    differences = differences[differences != 0]
    return float(wilcoxon(differences).pvalue) if len(differences) else 1.0


def _holm(p):
    """Correct p-values for their number: the least times n, the next times n - 1, never falling."""
    p = np.asarray(p, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.minimum(p[order] * np.arange(len(p), 0, -1), 1.0)
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(steps)
    return corrected


def summarise(values):
    """Add to :func:`compare` "p", from Wilcoxon's test against the estimator of the best rank.

    Corrected by Holm for as many tests; 1 for the best itself.
    """
    table, values = compare(values), values.dropna()
    table["p"] = np.nan
    if len(values):
        best = table["rank"].idxmin()
        table["p"] = 1.0
        others = [name for name in values if name != best]
        table.loc[others, "p"] = _holm([_wilcoxon(values[best] - values[name]) for name in others])
    return table


def cliques(ranks, p, level=0.05):
    """Return the longest runs of neighbouring ranks of which no pair differs significantly.

    Parameters
    ----------
    ranks : pandas.Series
        Mean rank of each estimator.
    p : pandas.DataFrame
        From :func:`paired_tests`.
    level : float, default=0.05

    Returns
    -------
    runs : list of (first, last)
        Names of the estimators at both ends; runs of one are left out.
    """
    names = list(ranks.sort_values(kind="stable").index)
    runs, reached = [], 0
    for first in range(len(names)):
        last = first
        while (
            last + 1 < len(names)
            and (p.loc[names[last + 1], names[first : last + 1]] >= level).all()
        ):
            last += 1
        if last > first and last > reached:
            runs.append((names[first], names[last]))
        reached = max(reached, last)
    return runs


def plot_critical_differences(ranks, p, path, *, level=0.05, title=""):
    """Draw mean ranks on a line; bars join neighbours of which no pair differs significantly.

    Two that no bar joins may still not differ, if one ranked between them differs from either.

    Parameters
    ----------
    ranks : pandas.Series
        Mean rank of each estimator, 1 is best.
    p : pandas.DataFrame
        From :func:`paired_tests`.
    path : path-like
        Where to write the picture.
    level : float, default=0.05
    title : str, default=""
    """
    from matplotlib.figure import Figure

    ranks = ranks.sort_values(kind="stable")
    runs, half = cliques(ranks, p, level), -(-len(ranks) // 2)
    low, high = np.floor(ranks.min()), max(np.ceil(ranks.max()), np.floor(ranks.min()) + 1)
    bars = 0.22 * len(runs)
    depth = bars + 0.3 * half + 0.4
    figure = Figure(figsize=(8, 0.9 + 0.75 * depth), layout="constrained")
    axes = figure.add_subplot()
    axes.set(xlim=(low - 0.02, high + 0.02), ylim=(-depth, 0.05), yticks=[])
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("mean rank (1 is best)")
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()
    for side in ("left", "right", "bottom"):
        axes.spines[side].set_visible(False)
    for number, (name, rank) in enumerate(ranks.items()):
        left = number < half
        level_of_text = -bars - 0.3 * (number + 1 if left else len(ranks) - number) - 0.1
        end = low if left else high
        axes.plot([rank, rank, end], [0, level_of_text, level_of_text], color="0.4", linewidth=0.8)
        axes.annotate(
            f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}",
            (end, level_of_text),
            xytext=(-4 if left else 4, 0),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center",
            fontsize=9,
            annotation_clip=False,
        )
    for number, (first, last) in enumerate(runs):
        height = -0.22 * (number + 1) + 0.05
        ends = [ranks[first] - 0.02, ranks[last] + 0.02]
        axes.plot(ends, [height, height], color="black", linewidth=3, solid_capstyle="butt")
    figure.savefig(path, dpi=110)
