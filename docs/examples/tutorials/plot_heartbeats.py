"""
Heartbeats: a panel of 140 steps, and a threshold with a rate
=============================================================

Each sample is a whole heartbeat of 140 time steps, so the data are a panel. An autoencoder learns
normal beats; beats that it reconstructs badly are flagged. This page does that in a few lines,
sets the threshold from normal beats that the network has not seen, and compares with a rival that
needs no network.

**The originals.** Venelin Valkov, `Time Series Anomaly Detection using LSTM Autoencoders with
PyTorch in Python
<https://curiousily.com/posts/time-series-anomaly-detection-using-lstm-autoencoder-with-pytorch-in-python/>`__,
2020, and the TensorFlow tutorial `Intro to Autoencoders
<https://www.tensorflow.org/tutorials/generative/autoencoder>`__ (its third example, a dense
network). Both use ECG5000: 5000 beats of one patient, 2919 normal. Valkov trains on 2481 normal
beats, one beat per update, for 150 epochs; that is 372 150 updates. His threshold, 26, is read off
the histogram of training errors. It is judged on 145 normal beats and on the first 145 of 2081
anomalous ones. TensorFlow takes the mean of the training errors plus one standard deviation.

**What is weak in them.** Neither threshold has a known rate of false alarms. Training errors are
too small a measure: a network errs less on what it learned from. The counts are those of one
threshold, on a made-up share of anomalies. One beat per update makes the training slow. And nobody
asks whether a network is needed.
"""

# %%
# Data of the same form
# ---------------------
#
# A beat is a sum of bumps: P, Q, R, S and T. Heights vary, and so does the place of the beat in
# the 140 steps, for beats are cut from a recording. Three kinds of anomalies: a wide beat without
# P, an inverted T, and a T that comes too early. As in ECG5000 each beat is scaled to mean 0 and
# variance 1.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import confusion_matrix
from sklearn.pipeline import make_pipeline

from skanomaly import Seq2SeqLSTMAutoencoder
from skanomaly.metrics import average_precision, roc_auc
from skanomaly.preprocessing import Downsampler
from skanomaly.thresholds import ConformalThreshold, QuantileThreshold, SigmaThreshold

#: Place, width (in shares of a beat) and height of P, Q, R, S and T.
NORMAL = np.array(
    [
        [0.2, 0.05, 0.3],
        [0.35, 0.025, -0.3],
        [0.4, 0.03, 1.0],
        [0.46, 0.03, -0.5],
        [0.7, 0.08, 0.6],
    ]
)


def make_beats(n_beats, kind, rng):
    """Make beats of 140 time steps: (n_beats, 140, 1)."""
    bumps = np.repeat(NORMAL[None], n_beats, axis=0)
    if kind == "wide":
        bumps[:, 0, 2] = 0
        bumps[:, 1:4, 1] *= 1.6
    elif kind == "inverted T":
        bumps[:, 4, 2] *= -0.5
    elif kind == "early T":
        bumps[:, 4, 0] -= 0.1
    bumps[:, :, 0] += 0.02 * rng.standard_normal((n_beats, 1))
    bumps[:, :, 2] *= 1 + 0.12 * rng.standard_normal((n_beats, 5))
    place, width, height = bumps.transpose(2, 0, 1)[..., None]
    beats = (
        height * np.exp(-((np.linspace(0, 1, 140) - place) ** 2) / (2 * width**2))
    ).sum(axis=1)
    beats += 0.04 * rng.standard_normal(beats.shape)
    beats -= beats.mean(axis=1, keepdims=True)
    return (beats / beats.std(axis=1, keepdims=True))[..., None]


rng = np.random.default_rng(0)
X_train, X_held_out = make_beats(200, "normal", rng), make_beats(200, "normal", rng)
kinds = ["normal"] * 4 + ["wide", "inverted T", "early T"]
X_test = np.concatenate([make_beats(100, kind, rng) for kind in kinds])
y_test = np.repeat([1, 1, 1, 1, -1, -1, -1], 100)
print(X_train.shape, X_test.shape)

# %%
# One score per beat
# ------------------
#
# ``window_size=None`` reads each beat whole. The score of a beat is minus its mean squared error.
# Two things make this quick. Sixteen beats per update: an epoch is 13 updates instead of 200. And
# :class:`~skanomaly.preprocessing.Downsampler`: the curves are smooth, and the means of four steps
# each tell as much. A bottleneck learns 35 steps far more easily than 140.

detector = make_pipeline(
    Downsampler(factor=4),
    Seq2SeqLSTMAutoencoder(
        window_size=None,
        hidden_units=16,
        learning_rate=0.01,
        batch_size=16,
        max_epochs=30,
        random_state=0,
    ),
).fit(X_train)
scores = -detector.score_samples(X_test)
held_out = -detector.score_samples(X_held_out)
print(scores.shape)

