"""Checkpoint files: their parts, their schema, and how to read untrusted ones."""
