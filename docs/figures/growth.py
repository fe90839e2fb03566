"""How the cost of an LSTM autoencoder grows, from the table that the speed suite wrote."""

import csv
from collections import defaultdict

import matplotlib.pyplot as plt
import numpy as np

COLOURS = {"training": "#2b6ca3", "scoring": "#d1741f"}
LABELS = {
    "length": "length, time steps",
    "features": "features",
    "units": "hidden units",
    "window": "window size, time steps",
    "batch": "batch size",
}

points = defaultdict(lambda: defaultdict(list))
# Sphinx runs this in the folder where it stands.
with open("../guide/speed/growth-points.csv", newline="") as file:
    for row in csv.DictReader(file):
        points[row["axis"]][row["work"]].append((float(row["size"]), float(row["seconds"])))

figure, axes = plt.subplots(2, 3, sharey=True, figsize=(8, 5), layout="constrained")
for ax, (axis, works) in zip(axes.flat, points.items(), strict=False):
    for work, found in works.items():
        sizes, seconds = np.array(found).T
        exponent, factor = np.polyfit(np.log(sizes), np.log(seconds), 1)
        ax.plot(sizes, seconds, "o", color=COLOURS[work], markersize=4)
        ax.plot(
            sizes,
            np.exp(factor) * sizes**exponent,
            color=COLOURS[work],
            label=f"{work}: {exponent:.2f}".replace("-", "\N{MINUS SIGN}"),
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(sizes, [f"{size:.0f}" for size in sizes], fontsize=8)
    ax.minorticks_off()
    ax.set_xlabel(LABELS[axis])
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=8)
for ax in axes[:, 0]:
    ax.set_ylabel("seconds")
for ax in axes.flat[len(points) :]:
    ax.set_axis_off()
