"""A run's folder, its status, and sweeps of runs."""
