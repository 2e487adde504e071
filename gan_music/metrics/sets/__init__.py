"""Metrics of a set of pieces relative to a reference set."""
