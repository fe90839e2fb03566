"""Kernels that run the recurrence of an LSTM over all time steps in one call, on CPUs.

Where the package Numba is installed, JAX and PyTorch have one. TensorFlow has none and runs the
layer of Keras: of its ways to call compiled code within a graph, none has been measured yet.
"""

import functools
import threading

from skanomaly._backend import load_keras

keras = load_keras()

__all__ = ["array_obstacle", "lstm", "lstm_of_arrays", "obstacle", "output_errors", "output_loss"]

# The modules of a backend import Numba and the backend, so they are imported only when asked for.


def _kernel():
    if keras.backend.backend() == "jax":
        from skanomaly.layers.kernels import _jax as kernel
    else:
        from skanomaly.layers.kernels import _torch as kernel
    return kernel


def obstacle():
    """Say why this process has no fused kernel.

    Returns
    -------
    reason : str or None
        None where there is one.

    Examples
    --------
    >>> from skanomaly.layers.kernels import obstacle
    >>> obstacle() is None or isinstance(obstacle(), str)
    True
    """
    with _registering:
        return _obstacle() or _undivided()


_registering = threading.Lock()  # XLA refuses a second registration, as of another thread


@functools.cache
def _obstacle():
    from skanomaly.layers.kernels._compile import without_numba

    if keras.backend.backend() == "tensorflow":
        return "TensorFlow has none; JAX and PyTorch have"
    return without_numba() or _kernel().obstacle()


def _undivided():
    """Say why the kernel cannot run in the way that Keras divides work now, or return None."""
    distribution = keras.distribution.distribution()
    if distribution is None or keras.backend.backend() != "jax":
        return None
    if not isinstance(distribution, keras.distribution.DataParallel):
        return (
            "the distribution of Keras must be DataParallel or None; it is "
            f"{type(distribution).__name__}"
        )
    import jax

    if not hasattr(jax, "shard_map"):
        return f"JAX must be newer to divide the kernel among devices; it is {jax.__version__}"
    return None


def array_obstacle():
    """Say why this process has no kernel for NumPy arrays, which needs no backend.

    Returns
    -------
    reason : str or None
        None where there is one.

    Examples
    --------
    >>> from skanomaly.layers.kernels import array_obstacle
    >>> array_obstacle() is None or isinstance(array_obstacle(), str)
    True
    """
    from skanomaly.layers.kernels._compile import without_numba

    return without_numba()


def _check(x, mask, kernel, recurrent, bias, h, c, x_drop=None, h_drop=None):
    """Refuse what the loops would read wrongly; of traced tensors too, whose shapes are known."""
    dims = [len(tensor.shape) for tensor in (x, kernel, recurrent)]
    if dims != [3, 3, 3]:
        raise ValueError(
            f"x, kernel and recurrent must have three dimensions each; they have {dims}."
        )
    batch, n_steps, n_inputs = x.shape
    n_networks, n, _ = recurrent.shape
    if not (batch and n_steps and n):
        raise ValueError(f"x must have rows and time steps; it has shape {tuple(x.shape)}.")
    tensors = {
        "x": (x, (batch, n_steps, n_inputs), "float32"),
        "mask": (mask, (batch, n_steps), "bool"),
        "kernel": (kernel, (n_networks, n_inputs, 4 * n), "float32"),
        "recurrent": (recurrent, (n_networks, n, 4 * n), "float32"),
        "bias": (bias, (n_networks, 4 * n), "float32"),
        "h": (h, (batch, n), "float32"),
        "c": (c, (batch, n), "float32"),
        "x_drop": (x_drop, (batch, 4 * n_inputs), "float32"),
        "h_drop": (h_drop, (batch, 4 * n), "float32"),
    }
    _refuse_others({name: told for name, told in tensors.items() if told[0] is not None})


def _refuse_others(tensors):
    """Raise if a tensor has another shape or dtype than the one beside it."""
    for name, (tensor, shape, dtype) in tensors.items():
        is_shape, is_dtype = tuple(tensor.shape), keras.backend.standardize_dtype(tensor.dtype)
        if is_shape != shape or is_dtype != dtype:
            raise ValueError(
                f"{name} must be of shape {shape} and dtype {dtype}; it is of shape {is_shape} and "
                f"dtype {is_dtype}."
            )


