"""
Is my LSTM autoencoder an identity function?
============================================

A practitioner compared two LSTM autoencoders on recorded flights with persistence, the forecast
that every value stays as it was one time step before. *Model 1*, whose decoder reads the whole
encoded sequence, lost on the raw flights and won by far on differenced ones. Was that too good to
be true? On differenced flights: yes. There it passes its input through. On raw flights it does not.

This example shows how to find out, in four steps: compare errors with baselines, look at the
reconstructions, feed noise, and let :func:`~skanomaly.inspection.identity_report` give a verdict.
:doc:`/guide/practitioners-question` has the same at full size, with 77 sensors.
"""

# %%
# Flights whose anomalies are known
# ---------------------------------
# :func:`~skanomaly.datasets.make_flights` simulates flights: here 24 normal ones to learn from, and
# 6 to judge by, of 150 time steps and 8 sensors. *Model 1* is :class:`~skanomaly.LSTMAutoencoder`.
# *Model 2*, :class:`~skanomaly.Seq2SeqLSTMAutoencoder`, must squeeze a whole flight through its
# last state, 16 numbers here. Without the two baselines no error would mean anything.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skanomaly import (
    LSTMAutoencoder,
    MeanDetector,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
)
from skanomaly.datasets import make_flights
from skanomaly.displays import IdentityDisplay
from skanomaly.inspection import identity_report
from skanomaly.metrics import average_precision
from skanomaly.preprocessing import Differencer

flights = make_flights(
    n_train=24, n_test=6, n_timesteps=150, n_features=8, random_state=0
)
options = {
    "window_size": None,  # whole flights
    "hidden_units": 16,
    "learning_rate": 0.005,
    "max_epochs": 80,
    "random_state": 0,
}
models = {
    "Model 1": LSTMAutoencoder(**options),
    "Model 2": Seq2SeqLSTMAutoencoder(**options),
    "persistence": PersistenceDetector(),
    "mean": MeanDetector(),
}

# %%
# Errors beside baselines
# -----------------------
# A :class:`~skanomaly.preprocessing.Differencer` in the pipeline turns values into changes. The
# errors are those on the normal time steps of the test flights; *AP*, the average precision, says
# how well the scores rank the anomalous time steps first.

rows, fitted = [], {}
for data, first_step in {"raw": "passthrough", "differenced": Differencer()}.items():
    for name, model in models.items():
        pipeline = make_pipeline(first_step, clone(model)).fit(flights.X_train)
        X_test = pipeline[:-1].transform(flights.X_test)
        errors = np.square(X_test - pipeline[-1].reconstruct(X_test)).mean(axis=-1)
        ap = average_precision(flights.y_test, -pipeline[-1].score_timesteps(X_test))
        rows.append((data, name, errors[flights.y_test == 1].mean(), ap))
        fitted[data, name] = pipeline
table = pd.DataFrame(rows, columns=["data", "model", "MSE", "AP"]).set_index(
    ["data", "model"]
)
table.round(3)

# %%
# The two kinds of data have different units, so divide by the error of the mean.

relative = table["MSE"].unstack(0) / table["MSE"].xs("mean", level="model")
relative = relative.loc[list(models), ["raw", "differenced"]]
ax = relative.plot.barh(color=["#33506b", "#e08214"], figsize=(7.5, 3.4))
ax.axvline(1, color="0.4", linestyle=":")
ax.invert_yaxis()
ax.set(xlabel="mean squared error / that of the mean", ylabel="")
plt.tight_layout()

# %%
# **Why do raw and differenced data differ?** Raw sensors move slowly: the last value is nearly the
# next one, and persistence is hard to beat. What differencing leaves is mostly sensor noise. Of
# white noise, the last value says nothing about the next one, and to guess it costs twice the
# variance: once for the value, once for the guess.

noise = np.random.default_rng(0).normal(size=100_000)
error = np.mean(np.diff(noise) ** 2)
print(f"persistence on white noise: {error / noise.var():.2f} of the variance")

# %%
# Differences of noise are even worse than noise, for each is followed by its opposite: there
# persistence costs three times the variance, or less where some signal is left. So on differenced
# data nearly everybody beats persistence, the mean included. That Model 1 is *far* below the mean,
# where there is next to nothing to learn, is the suspicious part.
#
# What the models make of a flight
# --------------------------------
# The first test flight, by the sensor whose changes Model 1 restores best.

