"""
Bearing vibrations: a window of one step learns nothing of time
===============================================================

Four bearings run until one of them fails. An LSTM autoencoder learns the healthy beginning and is
to warn in time. In the best known version of this tutorial the network reads one time step at a
time, so that its memory is never used. This page shows how to see that, and what longer windows
find.

**The original.** Brent Larzalere, `LSTM Autoencoder for Anomaly Detection
<https://towardsdatascience.com/lstm-autoencoder-for-anomaly-detection-e1f4f2ee7ccf>`__, Towards
Data Science, 2019, and its many copies. The data are the IMS bearing data of the NASA repository:
one second of vibration at 20 kHz from four bearings, every 10 minutes until failure. Each second
becomes the mean of its absolute values, so that a time step has four features. These are reshaped
to (n, 1, 4): n samples of *one* time step. The threshold is read off the histogram of training
errors.

**What is weak in it.** An LSTM starts each sample with an empty memory, and after one step the
sample is over. The recurrent weights multiply zeros. What remains is a dense autoencoder of four
numbers that knows nothing of order; LSTM is in its name only. The mean of absolute values also
hides the first sign of a defect: short impacts.
"""

# %%
# Data of the same form
# ---------------------
#
# The machine works in shifts: its load rises and falls with a period of 24 snapshots (4 hours),
# and all four bearings feel it. From snapshot 600 on, bearing 1 has a defect whose impacts grow
# until it fails. Before, from 520 to 560, the load stands still: each value is ordinary, their
# order is not.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skanomaly import LSTMAutoencoder, Seq2SeqLSTMAutoencoder
from skanomaly.metrics import average_precision, roc_auc
from skanomaly.preprocessing import Downsampler
from skanomaly.thresholds import ConformalThreshold

SNAPSHOTS, SAMPLES, STALL, DEFECT = 984, 256, slice(520, 560), 600


def make_vibrations(random_state=0):
    """Make vibrations of four bearings, run to failure: (SNAPSHOTS * SAMPLES, 4), in g."""
    rng = np.random.default_rng(random_state)
    step = np.arange(SNAPSHOTS)
    load = 1 + 0.3 * np.sin(2 * np.pi * step / 24)
    load[STALL] = 1.15
    load *= 1 + 0.02 * rng.standard_normal(SNAPSHOTS)
    noise = rng.standard_normal((SNAPSHOTS, SAMPLES, 4))
    vibration = 0.1 * load[:, None, None] * np.array([1.0, 0.8, 1.2, 0.9]) * noise
    wear = np.clip((step - DEFECT) / (SNAPSHOTS - DEFECT), 0, 1) ** 2
    impacts = rng.uniform(size=(SNAPSHOTS, SAMPLES)) < 0.01
    felt = np.array([1.0, 0.2, 0.1, 0.05])  # the neighbours feel it too
    size = 3 * wear[:, None] * np.abs(rng.standard_normal((SNAPSHOTS, SAMPLES)))
    return (vibration + (impacts * size)[..., None] * felt).reshape(-1, 4)


raw = make_vibrations()
print(raw.shape)

# %%
# From vibrations to features
# ---------------------------
#
# :class:`~skanomaly.preprocessing.Downsampler` makes one time step of each snapshot. ``"mean"`` of
# the absolute values is the feature of the original; ``"max"`` is added for the impacts.
# Logarithms make a doubling count the same at any load. All of it is learned from the first 400
# snapshots, which are healthy; the next 100 are kept for the threshold.

TRAIN, HELD_OUT, REST = slice(0, 400), slice(400, 500), slice(500, SNAPSHOTS)


def features(*statistics):
    """Reduce the vibrations to features of snapshots: (SNAPSHOTS, 4 * len(statistics))."""
    reduce = make_pipeline(
        FunctionTransformer(np.abs),
        Downsampler(factor=SAMPLES, statistic=statistics),
        FunctionTransformer(np.log),
    )
    X = reduce.fit_transform(raw)
    return StandardScaler().fit(X[TRAIN]).transform(X)


X_mean, X_both = features("mean"), features("mean", "max")
print(X_mean.shape, X_both.shape)

# %%
# Shuffle time
# ------------
#
# If a detector uses the order of time, its scores change when the order does. Train two networks
# on the features of the original, one with windows of 1 and one with windows of 24 steps, and
# score the held-out snapshots in order and in random order.

settings = {
    "hidden_units": 16,
    "learning_rate": 0.01,
    "batch_size": 32,
    "random_state": 0,
}
one = Seq2SeqLSTMAutoencoder(window_size=1, max_epochs=15, **settings).fit(
    X_mean[TRAIN]
)
day = LSTMAutoencoder(window_size=24, max_epochs=20, noise_std=0.3, **settings).fit(
    X_mean[TRAIN]
)

order = np.random.default_rng(1).permutation(100)
for name, detector in (("window of 1", one), ("window of 24", day)):
    in_order = -detector.score_samples(X_mean[HELD_OUT])[order]
    shuffled = -detector.score_samples(X_mean[HELD_OUT][order])
    same = np.allclose(in_order, shuffled)
    print(
        f"{name}: same scores {same}, mean error {shuffled.mean() / in_order.mean():.1f} times"
    )

