"""What training minimises: Keras losses, without padding and gaps, of whatever a network says."""

from skanomaly._backend import load_keras
from skanomaly.architectures import (
    bottleneck_autoencoder,
    forecaster,
    sequence_autoencoder,
    variational_autoencoder,
)

keras = load_keras()

__all__ = ["is_squared_error", "objective", "says_each_value_once"]


def _get_loss(loss):
    try:
        return keras.losses.get(loss)
    except ValueError as error:
        raise ValueError(
            "loss must be the name of a Keras loss, a keras.losses.Loss or a function; got "
            f"{loss!r}. Use for example 'mse', 'mae' or 'huber'."
        ) from error


def objective(network, recipe):
    """Make the training loss: (y_true, y_pred) -> (batch, time), or a keras.losses.Loss."""
    loss = _of_one_network(network, recipe)
    return _of_members(loss) if network.n_members > 1 else loss


def says_each_value_once(network):
    """Tell whether a last, dense layer says one value for each of x, and nothing else."""
    one_step = network.architecture is forecaster and dict(network.options)["horizon"] == 1
    plain = one_step or network.architecture in (sequence_autoencoder, bottleneck_autoencoder)
    return plain and network.n_members == 1


def is_squared_error(network, recipe):
    """Tell whether the loss is no more than the mean squared error of a last, dense layer."""
    known = recipe.loss in ("mse", "mean_squared_error")
    return says_each_value_once(network) and known and not recipe.gaps


def _of_one_network(network, recipe):
    if network.architecture is variational_autoencoder:
        return _negative_evidence(network.n_features)
    loss = _get_loss(recipe.loss)
    if network.architecture is forecaster:
        per_step = _of_each_step(loss)
        return _over_leads(_skip_gaps(per_step) if recipe.gaps else per_step, network.n_features)
    return _skip_gaps(loss) if recipe.gaps else loss


def _over_leads(loss, n_features):
    """Average a loss over the forecasts of a step, which are NaN where there is none."""

    def over_leads(y_true, y_pred):
        total, count = 0.0, 0.0
        for first in range(0, y_pred.shape[-1], n_features):
            forecast = y_pred[..., first : first + n_features]
            made = ~keras.ops.isnan(forecast)
            # The target stands in for what was not forecast, or NaN would reach the gradient.
            forecast = keras.ops.where(made, forecast, keras.ops.nan_to_num(y_true))
            made = keras.ops.cast(made[..., 0], "float32")
            total += loss(y_true, forecast) * made
            count += made
        return total / count

    return over_leads


def _negative_evidence(n_features):
    """Make the negative evidence lower bound per value, but for constants.

    The target holds one column more than x: the weight of the divergence.
    """
    ops = keras.ops

    def negative_evidence(y_true, y_pred):
        x, weight = y_true[..., :n_features], y_true[..., n_features]
        y, log_variance = y_pred[..., :n_features], y_pred[..., n_features : 2 * n_features]
        gap = ops.isnan(x)
        residual = ops.where(gap, ops.stop_gradient(y), x) - y
        surprise = 0.5 * (ops.square(residual) * ops.exp(-log_variance) + log_variance)
        surprise = ops.where(gap, 0.0, surprise)
        return ops.mean(surprise, axis=-1) + weight * y_pred[..., 2 * n_features]

    return negative_evidence


def _skip_gaps(loss):
    """Let a loss see no error where the target is NaN: the target there is the prediction."""
    loss = _of_each_step(loss)

    def skip_gaps(y_true, y_pred):
        gap = keras.ops.isnan(y_true)
        return loss(keras.ops.where(gap, keras.ops.stop_gradient(y_pred), y_true), y_pred)

    return skip_gaps


def _of_each_step(loss):
    """Return the function of a loss that leaves all axes but the last as they are."""
    return loss.call if isinstance(loss, keras.losses.Loss) else loss


def _of_members(loss):
    """Train members apart: (batch, time, 1, features), (batch, time, n_members, features).

    The gradient is that of the sum over members, so that each gets its own as if alone; the value
    is their mean, so that losses compare with those of a single network.
    """
    loss = _of_each_step(loss)

    def of_members(y_true, y_pred):
        y_true = keras.ops.repeat(y_true, y_pred.shape[2], axis=2)
        losses = loss(y_true, y_pred)
        total = keras.ops.sum(losses, axis=-1)
        return total + keras.ops.stop_gradient(keras.ops.mean(losses, axis=-1) - total)

    return of_members
