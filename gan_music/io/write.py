"""Writes pieces in every output format. The mirror of :mod:`gan_music.io.read`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gan_music.io.midi_writer import write_midi
from gan_music.music.piece import Piece
from gan_music.system.atomic_files import remove_temporaries

__all__ = [
    "BYTES_A_NOTE",
    "COMPOSER",
    "SOUNDS",
    "sample_name",
    "write_midi",
    "write_piece",
    "write_pieces",
    "write_sample",
]

COMPOSER = "gan_music"  # of samples
SOUNDS = ("wav", "flac")
# of 2,048 notes of the packaged generator, about
BYTES_A_NOTE = {"mid": 7, "png": 120, "wav": 11_000, "flac": 3_800, "musicxml": 330}


def write_pieces(
    pieces: Sequence[Piece],
    folder: Path,
    *,
    formats: Sequence[str] = ("mid",),
    soundfont: Path | None = None,
    composer: str | None = None,
) -> list[list[Path]]:
    """Write pieces as ``folder/sample_01.mid`` and so on. Returns the paths of each piece.

    Existing files are replaced atomically.

    Parameters
    ----------
    formats : items of :data:`gan_music.config.schema.Format`.
    soundfont : SoundFont for sound. The default is the one of the extra ``audio``.
    composer : named in MIDI and MusicXML.
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_temporaries(folder, "sample_*", below=False)
    return [
        write_sample(
            piece,
            folder / sample_name(number, len(pieces)),
            formats=formats,
            soundfont=soundfont,
            composer=composer,
        )
        for number, piece in enumerate(pieces, 1)
    ]


def write_sample(
    piece: Piece,
    stem: Path,
    *,
    formats: Sequence[str] = ("mid",),
    soundfont: Path | None = None,
    composer: str | None = None,
) -> list[Path]:
    """Write a piece as ``<stem>.mid`` and so on: all of its files, or none; returns their paths.

    The other arguments are those of :func:`write_pieces`.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    try:
        for suffix in formats:
            path = stem.with_name(f"{stem.name}.{suffix}")
            write_piece(piece, path, soundfont=soundfont, composer=composer)
            paths.append(path)
    except BaseException:  # Ctrl-C, too
        for path in paths:
            path.unlink(missing_ok=True)
        raise
    return paths


def sample_name(number: int, n_pieces: int) -> str:
    """File name of a sample without its suffix. Numbers count from 1."""
    digits = max(2, len(str(n_pieces)))
    return f"sample_{number:0{digits}d}"


def write_piece(
    piece: Piece, path: Path, *, soundfont: Path | None = None, composer: str | None = None
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
        write_midi(piece, path, composer=composer)
    elif suffix == "png":
        from gan_music.io.rendering.piano_roll import draw_piece

        draw_piece(piece, path)
    elif suffix in SOUNDS:
        from gan_music.io.rendering.sound import write_sound

        write_sound(piece, path, soundfont=soundfont)
    elif suffix == "musicxml":
        from gan_music.io.engraving.musicxml_writer import write_musicxml

        write_musicxml(piece, path, composer=composer)
    else:
        raise ValueError(f"{path} does not end in .mid, .musicxml, .png, .wav or .flac")
