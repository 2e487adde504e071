"""Reads the pieces of a music file, in every input format.

All readers round onsets and durations to the nearest step of the grid, halves upwards. A duration
is at least one step.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gan_music.io import formats
from gan_music.io.errors import ReadError, Refused
from gan_music.io.formats import midi
from gan_music.io.limits import check_content, check_pieces
from gan_music.music.piece import Piece

__all__ = [
    "MIDI_SUFFIXES",
    "READERS",
    "SUFFIXES",
    "CustomReader",
    "ReadError",
    "Refused",
    "read",
    "read_or_refuse",
    "resolve",
]

# (path, grid, name) -> pieces
Reader = Callable[[Path, int, str], Sequence[Piece] | Sequence[Piece | Refused]]


class CustomReader(NamedTuple):
    """A reader from outside the package; ``identity`` changes with what it makes of a file."""

    identity: str
    read: Reader


def _formats() -> dict[str, dict[str, Reader]]:
    """The readers of each suffix, by their ``data.reader``; those of ``auto`` come first."""
    found: dict[str, dict[str, Reader]] = {}
    for module in pkgutil.iter_modules(formats.__path__, f"{formats.__name__}."):
        formats_of = getattr(importlib.import_module(module.name), "FORMATS", {})
        for suffix, readers in formats_of.items():
            found.setdefault(suffix, {}).update(readers)
    order = ("fast", "music21")
    rank = {name: number for number, name in enumerate(order)}
    return {
        suffix: dict(sorted(readers.items(), key=lambda item: rank.get(item[0], len(order))))
        for suffix, readers in found.items()
    }


_FORMATS = _formats()
_NO_NOTES = "no notes in it"
SUFFIXES = frozenset(_FORMATS)
MIDI_SUFFIXES = frozenset(midi.FORMATS)
READERS = tuple(dict.fromkeys(name for readers in _FORMATS.values() for name in readers))


def resolve(reader: str, path: Path) -> str:
    """The reader that ``auto`` stands for: ``fast`` where it reads the format, else ``music21``. A
    format with one reader is read by it, whatever ``data.reader`` is.
    """
    readers = _readers(path)
    return next(iter(readers)) if reader == "auto" or len(readers) == 1 else reader


def read(
    path: Path,
    *,
    grid: int = 24,
    name: str | None = None,
    reader: str = "auto",
    custom: Mapping[str, CustomReader] | None = None,
) -> list[Piece]:
    """The pieces in a file: one, or several for a collection such as an ABC tune book, of which
    those that cannot be read are left out. See :func:`read_or_refuse`.
    """
    items = read_or_refuse(path, grid=grid, name=name, reader=reader, custom=custom)
    return [item for item in items if isinstance(item, Piece)]


def read_or_refuse(
    path: Path,
    *,
    grid: int = 24,
    name: str | None = None,
    reader: str = "auto",
    custom: Mapping[str, CustomReader] | None = None,
) -> list[Piece | Refused]:
    """The pieces in a file, at least one, and in their order those that cannot be read.

    Parameters
    ----------
    grid : steps per quarter note.
    name : name of the piece. The default is the file's name.
    reader : ``auto`` or one of ``READERS``.
    custom : readers by suffix, which take precedence.

    Raises
    ------
    ReadError
        With the reason, a sentence, for every exception of the library behind the reader.
    MemoryError
        If memory runs out; the caller knows the limit.
    """
    name = path.name if name is None else name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_content(path)
            items = _reader(path, reader, custom or {})(path, grid, name)
        check_pieces([item for item in items if isinstance(item, Piece)])
    except (ReadError, MemoryError):
        raise
    except RecursionError as error:
        raise ReadError("it is nested too deeply to be read") from error
    except Exception as error:  # music21's parsers raise exceptions of any type
        raise ReadError(_failure(error, path, reader, custom or {})) from error
    found = [_without_notes(item) for item in items]
    if not any(isinstance(item, Piece) for item in found):
        reasons = dict.fromkeys(item.reason for item in found if isinstance(item, Refused))
        raise ReadError("; ".join(reasons) or _NO_NOTES)
    return found


def _without_notes(item: Piece | Refused) -> Piece | Refused:
    """A refusal of a piece without notes; others as they are."""
    return Refused(item.name, _NO_NOTES) if isinstance(item, Piece) and not len(item) else item


def _failure(error: Exception, path: Path, reader: str, custom: Mapping[str, CustomReader]) -> str:
    """A sentence for an exception of the code behind a reader, whose text may mean nothing."""
    suffix = path.suffix.lower()
    if suffix in custom:
        who, advice = f"the reader of {suffix} files", "correct the reader, or the file"
    elif (chosen := resolve(reader, path)) == "fast":
        who, advice = "its reader", "export it again from the program that wrote it"
    else:
        others = len(_readers(path)) > 1 and next(iter(_readers(path))) != chosen
        who = "music21"
        advice = (
            "use data.reader=auto" if others else "export it again from the program that wrote it"
        )
    text = " ".join(str(error).split())[:200]
    told = f" ({text})" if text else ""
    return f"{who} cannot read it{told}; {advice}"


def _reader(path: Path, reader: str, custom: Mapping[str, CustomReader]) -> Reader:
    if path.suffix.lower() in custom:
        return custom[path.suffix.lower()].read
    reader = resolve(reader, path)
    if reader not in _readers(path):
        raise ReadError(f"data.reader={reader} does not read {path.suffix} files")
    return _readers(path)[reader]


def _readers(path: Path) -> dict[str, Reader]:
    return _FORMATS.get(path.suffix.lower(), _FORMATS[".musicxml"])
