"""Fitted estimators in files that run no code when they are read.

A file is a zip of two JSON texts and one block of arrays. Reading it creates objects of classes
that are listed in this package, or that the caller hands in, and nothing else.
"""

from skanomaly.persistence._files import load, save

__all__ = ["load", "save"]