# %%
# With a window of one step the scores are the same to the last digit. The network sees a heap of
# snapshots, not a series. With 24 steps the shuffled series is a different one, and a worse one.
#
# What that costs
# ---------------
#
# The load that stands still from 520 to 560 has no unusual snapshot in it. Only its order is
# wrong.

y_stall = np.ones(100, int)
y_stall[STALL.start - 500 : STALL.stop - 500] = -1
stalled = slice(500, 600)
fig, axes = plt.subplots(3, 1, figsize=(8, 5.5), sharex=True, layout="constrained")
axes[0].plot(np.arange(500, 600), X_mean[stalled, 0], color="#33506b")
axes[0].set(
    ylabel="mean vibration\nof bearing 1, scaled", title="A load that stands still"
)
for ax, name, detector in zip(
    axes[1:], ("window of 1", "window of 24"), (one, day), strict=True
):
    scores = -detector.score_samples(X_mean)
    ax.plot(np.arange(500, 600), scores[stalled], color="#e08214")
    ax.set(ylabel=f"anomaly score,\n{name}", ylim=(0, None))
    ap, auc = (
        metric(y_stall, scores[stalled]) for metric in (average_precision, roc_auc)
    )
    print(f"{name}: average precision {ap:.2f}, ROC AUC {auc:.2f}")
for ax in axes:
    ax.axvspan(STALL.start, STALL.stop, color="0.88", zorder=0)
axes[-1].set(xlabel="snapshot (10 minutes each); grey: the load stands still")

# %%
# How long before the failure?
# ----------------------------
#
# A threshold read off a histogram has no false alarm rate. Here it comes from healthy snapshots
# that the network has not seen: :class:`~skanomaly.thresholds.ConformalThreshold` with alpha=0.02.
# An alarm is six flagged snapshots in a row, one hour. Causal smoothing calms the scores without
# looking ahead; ``aggregation="last"`` judges a snapshot by the window that ends with it.


def first_alarm(detector, X):
    """Fit, set the threshold on held-out scores, and find the first hour of alarms after 600."""
    scores = -detector.fit(X[TRAIN]).score_samples(X)
    threshold = ConformalThreshold(alpha=0.02).fit(scores[HELD_OUT])
    flagged = threshold.predict(scores) == -1
    hours = np.convolve(flagged[DEFECT:], np.ones(6), "valid") == 6
    return DEFECT + int(hours.argmax()) + 5, scores, threshold.threshold_


causal = {"smoothing": "exponential", "smoothing_span": 6, "smoothing_causal": True}
runs = {
    "window of 1, mean": (
        Seq2SeqLSTMAutoencoder(window_size=1, max_epochs=15, **settings, **causal),
        X_mean,
    ),
    "window of 24, mean": (
        LSTMAutoencoder(
            window_size=24,
            max_epochs=20,
            noise_std=0.3,
            aggregation="last",
            **settings,
            **causal,
        ),
        X_mean,
    ),
    "window of 24, mean and max": (
        LSTMAutoencoder(
            window_size=24,
            max_epochs=20,
            noise_std=0.3,
            aggregation="last",
            **settings,
            **causal,
        ),
        X_both,
    ),
}
fig, axes = plt.subplots(
    3, 1, figsize=(8, 6), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, (detector, X)) in zip(axes, runs.items(), strict=True):
    alarm, scores, threshold = first_alarm(detector, X)
    ax.semilogy(scores, color="#33506b", linewidth=0.8)
    ax.axhline(threshold, color="0.4", linestyle="--")
    ax.axvline(DEFECT, color="0.4", linestyle=":")
    ax.axvline(alarm, color="#e08214", linewidth=2)
    ax.set(title=name, ylabel="anomaly score")
    print(f"{name}: alarm {(SNAPSHOTS - alarm) / 6:.0f} hours before failure")
axes[-1].set(
    xlabel="snapshot; dotted: the defect begins, orange: alarm, dashed: threshold"
)

# %%
# Longer windows warn earlier on the same feature, and the maxima add as much again. But maxima are
# noisy, and half of the features hide what the other half shows: the load that stands still is
# plain with the means alone, and hardly seen with both. Choose features by the fault that you look
# for, or run two detectors.

# %%
# What to take away
# -----------------
#
# * The shape (n, 1, n_features) gives an LSTM nothing to remember. Shuffle the rows: if the scores
#   do not change, no order was learned.
# * Where order does not matter, a dense or linear method does the same for less. Where it does,
#   the window must hold it; :func:`~skanomaly.preprocessing.suggest_window_size` looks for the
#   period.
# * Reduce fast vibrations by what a defect changes first: the mean hides what the maximum shows.
#   See :doc:`/guide/high-frequency`.
# * Take the threshold from healthy data that the network has not seen: :doc:`/guide/thresholds`.
