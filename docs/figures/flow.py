"""The way of X through the package: what becomes of it, and which module does it."""

import matplotlib.pyplot as plt

# What there is, the module that makes it of what is above, one line about it, and whether only
# fit makes it.
STEPS = (
    ("X", "", "array, frame, panel, list or file", False),
    ("sequences", "sequences", "all series end to end, checked once", False),
    ("windows", "windows, batches", "copied out batch by batch", False),
    ("weights", "networks, training", "learned from the windows", True),
    ("reconstruction", "training", "what the network expected", False),
    ("errors", "scoring, aggregation", "of windows, then of time steps", False),
    ("scores", "smoothing, scoring", "higher = more anomalous", False),
    ("threshold", "thresholds", "chosen on the scores of X", True),
    ("labels", "detectors", "the sign turns: -1 anomaly, +1 normal", False),
    ("verdicts", "metrics, displays", "compared with the truth, drawn", False),
)
EACH, FIT, DARK, QUIET = "#cfe3f3", "#fbd7a8", "#16242f", "#4a5a66"

figure, axes = plt.subplots(figsize=(4.4, 7.4), layout="constrained")
axes.set(xlim=(0, 10), ylim=(len(STEPS) - 0.5, -1.0))
axes.axis("off")
for row, (what, module, said, fit_alone) in enumerate(STEPS):
    box = {"boxstyle": "round,pad=0.35", "facecolor": FIT if fit_alone else EACH, "edgecolor": DARK}
    axes.text(2.1, row, what, ha="center", va="center", fontsize=11, color=DARK, bbox=box)
    if row:
        arrow = {"arrowstyle": "-|>", "color": DARK}
        axes.annotate("", xy=(2.1, row - 0.27), xytext=(2.1, row - 0.73), arrowprops=arrow)
    below = 0.17 if module else 0.0
    axes.text(4.5, row - 0.18, module, va="center", fontsize=10, color=DARK, family="monospace")
    axes.text(4.5, row + below, said, va="center", fontsize=9, color=QUIET)
for x, colour, label in ((0.3, EACH, "fit and scoring"), (5.6, FIT, "fit alone")):
    box = {"boxstyle": "round,pad=0.35", "facecolor": colour, "edgecolor": DARK}
    axes.text(x, -0.8, "   ", va="center", fontsize=7, bbox=box)
    axes.text(x + 0.95, -0.8, label, va="center", fontsize=9, color=DARK)
