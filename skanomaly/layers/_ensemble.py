"""The layers of an ensemble, all members in one computation.

Weights have a leading axis of members. Data keep the rank they have in a single network: the
members lie one after the other along the batch axis, (n_members * batch, ...), so that seeing them
as (n_members, batch, ...) costs nothing, and masks, dropout, noise and reshaping work as ever. One
recurrent step of a small LSTM costs more in overhead than in arithmetic; here all members share it.
"""

from skanomaly._backend import load_keras
from skanomaly.layers._lstm import choose_kernel, find_obstacles, run_fused

keras = load_keras()

__all__ = [
    "EnsembleDense",
    "EnsembleLSTM",
    "EnsembleLayerNormalization",
    "FoldMembers",
    "UnfoldMembers",
]

_register = keras.saving.register_keras_serializable(package="skanomaly")


def _affine(x, kernel, bias):
    """Multiply each member's rows by its own matrix: (n_members * batch, ..., n) -> (..., m)."""
    ops = keras.ops
    rows = ops.reshape(x, (kernel.shape[0], -1, kernel.shape[1]))
    y = ops.matmul(rows, kernel) + ops.expand_dims(bias, 1)
    return ops.reshape(y, (*ops.shape(x)[:-1], kernel.shape[2]))


def _dropped(like, rate, seed_generator):
    """Draw the factors of dropout: 0, or 1 / (1 - rate), shaped like `like`."""
    return keras.random.dropout(keras.ops.ones_like(like), rate, seed=seed_generator)


class _MembersLayer(keras.layers.Layer):
    """A layer that knows the number of members."""

    def __init__(self, n_members, **kwargs):
        super().__init__(**kwargs)
        self.n_members = n_members
        self.supports_masking = True

    def get_config(self):
        """Describe the layer, for saving."""
        return super().get_config() | {"n_members": self.n_members}


@_register
class FoldMembers(_MembersLayer):
    """Repeat a batch for each member: (batch, ...) -> (n_members * batch, ...).

    Parameters
    ----------
    n_members : int
        Number of members.
    **kwargs
        As for keras.layers.Layer.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import FoldMembers
    >>> FoldMembers(3)(np.zeros((2, 5), "float32")).shape == (6, 5)
    True
    """

    def call(self, inputs):
        """Stack copies of the batch."""
        return keras.ops.concatenate([inputs] * self.n_members, axis=0)

    def compute_output_spec(self, inputs):
        """Tell the shape; the batch is the only axis that changes."""
        return keras.KerasTensor((None, *inputs.shape[1:]), dtype=inputs.dtype)


@_register
class UnfoldMembers(_MembersLayer):
    """Undo the folding: (n_members * batch, time, n) -> (batch, time, n_members, n).

    Parameters
    ----------
    n_members : int
        Number of members.
    **kwargs
        As for keras.layers.Layer.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import UnfoldMembers
    >>> UnfoldMembers(3)(np.zeros((6, 4, 2), "float32")).shape == (2, 4, 3, 2)
    True
    """

    def call(self, inputs):
        """Give the members an axis of their own."""
        ops = keras.ops
        _, n_steps, n = ops.shape(inputs)
        return ops.transpose(ops.reshape(inputs, (self.n_members, -1, n_steps, n)), (1, 2, 0, 3))

    def compute_output_spec(self, inputs):
        """Tell the shape."""
        _, n_steps, n = inputs.shape
        return keras.KerasTensor((None, n_steps, self.n_members, n), dtype=inputs.dtype)


@_register
class EnsembleDense(_MembersLayer):
    """One dense layer per member: (n_members * batch, ..., n) -> (n_members * batch, ..., units).

    Parameters
    ----------
    n_members : int
        Number of members.
    units : int
        Outputs of each.
    **kwargs
        As for keras.layers.Layer.

    Notes
    -----
    Weights: kernel (n_members, n, units) and bias (n_members, units), zero until they are set.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import EnsembleDense
    >>> EnsembleDense(3, 4)(np.zeros((6, 5, 2), "float32")).shape == (6, 5, 4)
    True
    """

    def __init__(self, n_members, units, **kwargs):
        super().__init__(n_members, **kwargs)
        self.units = units

    def build(self, input_shape):
        """Make the weights."""
        shape = (self.n_members, input_shape[-1], self.units)
        self.kernel = self.add_weight(shape=shape, initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=shape[::2], initializer="zeros", name="bias")

    def call(self, inputs):
        """Apply each member's layer to its rows."""
        return _affine(inputs, self.kernel, self.bias)

    def compute_output_shape(self, input_shape):
        """Tell the shape."""
        return (*input_shape[:-1], self.units)

    def get_config(self):
        """Describe the layer, for saving."""
        return super().get_config() | {"units": self.units}


