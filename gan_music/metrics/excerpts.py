"""Equal amounts of music from two sets: excerpts of pieces, and windows of notes.

Nearly every figure of a set depends on its size, so both sets give the same number of pieces, cut
to the same number of notes. Which pieces and excerpts are drawn depends on a hash of the notes, so
that neither file names, nor the order of files, nor a transposition of all pieces changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan_music.music.piece import IntArray, Piece


@dataclass(frozen=True)
class Windows:
    """W windows of T notes each, as matrices ``[W, T]``; windows of one piece do not overlap.

    ``position`` is the position of the onset in its bar, in steps; ``piece [W]`` is the index of
    the piece that a window is cut from.
    """

    onset: IntArray
    duration: IntArray
    pitch: IntArray
    position: IntArray
    piece: IntArray
    grid: int

    def __len__(self) -> int:
        return len(self.onset)

    @property
    def length(self) -> int:
        """Notes in a window."""
        return int(self.onset.shape[1])


@dataclass(frozen=True)
class Excerpts:
    """Equally many excerpts of two sets, each of at most ``n_notes`` notes, and the whole pieces
    that they were cut from.
    """

    generated: list[Piece]
    reference: list[Piece]
    n_notes: int
    whole: tuple[list[Piece], list[Piece]] = ([], [])


def sample_excerpts(
    generated: Sequence[Piece],
    reference: Sequence[Piece],
    *,
    max_pieces: int,
    max_notes: int,
    long_window: int,
    seed: int,
) -> Excerpts:
    """Draw equally many pieces of both sets, and cut each longer piece to a random excerpt.

    An excerpt has as many notes as the smaller of the two median lengths, but at least
    ``long_window`` and at most ``max_notes``. Pieces without notes are ignored.
    """
    sets = [[p for p in pieces if len(p)] for pieces in (generated, reference)]
    n_pieces = min(max_pieces, *map(len, sets))
    if not n_pieces:
        return Excerpts([], [], 0)
    typical = int(min(np.median([len(p) for p in pieces]) for pieces in sets))
    n_notes = max(1, min(max_notes, max(typical, long_window)))
    ours, theirs = (_draw(p, n_pieces=n_pieces, seed=seed) for p in sets)
    generated, reference = (
        [_excerpt(piece, n_notes, rhythm) for rhythm, piece in drawn] for drawn in (ours, theirs)
    )
    whole = [piece for _, piece in ours], [piece for _, piece in theirs]
    return Excerpts(generated, reference, n_notes, whole)


def _draw(pieces: Sequence[Piece], *, n_pieces: int, seed: int) -> list[tuple[bytes, Piece]]:
    """Pieces, each with a hash that decides where it is cut."""
    salt = np.array([seed], np.int64)
    keyed = []
    for piece in pieces:
        # The rhythm decides before the pitches: variants of a piece that differ in their pitches
        # alone are drawn and cut alike, so that their comparison is paired.
        in_chord = np.lexsort((piece.duration, piece.onset))
        rhythm = _digest(piece.onset - piece.onset[:1], piece.duration[in_chord], salt)
        keyed.append((rhythm, _digest(np.diff(piece.pitch), salt), piece))
    keyed.sort(key=lambda k: k[:2])
    return [(rhythm, piece) for rhythm, _, piece in keyed[:n_pieces]]


def _digest(*columns: IntArray) -> bytes:
    return hashlib.sha256(b"|".join(c.astype("<i8").tobytes() for c in columns)).digest()


def _excerpt(piece: Piece, n_notes: int, key: bytes) -> Piece:
    n_starts = len(piece) - n_notes + 1
    if n_starts <= 1:
        return piece
    start = int.from_bytes(key[:8], "little") % n_starts
    return piece.cut(start, start + n_notes)


def opening_and_ending(
    pieces: Sequence[Piece], n_notes: int, length: int
) -> tuple[Windows, Windows]:
    """Windows of the first and of the last ``n_notes`` notes of each piece.

    Each part is cut from its own first note. Pieces in which the parts would overlap are ignored.
    """
    long = [p if len(p) >= 2 * n_notes else p.cut(0, 0) for p in pieces]
    return (
        stack_windows([p.cut(0, n_notes) for p in long], length),
        stack_windows([p.cut(max(0, len(p) - n_notes), len(p)) for p in long], length),
    )


def stack_windows(pieces: Sequence[Piece], length: int) -> Windows:
    """All full windows of ``length`` notes; each piece is cut from its first note."""
    columns: dict[str, list[IntArray]] = {k: [] for k in ("onset", "duration", "pitch", "position")}
    owner: list[int] = []
    for number, piece in enumerate(pieces):
        n_windows = len(piece) // length
        if not n_windows:
            continue
        whole = {
            "onset": piece.onset,
            "duration": piece.duration,
            "pitch": piece.pitch,
            "position": piece.bars()[1],
        }
        for name, values in whole.items():
            columns[name].append(values[: n_windows * length].reshape(n_windows, length))
        owner += [number] * n_windows
    empty = np.empty((0, length), np.int64)
    onset, duration, pitch, position = (np.concatenate([empty, *c]) for c in columns.values())
    piece_of = np.array(owner, dtype=np.int64)
    return Windows(onset, duration, pitch, position, piece_of, pieces[0].grid if pieces else 1)
