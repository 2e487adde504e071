"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cell(text: str) -> str:
    """Text of others for a CSV file, such that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``; what the block wrote there takes its place at the end.

    Where the block fails, ``path`` stays as it was and nothing is left beside it.
    """
    # a random name: processes on several machines may share a folder, and a number
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
