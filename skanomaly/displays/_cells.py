"""Heat maps: features over time, in cells no narrower than a pixel."""

import numpy as np

from skanomaly.displays._palette import MISSING
from skanomaly.displays.decimation import time_bins

# A column narrower than a pixel would not be seen.
_MOST_BINS = 700


def bin_time(x, max_points):
    """Cut x (n_timesteps,) into bins a heat map can show: first rows, starts and stops."""
    return time_bins(x, _MOST_BINS if max_points is None else min(max_points, _MOST_BINS))


def draw_cells(ax, bins, cells, **colours):
    """Draw cells (n_bins, n_rows) of the bins that bin_time made, the first row on top."""
    _, starts, stops = bins
    # Between two bins lies a cell of no width, or the gap where there are no time steps.
    edges = np.column_stack([starts, stops]).ravel()
    shown = np.full((len(edges) - 1, cells.shape[1]), np.nan)
    shown[::2] = cells
    ax.set_facecolor(MISSING)
    mesh = ax.pcolormesh(
        edges,
        np.arange(cells.shape[1] + 1),
        np.ma.masked_invalid(shown.T),
        rasterized=True,
        **colours,
    )
    ax.set_ylim(cells.shape[1], 0)
    return mesh


def add_colour_bar(ax, mesh, label, height=1.0, **options):
    """Explain the colours beside the axes, over a part of their height."""
    place = ax.inset_axes((1.012, 0.0, 0.015, height))
    bar = ax.figure.colorbar(mesh, cax=place, **options)
    bar.set_label(label, fontsize="small")
    bar.ax.tick_params(labelsize="small")
