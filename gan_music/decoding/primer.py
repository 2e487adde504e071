"""Music that samples continue: its events, and how the continuation is joined to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from gan_music.music.piece import IntArray, Piece
from gan_music.representations.note_events import NoteEvents


@dataclass(frozen=True)
class Primer:
    """A piece on the representation's grid that samples continue.

    Attributes
    ----------
    piece : with at least one note.
    n_context : last notes that the model reads; None: all.
    included : whether samples begin with the piece, note for note.
    """

    piece: Piece
    n_context: int | None = None
    included: bool = True

    def encode(self, representation: NoteEvents) -> IntArray:
        """Ids of the notes that the model reads, int64 ``[T, C + 2]``.

        All of them lie in bars of the meter at the last note, in which the piece continues: earlier
        bars are counted back from where that meter begins. A meter that the representation does not
        have is encoded as the one whose bar is nearest in length.
        """
        piece = self.piece
        start, numerator, denominator = self._meters()[-1].tolist()
        bar = Fraction(4 * piece.grid * numerator, denominator)
        start -= max(0, math.ceil(math.ceil(start / bar) * bar))
        whole = replace(piece, meters=np.array([(start, numerator, denominator)]))
        first = 0 if self.n_context is None else max(0, len(piece) - self.n_context)
        return representation.encode(whole.cut(first, len(piece)))

    def continued_by(
        self, representation: NoteEvents, ids: IntArray, *, tempo: float, name: str
    ) -> Piece:
        """The piece and the notes of ids ``[T, C + 2]`` after it, in the piece's last meter.

        Events without velocity get the median velocity of the piece.
        """
        piece, sampled = self.piece, representation.decode(ids).piece
        first = int(piece.onset[-1]) + int(representation.offset_bins[ids[0, 0]])
        velocity = sampled.velocity
        if not representation.velocity:
            velocity = np.full(len(sampled), int(np.median(piece.velocity)))
        whole = Piece.from_arrays(
            np.concatenate([piece.onset, sampled.onset - sampled.onset[0] + first]),
            np.concatenate([piece.duration, sampled.duration]),
            np.concatenate([piece.pitch, sampled.pitch]),
            velocity=np.concatenate([piece.velocity, velocity]),
            grid=piece.grid,
            meters=self._meters(),
            tempo=tempo,
            name=name,
            tracks=piece.tracks[:1],
        )
        return whole if self.included else whole.cut(len(piece), len(whole))

    def _meters(self) -> IntArray:
        """The piece's meters up to its last note, int64 ``[M, 3]``."""
        meters = self.piece.meters
        return meters[: max(1, int((meters[:, 0] <= self.piece.onset[-1]).sum()))]
