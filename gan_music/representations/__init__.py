"""Pieces <-> arrays that networks read."""
