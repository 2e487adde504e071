"""Metrics of a set of pieces, or of two."""
