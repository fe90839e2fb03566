"""What each sensor contributes to the scores while one of four is broken."""

import pandas as pd
from sklearn.preprocessing import StandardScaler

from skanomaly import LSTMAutoencoder
from skanomaly.datasets import make_series
from skanomaly.displays import ContributionDisplay

data = make_series(n_train=1500, n_test=600, n_features=4, anomalies=(), random_state=0)
names = ["flow", "pressure", "temperature", "current"]
X_test = data.X_test.copy()
X_test[300:330, 2] += 1.5
scaler = StandardScaler().fit(data.X_train)
train, test = (pd.DataFrame(scaler.transform(X), columns=names) for X in (data.X_train, X_test))
detector = LSTMAutoencoder(
    window_size=25,
    stride=5,
    hidden_units=16,
    learning_rate=0.01,
    max_epochs=15,
    batch_size=16,
    score_norm="standardised",
    contamination=0.002,
    random_state=0,
).fit(train)
y = [-1 if 300 <= step < 330 else 1 for step in range(250, 390)]
display = ContributionDisplay.from_estimator(detector, test[250:390], y=y, index=range(250, 390))
display.figure_.set_size_inches(8, 4)
display.axes_[1].set_xlabel("time step")
