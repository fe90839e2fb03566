"""What skanomaly costs: ``python -m benchmarks`` runs the speed suite and writes its report."""
