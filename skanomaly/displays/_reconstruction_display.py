"""A series and what a detector expected in its place, feature by feature."""

import numpy as np

from skanomaly.displays._axes import make_axes, positions, set_time_axis
from skanomaly.displays._cells import add_colour_bar, bin_time
from skanomaly.displays._inputs import (
    choose_index,
    finite,
    names_seen,
    read_series,
    shorten,
    split_pipeline,
    take_series,
)
from skanomaly.displays._palette import LINE, MISSING, RECONSTRUCTION, SEQUENTIAL
from skanomaly.displays.decimation import extreme_rows
from skanomaly.displays.plotting import add_legend, import_matplotlib
from skanomaly.sequences import nesting

_STRIP_HEIGHT = 0.12
# In standard deviations of the feature: a smaller residual is never dark.
_LEAST_LIMIT = 0.5


class ReconstructionDisplay:
    """A series and its reconstruction, one small picture per feature, over time.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. All parameters are kept as
    attributes. The strip under each feature is the darker the larger the residual is, in standard
    deviations of the feature, on one scale for all. Beside each name stands the mean squared error
    over the variance: 0 is perfect, 1 no better than the mean. Of many features, those with the
    largest are drawn, and the picture says so.

    Parameters
    ----------
    values : ndarray of shape (n_timesteps, n_features)
        The series. What is not finite is drawn as a gap.
    reconstruction : ndarray of shape (n_timesteps, n_features)
        What the detector expected, in the same units.
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
    axes_ : tuple of matplotlib Axes
        Axes of the features drawn, from top to bottom.
    features_ : ndarray of int
        Which features these are.
    relative_errors_ : ndarray of shape (n_features,)
        Mean squared error over variance of every feature; NaN where the feature is constant or has
        no value with a reconstruction.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skanomaly.displays import ReconstructionDisplay
    >>> X = np.sin(np.arange(200)[:, None] / [5, 7, 9])
    >>> display = ReconstructionDisplay.from_predictions(
    ...     X, X * [1.0, 0.5, 0.9], max_features=2, ax=Figure()
    ... )
    >>> display.features_, display.relative_errors_.round(2)
    (array([1, 2]), array([0.  , 0.25, 0.01]))
    >>> display.axes_[0].get_title(loc="left")
    '2 of 3 features shown, largest errors first'
    """

    def __init__(self, *, values, reconstruction, index=None, feature_names=None, name=None):
        self.values = values
        self.reconstruction = reconstruction
        self.index = index
        self.feature_names = feature_names
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        detector,
        X,
        *,
        features=None,
        series=0,
        index=None,
        feature_names=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Reconstruct one series with a fitted detector and draw both.

        Parameters
        ----------
        detector : estimator instance
            Fitted detector with ``reconstruct``, or a pipeline that ends in one.
        X : array-like or frame of shape (n_timesteps, n_features), or a panel of them
            A pipeline is drawn as its last step sees it: X scaled, differenced and so on.
        features : sequence of int or str, default=None
            Which features to draw, see :meth:`plot`.
        series : int, default=0
            Which series of a panel to draw.
        index : array-like of shape (n_timesteps,), default=None
            Time axis of the series drawn: numbers or dates, in order. None takes the index of a
            pandas frame when it holds numbers or dates, else numbers the time steps from 0.
        feature_names : sequence of str, default=None
            One per feature. None takes the columns of a frame.
        name : str, default=None
            Title. None takes the class of the detector; an empty string draws no title.
        ax : matplotlib Axes, Figure or sequence of Axes, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        TypeError
            If the detector has no ``reconstruct``.
        ValueError
            If series, features, index or feature_names do not fit X.

        Examples
        --------
        >>> import numpy as np
        >>> from matplotlib.figure import Figure
        >>> from skanomaly import PersistenceDetector
        >>> from skanomaly.displays import ReconstructionDisplay
        >>> X = np.sin(np.arange(200)[:, None] / 5)
        >>> detector = PersistenceDetector().fit(X)
        >>> display = ReconstructionDisplay.from_estimator(detector, X, ax=Figure())
        >>> display.name, display.relative_errors_.round(2)
        ('PersistenceDetector', array([0.04]))
        """
        X = take_series(X, series)
        final, seen = split_pipeline(detector, X)
        if not hasattr(final, "reconstruct"):
            raise TypeError(
                f"detector must have reconstruct; got {type(final).__name__}, which has not. Use "
                "ReconstructionDisplay.from_predictions with a reconstruction of your own."
            )
        reconstruction = final.reconstruct(seen)
        if nesting(X) != "series":
            X, seen, reconstruction = X[0], seen[0], reconstruction[0]
        return cls.from_predictions(
            seen,
            reconstruction,
            features=features,
            index=choose_index(index, X, len(seen)),
            feature_names=names_seen(detector, X) if feature_names is None else feature_names,
            name=type(final).__name__ if name is None else name,
            ax=ax,
            **plot_options,
        )

    @classmethod
    def from_predictions(
        cls,
        X,
        reconstruction,
        *,
        features=None,
        index=None,
        feature_names=None,
        name=None,
        ax=None,
        **plot_options,
    ):
        """Draw a series and a reconstruction that are there already.

        Parameters
        ----------
        X : array-like or frame of shape (n_timesteps, n_features)
            One series.
        reconstruction : array-like of shape (n_timesteps, n_features)
            What was expected in its place.
        features : sequence of int or str, default=None
            Which features to draw, see :meth:`plot`.
        index : array-like of shape (n_timesteps,), default=None
            Time axis: numbers or dates, in order. None takes the index of a pandas frame when it
            holds numbers or dates, else numbers the time steps from 0.
        feature_names : sequence of str, default=None
            One per feature. None takes the columns of a frame, else ``x0``, ``x1`` and so on.
        name : str, default=None
            Title.
        ax : matplotlib Axes, Figure or sequence of Axes, default=None
            Where to draw, see :meth:`plot`.
        **plot_options : dict
            Further parameters of :meth:`plot`.

        Returns
        -------
        display : ReconstructionDisplay

        Raises
        ------
        ValueError
            If reconstruction, features, index or feature_names do not fit X.
        """
        values, index, names = read_series(X, index, feature_names)
        reconstruction = np.asarray(reconstruction, dtype=np.float64)
        if reconstruction.shape != values.shape:
            raise ValueError(
                f"reconstruction must have the shape of X, {values.shape}; got "
                f"{reconstruction.shape}. Pass what reconstruct returns for this series."
            )
        display = cls(
            values=values,
            reconstruction=reconstruction,
            index=index,
            feature_names=names,
            name=name,
        )
        return display.plot(ax, features=features, **plot_options)

    def plot(self, ax=None, *, features=None, max_features=12, max_points=4000):
        """Draw one small picture per feature, one above the other.

        Parameters
        ----------
        ax : matplotlib Axes, Figure or sequence of Axes, default=None
            As many Axes as features are drawn into as they are; they should share their x axis.
            One Axes, made by ``subplots``, is divided. A Figure without axes gets them. None makes
            a new figure with pyplot.
        features : sequence of int or str, default=None
            Positions or names of the features to draw, in this order, however many. None draws
            all up to `max_features` in the order of X, and of more the ones with the largest mean
            squared error over variance, largest first. Constant features come last.
        max_features : int, default=12
            How many features to draw when `features` is None.
        max_points : int or None, default=4000
            A longer line is drawn by the lowest and highest value of equal bins of time steps,
            so that no peak is lost. None draws all points.

        Returns
        -------
        display : ReconstructionDisplay
            This display.

        Raises
        ------
        MissingDependencyError
            If matplotlib is not installed.
        ValueError
            If features or max_features do not fit the series.
        """
        import_matplotlib()
        values, expected = finite(self.values), finite(self.reconstruction)
        names = self.feature_names or [f"x{j}" for j in range(values.shape[1])]
        errors = _relative_errors(values, expected)
        shown = _choose_features(features, max_features, names, errors)
        axes = make_axes(ax, _figure_size(len(shown)), height_ratios=(1,) * len(shown))
        x = positions(self.index, len(values))
        bins = bin_time(x, max_points)
        residuals = _condense_residuals(values[:, shown], expected[:, shown], bins[0])
        limit = _choose_limit(residuals)
        for i, (place, j) in enumerate(zip(axes, shown, strict=True)):
            _draw_pair(place, x, values[:, j], expected[:, j], max_points)
            strip = _draw_strip(place, bins, residuals[:, i], limit)
            place.set_ylabel(
                f"{shorten(names[j])}\n{_write_error(errors[j])}",
                fontsize="small",
                rotation=0,
                ha="right",
                va="center",
            )
        set_time_axis(axes, x, self.index)
        add_legend(axes[0])
        # One of the axes alone has the legend beside its upper half.
        height = 0.6 if len(axes) == 1 else 1.0
        add_colour_bar(axes[-1], strip, "residual\n(in std)", height, extend="max")
        if title := _title(self.name, len(shown), len(names), named=features is not None):
            axes[0].set_title(title, loc="left", fontsize="medium")
        self.features_, self.relative_errors_ = shown, errors
        self.axes_, self.figure_ = axes, axes[0].figure
        return self


def _relative_errors(values, expected):
    """Mean squared error over variance: two of (n_timesteps, n_features) -> (n_features,)."""
    both = np.isfinite(values) & np.isfinite(expected)
    n_both = both.sum(axis=0)
    error = np.square(np.where(both, values - expected, 0)).sum(axis=0) / np.maximum(n_both, 1)
    variance = np.square(_deviations(values))
    # Rounding leaves a constant with a variance.
    varies = np.fmax.reduce(values, axis=0) > np.fmin.reduce(values, axis=0)
    defined = (n_both > 0) & varies & (variance > 0)
    return np.where(defined, error / np.where(defined, variance, 1), np.nan)


def _deviations(values):
    """Return standard deviations (n_timesteps, n_features) -> (n_features,); 0 without values."""
    known = np.isfinite(values)
    counts = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, values, 0).sum(axis=0) / counts
    return np.sqrt(np.square(np.where(known, values - means, 0)).sum(axis=0) / counts)


def _choose_features(features, max_features, names, errors):
    """Return the numbers of the features to draw, from top to bottom."""
    if features is None:
        if max_features < 1:
            raise ValueError(
                f"max_features must be at least 1; got {max_features!r}. Leave it out to draw 12."
            )
        if len(names) <= max_features:
            return np.arange(len(names))
        return np.argsort(np.where(np.isnan(errors), np.inf, -errors), kind="stable")[:max_features]
    if isinstance(features, (str, int, np.integer)):
        features = [features]
    shown = [_find_feature(feature, names) for feature in features]
    if not shown:
        raise ValueError(
            "features must name at least one feature; got none. Leave it out to draw those with "
            "the largest errors."
        )
    return np.array(shown)


def _find_feature(feature, names):
    if isinstance(feature, str):
        if feature in names:
            return names.index(feature)
        known = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise ValueError(
            f"features must be names or positions of features; got {feature!r}, which is not one "
            f"of {known}. Choose one of them."
        )
    if not -len(names) <= feature < len(names):
        raise ValueError(
            f"features must be names, or positions below {len(names)}, the number of features; "
            f"got {feature!r}. Positions start at 0."
        )
    return int(feature) % len(names)


def _figure_size(n_shown):
    """Return width and height in inches."""
    height = 2.8 if n_shown == 1 else 1.5 if n_shown <= 3 else 1.1 if n_shown <= 6 else 0.8
    return 10.0, 0.9 + height * n_shown


def _title(name, n_shown, n_features, named):
    """Write the title; what is left out is said."""
    how = "" if named else ", largest errors first"
    said = f"{n_shown} of {n_features} features shown{how}" if n_shown < n_features else ""
    return ": ".join(filter(None, (name, said)))


def _write_error(error):
    """Write the error over the variance.

    >>> [_write_error(error) for error in (0.00123, 0.5, 1.0, 84.321, np.nan)]
    ['MSE/var 0.0012', 'MSE/var 0.50', 'MSE/var 1.00', 'MSE/var 84.3', 'MSE/var undefined']
    """
    if np.isnan(error):
        return "MSE/var undefined"
    return "MSE/var " + (f"{error:.2f}" if 0.1 <= error < 10 else f"{error:.{2 + (error > 1)}g}")


def _draw_pair(ax, x, y, expected, max_points):
    """Draw one feature (n_timesteps,) and its reconstruction, with room for the strip below."""
    _draw_line(ax, x, y, max_points, color=LINE, linewidth=1.1, label="observed")
    _draw_line(
        ax, x, expected, max_points, color=RECONSTRUCTION, linewidth=0.9, label="reconstruction"
    )
    shown = np.concatenate([y, expected])
    shown = shown[np.isfinite(shown)]
    low, high = (shown.min(), shown.max()) if len(shown) else (0.0, 1.0)
    extent = (high - low) or max(abs(high), 1e-12)
    ax.set_ylim(low - (0.08 + 1.4 * _STRIP_HEIGHT) * extent, high + 0.08 * extent)
    ax.locator_params(axis="y", nbins=3, prune="both")
    ax.tick_params(axis="y", labelsize="x-small")


def _draw_line(ax, x, y, max_points, **style):
    """Draw a line with gaps; values between two gaps, which no line would show, are dots."""
    rows = extreme_rows(y, max_points)
    x, y = x[rows], y[rows]
    ax.plot(x, y, **style)
    gaps = np.concatenate([[True], np.isnan(y), [True]])
    alone = ~gaps[1:-1] & gaps[:-2] & gaps[2:]
    if alone.any():
        ax.plot(x[alone], y[alone], ".", color=style["color"], markersize=2)


def _condense_residuals(values, expected, first):
    """Largest residual of each bin: two of (n_timesteps, n_features) -> (n_bins, n_features).

    In standard deviations of the feature. NaN where a bin has none.
    """
    scale = _deviations(values)
    distances = np.abs(values - expected) / np.where(scale > 0, scale, 1)
    return np.fmax.reduceat(distances, first, axis=0)


def _choose_limit(residuals):
    """Return the residual from which strips are black, from residuals (n_bins, n_features).

    What the largest hundredth of a feature exceeds, in the middle of the features: one of them
    full of spikes would make the others pale.
    """
    known = residuals[:, np.isfinite(residuals).any(axis=0)]
    if not known.size:
        return _LEAST_LIMIT
    return max(np.median(np.nanquantile(known, 0.99, axis=0)), _LEAST_LIMIT)


def _draw_strip(ax, bins, residuals, limit):
    """Draw the residual of each bin (n_bins,) along the bottom; what is above limit is black."""
    _, starts, stops = bins
    return ax.broken_barh(
        np.column_stack([starts, stops - starts]),
        (0, _STRIP_HEIGHT),
        transform=ax.get_xaxis_transform(),
        array=np.ma.masked_invalid(residuals),
        cmap=import_matplotlib().colormaps[SEQUENTIAL].with_extremes(bad=MISSING),
        clim=(0, limit),
        edgecolor="none",
        antialiased=False,
        rasterized=True,
    )
