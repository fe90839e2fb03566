"""The axes that a display needs, in whatever place the caller gives, and their time axis."""

import numpy as np

from skanomaly.displays.plotting import import_matplotlib


def make_axes(ax, size, *, height_ratios=(1,), width_ratios=(1,), cells=None, sharex=True):
    """Return the axes of a display as a tuple, in the place that ax names.

    `size` is that of a new figure in inches. `cells` lists row and column of each of the axes in
    the grid that the ratios span; None takes one per row. With `sharex` all share the x axis of
    the first.
    """
    cells = [(row, 0) for row in range(len(height_ratios))] if cells is None else cells
    if isinstance(ax, (list, tuple, np.ndarray)):
        return _take_axes(np.ravel(np.asarray(ax, dtype=object)), len(cells))
    if ax is None:
        import_matplotlib()
        from matplotlib import pyplot

        ax = pyplot.figure(figsize=size, layout="constrained")
    figure = ax if hasattr(ax, "subplots") else ax.figure
    shape = len(height_ratios), len(width_ratios)
    ratios = {"height_ratios": height_ratios, "width_ratios": width_ratios}
    if figure is ax:
        _check_figure(figure)
        grid = figure.add_gridspec(*shape, **ratios)
    elif len(cells) == 1:
        return (ax,)
    else:
        grid = _clear_place(ax).subgridspec(*shape, **ratios)
    first = figure.add_subplot(grid[cells[0]])
    shared = first if sharex else None
    return first, *(figure.add_subplot(grid[cell], sharex=shared) for cell in cells[1:])


def positions(index, n_timesteps):
    """Return the time axis in floats (n_timesteps,): matplotlib's days for dates."""
    if index is None:
        return np.arange(n_timesteps, dtype=np.float64)
    if index.dtype.kind == "M":
        return import_matplotlib().dates.date2num(index)
    return index.astype(np.float64)


def set_time_axis(axes, x, index):
    """Set limits, ticks and label of the time axis; the last of the axes shows them."""
    for ax in axes:
        ax.margins(x=0)
        if x[-1] > x[0]:
            ax.set_xlim(x[0], x[-1])
        if index is not None and index.dtype.kind == "M":
            dates = import_matplotlib().dates
            locator = dates.AutoDateLocator(minticks=4, maxticks=9)
            ax.xaxis.set_major_locator(locator)
            ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    for ax in axes[:-1]:
        ax.tick_params(axis="x", labelbottom=False)
        ax.xaxis.offsetText.set_visible(False)
    if index is None:
        axes[-1].set_xlabel("time step")


def _take_axes(axes, n_axes):
    if len(axes) != n_axes:
        raise ValueError(
            f"ax must be one Axes, a Figure or {n_axes} Axes; got {len(axes)} of them. Make them "
            f"with figure.subplots({n_axes}, 1), or pass the Figure."
        )
    return tuple(axes)


def _check_figure(figure):
    if figure.axes:
        raise ValueError(
            f"ax must be a Figure without axes, or Axes; got a Figure with {len(figure.axes)}. "
            "Pass the Axes to draw into."
        )
    # The legends stand beside the axes. A SubFigure leaves that to its figure.
    if hasattr(figure, "set_layout_engine") and figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")


def _clear_place(ax):
    """Return the place of ax in its grid, for others to be drawn there."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError(
            "ax must be part of a grid to be divided; got Axes with a position of their own. "
            "Make it with figure.subplots(), or pass as many Axes as are drawn."
        )
    ax.set_axis_off()
    return place
