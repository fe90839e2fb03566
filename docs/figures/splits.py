"""Which time steps or segments each splitter trains on, tests, and leaves out."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Patch

from skanomaly.model_selection import BlockedSplit, ExpandingWindowSplit, SegmentSplit

N_TIMESTEPS, WINDOW_SIZE = 120, 6
TRAIN, TEST, UNUSED, EDGE = "#9ecae1", "#fdae6b", "#e8e8e8", "#2b4b63"

series = np.zeros((N_TIMESTEPS, 1))
cuts = [11, 26, 34, 49, 58, 71, 79, 90, 101]
segments = np.split(series, cuts)
bounds = [0, *cuts, N_TIMESTEPS]


def bar(ax, row, left, right, colour):
    """Draw the time steps from left to right, exclusive, as a bar."""
    ax.barh(row, right - left, left=left, height=0.66, color=colour, edgecolor="white")


def draw(ax, splitter, X, edges):
    """Draw one row per split; edges are the first time steps of all entries of X, and the end."""
    for row, (train, test) in enumerate(splitter.split(X)):
        for indices, colour in ((np.arange(len(X)), UNUSED), (train, TRAIN), (test, TEST)):
            runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
            if len(X) < N_TIMESTEPS:
                runs = [[i] for i in indices]
            for run in runs:
                bar(ax, row, edges[run[0]], edges[run[-1] + 1], colour)
    ax.set_yticks(range(splitter.get_n_splits()))
    ax.set_ylim(splitter.get_n_splits() - 0.5, -0.5)
    ax.set_ylabel("split")
    ax.set_title(str(splitter), loc="left", fontsize=10, color=EDGE)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(left=False)


figure, axes = plt.subplots(4, 1, sharex=True, figsize=(8, 7), layout="constrained")
steps = np.arange(N_TIMESTEPS + 1)
draw(axes[0], ExpandingWindowSplit(n_splits=4, window_size=WINDOW_SIZE), series, steps)
draw(axes[1], BlockedSplit(n_splits=4, window_size=WINDOW_SIZE), series, steps)
draw(axes[2], SegmentSplit(n_splits=4), segments, bounds)
draw(axes[3], SegmentSplit(n_splits=4, past_only=True), segments, bounds)
axes[-1].set_xlim(0, N_TIMESTEPS)
axes[-1].set_xlabel("time step")
names = {"training": TRAIN, "test": TEST, "in neither": UNUSED}
figure.legend(
    handles=[Patch(color=colour, label=name) for name, colour in names.items()],
    loc="outside upper right",
    ncols=3,
    frameon=False,
)
