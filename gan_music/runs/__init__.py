"""A run's folder, its status file, its provenance; sweeps and searches of runs."""