fig, axes = plt.subplots(1, 4, figsize=(9, 2.9), sharey=True, layout="constrained")
milliseconds = np.arange(140) * 1000 / 140
for ax, kind, i in zip(axes, ("normal", *kinds[4:]), (0, 400, 500, 600), strict=True):
    ax.plot(milliseconds, X_test[i, :, 0], color="#33506b", label="beat")
    reduced = detector[0].transform(X_test[i : i + 1])
    expected = detector[-1].reconstruct(reduced)[0, :, 0]
    ax.plot(milliseconds[2::4], expected, "--", color="#e08214", label="reconstruction")
    ax.set(title=f"{kind}\nscore {scores[i]:.3f}", xlabel="time in ms")
axes[0].set_ylabel("voltage, scaled")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)

# %%
# How good are the scores?
# ------------------------
#
# Measures that need no threshold come first. The rival is the plainest there is: the mean of the
# training beats, step by step, and the distance of a beat from it.

mean_beat = X_train.mean(axis=0)
rival = ((X_test - mean_beat) ** 2).mean(axis=(1, 2))
for name, s in (("LSTM autoencoder", scores), ("distance to the mean beat", rival)):
    ap, auc = average_precision(y_test, s), roc_auc(y_test, s)
    print(f"{name:26s} average precision {ap:.3f}, ROC AUC {auc:.3f}")

# %%
# Where to cut?
# -------------
#
# Three thresholds on the same scores. None has seen an anomaly. What counts is whether a rule
# keeps its word on *new* normal beats: of the 400 in the test, how many are flagged?

train_scores = -detector.score_samples(X_train)
rules = {
    "mean + 1 standard deviation, training": SigmaThreshold(n_sigmas=1).fit(
        train_scores
    ),
    "2 % of the training beats": QuantileThreshold(contamination=0.02).fit(
        train_scores
    ),
    "2 % of held-out beats, conformal": ConformalThreshold(alpha=0.02).fit(held_out),
}
for name, rule in rules.items():
    labels = rule.predict(scores)
    (caught, missed), (false, _) = confusion_matrix(y_test, labels, labels=[-1, 1])
    print(
        f"{name:38s} {false / 400:5.1%} of normal beats flagged, {caught / 300:.0%} of anomalies"
    )

fig, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
bins = np.geomspace(scores.min(), scores.max(), 60)
ax.hist(scores[y_test == 1], bins, color="#33506b", label="normal beats")
ax.hist(scores[y_test == -1], bins, color="#e08214", alpha=0.7, label="anomalous beats")
styles = zip(rules.items(), (":", "-.", "-"), strict=True)
for (name, rule), style in styles:
    ax.axvline(rule.threshold_, color="black", linestyle=style, label=name)
ax.set(
    xscale="log",
    xlabel="anomaly score, mean squared error",
    ylabel="beats in the test",
    ylim=(0, 120),
)
ax.legend(fontsize="small", loc="upper left")

# %%
# Mean plus one standard deviation flags about one normal beat in eight: so far from the mean is no
# rare event. The conformal threshold promises at most 2 %, on average over sets of held-out beats.
# With 200 of them the rate varies by about one percentage point. The training beats set as good a
# threshold here. On the real ones they do not.
#
# On the real beats
# -----------------
#
# ECG5000 has 292 normal training beats: 200 of them train for 60 epochs, 92 set the conformal
# threshold, and all 4500 test beats judge, of which 1873 are anomalous. Range over three random
# states, by ``python benchmarks/quality/tutorials.py heartbeats``:
#
# ======================================  =================  ==============
# scores                                  average precision  ROC AUC
# ======================================  =================  ==============
# LSTM autoencoder                        0.967 to 0.974     0.985 to 0.987
# distance to the mean beat               0.940 to 0.942     0.978 to 0.979
# ======================================  =================  ==============
#
# ======================================  =================  ==============  ==============
# threshold                               normal flagged     recall          F1
# ======================================  =================  ==============  ==============
# mean + 1 standard deviation, training   9.7 to 10.5 %      0.98 to 0.99    0.92 to 0.93
# 2 % of the training beats               3.3 to 3.7 %       0.95 to 0.96    0.95 to 0.96
# 2 % of 92 held-out beats, conformal     0.7 to 6.0 %       0.67 to 0.99    0.80 to 0.95
# ======================================  =================  ==============  ==============
#
# The network is better than the mean beat, but not by much. Two percent of the training beats
# become more than three of new ones. And 92 held-out beats are too few for 2 %: the threshold is
# the largest of their scores, whichever that is. Sixteen beats per update instead of one make an
# epoch 5.6 times as fast (processor time, JAX, one core).
#
# What to take away
# -----------------
#
# * Whole series that are one sample each make a panel: ``window_size=None``, one score per beat.
# * Larger batches and fewer time steps save more time than any device.
# * Compare with the distance to the mean beat before believing in a network.
# * Report average precision or ROC AUC, then *one* threshold with its rate on normal beats, set
#   without looking at anomalies: :doc:`/guide/thresholds`.
