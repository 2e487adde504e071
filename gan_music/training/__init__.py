"""One training run, from settings to folder."""
