"""Which window sizes find a spike, a missing and an early beat, from the table of the study."""

import csv

import matplotlib.pyplot as plt

PERIOD = 32
STYLES = {
    "LSTMForecaster": ("#0072b2", "o"),
    "Seq2SeqLSTMAutoencoder": ("#d55e00", "s"),
    "LSTMAutoencoder": ("#cc79a7", "D"),
    "NearestWindowDetector": ("#009e73", "^"),
    "LinearForecaster": ("#767676", "v"),
}

# Sphinx runs this in the folder where it stands.
with open("../guide/basics/windows.csv", newline="") as file:
    rows = list(csv.DictReader(file))
sizes = [int(key) for key in rows[0] if key.isdigit()]
kinds = list(dict.fromkeys(row["anomaly"] for row in rows))

figure, axes = plt.subplots(1, 3, sharey=True, figsize=(8, 3.8), layout="constrained")
for ax, kind in zip(axes, kinds, strict=True):
    for row in rows:
        if row["anomaly"] == kind:
            colour, marker = STYLES[row["detector"]]
            values = [float(row[str(size)]) for size in sizes]
            ax.plot(sizes, values, color=colour, marker=marker, markersize=5, label=row["detector"])
    ax.axvline(PERIOD, color="black", linewidth=0.8, linestyle=":")
    ax.set_xscale("log", base=2)
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set_title(kind, loc="left", fontsize=11)
    ax.set_xlabel("window size, time steps")
    ax.set_ylim(0, 1.04)
    ax.spines[["top", "right"]].set_visible(False)
axes[-1].text(PERIOD * 0.9, 0.9, "one period", ha="right", fontsize=9)
axes[0].set_ylabel("average precision")
figure.legend(
    *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
)
