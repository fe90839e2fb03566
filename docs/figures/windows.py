"""Windows over a series, the flush last one among them, and how many cover each time step."""

import matplotlib.pyplot as plt
import numpy as np

from skanomaly.sequences import Sequences
from skanomaly.windows import Windows

N_TIMESTEPS, WINDOW_SIZE, STRIDE = 17, 6, 4
PLAIN, FLUSH, DARK = "#9ecae1", "#fdae6b", "#2b4b63"

series = np.sin(np.arange(N_TIMESTEPS) / 2.2) + 0.25 * np.cos(np.arange(N_TIMESTEPS) * 1.7)
sequences = Sequences(series[:, None], np.array([0, N_TIMESTEPS]), "series")
windows = Windows(sequences, WINDOW_SIZE, STRIDE)
starts, lengths = windows.locate(np.arange(len(windows)))
coverage = np.zeros(N_TIMESTEPS, dtype=int)
for start, length in zip(starts, lengths, strict=True):
    coverage[start : start + length] += 1

figure, (top, middle, bottom) = plt.subplots(
    3, 1, sharex=True, figsize=(8, 5), height_ratios=(1.2, 1.6, 0.8), layout="constrained"
)
top.plot(series, color=DARK, marker="o", markersize=4)
top.set_ylabel("value")
top.set_yticks([])
top.set_title(f"{N_TIMESTEPS} time steps, window_size={WINDOW_SIZE}, stride={STRIDE}", loc="left")

for number, (start, length) in enumerate(zip(starts, lengths, strict=True)):
    flush = number == len(windows) - 1
    middle.barh(
        number,
        length,
        left=start - 0.5,
        height=0.62,
        color=FLUSH if flush else PLAIN,
        edgecolor=DARK,
    )
    text = f"window {number}: steps {start} to {start + length - 1}"
    if flush:
        text += ", flush with the end of the series"
    if number < len(windows) / 2:
        place = {"x": start + length - 0.2, "ha": "left"}
    else:
        place = {"x": start - 0.8, "ha": "right"}
    middle.text(y=number, s=text, va="center", fontsize=9, **place)
middle.set_ylim(len(windows) - 0.4, -0.6)
middle.set_yticks([])
middle.set_ylabel("windows")

bottom.bar(np.arange(N_TIMESTEPS), coverage, width=0.8, color=DARK)
bottom.set_yticks(range(coverage.max() + 1))
bottom.set_ylabel("windows\nper step")
bottom.set_xlabel("time step")
bottom.set_xlim(-0.7, N_TIMESTEPS - 0.3)
bottom.set_xticks(range(N_TIMESTEPS))
