"""Two axes with one time axis, in whatever place the caller gives."""

import numpy as np

from skanomaly.displays._panels import figure_size
from skanomaly.exceptions import MissingDependencyError


def import_matplotlib():
    """Import matplotlib, or raise MissingDependencyError naming the extra to install."""
    try:
        import matplotlib.dates
        import matplotlib.figure
    except ImportError as error:
        raise MissingDependencyError(
            "Displays need the package matplotlib; it is not installed. "
            "Run: pip install 'skanomaly[plot]'"
        ) from error
    return matplotlib


def make_axes(ax, layout, n_features):
    """Return the axes of the series and of the scores, in the place that ax names."""
    if isinstance(ax, (list, tuple, np.ndarray)):
        if len(ax) != 2:
            raise ValueError(
                f"ax must be one Axes, a Figure or two Axes; got {len(ax)} of them. Make two with "
                "figure.subplots(2, 1, sharex=True)."
            )
        return tuple(ax)
    size, ratio = figure_size(layout, n_features)
    grid = {"height_ratios": (ratio, 1)}
    if ax is None:
        import_matplotlib()
        from matplotlib import pyplot

        ax = pyplot.figure(figsize=size, layout="constrained")
    if hasattr(ax, "subplots"):
        return _divide_figure(ax, grid)
    return _divide_axes(ax, grid)


def positions(index, n_timesteps):
    """Return the time axis in floats (n_timesteps,): matplotlib's days for dates."""
    if index is None:
        return np.arange(n_timesteps, dtype=np.float64)
    if index.dtype.kind == "M":
        return import_matplotlib().dates.date2num(index)
    return index.astype(np.float64)


def set_time_axis(upper, lower, x, index):
    """Set limits, ticks and label of the time axis."""
    upper.tick_params(axis="x", labelbottom=False)
    for ax in (upper, lower):
        ax.margins(x=0)
        if x[-1] > x[0]:
            ax.set_xlim(x[0], x[-1])
    if index is None:
        lower.set_xlabel("time step")
    elif index.dtype.kind == "M":
        dates = import_matplotlib().dates
        for ax in (upper, lower):
            locator = dates.AutoDateLocator(minticks=4, maxticks=9)
            ax.xaxis.set_major_locator(locator)
            ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))


def _divide_figure(figure, grid):
    if figure.axes:
        raise ValueError(
            f"ax must be a Figure without axes, or Axes; got a Figure with {len(figure.axes)}. "
            "Pass the two Axes to draw into."
        )
    if getattr(figure, "get_layout_engine", lambda: True)() is None:
        figure.set_layout_engine("constrained")  # the legends stand beside the axes
    return tuple(figure.subplots(2, 1, sharex=True, gridspec_kw=grid))


def _divide_axes(ax, grid):
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax must be part of a grid to be divided; got Axes with a position of their own. "
            "Make it with figure.subplots(), or pass two Axes."
        )
    ax.set_axis_off()
    parts = place.subgridspec(2, 1, **grid)
    upper = ax.figure.add_subplot(parts[0])
    return upper, ax.figure.add_subplot(parts[1], sharex=upper)
