"""Layers of networks with a Gaussian latent."""

from skanomaly._backend import load_keras

keras = load_keras()

__all__ = ["LogVariance", "OverDraws", "bounded"]

# Logarithms of variances lie between minus this and this.
_LARGEST_LOG = 10.0


def bounded(log_variance):
    """Keep a logarithm of a variance where its exponential is harmless: between -10 and 10.

    Parameters
    ----------
    log_variance : tensor of any shape
        What a layer says.

    Returns
    -------
    bounded : tensor of the same shape
        Almost the same where it is small.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import bounded
    >>> [round(float(value), 3) for value in bounded(np.array([0.1, 100.0], "float32"))]
    [0.1, 10.0]
    """
    return _LARGEST_LOG * keras.ops.tanh(log_variance / _LARGEST_LOG)


@keras.saving.register_keras_serializable(package="skanomaly")
class LogVariance(keras.layers.Layer):
    """One learned number per feature, at every step: (batch, time, 1) to (..., n_features).

    Parameters
    ----------
    n_features : int
        How many.
    n_members : int, default=1
        Members of an ensemble, each with numbers of its own, whose rows follow each other.
    **kwargs
        As for keras.layers.Layer.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import LogVariance
    >>> LogVariance(n_features=3)(np.ones((2, 5, 1), "float32")).shape == (2, 5, 3)
    True
    """

    def __init__(self, n_features, n_members=1, **kwargs):
        super().__init__(**kwargs)
        self.n_features, self.n_members = n_features, n_members

    def build(self, input_shape):
        """Make the weight, which counts as a bias: at first zero, and never decayed."""
        members = () if self.n_members == 1 else (self.n_members,)
        shape = (*members, self.n_features)
        self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias")

    def call(self, steps):
        """Repeat the numbers for every step."""
        ops = keras.ops
        n_steps = ops.shape(steps)[1]
        ones = ops.reshape(ops.ones_like(steps), (self.n_members, -1, 1))
        said = ones * ops.reshape(bounded(self.bias), (self.n_members, 1, self.n_features))
        return ops.reshape(said, (-1, n_steps, self.n_features))

    def compute_output_shape(self, input_shape):
        """Tell the shape."""
        return (*input_shape[:-1], self.n_features)

    def get_config(self):
        """Return what makes such a layer."""
        return super().get_config() | {
            "n_features": self.n_features,
            "n_members": self.n_members,
        }


@keras.saving.register_keras_serializable(package="skanomaly")
class OverDraws(keras.layers.Layer):
    """Mean and variance over draws that follow each other in the batch.

    (batch * n_samples, time, n_features) to (batch, time, 2 * n_features).

    Parameters
    ----------
    n_samples : int
        Draws per window.
    **kwargs
        As for keras.layers.Layer.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import OverDraws
    >>> OverDraws(n_samples=4)(np.ones((8, 5, 3), "float32")).shape == (2, 5, 6)
    True
    """

    def __init__(self, n_samples, **kwargs):
        super().__init__(**kwargs)
        self.n_samples = n_samples

    def call(self, y):
        """Reduce the draws of each window."""
        # A layer because the number of steps, where it is not fixed, is known only here.
        draws = keras.ops.reshape(y, (-1, self.n_samples, *keras.ops.shape(y)[1:]))
        moments = [keras.ops.mean(draws, axis=1), keras.ops.var(draws, axis=1)]
        return keras.ops.concatenate(moments, axis=-1)

    def compute_output_shape(self, input_shape):
        """Return the shape of the moments."""
        return None, input_shape[1], 2 * input_shape[2]

    def get_config(self):
        """Return what makes such a layer."""
        return super().get_config() | {"n_samples": self.n_samples}
