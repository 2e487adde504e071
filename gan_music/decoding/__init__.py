"""Sampling: from a generator of events and a representation to pieces."""
