"""The LSTM layer of Keras, with a kernel that runs all time steps in one call on CPUs."""

from skanomaly._backend import load_keras
from skanomaly.layers import kernels

keras = load_keras()

__all__ = ["KERNELS", "LSTM", "choose_kernel", "run_fused"]

KERNELS = ("auto", "fused", "keras")


def choose_kernel(kernel, reasons):
    """Choose between the fused kernel and Keras.

    Parameters
    ----------
    kernel : {"auto", "fused", "keras"}
        What was asked for.
    reasons : list of str
        Why the fused kernel cannot run; empty where it can.

    Returns
    -------
    kernel : {"fused", "keras"}
        What runs.

    Raises
    ------
    ValueError
        If `kernel` is "fused" and cannot run.

    Examples
    --------
    >>> from skanomaly.layers._lstm import choose_kernel
    >>> choose_kernel("auto", ["unroll must be False"])
    'keras'
    """
    if kernel == "fused" and reasons:
        raise ValueError(
            f"kernel must be 'auto' or 'keras' where the fused kernel cannot run; got 'fused', and "
            f"{'; '.join(reasons)}."
        )
    return "keras" if kernel == "keras" or reasons else "fused"


def find_obstacles(layer, sequences, further=()):
    """List why the fused kernel cannot run.

    Parameters
    ----------
    layer : keras.layers.RNN
        The layer of the LSTM.
    sequences : tensor, shape (batch, time, n_inputs)
        Inputs.
    further : sequence of (str, bool)
        What the layer must fulfil beside what all must, and whether it does not.

    Returns
    -------
    reasons : list of str
    """
    wrong = [
        ("unroll must be False", layer.unroll),
        ("dtype must be float32", layer.compute_dtype != "float32"),
        ("there must be rows and time steps", 0 in sequences.shape),
        *further,
    ]
    reasons = [reason for reason, present in wrong if present]
    return reasons or [reason for reason in [kernels.obstacle()] if reason]


def run_fused(x, mask, weights, state, *, layer, x_drop=None, h_drop=None):
    """Run the fused kernel and arrange what it says as the inner loop of a Keras layer does.

    Parameters
    ----------
    x : tensor, shape (batch, time, n_inputs)
        Inputs.
    mask : tensor of bool, shape (batch, time), or None
        Which steps exist.
    weights : list of three tensors
        Kernel (n_networks, n_inputs, 4 * units), recurrent kernel (n_networks, units, 4 * units)
        and bias (n_networks, 4 * units).
    state : list of two tensors, shape (batch, units)
        The states before the first step.
    layer : keras.layers.RNN
        Says whether to go backwards, what to return, and what stands at steps that do not exist.
    x_drop, h_drop : tensor or None
        Factors of dropout by gate; see :func:`skanomaly.layers.kernels.lstm`.

    Returns
    -------
    last_output : tensor, shape (batch, units)
    outputs : tensor, shape (batch, time, units)
        With one step, the last, unless the layer returns sequences.
    states : list of two tensors, shape (batch, units)
    """
    ops = keras.ops
    if mask is not None:
        mask = ops.broadcast_to(ops.cast(mask, "bool"), ops.shape(x)[:2])
    if layer.go_backwards:
        x = ops.flip(x, axis=1)
        mask = None if mask is None else ops.flip(mask, axis=1)
    weights = [ops.convert_to_tensor(weight) for weight in weights]
    hs, h, c = kernels.lstm(
        x, mask, *weights, *state, layer.return_sequences, x_drop=x_drop, h_drop=h_drop
    )
    outputs = ops.expand_dims(h, 1) if hs is None else hs
    told = _steps_with_output(mask, layer)
    if told is not None:
        outputs = outputs * ops.cast(told if hs is not None else told[:, -1:], h.dtype)
    return outputs[:, -1], outputs, [h, c]


def _steps_with_output(mask, layer):
    """Say which outputs are not zero: (batch, time, 1), or None for all."""
    if mask is None:
        return None
    mask = keras.ops.expand_dims(mask, -1)
    if layer.zero_output_for_mask:
        return mask
    if keras.backend.backend() == "torch":
        # There Keras repeats the output before, which is zero as long as there was none.
        return keras.ops.cumsum(keras.ops.cast(mask, "int32"), axis=1) > 0
    return None


