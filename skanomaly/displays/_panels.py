"""Drawing into two axes that share their time axis: the series above, the anomaly scores below.

x is always the time axis in floats (n_timesteps,), non-decreasing; spans are (n_spans, 2) in x.
"""

import numpy as np

from skanomaly.displays._cells import add_colour_bar, bin_time, draw_cells
from skanomaly.displays._palette import DIVERGING, FLAGGED, LINE
from skanomaly.displays._spans import spans_of, weighted_spans
from skanomaly.displays.decimation import condense, extreme_rows
from skanomaly.displays.plotting import add_legend

LAYOUTS = ("overlay", "stacked", "heatmap")
SCORE_SCALES = ("linear", "log")

_MOST_OVERLAID = 5
_LONGEST_OVERLAID = 2000
_MOST_STACKED = 16
# Twice the typical range: what is usual stays pale.
_HEATMAP_LIMIT = 2.0
_MOST_NAMES = 40
_SHADE = 0.25
_STRIP_HEIGHT = 0.05


def choose_layout(values):
    """Choose how the features of (n_timesteps, n_features) share one panel.

    A few features of comparable size are overlaid, unless they are so long that they would hide
    each other; up to 16 are stacked, each on a scale of its own; more become a heat map.
    """
    n_timesteps, n_features = values.shape
    if n_features > _MOST_STACKED:
        return "heatmap"
    if n_features == 1:
        return "overlay"
    few = n_features <= _MOST_OVERLAID and n_timesteps <= _LONGEST_OVERLAID
    return "overlay" if few and _are_comparable(values) else "stacked"


def choose_score_scale(scores, threshold):
    """Choose "log" when a linear axis would press the threshold (or the bulk) to the ground."""
    known = scores[np.isfinite(scores)]
    positive = known[known > 0]
    if len(positive) < 0.99 * len(known) or not len(positive):
        return "linear"
    level = np.quantile(positive, 0.9) if threshold is None else threshold
    return "log" if 0 < level < positive.max() / 15 else "linear"


def figure_size(layout, n_features):
    """Return width and height in inches, and the height of the series panel over the other."""
    series_height = {
        "overlay": 2.8,
        "stacked": max(2.8, 0.34 * n_features),
        "heatmap": min(max(2.8, 0.13 * n_features), 7.0),
    }[layout]
    return (10.0, series_height + 2.4), series_height / 2.0


def draw_series(ax, x, values, names, layout, max_points):
    """Draw the features (n_timesteps, n_features) in one of LAYOUTS."""
    draw = {"overlay": _draw_overlay, "stacked": _draw_stacked, "heatmap": _draw_heatmap}[layout]
    draw(ax, x, values, names, max_points)


def draw_scores(ax, x, scores, threshold, scale, max_points):
    """Draw anomaly scores (n_timesteps,) and the threshold, with room for a strip on top."""
    rows = extreme_rows(scores, max_points)
    ax.plot(x[rows], scores[rows], color=LINE, linewidth=0.8, label="anomaly score")
    if threshold is not None:
        ax.axhline(
            threshold,
            color=FLAGGED,
            linewidth=1.0,
            linestyle="--",
            label=f"threshold {threshold:.3g}",
        )
    ax.set_yscale(scale)
    ax.set_ylabel("anomaly score\n(higher = more anomalous)", fontsize="small")
    limits = _score_limits(scores, threshold, scale)
    if limits is not None:
        ax.set_ylim(limits)


def shade_flagged(axes, x, flags, above=None):
    """Shade the flagged intervals; `above` keeps its colours and gets a strip on top instead."""
    spans, weights = weighted_spans(flags, x)
    for ax in axes:
        alpha = 1.0 if ax is above else _SHADE
        ax.broken_barh(
            _as_bars(spans),
            (1.004, 0.015) if ax is above else (0, 1),
            transform=ax.get_xaxis_transform(),
            facecolor=[(FLAGGED, alpha * weight) for weight in weights],
            edgecolor="none",
            zorder=0.5,
            clip_on=ax is not above,
        )
    # A patch of its own for the legend: the first bar may be a faint one.
    axes[-1].fill_between([], [], color=FLAGGED, alpha=_SHADE, linewidth=0, label="flagged")


def draw_true_strip(ax, x, flags):
    """Draw the true anomalies as a strip along the top."""
    ax.broken_barh(
        _as_bars(spans_of(flags, x)),
        (1 - _STRIP_HEIGHT, _STRIP_HEIGHT),
        transform=ax.get_xaxis_transform(),
        facecolor="black",
        edgecolor="none",
        label="true anomaly",
    )