def lstm(x, mask, kernel, recurrent, bias, h, c, return_sequences, *, x_drop=None, h_drop=None):
    """Run an LSTM over all time steps, differentiably, with the kernel of the backend.

    Rows of several networks lie network after network; each network has its own weights. The gates
    stand side by side: input, forget, cell, output.

    Parameters
    ----------
    x : tensor of float32, shape (batch, time, n_inputs)
        Inputs; the batch is a multiple of n_networks.
    mask : tensor of bool, shape (batch, time), or None
        Steps that are False leave the states as they are.
    kernel : tensor of float32, shape (n_networks, n_inputs, 4 * n)
        Weights of the inputs.
    recurrent : tensor of float32, shape (n_networks, n, 4 * n)
        Weights of the state h.
    bias : tensor of float32, shape (n_networks, 4 * n)
        Biases of the gates.
    h, c : tensor of float32, shape (batch, n)
        States before the first step.
    return_sequences : bool
        Whether the states after every step are needed.
    x_drop : tensor of float32, shape (batch, 4 * n_inputs), or None
        Factors of the inputs: those of the input gate, then those of the others in their order.
        They are the same at all steps, as dropout draws them, and get no gradient.
    h_drop : tensor of float32, shape (batch, 4 * n), or None
        Factors of the state h that the gates read, likewise: of recurrent dropout.

    Returns
    -------
    hs : tensor of float32, shape (batch, time, n), or None
        The state h after each step.
    h, c : tensor of float32, shape (batch, n)
        States after the last step.

    Raises
    ------
    RuntimeError
        If this process has no fused kernel.
    ValueError
        If a shape or a dtype is another: compiled code reads memory without looking.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import kernels
    >>> shapes = [(1, 3, 16), (1, 4, 16), (1, 16), (2, 4), (2, 4)]
    >>> weights_and_states = [keras.ops.zeros(shape, "float32") for shape in shapes]
    >>> x = keras.ops.ones((2, 5, 3), "float32")
    >>> if kernels.obstacle() is None:
    ...     hs, h, c = kernels.lstm(x, None, *weights_and_states, True)
    ...     assert hs.shape == (2, 5, 4)
    """
    if reason := obstacle():
        raise RuntimeError(f"This process must have a fused kernel to run it; {reason}.")
    _check(x, mask, kernel, recurrent, bias, h, c, x_drop, h_drop)
    arguments = x, mask, kernel, recurrent, bias, h, c
    return _kernel().lstm(*arguments, return_sequences, x_drop, h_drop)


def lstm_of_arrays(x, kernel, recurrent, bias, h, c, return_sequences):
    """Run an LSTM over all time steps of NumPy arrays, on the CPU whatever the backend.

    For few rows, which a backend takes longer to start on than to compute.

    Parameters
    ----------
    x, kernel, recurrent, bias, h, c : ndarray of float32
        As for :func:`lstm`.
    return_sequences : bool
        Whether the states after every step are needed.

    Returns
    -------
    hs : ndarray of float32, shape (batch, time, n), or None
        The state h after each step.
    h, c : ndarray of float32, shape (batch, n)
        States after the last step.

    Raises
    ------
    RuntimeError
        If Numba is not installed.
    ValueError
        If a shape or a dtype is another: compiled code reads memory without looking.

    Examples
    --------
    >>> import numpy as np
    >>> from skanomaly.layers import kernels
    >>> shapes = [(2, 5, 3), (1, 3, 16), (1, 4, 16), (1, 16), (2, 4), (2, 4)]
    >>> if kernels.array_obstacle() is None:
    ...     arrays = [np.zeros(shape, np.float32) for shape in shapes]
    ...     hs, h, c = kernels.lstm_of_arrays(*arrays, True)
    ...     assert hs.shape == (2, 5, 4)
    """
    if reason := array_obstacle():
        raise RuntimeError(f"This process must have Numba to run the kernel; {reason}")
    from skanomaly.layers.kernels._arrays import lstm as on_arrays

    return on_arrays(x, kernel, recurrent, bias, h, c, return_sequences)


