"""Precision against recall, for time steps and for ranges."""

import numpy as np

from skanomaly.displays._axes import make_axes
from skanomaly.displays._labelled import check_some_anomalous, last_step, score_all
from skanomaly.displays._palette import LINE, RECONSTRUCTION, REFERENCE
from skanomaly.displays.plotting import add_legend, import_matplotlib
from skanomaly.metrics import average_precision, range_auc_pr, range_curve, threshold_curve, vus_pr

# Finer than what is seen: parts of the axes that a point must move to be drawn.
_GRID = 1000


class MetricDisplay:
    """Precision against recall over all thresholds, for time steps and for ranges.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. All parameters are kept as
    attributes. The curve of time steps counts each of them alike. The curve of ranges tolerates
    labels that are a little early or late, and asks for every anomaly to be found; see
    :func:`skanomaly.metrics.range_curve`. Random scores stay near the height at which a curve ends
    on the right; that of time steps ends on the dashed line.

    Parameters
    ----------
    precision, recall : ndarray of shape (n_thresholds,)
        Of time steps, the highest threshold first.
    average_precision : float
        Area under this curve.
    range_precision, range_recall : ndarray of shape (n_range_thresholds,)
        Of ranges, the highest threshold first.
    range_area : float
        Area under this curve.
    vus_pr : float
        The mean of such areas over the buffers 0, 1, ..., `buffer`.
    buffer : int
        Length of the buffer around anomalies, in time steps, half of it on each side.
    prevalence : float
        Share of time steps that are anomalous.
    name : str or None, default=None
        Title.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that holds the axes.
    ax_ : matplotlib Axes
        Axes with the curves.

    See Also
    --------
    ThresholdDisplay : What each threshold reaches.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skanomaly.displays import MetricDisplay
    >>> y_true = np.where(np.arange(500) // 20 == 10, -1, 1)
    >>> y_score = np.roll(y_true == -1, 5) + np.random.RandomState(0).uniform(size=500)
    >>> display = MetricDisplay.from_predictions(y_true, y_score, buffer=20, ax=Figure())
    >>> round(display.average_precision, 2), round(display.vus_pr, 2), display.prevalence
    (0.6, 0.79, 0.04)
    """

    def __init__(
        self,
        *,
        precision,
        recall,
        average_precision,
        range_precision,
        range_recall,
        range_area,
        vus_pr,
        buffer,
        prevalence,
        name=None,
    ):
        self.precision = precision
        self.recall = recall
        self.average_precision = average_precision
        self.range_precision = range_precision
        self.range_recall = range_recall
        self.range_area = range_area
        self.vus_pr = vus_pr
        self.buffer = buffer
        self.prevalence = prevalence
        self.name = name

    @classmethod
    def from_estimator(cls, detector, X, y, *, buffer=100, name=None, ax=None, **plot_options):
        """Score series with a fitted detector and draw the curves.

        Parameters
        ----------
        detector : estimator instance
            Fitted detector with ``score_samples`` and ``offset_``, or a pipeline that ends in one.
        X : array-like or frame of shape (n_timesteps, n_features), a panel or a list of them
            All series are scored and ranked together. More than one need a detector with
            ``score_timesteps`` and ``step_threshold_``.
        y : array-like of shape (n_timesteps,), a panel or a list of them
            True labels: -1 anomalous, +1 normal.
        buffer : int, default=100
            Length of the largest buffer around anomalies, in time steps.
        name : str, default=None
            Title. None takes the class of the detector; an empty string draws no title.
        ax : matplotlib Axes or Figure, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : MetricDisplay

        Raises
        ------
        TypeError
            If the detector lacks an attribute that is needed here.
        ValueError
            If y does not fit X or holds no anomaly, or if buffer is out of its range.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from skanomaly import PersistenceDetector
        >>> from skanomaly.datasets import make_flights
        >>> from skanomaly.displays import MetricDisplay
        >>> data = make_flights(n_train=2, n_test=4, n_timesteps=300, n_features=5, random_state=0)
        >>> detector = PersistenceDetector().fit(data.X_train)
        >>> display = MetricDisplay.from_estimator(detector, data.X_test, data.y_test, ax=Figure())
        >>> display.name, display.vus_pr > display.prevalence
        ('PersistenceDetector', True)
        """
        scores, _ = score_all(detector, X)
        name = type(last_step(detector)).__name__ if name is None else name
        return cls.from_predictions(y, scores, buffer=buffer, name=name, ax=ax, **plot_options)

    @classmethod
    def from_predictions(cls, y_true, y_score, *, buffer=100, name=None, ax=None, **plot_options):
        """Draw the curves of anomaly scores that are there already.

        Parameters
        ----------
        y_true : array-like of shape (n_timesteps,) or (n_series, n_timesteps), or list of such
            True labels: -1 anomalous, +1 normal.
        y_score : array-like, nested as `y_true`
            Anomaly scores, higher = more anomalous: the negative of ``score_samples``.
        buffer : int, default=100
            Length of the largest buffer around anomalies, in time steps.
        name : str, default=None
            Title.
        ax : matplotlib Axes or Figure, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : MetricDisplay

        Raises
        ------
        ValueError
            If labels are not -1 and 1 or hold no anomaly, if lengths differ, if a score is NaN or
            infinite, or if buffer is out of its range.
        """
        points = threshold_curve(y_true, y_score)
        check_some_anomalous(y_true)
        ranges = range_curve(y_true, y_score, buffer=buffer, n_thresholds=None)
        display = cls(
            # The first threshold flags nothing, which has no precision.
            precision=points.precision[1:],
            recall=points.recall[1:],
            average_precision=average_precision(y_true, y_score),
            range_precision=ranges.precision,
            range_recall=ranges.recall,
            range_area=range_auc_pr(y_true, y_score, buffer=buffer, n_thresholds=None),
            vus_pr=vus_pr(y_true, y_score, max_buffer=buffer),
            buffer=buffer,
            # The last threshold flags everything.
            prevalence=float(points.precision[-1]),
            name=name,
        )
        return display.plot(ax, **plot_options)

    def plot(self, ax=None):
        """Draw precision against recall.

        Parameters
        ----------
        ax : matplotlib Axes or Figure, default=None
            An Axes is drawn into. A Figure without axes gets one. None makes a new figure with
            pyplot.

        Returns
        -------
        display : MetricDisplay
            This display.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        ValueError
            If ax is a Figure with axes.
        """
        import_matplotlib()
        (ax,) = make_axes(ax, (7.6, 4.4))
        area = f"time steps\n  average precision {self.average_precision:.3f}"
        # Narrower and above, it stays visible where both curves are the same.
        style = {"color": LINE, "linewidth": 1.2, "zorder": 3}
        _draw(ax, self.recall, self.precision, label=area, **style)
        area = (
            f"ranges, buffer {self.buffer}\n  area {self.range_area:.3f}\n"
            f"  VUS-PR {self.vus_pr:.3f}"
        )
        style = {"color": RECONSTRUCTION, "linewidth": 2.0}
        _draw(ax, self.range_recall, self.range_precision, label=area, **style)
        ax.axhline(
            self.prevalence,
            color=REFERENCE,
            linestyle="--",
            linewidth=1.0,
            zorder=0.5,
            label=f"prevalence {self.prevalence:.3g}",
        )
        ax.set_xlim(-0.02, 1.02)
        ax.set_ylim(-0.02, 1.02)
        ax.set_xlabel("recall")
        ax.set_ylabel("precision")
        if self.name:
            ax.set_title(self.name, loc="left", fontsize="medium")
        add_legend(ax)
        self.ax_, self.figure_ = ax, ax.figure
        return self


def _draw(ax, recall, precision, **style):
    """Draw a curve (n_thresholds,) whose recall rises, in steps as its area is counted."""
    x, y = np.append(0.0, recall), np.append(precision[0], precision)
    moves = np.diff(np.round(np.stack([x, y]) * _GRID), prepend=-1).any(axis=0)
    moves[-1] = True
    ax.plot(x[moves], y[moves], drawstyle="steps-pre", **style)