@_register
class EnsembleLayerNormalization(_MembersLayer):
    """One layer normalisation per member, over the last axis: shape kept.

    Parameters
    ----------
    n_members : int
        Number of members.
    epsilon : float, default=1e-3
        Added to the variance, as in keras.layers.LayerNormalization.
    **kwargs
        As for keras.layers.Layer.

    Notes
    -----
    Weights: gamma and beta, each (n_members, n).

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import EnsembleLayerNormalization
    >>> EnsembleLayerNormalization(3)(np.zeros((6, 5, 2), "float32")).shape == (6, 5, 2)
    True
    """

    def __init__(self, n_members, epsilon=1e-3, **kwargs):
        super().__init__(n_members, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        """Make the weights."""
        shape = (self.n_members, input_shape[-1])
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")

    def call(self, inputs):
        """Bring each row to mean 0 and variance 1, then scale and shift it by its member's."""
        ops = keras.ops
        centred = inputs - ops.mean(inputs, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
        rows = ops.reshape(
            centred * ops.rsqrt(variance + self.epsilon), (self.n_members, -1, inputs.shape[-1])
        )
        y = rows * ops.expand_dims(self.gamma, 1) + ops.expand_dims(self.beta, 1)
        return ops.reshape(y, ops.shape(inputs))

    def compute_output_shape(self, input_shape):
        """Tell the shape."""
        return input_shape

    def get_config(self):
        """Describe the layer, for saving."""
        return super().get_config() | {"epsilon": self.epsilon}


class _Cell(keras.layers.Layer):
    """One step of the LSTM of all members, after their inputs met the kernel."""

    def __init__(self, n_members, units, **kwargs):
        super().__init__(**kwargs)
        self.n_members, self.units = n_members, units
        self.state_size = [units, units]
        self.recurrent_factors = None

    def build(self, input_shape):
        """Make the weights, in the order of keras.layers.LSTM."""
        m, units = self.n_members, self.units
        shapes = {
            "kernel": (m, input_shape[-1], 4 * units),
            "recurrent_kernel": (m, units, 4 * units),
            "bias": (m, 4 * units),
        }
        for name, shape in shapes.items():
            setattr(self, name, self.add_weight(shape=shape, initializer="zeros", name=name))

    def call(self, inputs, states):
        """Step: (rows, 4 * units), [(rows, units)] * 2 -> (rows, units), [(rows, units)] * 2."""
        ops = keras.ops
        h, c = states
        if self.recurrent_factors is not None:
            h = h * self.recurrent_factors
        rows = ops.reshape(h, (self.n_members, -1, self.units))
        z = inputs + ops.reshape(ops.matmul(rows, self.recurrent_kernel), (-1, 4 * self.units))
        i, f, g, o = ops.split(z, 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, [h, c]


@_register
class EnsembleLSTM(keras.layers.RNN):
    """One LSTM layer per member: (n_members * batch, time, n) -> (n_members * batch, time, units).

    Each member computes what keras.layers.LSTM would with its slice of the weights.

    Parameters
    ----------
    n_members : int
        Number of members.
    units : int
        Units of each.
    dropout : float, default=0.0
        Share of the inputs set to zero in training, the same at all time steps of a row.
    recurrent_dropout : float, default=0.0
        Share of the recurrent state set to zero in training, the same at all time steps of a row.
    **kwargs
        As for keras.layers.RNN: return_sequences, return_state and so on.

    Notes
    -----
    Weights: kernel (n_members, n, 4 * units), recurrent_kernel (n_members, units, 4 * units) and
    bias (n_members, 4 * units), gates in the order input, forget, cell, output; zero until they
    are set. Rows of different members draw their own dropout.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import EnsembleLSTM
    >>> EnsembleLSTM(3, 4)(np.zeros((6, 5, 2), "float32")).shape == (6, 4)
    True
    """

    def __init__(self, n_members, units, *, dropout=0.0, recurrent_dropout=0.0, **kwargs):
        cell = _Cell(n_members, units, dtype=kwargs.get("dtype"), name="cell")
        super().__init__(cell, **kwargs)
        self.n_members, self.units = n_members, units
        self.dropout, self.recurrent_dropout = dropout, recurrent_dropout
        if dropout or recurrent_dropout:
            self.seed_generator = keras.random.SeedGenerator(seed=0)

    def call(self, sequences, initial_state=None, mask=None, training=False):
        """Run over all time steps."""
        if training and self.dropout:
            factors = _dropped(sequences[:, :1], self.dropout, self.seed_generator)
            sequences = sequences * factors
        return super().call(sequences, initial_state, mask, training)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Run over all time steps, with the fused kernel where that is possible."""
        cell, factors = self.cell, None
        if training and self.recurrent_dropout:
            factors = _dropped(initial_state[0], self.recurrent_dropout, self.seed_generator)
        if choose_kernel("auto", find_obstacles(self, sequences)) == "fused":
            weights = [cell.kernel, cell.recurrent_kernel, cell.bias]
            # All gates read the same.
            by_gate = None if factors is None else keras.ops.tile(factors, (1, 4))
            return run_fused(sequences, mask, weights, initial_state, layer=self, h_drop=by_gate)
        # All time steps meet the kernel at once, outside the loop.
        projected = _affine(sequences, cell.kernel, cell.bias)
        cell.recurrent_factors = factors
        result = super().inner_loop(projected, initial_state, mask, training)
        cell.recurrent_factors = None  # a tensor of this call alone
        return result

    def get_config(self):
        """Describe the layer, for saving."""
        config = super().get_config()
        del config["cell"]
        return config | {
            "n_members": self.n_members,
            "units": self.units,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
        }

    @classmethod
    def from_config(cls, config):
        """Make the layer that was described."""
        return cls(**config)
