"""Checkpoint files: their parts, their schema, and how to read a stranger's safely."""
