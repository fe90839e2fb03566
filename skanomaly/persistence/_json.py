"""JSON from files that nobody vouches for: strict, of limited depth."""

import json
import math
import re
import reprlib
from collections import Counter

import numpy as np

from skanomaly.exceptions import FileFormatError

__all__ = ["DEEPEST", "MOST_JSON", "depth", "read_json", "short"]

#: How deep brackets may be nested: some 15 estimators within one another.
DEEPEST = 100
#: Bytes of a JSON text.
MOST_JSON = 2**24

_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_STEPS = np.zeros(256, dtype=np.int8)
_STEPS[list(b"[{")], _STEPS[list(b"]}")] = 1, -1


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 100


def short(value):
    """Write a value from a file into a message, however long it is."""
    return _SHORT.repr(value)


def depth(text):
    """Return how deep brackets outside strings are nested in a JSON text, bytes."""
    # Every other piece between quotes is a string; loops in Python would take a minute.
    outside = b"".join(_ESCAPED.sub(b"", text).split(b'"')[::2])
    steps = _STEPS[np.frombuffer(outside, dtype=np.uint8)]
    return int(np.cumsum(steps, dtype=np.int32).max(initial=0))


def read_json(text, what):
    """Parse bytes; refuse what is deeply nested, says a thing twice, or is no number."""
    if len(text) > MOST_JSON:
        raise FileFormatError(
            f"JSON must take at most {MOST_JSON} bytes; got {len(text)} in {what}. It was not "
            "written by skanomaly; get another copy."
        )
    found = depth(text)
    if found > DEEPEST:
        raise FileFormatError(
            f"Brackets of {what} must be nested at most {DEEPEST} deep; got {found}. It was not "
            "written by skanomaly; get another copy."
        )
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except FileFormatError as error:
        raise FileFormatError(f"In {what}: {error}") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, or too many digits
        raise FileFormatError(
            f"Expected {what} to be JSON in UTF-8; got {error}. The file is damaged; get another "
            "copy."
        ) from error


def _once(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise FileFormatError(
            f"each name must be there once; got {twice!r:.100} twice. It was not written by "
            "skanomaly; get another copy."
        )
    return found


def _no_constant(name):
    raise FileFormatError(
        f"numbers must be JSON; got {name}. It was not written by skanomaly, which writes such "
        "values as text; get another copy."
    )


def _finite(text):
    value = float(text)
    if not math.isfinite(value):
        _no_constant(text[:20])
    return value
