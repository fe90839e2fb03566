"""
Stock closes: why every new high looked like an anomaly
=======================================================

An LSTM autoencoder on the closing prices of an index flags the years after training, one after the
other. It has found that prices rise. This page shows why, what to give the network instead, and
what is left for it to do: little, for a plain rule on returns says nearly the same.

**The original.** Venelin Valkov, `Time Series Anomaly Detection with LSTM Autoencoders using Keras
in Python
<https://curiousily.com/posts/anomaly-detection-in-time-series-with-lstms-using-keras-in-python/>`__,
2019. Daily closes of the S&P 500 from 1986 to 2018, standardised by the first 95 %; windows of 30
days; 64 units; mean absolute error; the threshold 0.65 is read off the histogram of training
errors.

**What is weak in it.** A scaler cannot bring prices into a range in which they will never be
again. In its code the network is trained towards the close *after* the window, repeated for each
of the 30 outputs, but is judged by the window itself. A reconstruction of a price within 30 days
is easy: the value of the day before does it. Nothing is labelled, so nothing tells an alarm from a
find.
"""

# %%
# Data of the same form
# ---------------------
#
# Twelve years of closes of 250 days: the price grows, quiet and nervous months follow each other,
# and one day in year 11 is a crash of 7 % in the middle of a quiet time. The first eight years
# train.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skanomaly import (
    LSTMAutoencoder,
    MeanDetector,
    PersistenceDetector,
    Seq2SeqLSTMAutoencoder,
)
from skanomaly.inspection import identity_report
from skanomaly.preprocessing import Differencer

DAYS, YEAR, CRASH = 3000, 250, 2650


def make_closes(random_state=3):
    """Make daily closes whose volatility comes in clusters: (DAYS, 1), in points."""
    rng = np.random.default_rng(random_state)
    returns, variance = np.zeros(DAYS), 1e-4
    for day in range(1, DAYS):
        returns[day] = 0.0004 + np.sqrt(variance) * rng.standard_normal()
        variance = 2e-6 + 0.87 * variance + 0.11 * returns[day] ** 2
    returns[CRASH] = -0.07
    return 1000 * np.exp(returns.cumsum())[:, None]


closes = make_closes()
train = slice(0, 8 * YEAR)
years = np.arange(DAYS) / YEAR

# %%
# The original: prices, scaled
# ----------------------------

settings = {
    "window_size": 30,
    "hidden_units": 16,
    "learning_rate": 0.01,
    "score_norm": "absolute",
    "random_state": 0,
}
prices = make_pipeline(
    StandardScaler(),
    Seq2SeqLSTMAutoencoder(max_epochs=5, stride=5, batch_size=32, **settings),
).fit(closes[train])
scores = -prices.score_samples(closes)
flagged = prices.predict(closes) == -1

fig, axes = plt.subplots(2, 1, figsize=(8, 4.6), sharex=True, layout="constrained")
axes[0].plot(years, closes, color="#33506b", linewidth=0.8)
axes[0].scatter(
    years[flagged], closes[flagged], s=6, color="#e08214", label="flagged", zorder=3
)
axes[0].set(
    ylabel="close in points",
    title="Raw prices: flagged is what is higher than ever before",
)
axes[0].legend(loc="upper left")
axes[1].semilogy(years, scores, color="#33506b", linewidth=0.8)
axes[1].axhline(prices[-1].threshold_, color="0.4", linestyle="--")
axes[1].set(
    xlabel="year; dotted: end of training, dashed: threshold", ylabel="anomaly score"
)
for ax in axes:
    ax.axvline(8, color="0.4", linestyle=":")
for year in range(7, 12):
    days = slice(year * YEAR, (year + 1) * YEAR)
    print(f"year {year + 1}: {flagged[days].mean():.0%} of the days flagged")
print(f"day of the crash flagged: {flagged[CRASH]}")

# %%
# And the network is beaten on its own ground. Its error is far above that of
# :class:`~skanomaly.PersistenceDetector`, which expects each close to be the one before:

scaled = prices[0].transform(closes[train])
persistence = PersistenceDetector(score_norm="absolute").fit(scaled)
ratio = prices[-1].score(scaled) / persistence.score(scaled)
print(f"error of the network, in errors of persistence: {ratio:.1f}")

