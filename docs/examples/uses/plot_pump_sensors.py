"""
A pump: which sensor raised the alarm?
======================================

An alarm that says only "anomaly" sends a technician to look at everything. This example turns eight
sensors of a water pump into a list of alarms that says when, how strongly and *where*, and asks of
one of them what would have prevented it. Values are missing here and there, as they are in every
plant.

The sensors are those of the test bed of SKAB (Skoltech Anomaly Benchmark), the values are
simulated. What changes with the real ones is told at the end.
"""

# %%
# A pump with two faults and a lost cable
# ---------------------------------------
# Flow, pressure, current and vibration follow the load, which an operator changes now and then;
# motor and water warm up slowly. Every second gives a row. Half an hour is normal and trains the
# detector. In the 25 minutes that are watched, a valve is closed too far for two minutes, later the
# rotor is out of balance; in between the cable of the pressure sensor is off for a minute, which is
# no fault of the pump. Everywhere 2 % of the values are lost.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import LSTMAutoencoder
from skanomaly.displays import ContributionDisplay
from skanomaly.inspection import explain, feature_contributions
from skanomaly.intervals import find_intervals
from skanomaly.preprocessing import SequenceTransformer

SENSORS = [
    "Accelerometer1RMS (g)", "Accelerometer2RMS (g)", "Current (A)",
    "Pressure (bar)", "Temperature (°C)", "Thermocouple (°C)", "Voltage (V)",
    "Volume Flow RateRMS (l/min)",
]  # fmt: skip
VALVE, CABLE, ROTOR = (400, 520), (750, 810), (1100, 1220)


