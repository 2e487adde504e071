"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cell(text: str) -> str:
    """Text of others for a CSV file, such that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A temporary path beside ``path``; what the block wrote there takes its place at the end.

    Where the block fails, ``path`` stays as it was and nothing is left beside it. An OSError names
    ``path`` then, also one that names no file, as a full disk's does.

    Parameters
    ----------
    durable : wait until the disk has it: once the block has ended, a machine that loses power
        keeps the new file, and before that the old one.
    """
    # a random name: processes on several machines may share a folder, and a number
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        # locked as long as this process writes it, so that others know a leftover from it
        with temporary.open("xb") as mark:
            _lock(mark.fileno(), fcntl.LOCK_SH)
            yield temporary
            if durable:
                _flush(temporary)
            os.replace(temporary, path)
        if durable:
            _flush(path.parent)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path, name: str = "*") -> int:
    """Remove what writers that were killed left below a folder of files called ``name``; how many.

    What a writer that lives is at work on stays.
    """
    n_removed = 0
    for path in folder.rglob(f".{name}.{'[0-9a-f]' * 32}.tmp"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if _lock(file.fileno(), fcntl.LOCK_EX):
                path.unlink()
                n_removed += 1
    return n_removed


def is_taken(file: int) -> bool:
    """Whether another process has locked an open file or folder; if none has, this one does now.

    Where the file system has no locks, none has.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


def _lock(file: int, kind: int) -> bool:
    """Whether an open file could be locked; some file systems have no locks."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _flush(path: Path) -> None:
    """Have a file, or a folder's names, on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
