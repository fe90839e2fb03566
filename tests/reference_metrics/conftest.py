"""Nothing to collect here: the scripts import packages that the tests do without."""

collect_ignore_glob = ["make_*.py"]
