"""Equal amounts of music from two sets: excerpts of pieces, windows of notes, random halves.

Nearly every figure of a set depends on how much music is in it, so both sides give the same number
of pieces, cut to the same number of notes. The choice is drawn from the notes themselves and not
from names or places: neither the order of files nor a transposition of all pieces changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gan_music.music.piece import IntArray, Piece


@dataclass(frozen=True)
class Windows:
    """Excerpts of one length as matrices ``[W, T]`` of W windows of T notes.

    ``position`` is the place of the onset in its bar, in steps; ``piece [W]`` numbers the piece
    that a window is cut from. Windows of one piece do not overlap.
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
class Sampled:
    """What was taken of two sets: equally many excerpts, each of at most ``n_notes`` notes."""

    generated: list[Piece]
    reference: list[Piece]
    n_notes: int


def digest(*columns: IntArray) -> bytes:
    """A hash of whole numbers."""
    return hashlib.sha256(b"|".join(c.astype("<i8").tobytes() for c in columns)).digest()


def sample(
    generated: Sequence[Piece],
    reference: Sequence[Piece],
    *,
    max_pieces: int,
    max_notes: int,
    long_window: int,
    seed: int,
) -> Sampled:
    """The same number of pieces of both, longer ones cut to an excerpt at a random place.

    Pieces are cut to the smaller of the two sides' median lengths, but not below ``long_window``
    and not above ``max_notes``. Pieces without notes are left out.
    """
    sides = [[p for p in side if len(p)] for side in (generated, reference)]
    n_pieces = min(max_pieces, *map(len, sides))
    if not n_pieces:
        return Sampled([], [], 0)
    typical = int(min(np.median([len(p) for p in side]) for side in sides))
    n_notes = max(1, min(max_notes, max(typical, long_window)))
    ours, theirs = (choose(side, n_pieces=n_pieces, n_notes=n_notes, seed=seed) for side in sides)
    return Sampled(ours, theirs, n_notes)


def choose(pieces: Sequence[Piece], *, n_pieces: int, n_notes: int, seed: int) -> list[Piece]:
    """At most ``n_pieces`` of the pieces, each cut to at most ``n_notes`` notes; seeded."""
    chance = np.array([seed], np.int64)
    keyed = []
    for piece in pieces:
        # by the rhythm before the pitches: pieces that differ in their pitches alone, as variants
        # of one piece do, are drawn and cut alike, and the comparison of two variants is paired
        in_chord = np.lexsort((piece.duration, piece.onset))
        rhythm = digest(piece.onset - piece.onset[:1], piece.duration[in_chord], chance)
        keyed.append((rhythm, digest(np.diff(piece.pitch), chance), piece))
    keyed.sort(key=lambda k: k[:2])
    return [_excerpt(piece, n_notes, rhythm) for rhythm, _, piece in keyed[:n_pieces]]


def _excerpt(piece: Piece, n_notes: int, key: bytes) -> Piece:
    n_places = len(piece) - n_notes + 1
    if n_places <= 1:
        return piece
    start = int.from_bytes(key[:8], "little") % n_places
    return piece.cut(start, start + n_notes)


def opening_and_ending(
    pieces: Sequence[Piece], n_notes: int, length: int
) -> tuple[Windows, Windows]:
    """Windows of the first and of the last ``n_notes`` notes of each piece alone.

    Each part is cut from its own first note. A piece in which the two would overlap has neither.
    """
    long = [p if len(p) >= 2 * n_notes else p.cut(0, 0) for p in pieces]
    return (
        stack_windows([p.cut(0, n_notes) for p in long], length),
        stack_windows([p.cut(max(0, len(p) - n_notes), len(p)) for p in long], length),
    )


def stack_windows(pieces: Sequence[Piece], length: int) -> Windows:
    """All windows of ``length`` notes that the pieces hold, each piece cut from its first note."""
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