def output_errors(h, x, kernel, bias):
    """Compute a dense layer's outputs and how far they are from what they should be.

    What is computed of a row does not depend on the other rows, nor on how many there are. JAX
    alone has it.

    Parameters
    ----------
    h : tensor of float32, shape (batch, time, n)
        What the layer reads.
    x : tensor of float32, shape (batch, time, n_outputs)
        What it should say; NaN where that is not known.
    kernel : tensor of float32, shape (n, n_outputs)
        Weights of the layer.
    bias : tensor of float32, shape (n_outputs,)
        Biases of the layer.

    Returns
    -------
    said : tensor of float32, shape (batch, time, n_outputs)
        The outputs.
    errors : tensor of float32, shape (batch, time)
        The mean of the squared errors of a step over what is known of x, NaN where nothing is.

    Raises
    ------
    RuntimeError
        If this process has no such kernel.
    ValueError
        If a shape or a dtype is another: compiled code reads memory without looking.

    Examples
    --------
    >>> import keras
    >>> from skanomaly.layers import kernels
    >>> shapes = [(2, 5, 4), (2, 5, 3), (4, 3), (3,)]
    >>> h, x, kernel, bias = (keras.ops.ones(shape, "float32") for shape in shapes)
    >>> if keras.backend.backend() == "jax" and kernels.obstacle() is None:
    ...     said, errors = kernels.output_errors(h, x, kernel, bias)
    ...     assert (said == 5.0).all()
    ...     assert (errors == 16.0).all()  # (5 - 1)**2
    """
    _check_output(h, x, kernel, bias)
    return _kernel().output_errors(h, x, kernel, bias)


def output_loss(h, x, kernel, bias, counts):
    """Compute the mean squared error of a dense layer's outputs, differentiably.

    The outputs are never stored, nor are errors and their gradients: they are made and used in
    small blocks. JAX alone has it.

    Parameters
    ----------
    h : tensor of float32, shape (batch, time, n)
        What the layer reads.
    x : tensor of float32, shape (batch, time, n_outputs)
        What it should say; it gets no gradient.
    kernel : tensor of float32, shape (n, n_outputs)
        Weights of the layer.
    bias : tensor of float32, shape (n_outputs,)
        Biases of the layer.
    counts : tensor of float32, shape (batch, time)
        How much each step counts; it gets no gradient.

    Returns
    -------
    loss : tensor of float32, shape ()
        The sum of the squared errors, times what their steps count, divided by the size of x.

    Raises
    ------
    RuntimeError
        If this process has no such kernel.
    ValueError
        If a shape or a dtype is another: compiled code reads memory without looking.

    Examples
    --------
    >>> import keras
    >>> from skanomaly.layers import kernels
    >>> shapes = [(2, 5, 4), (2, 5, 3), (4, 3), (3,), (2, 5)]
    >>> h, x, kernel, bias, counts = (keras.ops.ones(shape, "float32") for shape in shapes)
    >>> if keras.backend.backend() == "jax" and kernels.obstacle() is None:
    ...     assert kernels.output_loss(h, x, kernel, bias, counts) == 16.0  # (4 + 1 - 1)**2
    """
    _check_output(h, x, kernel, bias)
    _refuse_others({"counts": (counts, tuple(h.shape[:2]), "float32")})
    return _kernel().output_loss(h, x, kernel, bias, counts)


def _check_output(h, x, kernel, bias):
    """Refuse what the loops of the output layer would read wrongly, or where there are none."""
    if keras.backend.backend() != "jax":
        raise RuntimeError(
            f"The backend must be jax; it is {keras.backend.backend()!r}. Set KERAS_BACKEND=jax, "
            "or the layers and losses of Keras."
        )
    if reason := obstacle():
        raise RuntimeError(f"This process must have a fused kernel to run it; {reason}.")
    if len(h.shape) != 3 or len(x.shape) != 3:
        raise ValueError(
            "h and x must have three dimensions each, (batch, time, values); they have "
            f"{len(h.shape)} and {len(x.shape)}."
        )
    batch, n_steps, n = h.shape
    n_outputs = x.shape[2]
    _refuse_others(
        {
            "h": (h, (batch, n_steps, n), "float32"),
            "x": (x, (batch, n_steps, n_outputs), "float32"),
            "kernel": (kernel, (n, n_outputs), "float32"),
            "bias": (bias, (n_outputs,), "float32"),
        }
    )
