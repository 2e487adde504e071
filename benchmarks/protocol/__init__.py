"""The parts of ``benchmarks/baselines.py``: runs, samples, records and the report."""
