"""A series with its anomaly scores, threshold and labels."""

import numpy as np
from sklearn.pipeline import Pipeline

from skanomaly.displays._axes import make_axes, positions, set_time_axis
from skanomaly.displays._inputs import (
    check_labels,
    check_length,
    check_names,
    check_option,
    finite,
    read_series,
    score_panel,
    score_series,
)
from skanomaly.displays._panels import (
    LAYOUTS,
    SCORE_SCALES,
    add_title,
    choose_layout,
    choose_score_scale,
    draw_scores,
    draw_series,
    draw_true_strip,
    figure_size,
    shade_flagged,
)
from skanomaly.displays.plotting import add_legend, import_matplotlib
from skanomaly.sequences import nesting


class ScoreDisplay:
    """A series, its anomaly scores, the threshold and what it flags, over time.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. All parameters are kept as
    attributes. The series is drawn above, the scores below; flagged intervals are shaded over
    both, true anomalies are a black strip on top of the scores. More than 200 flagged intervals
    are shaded by the share of steps that they flag, or thin ones would cover everything.

    Parameters
    ----------
    values : ndarray of shape (n_timesteps, n_features)
        The series. What is not finite is drawn as a gap.
    scores : ndarray of shape (n_timesteps,)
        Anomaly scores: higher = more anomalous, as everywhere in pictures.
    threshold : float or None, default=None
        Anomaly score above which a time step is flagged.
    labels : ndarray of shape (n_timesteps,) or None, default=None
        -1 for a flagged time step, else +1. None shades nothing.
    y : ndarray of shape (n_timesteps,) or None, default=None
        True labels: -1 for an anomalous time step, else +1. None draws no strip.
    index : ndarray of shape (n_timesteps,) or None, default=None
        Time axis: numbers or datetime64, in order. None numbers the time steps from 0.
    feature_names : list of str or None, default=None
        One per feature. None names them ``x0``, ``x1`` and so on.
    name : str or None, default=None
        Title.

    Attributes
    ----------
    figure_ : matplotlib Figure
        Figure that holds the axes.
    axes_ : tuple of two matplotlib Axes
        Axes of the series and of the scores.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skanomaly.displays import ScoreDisplay
    >>> X = np.sin(np.arange(200) / 5)[:, None]
    >>> X[120:125] += 4
    >>> scores = np.abs(X[:, 0])
    >>> display = ScoreDisplay.from_predictions(X, scores, threshold=1.5, ax=Figure())
    >>> int((display.labels == -1).sum())
    5
    >>> [ax.get_ylabel() for ax in display.axes_]
    ['x0', 'anomaly score\\n(higher = more anomalous)']
    """

    def __init__(
        self,
        *,
        values,
        scores,
        threshold=None,
        labels=None,
        y=None,
        index=None,
        feature_names=None,
        name=None,
    ):
        self.values = values
        self.scores = scores
        self.threshold = threshold
        self.labels = labels
        self.y = y
        self.index = index
        self.feature_names = feature_names
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        detector,
        X,
        *,
        y=None,
        index=None,
        feature_names=None,
        series=0,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Score one series with a fitted detector and draw both.

        Parameters
        ----------
        detector : estimator instance
            Fitted detector with ``score_samples`` and ``offset_``, or a pipeline that ends in one.
        X : array-like or frame of shape (n_timesteps, n_features), or a panel of them
            Drawn as given; a pipeline scores what its steps make of it. A panel needs a detector
            with ``score_timesteps`` and ``step_threshold_``.
        y : array-like of shape (n_timesteps,), or a panel of them, default=None
            True labels: -1 anomalous, +1 normal.
        index : array-like of shape (n_timesteps,), default=None
            Time axis of the series drawn: numbers or dates, in order. None takes the index of a
            pandas frame when it holds numbers or dates, else numbers the time steps from 0.
        feature_names : sequence of str, default=None
            One per feature. None takes the columns of a frame.
        series : int, default=0
            Which series of a panel to draw.
        name : str, default=None
            Title. None takes the class of the detector; an empty string draws no title.
        ax : matplotlib Axes, Figure or sequence of two Axes, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : ScoreDisplay

        Raises
        ------
        TypeError
            If the detector lacks an attribute that is needed here.
        ValueError
            If y, index or feature_names do not fit X.

        Examples
        --------
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> from sklearn.covariance import EllipticEnvelope
        >>> from skanomaly.displays import ScoreDisplay
        >>> X = np.random.RandomState(0).normal(size=(300, 2))
        >>> detector = EllipticEnvelope(contamination=0.02, random_state=0).fit(X)
        >>> display = ScoreDisplay.from_estimator(detector, X, ax=Figure())
        >>> display.name, int((display.labels == -1).sum())
        ('EllipticEnvelope', 6)
        """
        final = detector[-1] if isinstance(detector, Pipeline) else detector
        if nesting(X) != "series":
            scores, threshold = score_panel(detector, final, X, series)
            X, y = X[series], None if y is None else y[series]
        else:
            scores, threshold = score_series(detector, final, X)
        return cls.from_predictions(
            X,
            scores,
            threshold=threshold,
            y=y,
            index=index,
            feature_names=feature_names,
            name=type(final).__name__ if name is None else name,
            ax=ax,
            **plot_options,
        )

    @classmethod
    def from_predictions(
        cls,
        X,
        scores,
        *,
        threshold=None,
        labels=None,
        y=None,
        index=None,
        feature_names=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw a series and anomaly scores that are there already.

        Parameters
        ----------
        X : array-like or frame of shape (n_timesteps, n_features)
            One series.
        scores : array-like of shape (n_timesteps,)
            Anomaly scores, higher = more anomalous: the negative of ``score_samples``.
        threshold : float, default=None
            Time steps whose anomaly score is above it are flagged: the negative of ``offset_``.
        labels : array-like of shape (n_timesteps,), default=None
            -1 flagged, +1 not flagged. None flags by the threshold, if there is one.
        y : array-like of shape (n_timesteps,), default=None
            True labels: -1 anomalous, +1 normal.
        index : array-like of shape (n_timesteps,), default=None
            Time axis: numbers or dates, in order. None takes the index of a pandas frame when it
            holds numbers or dates, else numbers the time steps from 0.
        feature_names : sequence of str, default=None
            One per feature. None takes the columns of a frame, else ``x0``, ``x1`` and so on.
        name : str, default=None
            Title.
        ax : matplotlib Axes, Figure or sequence of two Axes, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : ScoreDisplay

        Raises
        ------
        ValueError
            If scores, labels, y, index or feature_names do not fit X.
        """
        values, index, names = read_series(X, index, feature_names)
        n_timesteps = len(values)
        scores = check_length("scores", np.asarray(scores, dtype=np.float64), n_timesteps)
        threshold = None if threshold is None else float(threshold)
        if labels is None and threshold is not None:
            labels = np.where(scores > threshold, -1, 1)
        display = cls(
            values=values,
            scores=scores,
            threshold=threshold,
            labels=check_labels("labels", labels, n_timesteps),
            y=check_labels("y", y, n_timesteps),
            index=index,
            feature_names=names,
            name=name,
        )
        return display.plot(ax, **plot_options)

    def plot(self, ax=None, *, layout="auto", score_scale="auto", max_points=4000):
        """Draw the series above and the scores below.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or sequence of two Axes, default=None
            Two Axes are drawn into as they are; they should share their x axis. One Axes, made by
            ``subplots``, is divided into two. A Figure without axes gets two. None makes a new
            figure with pyplot.
        layout : {"auto", "overlay", "stacked", "heatmap"}, default="auto"
            How the features share the upper panel: on one axis, each on its own scale one above
            the other, or as colours. "auto" overlays up to 5 comparable features of up to 2000
            time steps, stacks up to 16, and draws a heat map of more.
        score_scale : {"auto", "linear", "log"}, default="auto"
            Scale of the score axis. "auto" takes "log" when the greatest score is more than 15
            times the threshold.
        max_points : int or None, default=4000
            A longer line is drawn by the lowest and highest value of equal bins of time steps,
            so that no peak is lost. None draws all points.

        Returns
        -------
        display : ScoreDisplay
            This display.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        ValueError
            If an option has an unknown value.
        """
        import_matplotlib()
        layout = check_option("layout", layout, LAYOUTS) or choose_layout(finite(self.values))
        score_scale = check_option("score_scale", score_scale, SCORE_SCALES)
        score_scale = score_scale or choose_score_scale(self.scores, self.threshold)
        names = self.feature_names or check_names(None, self.values.shape[1])
        size, ratio = figure_size(layout, len(names))
        upper, lower = make_axes(ax, size, height_ratios=(ratio, 1))
        x = positions(self.index, len(self.values))
        draw_series(upper, x, finite(self.values), names, layout, max_points)
        draw_scores(lower, x, finite(self.scores), self.threshold, score_scale, max_points)
        if self.labels is not None:
            above = upper if layout == "heatmap" else None
            shade_flagged((upper, lower), x, self.labels == -1, above)
        if self.y is not None:
            draw_true_strip(lower, x, self.y == -1)
        add_legend(lower)
        set_time_axis((upper, lower), x, self.index)
        if self.name:
            add_title(upper, self.name, layout)
        self.axes_ = (upper, lower)
        self.figure_ = upper.figure
        return self

    @staticmethod
    def figure_size(X, *, layout="auto"):
        """Tell how large a figure suits a series, to make one without pyplot.

        Parameters
        ----------
        X : array-like or frame of shape (n_timesteps, n_features)
            One series.
        layout : {"auto", "overlay", "stacked", "heatmap"}, default="auto"
            As in :meth:`plot`.

        Returns
        -------
        size : tuple of two floats
            Width and height in inches.

        Raises
        ------
        ValueError
            If X is no series or layout has an unknown value.

        Examples
        --------
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> from skanomaly.displays import ScoreDisplay
        >>> X = np.random.RandomState(0).normal(size=(200, 8))
        >>> figure = Figure(figsize=ScoreDisplay.figure_size(X, layout="stacked"))
        >>> display = ScoreDisplay.from_predictions(X, X[:, 0], layout="stacked", ax=figure)
        """
        values = finite(read_series(np.asarray(X))[0])
        layout = check_option("layout", layout, LAYOUTS) or choose_layout(values)
        return figure_size(layout, values.shape[1])[0]
