"""A run's folder -> one HTML file that shows all of it, by itself, offline."""
