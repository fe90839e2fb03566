"""What a detector found in a series, as one page that opens anywhere: :func:`write_report`."""

from skanomaly.reports._page import write_report

__all__ = ["write_report"]
