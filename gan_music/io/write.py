"""Writes pieces in every output format. The mirror of :mod:`gan_music.io.read`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gan_music.io.midi_writer import write_midi
from gan_music.music.piece import Piece
from gan_music.system.atomic_files import remove_temporaries

__all__ = ["SOUNDS", "sample_name", "write_midi", "write_piece", "write_pieces"]

SOUNDS = ("wav", "flac")


def write_pieces(
    pieces: Sequence[Piece],
    folder: Path,
    *,
    formats: Sequence[str] = ("mid",),
    program: int = 0,
    soundfont: Path | None = None,
) -> list[list[Path]]:
    """Write pieces as ``folder/sample_01.mid`` and so on. Returns the paths of each piece.

    Existing files are replaced atomically.

    Parameters
    ----------
    formats : items of :data:`gan_music.config.schema.Format`.
    program : General MIDI program, 0 to 127, for MIDI files, scores and sound.
    soundfont : SoundFont for sound. The default is the one of the extra ``audio``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_temporaries(folder, "sample_*", below=False)
    written = []
    for number, piece in enumerate(pieces, 1):
        paths = [folder / f"{sample_name(number, len(pieces))}.{suffix}" for suffix in formats]
        for path in paths:
            write_piece(piece, path, program=program, soundfont=soundfont)
        written.append(paths)
    return written


def sample_name(number: int, n_pieces: int) -> str:
    """File name of a sample without its suffix. Numbers count from 1."""
    digits = max(2, len(str(n_pieces)))
    return f"sample_{number:0{digits}d}"


def write_piece(
    piece: Piece, path: Path, *, program: int = 0, soundfont: Path | None = None
) -> None:
    """Write a piece in the format of the path's suffix.

    Raises
    ------
    ValueError
        If no writer has that suffix.
    UserError
        If sound cannot be made (:func:`gan_music.io.rendering.sound.synthesize`).
    """
    # Imported on demand, because music21 and matplotlib take seconds to import.
    suffix = path.suffix[1:].lower()
    if suffix in ("mid", "midi"):
        write_midi(piece, path, program=program)
    elif suffix == "png":
        from gan_music.io.rendering.piano_roll import draw_piece

        draw_piece(piece, path)
    elif suffix in SOUNDS:
        from gan_music.io.rendering.sound import write_sound

        write_sound(piece, path, soundfont=soundfont, program=program)
    elif suffix == "musicxml":
        from gan_music.io.engraving.musicxml import write_musicxml

        write_musicxml(piece, path, program=program)
    else:
        raise ValueError(f"{path} does not end in .mid, .musicxml, .png, .wav or .flac")
