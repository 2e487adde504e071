"""The schema of checkpoints, and how older ones are brought up to it."""

from __future__ import annotations

# Raise it whenever an older checkpoint would no longer load, or mean the same.
SCHEMA_VERSION = 5
