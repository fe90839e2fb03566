"""F against the threshold, with chosen thresholds marked."""

from itertools import cycle
from numbers import Real

import numpy as np

from skanomaly.displays._axes import make_axes
from skanomaly.displays._inputs import check_option
from skanomaly.displays._labelled import check_some_anomalous, last_step, score_all
from skanomaly.displays._palette import FLAGGED, LINE, RECONSTRUCTION
from skanomaly.displays._panels import SCORE_SCALES, choose_score_scale
from skanomaly.displays.decimation import extreme_rows
from skanomaly.displays.plotting import add_legend, import_matplotlib
from skanomaly.metrics import threshold_curve

METRICS = ("f", "precision", "recall")

_MARKS = ((FLAGGED, "--"), ("0.25", ":"), ("0.25", "-."), ("#5e3c99", "--"), ("#1b7837", ":"))


class ThresholdDisplay:
    """F of time steps and of events against the threshold, with chosen thresholds marked.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. All parameters are kept as
    attributes. A flat top means that the choice of the threshold matters little. The best
    threshold in the picture is the best for these labels; chosen in this way, it promises too much
    for others. Thresholds so low that they flag more than all anomalous and half of the normal
    time steps are not shown: event by event, flagging everything is right.

    Parameters
    ----------
    curve : ThresholdCurve
        What each threshold reaches, see :func:`skanomaly.metrics.threshold_curve`.
    marks : dict of str to float
        Thresholds to mark, by name. Time steps whose anomaly score is above are flagged.
    beta : float, default=1.0
        How many times as much recall weighs as precision in F of the curve.
    name : str or None, default=None
        Title.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that holds the axes.
    ax_ : matplotlib Axes
        Axes with the curves.
    marked_ : dict of str to tuple of two floats
        For each mark, what time steps and events reach at its threshold.

    See Also
    --------
    MetricDisplay : Precision against recall.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skanomaly.displays import ThresholdDisplay
    >>> from skanomaly.thresholds import QuantileThreshold
    >>> y_true = np.where(np.arange(500) // 20 == 10, -1, 1)
    >>> y_score = 2 * (y_true == -1) + np.random.RandomState(0).normal(size=500)
    >>> selector = QuantileThreshold(contamination=0.05).fit(y_score)
    >>> display = ThresholdDisplay.from_predictions(
    ...     y_true, y_score, thresholds={"one in twenty": selector, "two": 2.0}, ax=Figure()
    ... )
    >>> {name: (round(f, 2), round(event_f, 2)) for name, (f, event_f) in display.marked_.items()}
    {'one in twenty': (0.53, 0.43), 'two': (0.46, 0.44)}
    """

    def __init__(self, *, curve, marks, beta=1.0, name=None):
        self.curve = curve
        self.marks = marks
        self.beta = beta
        self.name = name

    @classmethod
    def from_estimator(
        cls, detector, X, y, *, thresholds=None, beta=1.0, name=None, ax=None, **plot_options
    ):
        """Score series with a fitted detector, and mark its threshold.

        Parameters
        ----------
        detector : estimator instance
            Fitted detector with ``score_samples`` and ``offset_``, or a pipeline that ends in one.
            Its ``step_threshold_``, or where there is none minus ``offset_``, is marked.
        X : array-like or frame of shape (n_timesteps, n_features), a panel or a list of them
            All series are scored. More than one need a detector with ``score_timesteps`` and
            ``step_threshold_``.
        y : array-like of shape (n_timesteps,), a panel or a list of them
            True labels: -1 anomalous, +1 normal.
        thresholds : dict of str to float or fitted selector, default=None
            Further thresholds to mark, by name.
        beta : float, default=1.0
            How many times as much recall weighs as precision in F. Above 0.
        name : str, default=None
            Title. None takes the class of the detector; an empty string draws no title.
        ax : matplotlib Axes or Figure, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : ThresholdDisplay

        Raises
        ------
        TypeError
            If the detector lacks an attribute that is needed here, or a threshold is neither a
            number nor a fitted selector.
        ValueError
            If y does not fit X or holds no anomaly, or if a parameter is out of its range.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from skanomaly import PersistenceDetector
        >>> from skanomaly.datasets import make_flights
        >>> from skanomaly.displays import ThresholdDisplay
        >>> data = make_flights(n_train=2, n_test=4, n_timesteps=300, n_features=5, random_state=0)
        >>> detector = PersistenceDetector(contamination=0.02).fit(data.X_train)
        >>> display = ThresholdDisplay.from_estimator(
        ...     detector, data.X_test, data.y_test, ax=Figure()
        ... )
        >>> display.marks == {"detector": detector.step_threshold_}
        True
        """
        scores, threshold = score_all(detector, X)
        return cls.from_predictions(
            y,
            scores,
            thresholds={"detector": threshold, **(thresholds or {})},
            beta=beta,
            name=type(last_step(detector)).__name__ if name is None else name,
            ax=ax,
            **plot_options,
        )

    @classmethod
    def from_predictions(
        cls, y_true, y_score, *, thresholds=None, beta=1.0, name=None, ax=None, **plot_options
    ):
        """Draw the curves of anomaly scores that are there already.

        Parameters
        ----------
        y_true : array-like of shape (n_timesteps,) or (n_series, n_timesteps), or list of such
            True labels: -1 anomalous, +1 normal.
        y_score : array-like, nested as `y_true`
            Anomaly scores, higher = more anomalous: the negative of ``score_samples``.
        thresholds : dict of str to float or fitted selector, default=None
            Thresholds to mark, by name: numbers, or selectors with ``threshold_``.
        beta : float, default=1.0
            How many times as much recall weighs as precision in F. Above 0.
        name : str, default=None
            Title.
        ax : matplotlib Axes or Figure, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : ThresholdDisplay

        Raises
        ------
        TypeError
            If a threshold is neither a number nor a fitted selector.
        ValueError
            If labels are not -1 and 1 or hold no anomaly, if lengths differ, if a score is NaN or
            infinite, or if beta is not above 0.
        """
        curve = threshold_curve(y_true, y_score, beta=beta)
        check_some_anomalous(y_true)
        marks = {str(key): _read_threshold(key, value) for key, value in (thresholds or {}).items()}
        return cls(curve=curve, marks=marks, beta=beta, name=name).plot(ax, **plot_options)

    def plot(self, ax=None, *, metric="f", score_scale="auto", max_points=4000):
        """Draw the curves and the marks.

        Parameters
        ----------
        ax : matplotlib Axes or Figure, default=None
            An Axes is drawn into. A Figure without axes gets one. None makes a new figure with
            pyplot.
        metric : {"f", "precision", "recall"}, default="f"
            What to draw against the threshold.
        score_scale : {"auto", "linear", "log"}, default="auto"
            Scale of the thresholds. "auto" takes "log" when the greatest score is more than 15
            times the first mark.
        max_points : int or None, default=4000
            A longer line is drawn by the lowest and highest value of equal bins of thresholds.
            None draws all points.

        Returns
        -------
        display : ThresholdDisplay
            This display.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        ValueError
            If an option has an unknown value, or ax is a Figure with axes.
        """
        import_matplotlib()
        if metric not in METRICS:
            choices = ", ".join(map(repr, METRICS))
            raise ValueError(
                f"metric must be one of {choices}; got {metric!r}. Choose one of them."
            )
        marks = list(self.marks.values())
        shown = _choose_rows(self.curve)
        thresholds = self.curve.thresholds[shown]
        score_scale = check_option("score_scale", score_scale, SCORE_SCALES)
        score_scale = score_scale or choose_score_scale(thresholds, marks[0] if marks else None)
        (ax,) = make_axes(ax, (8.6, 3.8))
        lines = {
            "time steps": (getattr(self.curve, metric), LINE),
            "events": (getattr(self.curve, f"event_{metric}"), RECONSTRUCTION),
        }
        for label, (values, colour) in lines.items():
            _draw(ax, thresholds, values[shown], label, colour, max_points, best=metric == "f")
        short = f"F{self.beta:g}" if metric == "f" else metric
        self.marked_ = {}
        for (key, threshold), (colour, style) in zip(self.marks.items(), cycle(_MARKS)):
            row = np.count_nonzero(self.curve.thresholds[1:] >= threshold)
            reached = tuple(float(values[row]) for values, _ in lines.values())
            self.marked_[key] = reached
            label = (
                f"{key}: {threshold:.4g}\n"
                f"  {short} {_write(reached[0])}, events {_write(reached[1])}"
            )
            ax.axvline(threshold, color=colour, linestyle=style, linewidth=1.2, label=label)
        ax.set_xscale(score_scale)
        ax.set_xlim(_limits(thresholds, marks, score_scale))
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel("threshold on the anomaly score (lower = more is flagged)")
        ax.set_ylabel(short)
        if self.name:
            ax.set_title(self.name, loc="left", fontsize="medium")
        add_legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _read_threshold(name, value):
    """Return a number, or the threshold of a fitted selector."""
    value = getattr(value, "threshold_", value)
    if not isinstance(value, Real) or isinstance(value, (bool, np.bool_)) or np.isnan(value):
        raise TypeError(
            f"thresholds must hold numbers or fitted selectors with threshold_; got {value!r} for "
            f"{name!r}. Fit the selector on anomaly scores first."
        )
    return float(value)


