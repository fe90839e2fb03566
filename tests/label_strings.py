"""Labels as strings, "..##." for two anomalous time steps of five, and stored references."""

import json
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

REFERENCES = Path(__file__).parent / "reference_metrics"


def labels(text):
    """Read "..##." as an array of 1 and -1."""
    return np.where(np.array(list(text)) == "#", -1, 1)


def reference_cases(name):
    """Read the cases that tests/reference_metrics/make_ranges.py wrote."""
    return json.loads((REFERENCES / f"{name}.json").read_text(encoding="utf-8"))


def runs(text):
    """List (start, stop) of the runs of "#", by a loop over time steps."""
    found, start = [], None
    for i, step in enumerate(text + "."):
        if step == "#" and start is None:
            start = i
        if step == "." and start is not None:
            found.append((start, i))
            start = None
    return found


@st.composite
def label_pairs(draw, min_size=1, max_size=24):
    """Two strings of equal length."""
    n = draw(st.integers(min_size, max_size))
    return tuple(draw(st.text(".#", min_size=n, max_size=n)) for _ in range(2))