def make_pump(n_seconds, random_state, faulty=False):
    """Return the readings of the pump, (n_seconds, 8); NaN where they are lost."""
    rng = np.random.default_rng(random_state)
    levels = rng.uniform(0.8, 1.2, size=n_seconds // 60 + 2)
    load = np.convolve(np.repeat(levels, 60), np.ones(20) / 20, "valid")[:n_seconds]
    valve, imbalance = np.zeros(n_seconds), np.zeros(n_seconds)
    if faulty:
        valve[slice(*VALVE)] = np.minimum(np.arange(120) / 30, 1)
        imbalance[slice(*ROTOR)] = 1
    memory = np.exp(-np.arange(300) / 100)
    heat = np.convolve(np.r_[np.ones(300), load], memory / 95, "valid")[1:]
    noise = rng.normal(size=(8, n_seconds))
    X = np.column_stack([
        0.20 + 0.05 * load + 0.03 * imbalance + 0.006 * noise[0],
        0.24 + 0.06 * load + 0.05 * imbalance + 0.007 * noise[1],
        1.0 + 1.2 * load - 0.15 * valve + 0.05 * noise[2],
        0.2 + 0.4 * load**2 + 0.15 * valve + 0.02 * noise[3],
        60 + 10 * heat + 0.3 * noise[4],
        22 + 4 * heat + 0.1 * noise[5],
        230 - 2 * load + 1.0 * noise[6],
        30 * load * (1 - 0.25 * valve) + 0.6 * noise[7],
    ])  # fmt: skip
    X[rng.uniform(size=X.shape) < 0.02] = np.nan
    if faulty:
        X[slice(*CABLE), 3] = np.nan
    return pd.DataFrame(X, columns=SENSORS)


X_train = make_pump(1800, random_state=0)
X_live = make_pump(1500, random_state=1, faulty=True)

figure, axes = plt.subplots(4, 2, figsize=(9, 6.5), sharex=True, layout="constrained")
for ax, name in zip(axes.T.flat, SENSORS, strict=True):
    ax.plot(X_live[name], color="#33506b", linewidth=0.8)
    ax.set_title(name, loc="left", fontsize="small")
    for (start, stop), colour in (
        (VALVE, "#e08214"),
        (CABLE, "0.6"),
        (ROTOR, "#e08214"),
    ):
        ax.axvspan(start, stop, color=colour, alpha=0.3)
for ax in axes[-1]:
    ax.set_xlabel("second")

# %%
# From readings to labels
# -----------------------
# Nothing is filled in: NaN means *not observed*, and adds nothing to loss or score. Scaled errors
# (``"standardised"``) make sensors with different noise comparable, which the attribution below
# needs. Smoothing joins what a few seconds of noise would cut apart. The threshold flags 0.5 % of
# the training data, about nine seconds in half an hour: without labels, a share is what can be
# chosen.

detector = LSTMAutoencoder(
    window_size=32,
    hidden_units=8,
    learning_rate=0.01,
    max_epochs=20,
    score_norm="standardised",
    smoothing="exponential",
    smoothing_span=8,
    smoothing_causal=True,
    contamination=0.005,
    random_state=0,
)
pipeline = make_pipeline(SequenceTransformer(StandardScaler()), detector).fit(X_train)
labels = pipeline.predict(X_live)
y_live = np.ones(len(X_live), dtype=int)
for start, stop in (VALVE, ROTOR):
    y_live[start:stop] = -1
ContributionDisplay.from_estimator(
    pipeline, X_live, y=y_live, feature_names=SENSORS, name="What adds to the score"
)

# %%
# The alarm list
# --------------
# Alarms that are less than 20 seconds apart are one.
# :func:`~skanomaly.inspection.feature_contributions` divides the score of each second among the
# sensors.

scaler, detector = pipeline
scaled = scaler.transform(X_live)
contributions = np.nan_to_num(feature_contributions(detector, scaled))
intervals = find_intervals(labels == -1)
starts = intervals[np.r_[True, intervals[1:, 0] - intervals[:-1, 1] >= 20], 0]
stops = intervals[np.r_[intervals[1:, 0] - intervals[:-1, 1] >= 20, True], 1]
rows = []
for start, stop in zip(starts, stops, strict=True):
    parts = contributions[start:stop]
    scores, shares = parts.sum(axis=1), parts.sum(axis=0)
    first, second = np.argsort(-shares)[:2]
    row = {"from (s)": start, "seconds": stop - start}
    row["peak / threshold"] = round(scores.max() / detector.threshold_, 1)
    for rank, sensor in (("first sensor", first), ("second sensor", second)):
        row[rank] = f"{SENSORS[sensor]}: {shares[sensor] / shares.sum():.0%}"
    rows.append(row)
pd.DataFrame(rows)

# %%
# Flow and pressure for the valve, both accelerometers for the rotor: a technician knows where to
# look. The lost cable raised no alarm, for what nobody observed cannot be wrong. Watch gaps by
# other means.
#
# What would have prevented the alarm?
# ------------------------------------
# Shares tell what stands out. :func:`~skanomaly.inspection.explain` goes further: it looks for the
# smallest change of the readings with which nothing would have been flagged.

alarm = starts[0], stops[0]
explanation = explain(detector, scaled, alarm)
print(explanation.conclusion)
changed = scaler.inverse_transform(explanation.counterfactual.X)
largest = sorted(explanation.changes, key=lambda change: -change["in_std"])[:2]
shown = slice(alarm[0] - 60, alarm[1] + 60)
seconds = np.arange(len(X_live))[shown]
figure, axes = plt.subplots(2, 1, figsize=(9, 4.4), sharex=True, layout="constrained")
for ax, feature in zip(axes, [change["feature"] for change in largest], strict=True):
    ax.axvspan(*alarm, color="#d62728", alpha=0.2)
    ax.plot(seconds, changed[shown, feature], color="#e08214", label="without an alarm")
    ax.plot(seconds, X_live.iloc[shown, feature], color="#33506b", label="as it was")
    ax.set_title(SENSORS[feature], loc="left", fontsize="medium")
axes[0].legend(fontsize="small", loc="upper right")
axes[1].set_xlabel("second")

# %%
# With more flow and a little more current at this pressure all would have been well: an open valve.
# It is an answer in the terms of the detector, and a hint, not a proof of the cause.
#
# On the real test bed
# --------------------
# The simulated pump stays as it was in training. The one of SKAB does not: its temperatures drift.
# In nine of the ten files with a closed valve, of 17 that our benchmarks hold, one of them is on
# average more than a training standard deviation off in rows that are labelled normal. Fitted on
# the first 400 rows of each, with the window and the network from above and 60 epochs, the labelled
# anomalies are attributed to the flow in four files and to a temperature in six: the drift, not the
# valve. :doc:`/guide/recommended` has a linear forecaster for such drifting data, with its rates of
# false alarms. The count is repeated by ``python -m benchmarks.quality.uses pumps``.
#
# What to take away
# -----------------
# - Scale in the pipeline, and score with ``"standardised"`` errors, so that sensors can be
#   compared.
# - An alarm list needs when, how strongly and where. ``feature_contributions`` gives the last, and
#   ``explain`` what would have prevented the alarm.
# - Missing values need no filling, and raise no alarm: watch for them by other means.
# - ``contamination`` is a share of *normal* data that you are ready to look at. Look at a drift
#   before you trust any share: :doc:`/guide/thresholds` lists alternatives.