changes = fitted["differenced", "Model 1"][0].transform(flights.X_test)
left = changes - fitted["differenced", "Model 1"][-1].reconstruct(changes)
sensor = int(np.argmin(left.var(axis=(0, 1)) / changes.var(axis=(0, 1))))

figure, axes = plt.subplots(
    2, 2, figsize=(9, 4.6), sharex=True, sharey="row", layout="constrained"
)
for row, data in zip(axes, ("raw", "differenced"), strict=True):
    for ax, name in zip(row, ("Model 1", "Model 2"), strict=True):
        steps = fitted[data, name][:-1].transform(flights.X_test[:1])
        ax.plot(steps[0, :, sensor], color="#33506b", linewidth=1, label="sensor")
        said = fitted[data, name][-1].reconstruct(steps)
        ax.plot(
            said[0, :, sensor], color="#e08214", linewidth=1.5, label="reconstruction"
        )
        ax.set_title(f"{name}, {data}", loc="left", fontsize="medium")
axes[0, 1].legend(loc="lower center", fontsize="small")
for ax in axes[1]:
    ax.set_xlabel("time step")
figure.supylabel(flights.feature_names[sensor])

# %%
# On raw flights both follow the phases of the flight, Model 1 more closely. On differences Model 1
# draws the noise after, jump by jump, and Model 2, which has no room for it, says nearly nothing.
#
# The test with noise
# -------------------
# Noise has no structure, so nobody can have learned it. Who gives it back is copying.

rng = np.random.default_rng(1)
figure, axes = plt.subplots(2, 1, figsize=(9, 4), sharex=True, layout="constrained")
for ax, data in zip(axes, ("raw", "differenced"), strict=True):
    pipeline = fitted[data, "Model 1"]
    train = pipeline[:-1].transform(flights.X_train)
    X_noise = train.mean(axis=(0, 1)) + train.std(axis=(0, 1)) * rng.normal(
        size=train[:1].shape
    )
    ax.plot(X_noise[0, :, sensor], color="#33506b", linewidth=1, label="noise")
    returned = pipeline[-1].reconstruct(X_noise)[0, :, sensor]
    ax.plot(returned, color="#e08214", linewidth=1.5, label="what Model 1 makes of it")
    correlation = np.corrcoef(X_noise[0, :, sensor], returned)[0, 1]
    ax.set_title(
        f"trained on {data} flights, correlation {correlation:.1f}", loc="left"
    )
axes[0].legend(loc="lower right", ncols=2, fontsize="small")
axes[1].set_xlabel("time step")

# %%
# The report
# ----------
# :func:`~skanomaly.inspection.identity_report` measures this and more: what comes back of noise, of
# a flat line, of shuffled time steps, and how the output answers a single corrupted value. In its
# picture "raw" are the data as the detector sees them, and "differenced" their changes.

reports = {
    data: identity_report(
        fitted[data, "Model 1"][-1],
        fitted[data, "Model 1"][:-1].transform(flights.X_train),
    )
    for data in ("raw", "differenced")
}
figure = plt.figure(figsize=(10, 10.5), layout="constrained")
for half, (data, report) in zip(figure.subfigures(2, 1), reports.items(), strict=True):
    print(f"{data}: {report.verdict}; of noise {report.copied:.0%} come back")
    half.suptitle(f"Model 1 on {data} flights", x=0.01, ha="left", fontweight="bold")
    IdentityDisplay.from_report(report, ax=half)

# %%
# What to take away
# -----------------
# - A low reconstruction error is no success by itself. Put persistence and the mean beside it, on
#   the same data; errors of raw and of differenced data cannot be compared.
# - Model 1 copies where there is nothing to learn and enough room to copy, on differences. On raw
#   flights it learns their course. A bottleneck cannot copy, and learns less.
# - Differencing is no free improvement: the lowest error of the table ranks anomalies three times
#   worse than Model 1 on raw flights, as a lasting shift becomes two single jumps.
# - Ask ``identity_report`` before you trust a detector. If it copies: fewer units, ``noise_std``,
#   fewer epochs or Model 2. See :doc:`/guide/identity`.
