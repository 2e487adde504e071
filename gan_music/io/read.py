"""A file of music -> its notes.

MIDI is read by :mod:`gan_music.io.midi`, scores by :mod:`gan_music.io.score`; both round each onset
and each duration to the nearest step of the grid, halves upwards, and make a duration at least one
step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

from gan_music.io import midi, published, score
from gan_music.io.errors import ReadError
from gan_music.io.limits import check_content, check_pieces
from gan_music.music.piece import Piece

__all__ = ["READERS", "SUFFIXES", "ReadError", "read", "resolve"]

MIDI_SUFFIXES = frozenset({".mid", ".midi"})
SCORE_SUFFIXES = frozenset({".xml", ".musicxml", ".mxl", ".krn", ".abc"})
SUFFIXES = MIDI_SUFFIXES | SCORE_SUFFIXES


def resolve(reader: str, path: Path) -> str:
    """The reader that ``auto`` stands for: fast for MIDI, music21 for the rest."""
    if reader != "auto":
        return reader
    return "fast" if _is_midi(path) else "music21"


def read(
    path: Path, *, grid: int = 24, name: str | None = None, reader: str = "auto"
) -> list[Piece]:
    """The pieces in a file: one, except for collections (an ABC tune book, say).

    Parameters
    ----------
    grid : steps a quarter note.
    name : what the piece is called; the file's name by default.
    reader : ``auto`` or a key of ``READERS``.

    Raises
    ------
    ReadError
        With the reason, whatever the library behind it raised.
    """
    name = path.name if name is None else name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            check_content(path)
            pieces = READERS[resolve(reader, path)](path, grid, name)
        check_pieces(pieces)
    except (ReadError, MemoryError):  # the one is a reason; of the other, others know the limit
        raise
    except RecursionError as error:
        raise ReadError("nested too deeply") from error
    except Exception as error:  # music21 raises whatever its parsers happen to meet
        reason = " ".join(str(error).split())[:200]
        raise ReadError(f"{type(error).__name__}: {reason}" if reason else repr(error)) from error
    pieces = [p for p in pieces if len(p)]
    if not pieces:
        raise ReadError("no notes in it")
    return pieces


def _is_midi(path: Path) -> bool:
    return path.suffix.lower() in MIDI_SUFFIXES


def _music21(path: Path, grid: int, name: str) -> list[Piece]:
    return (midi.read_music21 if _is_midi(path) else score.read_score)(path, grid, name)


def _fast(path: Path, grid: int, name: str) -> list[Piece]:
    if not _is_midi(path):
        raise ReadError("no MIDI file, and data.reader=fast reads nothing else")
    return midi.read_fast(path, grid, name)


def _published(path: Path, grid: int, name: str) -> list[Piece]:
    return [score.piece_in_quarters(published.read_published(path), grid, name)]


# data.reader -> how a file is read: all its notes, or those that the paper's published loader keeps
READERS: dict[str, Callable[[Path, int, str], list[Piece]]] = {
    "fast": _fast,
    "music21": _music21,
    "published": _published,
}
