"""What tests of files share."""

import io
import os
import tracemalloc
from contextlib import contextmanager

from skanomaly.persistence import load, save

# How many mutated files of each kind are read, and how often saving may fail. A few thousand take
# minutes, some ten thousand an hour.
MUTATIONS = int(os.environ.get("SKANOMALY_FILE_MUTATIONS", "300"))


def to_bytes(estimator, trusted=()):
    """Return the file of an estimator."""
    file = io.BytesIO()
    save(estimator, file, trusted=trusted)
    return file.getvalue()


def from_bytes(content, **options):
    """Load from the content of a file."""
    return load(io.BytesIO(content), **options)


@contextmanager
def bounded_memory(most):
    """Fail when more than so many bytes are taken at once."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()
