"""Small networks built by functions, as a user would write them."""

from skanomaly._backend import load_keras
from skanomaly.layers import LSTM

keras = load_keras()
layers = keras.layers


def dense(x, n_features, *, units=4):
    """All values of a window at once; no mask, no window of any length."""
    y = layers.Dense(units, activation="tanh")(layers.Flatten()(x))
    return layers.Reshape((x.shape[1], n_features))(layers.Dense(x.shape[1] * n_features)(y))


def conv(x, n_features, *, filters=3, kernel_size=3):
    y = layers.Conv1D(filters, kernel_size, padding="same", activation="relu")(x)
    return layers.Dense(n_features)(y)


def gru(x, n_features, *, units=3, mask=None):
    y = layers.GRU(units, return_sequences=True)(x, mask=mask)
    return layers.Dense(n_features)(y)


def lstm(x, n_features, *, units=3, mask=None):
    return layers.Dense(n_features)(LSTM(units, return_sequences=True)(x, mask=mask))


def attention(x, n_features):
    return layers.Dense(n_features)(layers.MultiHeadAttention(2, 2)(x, x))


def normalised(x, n_features):
    y = layers.Dropout(0.1)(layers.BatchNormalization()(layers.Dense(3)(x)))
    return layers.Dense(n_features)(y)


def forecaster(x, n_features, *, filters=3):
    """Read the steps before each: the input is moved by one."""
    before = layers.Cropping1D((0, 1))(layers.ZeroPadding1D((1, 0))(x))
    y = layers.Conv1D(filters, 3, padding="causal", activation="relu")(before)
    return layers.Dense(n_features)(y)


class Named:
    """A builder that is no function, and of which names of tests hold no address in memory."""

    def __call__(self, x, n_features):
        return dense(x, n_features)

    def __repr__(self):
        return "dense"


ALL = [dense, conv, gru, lstm, attention, normalised]
