"""Scoring of streams: each new time step by a fitted detector, as soon as it comes.

A :class:`Stream` takes steps one by one or in blocks, of one stream or of many at once, and
remembers no more than it needs of what came before. Its state can be written down and read again.
"""

from skanomaly.streaming._snapshots import read_snapshot, write_snapshot
from skanomaly.streaming._stream import Stream, StreamResult

__all__ = ["Stream", "StreamResult", "read_snapshot", "write_snapshot"]
