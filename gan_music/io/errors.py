"""What a reader says of a file that it cannot use."""

from __future__ import annotations


class ReadError(ValueError):
    """The file holds no music that can be read; the message is the reason."""
