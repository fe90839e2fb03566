"""The output layer of a network and its loss, for training, in one call of compiled code."""

from skanomaly._backend import load_keras
from skanomaly.layers import kernels

keras = load_keras()

__all__ = ["OutputLoss"]


@keras.saving.register_keras_serializable(package="skanomaly")
class OutputLoss(keras.layers.Layer):
    """Mean squared error of a dense layer that makes no outputs.

    A network of 16 units and 77 features says five times as much as its LSTM layers compute: to
    store that, and errors and their gradients, takes longer than to make them.

    Parameters
    ----------
    output : keras.layers.Dense
        The layer, whose weights this one has.
    **kwargs
        As for keras.layers.Layer.

    Notes
    -----
    It is called on a list of three: what `output` reads (batch, time, n), what it should say
    (batch, time, n_outputs), and how much each step counts (batch, time). It returns, and adds to
    the losses of the model, what :func:`skanomaly.layers.kernels.output_loss` computes of them.

    Examples
    --------
    >>> import keras
    >>> import numpy as np
    >>> from skanomaly.layers import OutputLoss
    >>> output = keras.layers.Dense(2)
    >>> output.build((None, 5, 4))
    >>> layer = OutputLoss(output)
    >>> h, x, counts = (np.zeros(shape, "float32") for shape in [(3, 5, 4), (3, 5, 2), (3, 5)])
    >>> from skanomaly.layers import kernels
    >>> if keras.backend.backend() == "jax" and kernels.obstacle() is None:
    ...     assert layer([h, x + 1, counts + 1]) == 1.0
    """

    def __init__(self, output, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True  # steps that do not exist count nothing
        self.output_layer = output

    def call(self, inputs):
        """Compute the loss."""
        h, x, counts = inputs
        convert = keras.ops.convert_to_tensor
        kernel, bias = convert(self.output_layer.kernel), convert(self.output_layer.bias)
        loss = kernels.output_loss(h, x, kernel, bias, counts)
        self.add_loss(loss)
        return loss

    def compute_output_shape(self, input_shape):
        """Return the shape of a number."""
        return ()

    def get_config(self):
        """Describe the layer, for saving."""
        output = keras.saving.serialize_keras_object(self.output_layer)
        return super().get_config() | {"output": output}

    @classmethod
    def from_config(cls, config):
        """Make the layer from its description."""
        output = keras.saving.deserialize_keras_object(config["output"])
        return cls(**(config | {"output": output}))
