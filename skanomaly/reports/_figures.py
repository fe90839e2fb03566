"""The figures of a report, drawn with plotly."""

import numpy as np

from skanomaly.displays.decimation import extreme_rows, time_bins, typical_range
from skanomaly.intervals import find_intervals

__all__ = ["contribution_figure", "history_figure", "overview_figure", "score_figure"]

_MOST_POINTS = 80_000  # of all lines together: more makes telephones slow
_MOST_VISIBLE = 6
_HEAT_BINS = 400
_FLAGGED, _TRUE, _SCORE = "rgba(214, 39, 40, 0.25)", "rgba(44, 160, 44, 0.30)", "#333333"
_MARGIN = {"l": 50, "r": 10, "t": 30, "b": 40}


def overview_figure(found, plotly):
    """Draw the features, and below them scores, threshold, flagged and true intervals."""
    figure = plotly.subplots.make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.06
    )
    n_features = found.X.shape[1]
    most = int(np.clip(_MOST_POINTS // (n_features + 1), 500, 10_000))
    median, scale = typical_range(found.X)
    for place, j in enumerate(_by_contribution(found)):
        rows = extreme_rows(found.X[:, j], most)
        figure.add_scattergl(
            x=found.index[rows],
            y=(found.X[rows, j] - median[j]) / scale[j],
            customdata=found.X[rows, j],
            name=found.names[j],
            mode="lines",
            line={"width": 1},
            visible=True if place < _MOST_VISIBLE else "legendonly",
            hovertemplate="%{x}: %{customdata:.4g}<extra>%{fullData.name}</extra>",
            row=1,
            col=1,
        )
    rows = extreme_rows(found.scores, most)
    figure.add_scattergl(
        x=found.index[rows],
        y=found.scores[rows],
        name="anomaly score",
        mode="lines",
        line={"width": 1, "color": _SCORE},
        hovertemplate="%{x}: %{y:.4g}<extra>anomaly score</extra>",
        row=2,
        col=1,
    )
    figure.add_hline(y=found.threshold, line={"dash": "dash", "color": "#d62728"}, row=2, col=1)
    top = float(np.nanmax(np.append(found.scores, found.threshold))) * 1.05
    _shade(figure, found, found.intervals, top, "flagged", _FLAGGED)
    if found.y is not None:
        _shade(figure, found, find_intervals(found.y == -1), top, "true anomalies", _TRUE)
    figure.update_layout(
        height=620,
        margin=_MARGIN,
        legend={"orientation": "h", "y": -0.12, "maxheight": 120},
        hovermode="closest",
        template="plotly_white",
    )
    figure.update_yaxes(title_text="typical ranges from the median", row=1, col=1)
    figure.update_yaxes(title_text="anomaly score", row=2, col=1)
    return figure


def _by_contribution(found):
    """Order the features of X, those that raised the flagged scores most first."""
    n_features = found.X.shape[1]
    if found.contributions is None or found.contributions.shape[1] != n_features:
        return np.arange(n_features)
    flagged = found.scores > found.threshold
    rows = found.contributions[flagged] if flagged.any() else found.contributions
    return np.argsort(-np.nansum(rows, axis=0), kind="stable")


def _shade(figure, found, intervals, top, name, colour):
    """Fill intervals in one trace, which stays quick however many they are."""
    if not len(intervals):
        return
    start, last = found.index[intervals[:, 0]], found.index[intervals[:, 1] - 1]
    x = np.stack([start, start, last, last], axis=1).ravel()
    y = np.tile([0.0, top, top, 0.0], len(intervals))
    # A row without a value ends each interval.
    x = np.insert(x.astype(object), np.arange(4, len(x) + 1, 4), None)
    y = np.insert(y, np.arange(4, len(y) + 1, 4), np.nan)
    figure.add_scatter(
        x=list(x),
        y=y,
        name=name,
        mode="lines",
        line={"width": 1, "color": colour},
        fill="toself",
        fillcolor=colour,
        hoverinfo="skip",
        row=2,
        col=1,
    )


def contribution_figure(found, plotly):
    """Draw which features raised the score when, as a map; None where nobody can tell."""
    if found.contributions is None:
        return None
    first, _, _ = time_bins(np.arange(len(found.X), dtype=float), _HEAT_BINS)
    peaks = np.fmax.reduceat(np.nan_to_num(found.contributions, nan=0.0), first, axis=0)
    limit = max(found.threshold, float(np.quantile(peaks, 0.999)), 1e-12)
    figure = plotly.graph_objects.Figure(
        plotly.graph_objects.Heatmap(
            x=found.index[first],
            y=found.inner_names,
            z=np.minimum(peaks, limit).T,
            colorscale="YlOrRd",
            colorbar={"title": "share in score", "thickness": 10},
            hovertemplate="%{x}<br>%{y}: %{z:.3g}<extra></extra>",
        )
    )
    height = int(np.clip(14 * len(found.inner_names) + 100, 220, 1300))
    figure.update_layout(height=height, margin=_MARGIN | {"l": 90}, template="plotly_white")
    figure.update_yaxes(autorange="reversed", dtick=1)
    return figure


def score_figure(found, plotly):
    """Draw how anomaly scores are distributed, and where the threshold lies."""
    counts, edges = np.histogram(found.scores[np.isfinite(found.scores)], bins=80)
    figure = plotly.graph_objects.Figure(
        plotly.graph_objects.Bar(
            x=(edges[1:] + edges[:-1]) / 2, y=counts, width=np.diff(edges), marker_color="#7f7f7f"
        )
    )
    figure.add_vline(
        x=found.threshold, line={"dash": "dash", "color": "#d62728"}, annotation_text="threshold"
    )
    figure.update_layout(height=300, margin=_MARGIN, template="plotly_white", showlegend=False)
    figure.update_yaxes(type="log", title_text="time steps")
    figure.update_xaxes(title_text="anomaly score")
    return figure


def history_figure(found, plotly):
    """Draw the losses of the epochs; None where there were none."""
    history = getattr(found.detector, "history_", {})
    curves = {name: values for name, values in history.items() if name.endswith("loss") and values}
    if not curves:
        return None
    figure = plotly.graph_objects.Figure()
    for name, values in curves.items():
        figure.add_scatter(
            x=np.arange(1, len(values) + 1), y=values, name=name, mode="lines+markers"
        )
    figure.update_layout(height=300, margin=_MARGIN, template="plotly_white", showlegend=True)
    figure.update_xaxes(title_text="epoch")
    figure.update_yaxes(title_text="loss")
    return figure
