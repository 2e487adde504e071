"""The error of the readers."""

from __future__ import annotations


class ReadError(ValueError):
    """The file holds no music that can be read. The message is the reason."""
