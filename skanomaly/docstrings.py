"""Texts that several docstrings share, written once."""

__all__ = ["with_texts"]


def with_texts(**texts):
    """Make a decorator that fills in names in braces in the docstring of a function or method.

    >>> @with_texts(X="array-like of shape (n_timesteps, n_features)")
    ... def score(X):
    ...     '''X : {X}'''
    >>> score.__doc__
    'X : array-like of shape (n_timesteps, n_features)'
    """

    def fill_in(function):
        for name, text in texts.items():
            # Without docstrings, under python -OO, there is nothing to fill in.
            function.__doc__ = function.__doc__ and function.__doc__.replace(f"{{{name}}}", text)
        return function

    return fill_in
