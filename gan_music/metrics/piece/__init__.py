"""Metrics of one piece."""
