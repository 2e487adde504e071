"""Reading and writing music by a path alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from gan_music.config.invocation import user_path
from gan_music.data.cache import NoteCache, default_cache_dir
from gan_music.data.extraction import extract_root
from gan_music.io.instruments import chosen_programs, played_by
from gan_music.io.read import SUFFIXES, CustomReader, ReadError, Refused, read_or_refuse
from gan_music.io.write import write_piece
from gan_music.music.piece import Piece

GRID = 24  # steps a quarter note: training's default, so that the cache is shared

log = logging.getLogger(__name__)


def read(
    path: str | os.PathLike[str],
    *,
    grid: int = GRID,
    cache_dir: Path | None = None,
    n_workers: int | None = None,
    custom: Mapping[str, CustomReader] | None = None,
) -> list[Piece]:
    """The pieces of a MIDI file or score; of a folder, those of all such files below it.

    >>> (piece,) = gan_music.load().generate(n_pieces=1, n_notes=32)
    >>> gan_music.write(piece, "piece.mid")
    >>> (again,) = gan_music.read("piece.mid")
    >>> again.same_notes(piece)
    True

    Parameters
    ----------
    grid : steps a quarter note, which onsets and durations are rounded to.
    cache_dir, n_workers : of a folder: where what was read is kept, and processes that read.
    custom : readers of further formats, by suffix.

    Raises
    ------
    ReadError
        A ValueError: the file holds no music that can be read.
    UserError
        If none of the files of a folder can be read, or there is no such folder.
    """
    file = user_path(path)
    assert file is not None
    if file.suffix.lower() in SUFFIXES | (custom or {}).keys() and not file.is_dir():
        try:
            items = read_or_refuse(file, grid=grid, custom=custom)
        except ReadError as error:
            raise ReadError(f"{path} cannot be read: {error}") from error
        _log_refusals(path, {i.name: i.reason for i in items if isinstance(i, Refused)})
        return [item for item in items if isinstance(item, Piece)]
    cache = NoteCache(cache_dir or default_cache_dir(), grid, custom=custom)
    found = extract_root(file, "", cache, min_notes=1, n_workers=n_workers)
    _log_refusals(path, found.rejects)
    return list(found.pieces)


def _log_refusals(path: str | os.PathLike[str], rejects: Mapping[str, str]) -> None:
    if rejects:
        name, reason = next(iter(rejects.items()))
        log.warning("%s: refused %d, for instance %s: %s", path, len(rejects), name, reason)


def write(
    piece: Piece,
    path: str | os.PathLike[str],
    *,
    instrument: str | int | None = None,
    instruments: Sequence[str | int] | None = None,
    composer: str | None = None,
    soundfont: str | os.PathLike[str] | None = None,
) -> None:
    """Write a piece in the format of the path's suffix: mid, musicxml, png, wav or flac.

    >>> (piece,) = gan_music.load().generate(n_pieces=1, n_notes=32)
    >>> gan_music.write(piece, "harpsichord.musicxml", instrument="harpsichord")

    A file that is there is replaced once the new one is complete.

    Parameters
    ----------
    instrument : of all tracks, a name of General MIDI, a part of one, or 0 to 127. The default
        keeps those of the piece.
    instruments : the same for each track, instead of ``instrument``.
    composer : named in MIDI and MusicXML, where the title is the piece's name.
    soundfont : an ``.sf2`` file for sound. The default is the one of the extra ``audio``.

    Raises
    ------
    ValueError
        If no writer has that suffix.
    UserError
        If there is no such instrument or another number of tracks, or sound cannot be made.
    """
    file = user_path(path)
    assert file is not None
    programs = chosen_programs(instrument, instruments)
    if programs is not None:
        piece = played_by(piece, programs)
    write_piece(piece, file, soundfont=user_path(soundfont), composer=composer)
