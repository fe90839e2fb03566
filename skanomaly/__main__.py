"""Run the command line as ``python -m skanomaly``."""

from skanomaly.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
