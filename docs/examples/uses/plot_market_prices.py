"""
Prices and volumes: surprises, not profits
==========================================

A market can be watched for two things: days that do not fit what the market was like before, and
records that are wrong. Both are worth an alarm. Neither says where the price goes next.

There are no labels in a market, the swings come in clusters, and everybody can see the past but
nobody the future. This example goes through what that means: log returns instead of prices,
volatility taken from the past alone, thresholds from expanding windows, and how many alarms chance
alone raises. A linear forecaster is enough for it, which is shown too.
"""

# %%
# Prices that behave like prices
# ------------------------------
# Twelve years of daily closing prices and volumes. Returns cannot be forecast, their size can: it
# follows a slowly changing volatility, and one year is a crisis. Three faults of recording are
# hidden in the last two years: a bad tick, a volume in another unit, and a price that is stuck for
# a week.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skanomaly import LinearForecaster, LSTMForecaster, MeanDetector
from skanomaly.model_selection import ExpandingWindowSplit
from skanomaly.preprocessing import Differencer, SequenceTransformer
from skanomaly.thresholds import ConformalThreshold, QuantileThreshold

YEAR, TICK, UNIT, STUCK = 250, 2600, 2750, 2850


def make_market(n_days, random_state):
    """Return daily closing prices and volumes, (n_days, 2), with three faults."""
    rng = np.random.default_rng(random_state)
    spread = np.zeros(n_days)  # logarithm of the volatility, around its mean
    for day in range(1, n_days):
        crisis = 0.03 if 7 * YEAR <= day < 7.5 * YEAR else 0
        spread[day] = 0.98 * spread[day - 1] + 0.07 * rng.normal() + crisis
    surprise = rng.standard_t(6, size=n_days) / np.sqrt(1.5)
    price = 100 * np.exp(np.cumsum(0.0003 + 0.009 * np.exp(spread) * surprise))
    activity = 0.6 * spread + 0.15 * np.abs(surprise) + 0.2 * rng.normal(size=n_days)
    volume = 1e6 * np.exp(activity)
    price[TICK] *= 1.12
    volume[UNIT : UNIT + 3] /= 100
    price[STUCK : STUCK + 5] = price[STUCK]
    return np.column_stack([price, volume])


X = make_market(12 * YEAR, random_state=4)
years = np.arange(len(X)) / YEAR

# %%
# Prices wander off to where they never were, so a detector fitted on them flags the present for
# being the present. The difference of logarithms is the relative change, the same at any level.
# :class:`~skanomaly.preprocessing.Differencer` computes it, each value from the one before.

changes = Differencer().fit_transform(np.log(X))
figure, axes = plt.subplots(3, 1, figsize=(9, 6), sharex=True, layout="constrained")
labels = ("closing price", "log return (%)", "change of\nlog volume")
for ax, values, label in zip(
    axes, (X[:, 0], 100 * changes[:, 0], changes[:, 1]), labels, strict=True
):
    ax.plot(years, values, color="#33506b", linewidth=0.7)
    ax.set_ylabel(label)
axes[2].set_xlabel("year")

# %%
# What can be forecast?
# ---------------------
# Fitted on the first six years, judged on the rest, errors over those of the mean. Of returns
# nobody forecasts anything. Of their size a linear forecaster gets a tenth, and the LSTM no more.
# (Sizes are logarithms, for a few huge days would decide squared errors. The noise is large, so the
# linear forecaster is given many lags and a strong penalty, ``alpha``.)


def relative_errors(series):
    """Return squared errors after six years, over those of the mean."""
    train, test = np.split(series, [6 * YEAR])
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    models = {
        "mean": MeanDetector(),
        "linear": LinearForecaster(lags=40, alpha=500),
        "LSTM": LSTMForecaster(
            window_size=20, hidden_units=8, max_epochs=15, random_state=0
        ),
    }
    errors = pd.Series(
        {
            name: np.mean((test - model.fit(train).reconstruct(test)) ** 2)
            for name, model in models.items()
        }
    )
    return (errors / errors["mean"]).round(3)


returns = changes[:TICK, :1]  # before the first fault
size = np.log(np.abs(returns) + 1e-3)
pd.DataFrame({"return": relative_errors(returns), "its size": relative_errors(size)})

# %%
# Volatility from the past alone
# ------------------------------
# Judged by plain size, alarms gather in the crisis, and quiet years have none. That is true and
# useless: the crisis is in the newspaper. Divided by the volatility of the days *before*, a return
# tells how surprising it is in its own time. The mean here forgets half of what it knows in 20
# days; ``shift`` keeps today out of it. Without that, every jump would excuse itself.

squared = pd.Series(changes[:, 0] ** 2)
volatility = np.sqrt(
    squared.ewm(halflife=20, min_periods=20).mean().shift(1)
).to_numpy()
plain = np.abs(changes[:, 0])
surprise = plain / volatility  # NaN on the first days, of which nothing is known

