"""The packages of the extra ``dask``, imported here for all of skanomaly.dask."""

from skanomaly.exceptions import MissingDependencyError

__all__ = ["dask", "distributed"]

try:
    import dask
    import distributed
except ImportError as error:
    raise MissingDependencyError(
        "skanomaly.dask needs the packages dask and distributed; got: "
        f"{error}. Run: pip install 'skanomaly[dask]'"
    ) from error
