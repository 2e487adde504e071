"""Untrusted text in CSV files."""

from __future__ import annotations


def escape_formula(text: str) -> str:
    """The text as a cell that no spreadsheet evaluates as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
