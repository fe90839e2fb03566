"""The losses of each epoch."""

import numpy as np
from sklearn.pipeline import Pipeline

from skanomaly.displays._axes import make_axes
from skanomaly.displays._palette import LINE, RECONSTRUCTION, REFERENCE
from skanomaly.displays.plotting import add_legend, import_matplotlib

_STYLES = {
    "loss": {"color": LINE, "label": "training"},
    "val_loss": {"color": RECONSTRUCTION, "label": "validation"},
}
# A line of fewer points does not show them all.
_FEW_EPOCHS = 30


class TrainingHistoryDisplay:
    """Training and validation loss against the epoch.

    Use :meth:`from_estimator` or :meth:`from_history` to make one. The parameter is kept as an
    attribute. The epoch with the lowest validation loss is marked; with early stopping, its
    weights are the ones kept. The axis of losses is logarithmic when they span more than a decade.

    Parameters
    ----------
    history : dict of str to list of float
        Losses of each epoch: ``"loss"`` and, where there is one, ``"val_loss"``.
    name : str or None, default=None
        Title.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that holds the axes.
    ax_ : matplotlib Axes
        Axes with the losses.
    best_epoch_ : int or None
        Epoch with the lowest validation loss, the first being 1; None without validation.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skanomaly.displays import TrainingHistoryDisplay
    >>> history = {"loss": [0.9, 0.3, 0.1, 0.05], "val_loss": [0.8, 0.4, 0.3, 0.35]}
    >>> display = TrainingHistoryDisplay.from_history(history, ax=Figure())
    >>> display.best_epoch_, display.ax_.get_yscale()
    (3, 'log')
    """

    def __init__(self, *, history, name=None):
        self.history = history
        self.name = name

    @classmethod
    def from_estimator(cls, detector, *, name=None, ax=None, **plot_options):
        """Draw the losses of a fitted detector.

        Parameters
        ----------
        detector : estimator instance
            Fitted detector with ``history_``, or a pipeline that ends in one.
        name : str, default=None
            Title. None takes the class of the detector; an empty string draws no title.
        ax : matplotlib Axes or Figure, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : TrainingHistoryDisplay

        Raises
        ------
        TypeError
            If the detector has no ``history_``.
        ValueError
            If it was not trained for a single epoch.

        Examples
        --------
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> from skanomaly import LSTMAutoencoder
        >>> from skanomaly.displays import TrainingHistoryDisplay
        >>> X = np.sin(np.arange(200)[:, None] / 5)
        >>> detector = LSTMAutoencoder(
        ...     window_size=20, hidden_units=4, max_epochs=3, random_state=0
        ... ).fit(X)
        >>> display = TrainingHistoryDisplay.from_estimator(detector, ax=Figure())
        >>> display.name, len(display.history["loss"])
        ('LSTMAutoencoder', 3)
        """
        final = detector[-1] if isinstance(detector, Pipeline) else detector
        if not hasattr(final, "history_"):
            raise TypeError(
                f"detector must have history_; got {type(final).__name__}, which has not. Fit it "
                "first, or use TrainingHistoryDisplay.from_history with losses of your own; what "
                "trains no network has none."
            )
        name = type(final).__name__ if name is None else name
        return cls.from_history(final.history_, name=name, ax=ax, **plot_options)

    @classmethod
    def from_history(cls, history, *, name=None, ax=None, **plot_options):
        """Draw losses that are there already.

        Parameters
        ----------
        history : dict of str to sequence of float
            Losses of each epoch: ``"loss"`` and, where there is one, ``"val_loss"``, as in the
            ``history`` that Keras returns. Other entries are not drawn.
        name : str, default=None
            Title.
        ax : matplotlib Axes or Figure, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : TrainingHistoryDisplay

        Raises
        ------
        ValueError
            If history has no losses, or not as many of one kind as of the other.
        """
        if "loss" not in history:
            raise ValueError(
                f"history must have the key 'loss'; got {sorted(history)}. Pass the history_ of a "
                "fitted detector."
            )
        history = {key: list(values) for key, values in history.items()}
        n_epochs = len(history["loss"])
        if not n_epochs:
            raise ValueError(
                "history must have the loss of at least one epoch; got none. Fit with max_epochs "
                "of at least 1."
            )
        if len(history.get("val_loss", history["loss"])) != n_epochs:
            raise ValueError(
                f"history must have as many values of 'val_loss' as of 'loss', {n_epochs}; got "
                f"{len(history['val_loss'])}. Leave 'val_loss' out if some epochs had none."
            )
        return cls(history=history, name=name).plot(ax, **plot_options)

    def plot(self, ax=None):
        """Draw the losses against the epoch.

        Parameters
        ----------
        ax : matplotlib Axes or Figure, default=None
            An Axes is drawn into. A Figure without axes gets one. None makes a new figure with
            pyplot.

        Returns
        -------
        display : TrainingHistoryDisplay
            This display.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        ValueError
            If ax is a Figure with axes.
        """
        import_matplotlib()
        (ax,) = make_axes(ax, (7.0, 3.6))
        losses = {key: np.asarray(self.history[key]) for key in _STYLES if key in self.history}
        for key, loss in losses.items():
            epochs = np.arange(1, len(loss) + 1)
            marker = "." if len(loss) <= _FEW_EPOCHS else None
            ax.plot(epochs, loss, marker=marker, linewidth=1.2, **_STYLES[key])
        self.best_epoch_ = _best_epoch(losses.get("val_loss"))
        if self.best_epoch_ is not None:
            _mark(ax, self.best_epoch_, losses["val_loss"][self.best_epoch_ - 1])
        ax.set_yscale(_choose_scale(np.concatenate(list(losses.values()))))
        ax.set_xlim(0.5, max(map(len, losses.values())) + 0.5)
        ax.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        ax.set_xlabel("epoch")
        ax.set_ylabel("loss")
        if self.name:
            ax.set_title(self.name, loc="left", fontsize="medium")
        add_legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _best_epoch(val_loss):
    """Return the number of the epoch with the lowest loss (n_epochs,), from 1; None without."""
    if val_loss is None or not np.isfinite(val_loss).any():
        return None
    return int(np.nanargmin(val_loss)) + 1


def _mark(ax, epoch, loss):
    ax.axvline(epoch, color=REFERENCE, linestyle=":", linewidth=1.0, zorder=0.5)
    ax.plot(
        epoch,
        loss,
        "o",
        color=RECONSTRUCTION,
        markeredgecolor="black",
        label=f"best: {loss:.3g} in epoch {epoch}",
    )


def _choose_scale(losses):
    """Choose "log" when losses span more than a decade."""
    known = losses[np.isfinite(losses)]
    return "log" if len(known) and 0 < known.min() < known.max() / 10 else "linear"
