"""Metrics of a single piece."""
