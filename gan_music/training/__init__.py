"""Training runs: from settings to a run's folder."""