figure, axes = plt.subplots(
    2, 1, figsize=(9, 4), sharex=True, sharey=True, layout="constrained"
)
for ax, scores, label in zip(
    axes, (plain, surprise), ("size", "surprise"), strict=True
):
    known = scores[20:]
    flagged = QuantileThreshold(contamination=0.01).fit(known).predict(known) == -1
    counts, edges = np.histogram(years[20:][flagged], bins=np.arange(13))
    ax.bar(edges[:-1], counts, width=0.9, align="edge", color="#33506b")
    most = f"{counts.max()} of {counts.sum()} alarms in one year"
    ax.set_title(f"by {label}: {most}", loc="left")
    ax.set_ylabel("alarms")
axes[1].set_xlabel("year")

# %%
# No look into the future
# -----------------------
# The thresholds of the last picture were taken from all twelve years: fine for a picture, and wrong
# for a test of what would have been flagged on the day.
# :class:`~skanomaly.model_selection.ExpandingWindowSplit` repeats history. Scaler and forecaster
# are fitted on the past, score the block that follows, and are fitted again when it is past. The
# forecaster itself never looks ahead; volume takes part here.

Z = np.column_stack([changes[:, 0] / volatility, changes[:, 1]])
scores = np.full(len(Z), np.nan)
for past, block in ExpandingWindowSplit(n_splits=11).split(Z):
    detector = make_pipeline(
        SequenceTransformer(StandardScaler()), LinearForecaster(lags=5)
    )
    detector.fit(Z[past])
    scores[block] = -detector.score_samples(Z)[
        block
    ]  # the days before serve as lags only

# %%
# How many alarms does chance raise?
# ----------------------------------
# A rate of 1 % sounds careful. On two years of one instrument it means five false alarms, on a list
# of 500 instruments five *each day*. Watch many days at once, and ask for a share of false alarms
# among the alarms instead: :class:`~skanomaly.thresholds.ConformalThreshold` with the
# Benjamini-Hochberg method, calibrated on the scores of earlier years, none of which the forecaster
# had seen when it gave them.

today = 10 * YEAR
calibration, live = scores[2 * YEAR : today], scores[today:]
single = ConformalThreshold(alpha=0.01).fit(calibration).predict(live) == -1
joint = ConformalThreshold(alpha=0.05, method="benjamini-hochberg")
joint = joint.fit(calibration).predict(live) == -1
print(f"1 % of days: {single.sum()} alarms; 5 % of alarms false: {joint.sum()} alarms")
print("on days", today + np.flatnonzero(joint))

figure, ax = plt.subplots(figsize=(9, 3.4), layout="constrained")
ax.plot(years[today:], live, color="0.6", linewidth=0.7)
ax.plot(years[today:][single], live[single], "o", color="#e08214", label="1 % of days")
ax.plot(
    years[today:][joint], live[joint], "x", color="black", label="5 % of alarms false"
)
for name, day in {"bad tick": TICK, "unit": UNIT, "stuck": STUCK}.items():
    ax.annotate(
        f"{name} ", (years[day], 0.02), xycoords=ax.get_xaxis_transform(), ha="right"
    )
    ax.axvline(years[day], color="0.3", linestyle=":", linewidth=1)
ax.set(yscale="log", ylim=(1e-2, None), ylabel="anomaly score", xlabel="year")
ax.legend(loc="upper right", fontsize="small")

# %%
# The joint rule names the tick and the unit, whose echoes last as long as the forecaster reads
# them. The price that is stuck passes unseen: a return of zero is the most normal of all. For
# faults that look normal write a rule, such as "the same price three days in a row":

same = pd.Series(changes[:, 0] == 0).rolling(3).sum() == 3
print("stuck on days", np.flatnonzero(same))

# %%
# And the profit?
# ---------------
# Here it is zero by construction. For the S&P 500, daily closes from 1999 to 2018, the linear
# forecaster and the LSTM of above, fitted on the first half, have on the second half 1.04 and 1.00
# times the squared error of the mean for returns, and 0.82 and 0.83 for their size. Of the 1 % most
# extreme days by size 32 of 51 lie in the twelve months from September 2008 on; by surprise, 3 of
# 51. On the day after, the return was on average 0.54 % with a standard error of 0.42 % (by size),
# and 0.16 % with one of 0.24 % (by surprise): no sign of a direction, before any costs. ``python -m
# benchmarks.quality.uses market`` repeats these figures.
#
# What to take away
# -----------------
# - Feed changes of logarithms, not prices, and divide them by a volatility that only the past
#   knows.
# - An anomaly in a market is a wrong record, or a surprise in its time. It is no forecast and no
#   profit.
# - Returns cannot be forecast, their size can; a linear forecaster does it as well as an LSTM.
# - Fit and choose thresholds on the past alone, again and again: ``ExpandingWindowSplit``.
# - Count how many alarms chance raises before you read meaning into one.
# - A detector finds what is unusual. Faults that look usual need rules.
