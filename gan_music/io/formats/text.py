"""The text of a file, in whichever encoding."""

from __future__ import annotations


def decoded(data: bytes) -> str:
    """The text of a file in UTF-8 or, if it is none, Latin-1; a byte order mark is left out."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
