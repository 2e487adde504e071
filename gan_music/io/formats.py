"""Pieces -> files, in any of the formats that music is written in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gan_music.io.write import write_midi
from gan_music.music.piece import Piece

SOUNDS = ("wav", "flac")


def write_pieces(
    pieces: Sequence[Piece],
    folder: Path,
    *,
    formats: Sequence[str] = ("mid",),
    program: int = 0,
    soundfont: Path | None = None,
) -> list[list[Path]]:
    """Write pieces as ``folder/sample_01.mid`` and so on; the paths, a list a piece.

    Files that are there already are replaced, each by a whole one.

    Parameters
    ----------
    formats : of :data:`gan_music.config.schema.FORMATS`.
    program : the instrument, 0 to 127 by General MIDI; of sound and MIDI files and of scores.
    soundfont : that sound is made with; the one of the extra ``audio`` by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, piece in enumerate(pieces, 1):
        paths = [folder / f"{sample_name(number, len(pieces))}.{suffix}" for suffix in formats]
        for path in paths:
            write_piece(piece, path, program=program, soundfont=soundfont)
        written.append(paths)
    return written


def sample_name(number: int, n_pieces: int) -> str:
    """What the file of a sample is called, from 1, without its suffix."""
    digits = max(2, len(str(n_pieces)))
    return f"sample_{number:0{digits}d}"


def write_piece(
    piece: Piece, path: Path, *, program: int = 0, soundfont: Path | None = None
) -> None:
    """Write a piece in the format that the path's suffix names."""
    # what a format needs is imported with it: it takes seconds
    suffix = path.suffix[1:]
    if suffix == "mid":
        write_midi(piece, path, program=program)
    elif suffix == "png":
        from gan_music.io.rendering.picture import draw_piece

        draw_piece(piece, path)
    elif suffix in SOUNDS:
        from gan_music.io.rendering.sound import write_sound

        write_sound(piece, path, soundfont=soundfont, program=program)
    elif suffix == "musicxml":
        from gan_music.io.engraving.engrave import write_musicxml

        write_musicxml(piece, path, program=program)
    else:
        raise ValueError(f"{path}: no format of music")
