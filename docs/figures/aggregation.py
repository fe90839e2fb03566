"""What windows say about each time step, and the one value that each aggregation makes of it."""

import matplotlib.pyplot as plt
import numpy as np

from skanomaly.aggregation import AGGREGATIONS, aggregate
from skanomaly.sequences import Sequences
from skanomaly.windows import Windows

N_TIMESTEPS, WINDOW_SIZE, STRIDE = 12, 5, 2
ANOMALY = 6

sequences = Sequences(np.zeros((N_TIMESTEPS, 1)), np.array([0, N_TIMESTEPS]), "series")
windows = Windows(sequences, WINDOW_SIZE, STRIDE)
starts, lengths = windows.locate(np.arange(len(windows)))
rng = np.random.default_rng(3)
errors = rng.integers(0, 3, size=(len(windows), WINDOW_SIZE, 1)).astype(float)
for error, start in zip(errors, starts, strict=True):
    if start <= ANOMALY < start + WINDOW_SIZE:
        error[ANOMALY - start] = 5 + (ANOMALY - start)

said = np.full((len(windows), N_TIMESTEPS), np.nan)
for row, error, start in zip(said, errors, starts, strict=True):
    row[start : start + WINDOW_SIZE] = error[:, 0]
reduced = np.array([next(aggregate(windows, [errors], how))[:, 0] for how in AGGREGATIONS])


def draw(ax, table, names):
    """Draw a table (n_rows, N_TIMESTEPS) as coloured cells with their numbers."""
    ax.pcolormesh(
        np.arange(N_TIMESTEPS + 1) - 0.5,
        np.arange(len(table) + 1) - 0.5,
        np.ma.masked_invalid(table),
        cmap="Oranges",
        vmin=0,
        vmax=14,
        edgecolor="white",
        linewidth=2,
    )
    for (row, step), value in np.ndenumerate(table):
        if np.isfinite(value):
            ax.text(step, row, f"{value:.3g}", ha="center", va="center", fontsize=9)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


figure, (upper, lower) = plt.subplots(2, 1, sharex=True, figsize=(8, 4.8), layout="constrained")
names = [f"window {number}" for number in range(len(windows))]
names[-1] += ", flush"
draw(upper, said, names)
upper.set_title("error that each window makes at each time step", loc="left", fontsize=10)
draw(lower, reduced, AGGREGATIONS)
lower.set_title("anomaly score of the time step, by aggregation", loc="left", fontsize=10)
lower.set_xticks(range(N_TIMESTEPS))
lower.set_xlabel("time step")
