"""The parts of ``benchmarks/baselines.py``: runs, samples at several temperatures, the report."""
