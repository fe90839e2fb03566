"""
Nine numbers: what one sequence teaches
=======================================

An LSTM autoencoder that returns the numbers 0.1, 0.2, ..., 0.9 is the first one that many people
train. It comes back to two decimals. This page asks what that shows: that the network has memory,
and nothing about sequences. The same network learns what a rising line is once it is given many.

**The original.** Jason Brownlee, `A Gentle Introduction to LSTM Autoencoders
<https://machinelearningmastery.com/lstm-autoencoders/>`__, Machine Learning Mastery, 2018. One
sample of nine time steps and one feature, shape (1, 9, 1); an LSTM of 100 units, ``RepeatVector``,
an LSTM of 100 units; 300 epochs on that sample. A second network forecasts the rest of the
sequence from the number before, a third does both.

**What is weak in it.** There is one sample, and it is the training set, the validation set and the
test set. Nothing in the page tells a network that has learned from one that recites.
"""

# %%
# The original in three lines
# ---------------------------
#
# :class:`~skanomaly.Seq2SeqLSTMAutoencoder` is that network. A panel has the shape (n_series,
# n_timesteps, n_features), and ``window_size=None`` reads each series whole.

import matplotlib.pyplot as plt
import numpy as np

from skanomaly import (
    LinearForecaster,
    LSTMAutoencoder,
    LSTMForecaster,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
)
from skanomaly.inspection import identity_report

nine = np.arange(1, 10) / 10
X_one = nine.reshape(1, 9, 1)
reciter = Seq2SeqLSTMAutoencoder(
    window_size=None, hidden_units=100, max_epochs=300, random_state=0
).fit(X_one)
print(reciter.reconstruct(X_one).ravel().round(2))

# %%
# Nine other numbers
# ------------------
#
# Now show it sequences that it has not seen. Whatever goes in, a rising line comes out: also for
# the same numbers backwards, and for no numbers but zeros.

questions = {
    "seen in training": nine,
    "0.05 higher": nine + 0.05,
    "backwards": nine[::-1],
    "zeros": np.zeros(9),
}
answers = reciter.reconstruct(np.stack(list(questions.values()))[..., None])[..., 0]

fig, axes = plt.subplots(1, 4, figsize=(9, 2.5), sharey=True, layout="constrained")
for ax, (name, asked), answer in zip(axes, questions.items(), answers, strict=True):
    ax.plot(np.arange(1, 10), asked, "o-", color="#33506b", label="input")
    ax.plot(np.arange(1, 10), answer, "s--", color="#e08214", label="output")
    ax.set(title=name, xlabel="time step", xticks=[1, 5, 9])
    print(f"{name:17s} mean squared error {np.mean((asked - answer) ** 2):.4f}")
axes[0].set_ylabel("value")
axes[0].legend(loc="upper left")

# %%
# As a detector it is useless. Its error is low on one sequence of the world, and higher on all
# others, those that are normal too.
#
# How many sequences does it take?
# --------------------------------
#
# Let "normal" be: nine numbers that rise evenly, from any start, by any step, with a little noise.
# We train on 8, 64 and 512 of them, 400 updates of the weights each, and judge on 200 others, the
# network above too. That is the experiment that the original lacks.


def rising_lines(n_series, random_state):
    """Make lines of nine time steps with a random start and step: (n_series, 9, 1)."""
    rng = np.random.default_rng(random_state)
    start, step = (
        rng.uniform(0, 1, (n_series, 1)),
        rng.uniform(0.05, 0.15, (n_series, 1)),
    )
    lines = start + step * np.arange(9) + rng.normal(0, 0.01, (n_series, 9))
    return lines[..., None]


X_many, X_new = rising_lines(512, 1), rising_lines(200, 2)
sizes, seen, unseen = [1, 8, 64, 512], [-reciter.score(X_one)], [-reciter.score(X_new)]
print(f"   1 sequence:  error {seen[0]:.5f} on it, {unseen[0]:.5f} on new ones")
for n in sizes[1:]:
    network = Seq2SeqLSTMAutoencoder(
        window_size=None,
        hidden_units=32,
        learning_rate=0.005,
        batch_size=8,
        max_epochs=3200 // n,
        random_state=0,
    ).fit(X_many[:n])
    seen.append(-network.score(X_many[:n]))
    unseen.append(-network.score(X_new))
    print(
        f"{n:4d} sequences: error {seen[-1]:.5f} on them, {unseen[-1]:.5f} on new ones"
    )

fig, ax = plt.subplots(figsize=(6.5, 3.4), layout="constrained")
ax.loglog(sizes, unseen, "o-", color="#e08214", label="new sequences")
ax.loglog(sizes, seen, "s--", color="#33506b", label="training sequences")
ax.axhline(X_new.var(), color="0.4", linestyle=":", label="variance: error of the mean")
ax.set(xlabel="sequences in training", ylabel="mean squared error", xticks=sizes)
ax.set_xticklabels(sizes)
ax.minorticks_off()
ax.legend()

# %%
# With one sequence the training error is low and means nothing. Only where both curves meet has
# the network learned what the sequences have in common.
#
# Is it a line that it knows, or does it copy?
# --------------------------------------------
#
# A low error on new data has two explanations: the network knows lines, or it passes on whatever
# it is given. :func:`~skanomaly.inspection.identity_report` tells them apart by showing it white
# noise, in which there is nothing to know. Beside the network through whose bottleneck all must
# pass stands :class:`~skanomaly.LSTMAutoencoder`, whose decoder reads the encoder at every step.

copier = LSTMAutoencoder(
    window_size=None,
    hidden_units=32,
    learning_rate=0.005,
    batch_size=8,
    max_epochs=10,
    random_state=0,
).fit(X_many)
backwards = X_new[:, ::-1]
for name, detector in (("bottleneck", network), ("reads every step", copier)):
    report = identity_report(detector, X_new, random_state=0)
    contrast = detector.score(backwards) / detector.score(X_new)
    print(f"{name}: {report.verdict}; noise returned {report.copied:.0%}")
    print(f"    error on falling lines is {contrast:.0f} times that on rising ones")

# %%
# Both know lines by now, for falling ones stand out. But the network that reads every step returns
# more than twice as much noise. Nothing stops it from copying, and the longer it is trained the
# more it does; what is copied cannot stand out. See :doc:`/guide/identity`.
#
# Forecast instead of reconstruct
# -------------------------------
#
# The original's second network forecasts. That is the safer question, for a forecast cannot be
# copied from the input. But it has a price to be named: forecasts have simple rivals, and on lines
# they are hard to beat. :class:`~skanomaly.LinearForecaster` needs two values and no network.

forecasters = {
    "persistence": PersistenceDetector(),
    "LSTM": LSTMForecaster(
        window_size=9,
        hidden_units=32,
        learning_rate=0.005,
        batch_size=8,
        max_epochs=10,
        random_state=0,
    ),
    "linear": LinearForecaster(lags=2),
}
for name, forecaster in forecasters.items():
    forecast = forecaster.fit(X_many).reconstruct(X_new)
    error = np.mean((forecast - X_new)[:, 2:] ** 2)  # from where two values are known
    print(f"{name:12s} mean squared error of the next value {error:.5f}")

# %%
# What to take away
# -----------------
#
# * One sequence that comes back shows memory. Judge a network on sequences that it has not seen.
# * Then ask whether it *knows* or *copies*: :func:`~skanomaly.inspection.identity_report`.
# * A forecast cannot be copied, but must beat :class:`~skanomaly.PersistenceDetector` and
#   :class:`~skanomaly.LinearForecaster`.
# * A bottleneck makes learning slower and a low error more meaningful.