@keras.saving.register_keras_serializable(package="skanomaly")
class LSTM(keras.layers.LSTM):
    """Long short-term memory: keras.layers.LSTM, with a faster kernel on CPUs.

    Weights, their names and order, initial values and saved form are those of keras.layers.LSTM,
    and so are all arguments but one.

    Parameters
    ----------
    units : int
        Hidden units.
    *args, **kwargs
        As for keras.layers.LSTM.
    kernel : {"auto", "fused", "keras"}, default="auto"
        "fused" runs all time steps in one call of compiled code. It needs the package Numba (``pip
        install 'skanomaly[fast]'``), JAX or PyTorch on a CPU, float32, tanh and sigmoid as
        activations, and no unrolling; otherwise it raises. "keras" runs what keras.layers.LSTM
        does. "auto" is "fused" where that is possible, else "keras".

    Attributes
    ----------
    kernel_used : {"fused", "keras"} or None
        What ran when the layer was called last; None before.
    obstacles : list of str
        Why the fused kernel could not run then.

    Raises
    ------
    ValueError
        If `kernel` is none of the three. When called: if it is "fused" and cannot run.

    Notes
    -----
    Dropout and recurrent dropout draw what keras.layers.LSTM draws. The two kernels differ by
    rounding, about 1e-6 of the outputs.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import LSTM
    >>> layer = LSTM(4, return_sequences=True)
    >>> layer(np.zeros((2, 5, 3), "float32")).shape == (2, 5, 4)
    True
    >>> layer.kernel_used in ("fused", "keras")
    True
    """

    def __init__(self, units, *args, kernel="auto", **kwargs):
        if kernel not in KERNELS:
            raise ValueError(
                f"kernel must be one of {', '.join(KERNELS)}; got {kernel!r}. Use 'auto' for the "
                "fastest that is possible."
            )
        super().__init__(units, *args, **kwargs)
        self.kernel = kernel
        self.kernel_used = None
        self.obstacles = []

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Run over all time steps."""
        # Plain containers: nothing here is state for Keras to track.
        self.obstacles = [] if self.kernel == "keras" else self._obstacles(sequences, mask)
        self.kernel_used = choose_kernel(self.kernel, list(self.obstacles))
        if self.kernel_used == "keras":
            return super().inner_loop(sequences, initial_state, mask, training)
        drops = {}
        # As in Keras, a share of 1 drops nothing.
        if training and 0 < self.dropout < 1:
            factors = self.cell.get_dropout_mask(sequences[:, 0])
            if isinstance(factors, list):  # one for each gate, as of recurrent dropout
                drops["x_drop"] = keras.ops.concatenate(factors, axis=-1)
            else:
                sequences = sequences * keras.ops.expand_dims(factors, 1)
        if training and 0 < self.recurrent_dropout < 1:
            factors = self.cell.get_recurrent_dropout_mask(initial_state[0])
            drops["h_drop"] = keras.ops.concatenate(factors, axis=-1)
        bias = self.cell.bias if self.use_bias else keras.ops.zeros(4 * self.units, "float32")
        weights = self.cell.kernel, self.cell.recurrent_kernel, bias
        weights = [keras.ops.expand_dims(weight, 0) for weight in weights]
        return run_fused(sequences, mask, weights, initial_state, layer=self, **drops)

    def _obstacles(self, sequences, mask):
        activations = keras.activations
        own = [
            ("activation must be tanh", self.activation is not activations.tanh),
            (
                "recurrent_activation must be sigmoid",
                self.recurrent_activation is not activations.sigmoid,
            ),
            ("use_cudnn must not be True", self.use_cudnn is True),
            (
                "the mask must have one value per row and step",
                mask is not None and mask.ndim != 2,
            ),
        ]
        return find_obstacles(self, sequences, own)

    def get_config(self):
        """Describe the layer, for saving."""
        return super().get_config() | {"kernel": self.kernel}
