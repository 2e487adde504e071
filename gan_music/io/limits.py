"""Limits on files and pieces.

A file is checked before it is read, its pieces afterwards. Each check raises a
:class:`~gan_music.io.errors.ReadError` with the reason. The time and the memory of reading are
limited by ``data.timeout_s`` and ``data.memory_mb``.
"""

from __future__ import annotations

import contextlib
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from xml.parsers import expat

from gan_music.io.errors import ReadError
from gan_music.music.piece import Piece

# The largest MIDI files and scores have a few MB; a whole opera in MusicXML has 50.
MAX_MB = 64
# Wagner's Ring lasts about 60,000 quarter notes.
MAX_QUARTERS = 100_000

XML_SUFFIXES = (".xml", ".musicxml")
# encrypted archives raise RuntimeError
DAMAGES_OF_ARCHIVES = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


def check_file(path: Path) -> None:
    """Refuse a path that is no regular file, is empty or is too large, without opening it."""
    try:
        status = path.stat()
    except OSError as error:
        raise ReadError(f"cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        # Opening a named pipe would block until another process writes to it.
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, a socket or a device"
        raise ReadError(f"is {kind}, not a file")
    if not status.st_size:
        raise ReadError("is empty")
    if status.st_size > MAX_MB * 2**20:
        raise ReadError(f"is larger than {MAX_MB} MB")


def check_content(path: Path) -> None:
    """Refuse XML that declares entities, and archives that unpack to more than ``MAX_MB``.

    A few lines of entities can expand to gigabytes, and no notation program writes them. XML allows
    declarations only before the root element, so the check ends there. An archive is told by what
    the file holds, not by its suffix.
    """
    check_file(path)
    if path.suffix.lower() not in (".mxl", *XML_SUFFIXES):
        return
    # The reader reports a damaged archive.
    with contextlib.suppress(*DAMAGES_OF_ARCHIVES), zipfile.ZipFile(path) as archive:
        _check_archive(archive)
        return
    with path.open("rb") as stream:
        check_xml(stream)


def check_pieces(pieces: Sequence[Piece]) -> None:
    """Refuse pieces longer than ``MAX_QUARTERS``, which damaged times would make."""
    for piece in pieces:
        if len(piece) and (piece.onset + piece.duration).max() > MAX_QUARTERS * piece.grid:
            raise ReadError(f"is longer than {MAX_QUARTERS:,} quarter notes")


def _check_archive(archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    # zipfile never unpacks more of a member than its header states.
    if sum(member.file_size for member in members) > MAX_MB * 2**20:
        raise ReadError(f"unpacks to more than {MAX_MB} MB")
    for member in members:
        # The MusicXML standard allows only deflate. Other methods unpack without a bound.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ReadError("is compressed by another method than deflate")
        if member.filename.lower().endswith(XML_SUFFIXES):
            with archive.open(member) as stream:
                check_xml(stream)


def check_xml(stream: IO[bytes]) -> None:
    """Refuse XML that declares entities before its root element."""

    def refuse(*_: object) -> None:
        raise ReadError("declares XML entities")

    def stop(*_: object) -> None:
        raise _RootReachedError

    parser = expat.ParserCreate()
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = stop
    # The reader reports malformed XML.
    with contextlib.suppress(_RootReachedError, expat.ExpatError):
        parser.ParseFile(stream)


class _RootReachedError(Exception):
    """The root element begins."""