def add_title(ax, name, layout):
    """Write the title above the series, and above the strip that a heat map has there."""
    above = {"y": 1.025, "pad": 2} if layout == "heatmap" else {}
    ax.set_title(name, loc="left", fontsize="medium", **above)


def _as_bars(spans):
    return np.column_stack([spans[:, 0], spans[:, 1] - spans[:, 0]])


def _are_comparable(values):
    """Tell whether features keep their shapes on one axis: each fills a fair part of the whole."""
    # Unlike nanmax, these say nothing about a feature without any value.
    highest, lowest = np.fmax.reduce(values, axis=0), np.fmin.reduce(values, axis=0)
    extents = (highest - lowest)[highest > lowest]
    if not len(extents):
        return True
    return bool(np.nanmax(highest) - np.nanmin(lowest) <= 5 * extents.min())


def _score_limits(scores, threshold, scale):
    """Return the limits of the score axis: all scores, the threshold, room for the strip."""
    shown = np.append(scores, [] if threshold is None else threshold)
    shown = shown[np.isfinite(shown)]
    if scale == "log":
        shown = shown[shown > 0]
        # A few scores near zero would stretch a logarithmic axis over empty decades.
        shown = np.log10(np.maximum(shown, np.quantile(shown, 0.01))) if len(shown) else shown
    if not len(shown):
        return None
    low, high = shown.min(), shown.max()
    extent = (high - low) or max(abs(high), 1e-12)
    low, high = low - 0.05 * extent, high + (0.05 + 2 * _STRIP_HEIGHT) * extent
    return (10**low, 10**high) if scale == "log" else (low, high)


def _draw_overlay(ax, x, values, names, max_points):
    for j, name in enumerate(names):
        rows = extreme_rows(values[:, j], max_points)
        style = {"color": LINE} if len(names) == 1 else {"color": f"C{j}", "alpha": 0.75}
        ax.plot(x[rows], values[rows, j], linewidth=0.8, label=name, **style)
    if len(names) == 1:
        ax.set_ylabel(names[0])
    else:
        ax.set_ylabel("value")
        add_legend(ax)


def _draw_stacked(ax, x, values, names, max_points):
    """Draw each feature between its own least and greatest value, the first one on top."""
    floors = np.arange(len(names))[::-1]
    ranges = []
    for j, floor in enumerate(floors):
        rows = extreme_rows(values[:, j], max_points)
        y = values[rows, j]
        known = y[np.isfinite(y)]
        low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
        ranges.append(_write_range(low, high))
        height = 0.5 if high == low else (y - low) / (high - low)
        ax.plot(x[rows], floor + 0.05 + 0.9 * height * np.ones(len(y)), color=LINE, linewidth=0.7)
    ax.hlines(floors[:-1], x[0], x[-1], color="0.85", linewidth=0.6, zorder=0.4)
    ax.set_ylim(0, len(names))
    ax.set_yticks(floors + 0.5, names, fontsize="small")
    ax.tick_params(axis="y", length=0)
    extents = ax.secondary_yaxis("right")
    extents.set_yticks(floors + 0.5, ranges, fontsize="x-small", color="0.4")
    extents.tick_params(length=0)


def _write_range(low, high):
    """Write two numbers with digits enough to tell them apart.

    >>> _write_range(225.71, 226.04), _write_range(-1412.7, 2650.2), _write_range(0.0, 3e-7)
    ('225.71 to 226.04', '-1413 to 2650', '0 to 3e-07')
    """
    extent = max(abs(low), abs(high))
    if extent == 0 or not 1e-3 <= extent < 1e6:
        return f"{low:.3g} to {high:.3g}"
    decimals = int(np.clip(1 - np.floor(np.log10((high - low) or extent)), 0, 6))
    return f"{low:.{decimals}f} to {high:.{decimals}f}"


def _draw_heatmap(ax, x, values, names, max_points):
    """Draw distances from each feature's median, in units of its typical range."""
    bins = bin_time(x, max_points)
    mesh = draw_cells(
        ax,
        bins,
        condense(values, bins[0]),
        cmap=DIVERGING,
        vmin=-_HEATMAP_LIMIT,
        vmax=_HEATMAP_LIMIT,
    )
    every = -(-len(names) // _MOST_NAMES)
    ax.set_yticks(np.arange(0, len(names), every) + 0.5, names[::every], fontsize="xx-small")
    add_colour_bar(ax, mesh, "distance from median (1 = typical range)", extend="both")