def _choose_rows(curve):
    """Choose the thresholds worth showing, the highest ones, as a slice of the curve."""
    prevalence = curve.precision[-1]
    most = (1 + prevalence) / 2
    return slice(max(np.count_nonzero(curve.flagged <= most), 2))


def _draw(ax, thresholds, values, label, colour, max_points, best):
    """Draw values (n_thresholds,) over falling thresholds, each down to the next one below."""
    x, y = thresholds[::-1], values[::-1]
    rows = extreme_rows(y, max_points)
    if best:
        # Of equal ones the highest threshold, with the fewest flags.
        top = len(y) - 1 - int(np.argmax(y[::-1]))
        label = f"{label}\n  best {_write(y[top])} at {x[top]:.4g}"
        ax.plot(x[top], y[top], "o", color=colour, markeredgecolor="black", zorder=3)
    ax.plot(x[rows], y[rows], drawstyle="steps-pre", color=colour, linewidth=1.3, label=label)


def _write(value):
    return "undefined" if np.isnan(value) else f"{value:.3f}"


def _limits(thresholds, marks, scale):
    """Return the limits of the axis of thresholds: all of them, and the finite marks."""
    shown = np.append(thresholds, [mark for mark in marks if np.isfinite(mark)])
    if scale == "log":
        shown = shown[shown > 0]
        # A few scores near zero would stretch a logarithmic axis over empty decades.
        low = min([np.quantile(shown, 0.01), *[mark for mark in marks if mark > 0]])
        shown = np.log10(np.maximum(shown, low))
    low, high = shown.min(), shown.max()
    extent = (high - low) or max(abs(high), 1e-12)
    low, high = low - 0.03 * extent, high + 0.03 * extent
    return (10**low, 10**high) if scale == "log" else (low, high)