# %%
# Returns, and returns in units of their volatility
# -------------------------------------------------
#
# The change of the logarithm is the return of a day. It has no trend, and its scale is the same at
# 1000 points and at 3000: :class:`~skanomaly.preprocessing.Differencer` after a logarithm. What
# still changes is volatility. Dividing by a running estimate of it, made of *earlier* days only,
# leaves numbers that are alike in all years. (The first 20 days borrow the first estimate.)


def in_volatilities(returns):
    """Divide returns by their volatility over the days before: (n_timesteps, 1) to the same."""
    past = pd.Series(returns[:, 0]).shift(1)
    return returns / past.ewm(span=40, min_periods=20).std().bfill().to_numpy()[:, None]


to_returns = make_pipeline(FunctionTransformer(np.log), Differencer())
returns = to_returns.fit_transform(closes)
surprises = in_volatilities(returns)

fig, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True, layout="constrained")
axes[0].plot(years, 100 * returns, color="#33506b", linewidth=0.6)
axes[0].set(ylabel="return in %")
axes[1].plot(years, surprises, color="#33506b", linewidth=0.6)
axes[1].set(ylabel="return, in volatilities\nof the days before", xlabel="year")
for name, values in (
    ("prices", closes),
    ("returns", returns),
    ("surprises", surprises),
):
    change = values[8 * YEAR :].std() / values[train].std()
    print(f"{name:10s} spread after training / in training {change:.2f}")

# %%
# What is left for a network?
# ---------------------------
#
# Ask before trusting its alarms: does it know anything of these numbers?
# :func:`~skanomaly.inspection.identity_report` compares it with copying and with the mean.

detectors = {
    "every step": LSTMAutoencoder(max_epochs=30, stride=5, batch_size=32, **settings),
    "bottleneck": Seq2SeqLSTMAutoencoder(
        max_epochs=5, stride=5, batch_size=32, **settings
    ),
    "mean": MeanDetector(score_norm="absolute"),
}
alarms = {}
for name, detector in detectors.items():
    detector.set_params(contamination=0.002).fit(surprises[train])
    report = identity_report(detector, surprises[8 * YEAR :], random_state=0)
    alarms[name] = (
        np.flatnonzero(detector.predict(surprises)[8 * YEAR :] == -1) + 8 * YEAR
    )
    print(f"{name:11s} {report.verdict}; noise returned {report.copied:.0%}")
    print(
        f"            {len(alarms[name])} alarms, the crash among them: {CRASH in alarms[name]}"
    )

fig, ax = plt.subplots(figsize=(8, 3), layout="constrained")
ax.plot(years[8 * YEAR :], surprises[8 * YEAR :], color="#33506b", linewidth=0.6)
for (name, days), marker in zip(alarms.items(), "s^o", strict=True):
    style = {
        "markersize": 5 + 4 * "s^o".index(marker),
        "fillstyle": "none",
        "color": "#e08214",
    }
    ax.plot(years[days], surprises[days], marker, linestyle="", label=name, **style)
ax.set(xlabel="year", ylabel="return, in volatilities", title="Alarms after training")
ax.legend(loc="lower left")

# %%
# White noise comes back from the networks as well as the returns do: there is nothing in them to
# learn but their size. What the mean flags is the plain rule "a return of more than so many
# volatilities", and it needs no network.
#
# On the real index
# -----------------
#
# The S&P 500, trained on 1999 to 2008, by ``python benchmarks/quality/tutorials.py stocks``. On
# prices the bottleneck flags 62 % of the days of 2013, and *every* day from 2014 to 2018: the
# index had left the range of its training in 2013. Its error is 2.0 times that of persistence.
#
# In units of volatility the spread after training is 1.00 times that in training. The plain rule
# raises 15 alarms in ten years: 8 August 2011 (-6.9 %, the downgrade of the United States), 24
# June 2016 (-3.7 %, the British vote), 5 February 2018 (-4.2 %, the collapse of volatility funds),
# 10 October 2018 (-3.3 %, 8 volatilities) and others. The autoencoder that copies shares ten of
# them.
#
# What an alarm means
# -------------------
#
# That a day was unusual for its time, and nothing else: no error of the market, no signal to buy
# or sell. There are no labels, so there is no precision to report. What can be reported is how
# often there is an alarm, and whether the rate is the same in all years.
#
# What to take away
# -----------------
#
# * Give a network numbers whose range does not change: returns, divided by the volatility of the
#   days *before*. Check the spread after training.
# * A low error on prices is no merit: :class:`~skanomaly.PersistenceDetector` has a lower one.
# * Ask :func:`~skanomaly.inspection.identity_report` whether there is anything to learn. In daily
#   returns there is hardly.
