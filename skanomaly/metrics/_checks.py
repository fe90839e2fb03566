"""Parameters of metrics: what they must be, and what is said if they are not."""

from numbers import Integral, Real

import numpy as np

__all__ = ["check_beta", "check_between", "check_choice", "check_random_state", "check_whole"]


def check_beta(beta):
    """Check the weight of recall against precision."""
    # Beyond these its square is 0 or infinite.
    if not _is_number(beta) or not 1e-100 < beta < 1e100:
        raise ValueError(
            f"beta must be a number above 0; got {beta!r}. Use 1 to weigh precision and recall "
            "alike, less to favour precision, more to favour recall."
        )


def check_between(name, value, high):
    """Check a number between 0 and high, both allowed."""
    if not _is_number(value) or not 0 <= value <= high:
        raise ValueError(
            f"{name} must be a number from 0 to {high}; got {value!r}. Choose one in this range."
        )


def check_whole(name, value, least, remedy):
    """Check a whole number that is not below `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}; got {value!r}. {remedy}"
        )


def check_choice(name, value, choices, otherwise=""):
    """Check one of some strings."""
    if not isinstance(value, str) or value not in choices:
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(
            f"{name} must be one of {listed}{otherwise}; got {value!r}. Choose one of them."
        )


def check_random_state(random_state):
    """Turn an int, None or a Generator into a Generator."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    is_seed = isinstance(random_state, Integral) and not isinstance(random_state, bool)
    if random_state is not None and not (is_seed and random_state >= 0):
        raise ValueError(
            "random_state must be a whole number from 0, a numpy.random.Generator or None; got "
            f"{random_state!r}. Use an int for the same draws at every call."
        )
    return np.random.default_rng(random_state)


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
