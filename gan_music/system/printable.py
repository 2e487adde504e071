"""Text of others, fit for a screen or a table."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with escapes for the characters that cannot be printed, such as ``\\x1b``."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
