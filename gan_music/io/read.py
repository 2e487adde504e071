"""Reads the pieces of a music file, in every input format.

All readers round onsets and durations to the nearest step of the grid, halves upwards. A duration
is at least one step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

from gan_music.io.errors import ReadError
from gan_music.io.limits import check_content, check_pieces
from gan_music.io.midi import read_fast, read_music21
from gan_music.io.published import read_published
from gan_music.io.score import read_score
from gan_music.music.piece import Piece

__all__ = ["MIDI_SUFFIXES", "READERS", "SUFFIXES", "ReadError", "read", "resolve"]

Reader = Callable[[Path, int, str], list[Piece]]  # (path, grid, name) -> pieces

MIDI_SUFFIXES = frozenset({".mid", ".midi"})
SCORE_SUFFIXES = frozenset({".xml", ".musicxml", ".mxl", ".krn", ".abc"})
SUFFIXES = MIDI_SUFFIXES | SCORE_SUFFIXES

# The readers of a format by their ``data.reader``; ``auto`` takes the first.
_MIDI_READERS: dict[str, Reader] = {
    "fast": read_fast,
    "music21": read_music21,
    "published": read_published,
}
_SCORE_READERS: dict[str, Reader] = {"music21": read_score, "published": read_published}
READERS = tuple(_MIDI_READERS | _SCORE_READERS)


def resolve(reader: str, path: Path) -> str:
    """The reader that ``auto`` stands for: ``fast`` for MIDI, ``music21`` for scores."""
    return next(iter(_readers(path))) if reader == "auto" else reader


def read(
    path: Path, *, grid: int = 24, name: str | None = None, reader: str = "auto"
) -> list[Piece]:
    """The pieces in a file: one, or several for a collection such as an ABC tune book.

    Parameters
    ----------
    grid : steps per quarter note.
    name : name of the piece. The default is the file's name.
    reader : ``auto`` or one of ``READERS``.

    Raises
    ------
    ReadError
        With the reason, for every exception of the library behind the reader.
    MemoryError
        If memory runs out; the caller knows the limit.
    """
    name = path.name if name is None else name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_content(path)
            reader = resolve(reader, path)
            if reader not in _readers(path):
                raise ReadError(f"data.reader={reader} does not read {path.suffix} files")
            pieces = _readers(path)[reader](path, grid, name)
        check_pieces(pieces)
    except (ReadError, MemoryError):
        raise
    except RecursionError as error:
        raise ReadError("nested too deeply") from error
    except Exception as error:  # music21's parsers raise exceptions of any type
        reason = " ".join(str(error).split())[:200]
        raise ReadError(f"{type(error).__name__}: {reason}" if reason else repr(error)) from error
    pieces = [p for p in pieces if len(p)]
    if not pieces:
        raise ReadError("no notes in it")
    return pieces


def _readers(path: Path) -> dict[str, Reader]:
    return _MIDI_READERS if path.suffix.lower() in MIDI_SUFFIXES else _SCORE_READERS
