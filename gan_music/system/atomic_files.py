"""Files that are written completely or not at all."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gan_music.system.locks import lock


@contextmanager
def atomic_write(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A temporary path beside ``path``, which replaces it when the block ends.

    If the block fails, ``path`` is unchanged and the temporary file is removed. An OSError then
    names ``path``, even one that names no file, such as that of a full disk.

    Parameters
    ----------
    durable : flush the file to the disk before it replaces the old one, so that a power failure
        leaves the old file or the new one.
    """
    # a random name, since processes of several machines may share a folder
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            # while this process writes, remove_temporaries leaves the file alone
            lock(file.fileno())
            yield temporary
            if durable:
                _fsync(temporary)
            os.replace(temporary, path)
        if durable:
            _fsync(path.parent)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_temporaries(folder: Path, name: str = "*", *, below: bool = True) -> int:
    """Remove the temporary files that killed processes left in a folder; return their number.

    Those of running processes stay. ``name`` is a pattern of the files that were being written;
    ``below`` includes the folders in it.
    """
    n_removed = 0
    pattern = f".{name}.{'[0-9a-f]' * 32}.tmp"
    for path in folder.rglob(pattern) if below else folder.glob(pattern):
        with contextlib.suppress(OSError), path.open("r+b") as file:
            if lock(file.fileno()):
                path.unlink()
                n_removed += 1
    return n_removed


def _fsync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
