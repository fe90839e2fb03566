"""Which features an anomaly score comes from, over time."""

import numpy as np

from skanomaly.displays._axes import make_axes, positions, set_time_axis
from skanomaly.displays._cells import add_colour_bar, bin_time, draw_cells
from skanomaly.displays._inputs import (
    check_labels,
    check_length,
    check_option,
    choose_index,
    finite,
    names_seen,
    read_series,
    score_panel,
    score_series,
    shorten,
    split_pipeline,
    take_series,
)
from skanomaly.displays._palette import REFERENCE, SEQUENTIAL
from skanomaly.displays._panels import (
    SCORE_SCALES,
    choose_score_scale,
    draw_scores,
    draw_true_strip,
    shade_flagged,
)
from skanomaly.displays.plotting import add_legend, import_matplotlib
from skanomaly.inspection import feature_contributions
from skanomaly.sequences import nesting

ORDERS = ("contribution", "given")

_SCORE_HEIGHT = 2.0
# In inches: room for a name in small print.
_ROW_HEIGHT = 0.17
_GREATEST_HEIGHT = 8.0
_MOST_LARGE_NAMES = 45
_MOST_NAMES = 80


class ContributionDisplay:
    """Anomaly scores above, and below what each feature contributes to them, over time.

    Use :meth:`from_estimator` or :meth:`from_contributions` to make one. All parameters are kept
    as attributes. The contributions of a time step add up to its anomaly score. Of many features,
    those that contribute most have a row of their own; the last row shows the greatest of the
    others at each time, so that none that stands out is hidden. Beside each name stands what part
    of the scores of flagged time steps the feature makes.

    Parameters
    ----------
    contributions : ndarray of shape (n_timesteps, n_features)
        What each feature adds to the anomaly score, in general not negative; what is below zero
        looks like zero. NaN is drawn grey.
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
        Axes of the scores and of the heat map.
    features_ : ndarray of int
        Features with a row of their own, from top to bottom.
    shares_ : ndarray of shape (n_features,)
        What part of the score of a flagged time step each feature makes, on average; of all time
        steps where none is flagged.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skanomaly.displays import ContributionDisplay
    >>> contributions = np.random.RandomState(0).uniform(0, 0.1, size=(200, 4))
    >>> contributions[50:60, 2] += 3
    >>> display = ContributionDisplay.from_contributions(
    ...     contributions, threshold=1.0, max_features=2, ax=Figure()
    ... )
    >>> int(display.features_[0]), bool(display.shares_[2] > 0.9)
    (2, True)
    >>> [label.get_text()[:8] for label in display.axes_[1].get_yticklabels()]
    ['x2  95 %', 'x1   2 %', '2 others']
    """

    def __init__(
        self,
        *,
        contributions,
        scores,
        threshold=None,
        labels=None,
        y=None,
        index=None,
        feature_names=None,
        name=None,
    ):
        self.contributions = contributions
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
        """Score one series with a fitted detector and draw what the features contribute.

        Parameters
        ----------
        detector : estimator instance
            Fitted detector with ``score_features``, or a pipeline that ends in one.
        X : array-like or frame of shape (n_timesteps, n_features), or a panel of them
            Features are those that the last step of a pipeline sees.
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
        display : ContributionDisplay

        Raises
        ------
        TypeError
            If the detector lacks an attribute that is needed here.
        ValueError
            If series, y, index or feature_names do not fit X.

        Examples
        --------
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> from skanomaly import PersistenceDetector
        >>> from skanomaly.displays import ContributionDisplay
        >>> X = np.random.RandomState(0).normal(size=(300, 3))
        >>> X[100, 1] += 9
        >>> detector = PersistenceDetector().fit(X)
        >>> display = ContributionDisplay.from_estimator(detector, X, ax=Figure())
        >>> int(display.features_[0])
        1
        """
        y = y if y is None or nesting(X) == "series" else y[series]
        X = take_series(X, series)
        final, seen = split_pipeline(detector, X)
        if not hasattr(final, "score_features"):
            raise TypeError(
                f"detector must have score_features; got {type(final).__name__}, which has not. "
                "Use ContributionDisplay.from_contributions with contributions of your own."
            )
        if nesting(X) == "series":
            scores, threshold = score_series(final, final, seen)
            contributions = feature_contributions(final, seen)
        else:
            scores, threshold = score_panel(final, final, seen, 0)
            X, contributions = X[0], feature_contributions(final, seen)[0]
        return cls.from_contributions(
            contributions,
            threshold=threshold,
            scores=scores,
            y=y,
            index=choose_index(index, X, len(contributions)),
            feature_names=names_seen(detector, X) if feature_names is None else feature_names,
            name=type(final).__name__ if name is None else name,
            ax=ax,
            **plot_options,
        )

    @classmethod
    def from_contributions(
        cls,
        contributions,
        *,
        threshold=None,
        scores=None,
        labels=None,
        y=None,
        index=None,
        feature_names=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw contributions that are there already.

        Parameters
        ----------
        contributions : array-like or frame of shape (n_timesteps, n_features)
            What each feature adds to the anomaly score; NaN where it was not observed.
        threshold : float, default=None
            Time steps whose anomaly score is above it are flagged: the negative of ``offset_``.
        scores : array-like of shape (n_timesteps,), default=None
            Anomaly scores, higher = more anomalous. None adds the contributions up.
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
        display : ContributionDisplay

        Raises
        ------
        ValueError
            If scores, labels, y, index or feature_names do not fit the contributions.
        """
        values, index, names = read_series(contributions, index, feature_names, "contributions")
        n_timesteps = len(values)
        if scores is None:
            scores = np.where(np.isnan(values).all(axis=1), np.nan, np.nansum(values, axis=1))
        scores = check_length("scores", np.asarray(scores, dtype=np.float64), n_timesteps)
        threshold = None if threshold is None else float(threshold)
        if labels is None and threshold is not None:
            labels = np.where(scores > threshold, -1, 1)
        display = cls(
            contributions=values,
            scores=scores,
            threshold=threshold,
            labels=check_labels("labels", labels, n_timesteps),
            y=check_labels("y", y, n_timesteps),
            index=index,
            feature_names=names,
            name=name,
        )
        return display.plot(ax, **plot_options)

    def plot(
        self, ax=None, *, order="contribution", max_features=20, scale="auto", max_points=4000
    ):
        """Draw the scores above and the heat map of contributions below.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or sequence of two Axes, default=None
            Two Axes are drawn into as they are; they should share their x axis. One Axes, made by
            ``subplots``, is divided into two. A Figure without axes gets two. None makes a new
            figure with pyplot.
        order : {"contribution", "given"}, default="contribution"
            Order of the rows: by the part that features make of the scores of flagged time steps,
            greatest first, or as given.
        max_features : int or None, default=20
            How many features get a row of their own, always those that contribute most. None
            gives one to each.
        scale : {"auto", "linear", "log"}, default="auto"
            Scale of scores and colours. "auto" takes "log" when the greatest score is more than
            15 times the threshold.
        max_points : int or None, default=4000
            A longer line is drawn by the lowest and highest value of equal bins of time steps,
            so that no peak is lost; the heat map shows the greatest contribution of each of up to
            700 bins. None draws all points of lines.

        Returns
        -------
        display : ContributionDisplay
            This display.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        ValueError
            If an option has an unknown value.
        """
        import_matplotlib()
        if order not in ORDERS:
            raise ValueError(
                f"order must be one of {', '.join(map(repr, ORDERS))}; got {order!r}. Choose one "
                "of them."
            )
        values, scores = finite(self.contributions), finite(self.scores)
        n_features = values.shape[1]
        names = self.feature_names or [f"x{j}" for j in range(n_features)]
        scale = check_option("scale", scale, SCORE_SCALES)
        scale = scale or choose_score_scale(scores, self.threshold)
        flags = np.zeros(len(values), bool) if self.labels is None else self.labels == -1
        self.shares_ = _shares(values, flags)
        self.features_ = _choose_rows(self.shares_, order, max_features)
        rows = _rows(values, self.features_)
        height = min(max(1.0, _ROW_HEIGHT * rows.shape[1]), _GREATEST_HEIGHT)
        upper, lower = make_axes(
            ax, (10.0, _SCORE_HEIGHT + height + 0.8), height_ratios=(_SCORE_HEIGHT, height)
        )
        x = positions(self.index, len(values))
        draw_scores(upper, x, scores, self.threshold, scale, max_points)
        if self.labels is not None:
            shade_flagged((upper,), x, flags)
        if self.y is not None:
            draw_true_strip(upper, x, self.y == -1)
        add_legend(upper)
        bins = bin_time(x, max_points)
        cells = np.fmax.reduceat(rows, bins[0])
        mesh = draw_cells(lower, bins, cells, **_colours(cells, scale, self.threshold))
        _name_rows(lower, names, self.features_, self.shares_, flags.any())
        add_colour_bar(lower, mesh, "contribution\nto the score")
        set_time_axis((upper, lower), x, self.index)
        if self.name:
            upper.set_title(self.name, loc="left", fontsize="medium")
        self.axes_, self.figure_ = (upper, lower), upper.figure
        return self


def _shares(values, flags):
    """Mean part of the score: (n_timesteps, n_features) -> (n_features,), of flagged steps.

    Each flagged step counts the same, or the highest peak would hide who made the others.
    """
    known = np.where(np.isnan(values), 0, np.maximum(values, 0))
    totals = known.sum(axis=1, keepdims=True)
    counted = flags & (totals[:, 0] > 0)
    if counted.any():
        known = known[counted] / totals[counted]
    return known.sum(axis=0) / max(known.sum(), np.finfo(float).tiny)


def _choose_rows(shares, order, max_features):
    """Return the features with a row of their own, from top to bottom."""
    if max_features is not None and max_features < 1:
        raise ValueError(
            f"max_features must be at least 1 or None; got {max_features!r}. Leave it out to give "
            "20 features a row."
        )
    chosen = np.argsort(-shares, kind="stable")[:max_features]
    return np.sort(chosen) if order == "given" else chosen


def _rows(values, features):
    """Return the chosen columns (n_timesteps, n_rows), and the greatest of the others if any."""
    others = np.delete(values, features, axis=1)
    if not others.shape[1]:
        return values[:, features]
    return np.column_stack([values[:, features], np.fmax.reduce(others, axis=1)])


def _colours(cells, scale, threshold):
    """Return how to colour the cells: pale is nothing, or a hundredth of what matters."""
    known = cells[np.isfinite(cells)]
    highest = known.max(initial=0.0) or 1.0
    if scale == "linear":
        return {"cmap": SEQUENTIAL, "vmin": 0.0, "vmax": highest}
    matplotlib = import_matplotlib()
    level = highest if threshold is None or threshold <= 0 else min(threshold, highest)
    norm = matplotlib.colors.LogNorm(level / 100, highest, clip=True)
    return {"cmap": SEQUENTIAL, "norm": norm}


def _write_share(name, share):
    return f"{name} {100 * max(share, 0):3.0f} %"


def _choose_names(shares):
    """Choose the rows to name, of shares (n_rows,): the greatest, as far as there is room."""
    apart = -(-len(shares) // _MOST_NAMES)
    chosen = []
    for row in np.argsort(-shares, kind="stable"):
        if all(abs(row - other) >= apart for other in chosen):
            chosen.append(row)
    return np.sort(chosen)


def _name_rows(ax, names, features, shares, flagged):
    """Name each row with its share of the scores of flagged time steps."""
    labels = [_write_share(shorten(names[j]), shares[j]) for j in features]
    n_others = len(names) - len(features)
    if n_others:
        labels.append(_write_share(f"{n_others} others (max)", 1 - shares[features].sum()))
        ax.axhline(len(features), color="white", linewidth=2.5)
    named = _choose_names(np.append(shares[features], [np.inf] * bool(n_others)))
    size = "x-small" if len(labels) <= _MOST_LARGE_NAMES else "xx-small"
    ax.set_yticks(named + 0.5, [labels[row] for row in named], fontsize=size)
    ax.tick_params(axis="y", length=0)
    ax.annotate(
        "share of flagged scores" if flagged else "share of all scores",
        (0, 1),
        (-4, 2),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        fontsize="x-small",
        color=REFERENCE,
    )
