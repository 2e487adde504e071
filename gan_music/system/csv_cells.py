"""Untrusted text in CSV files."""

from __future__ import annotations

import re
import unicodedata

# Where a cell begins if it ends at a comma, a semicolon or a tab: at the start, and after a
# semicolon; the csv module quotes commas, and no tab is left. A quote may open a cell.
_FORMULA = re.compile(r"""(^|[;|"])(\s*)(?=[-=+@＝＋－＠])""")  # noqa: RUF001  # full-width signs


def escape_formula(text: str) -> str:
    """The text as one line of which no spreadsheet evaluates a part as a formula.

    Control characters are escaped, and an apostrophe precedes what would begin a formula.
    """
    line = "".join(
        c if c.isprintable() or unicodedata.category(c) == "Zs" else _escaped(c) for c in text
    )
    return _FORMULA.sub(r"\1\2'", line)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
