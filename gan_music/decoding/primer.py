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
        whole = replace(piece, meters=np.array([(start, numerator, denominator)]), ends=False)
        return representation.encode(self._context(whole))

    def _context(self, piece: Piece) -> Piece:
        first = 0 if self.n_context is None else max(0, len(piece) - self.n_context)
        return piece.cut(first, len(piece))

    def continued_by(
        self, representation: NoteEvents, ids: IntArray, *, tempo: float, name: str
    ) -> Piece:
        """The piece and the notes of ids ``[T, C + 2]`` after it, in the piece's last meter.

        Events without velocity get the median velocity of the piece. The tracks are those of the
        piece if it has as many as the representation, or else those of the representation.
        """
        piece, sampled = self.piece, representation.decode(ids).piece
        last = representation.last_onset(self.encode(representation), self._context(piece))
        first = last + int(representation.offset_bins[ids[0, 0]]) - int(ids[0, -2])
        tracks = sampled.tracks
        if len(tracks) == 1:
            tracks = piece.merged().tracks
        elif len(tracks) == len(piece.tracks):
            tracks = piece.tracks
        if not representation.velocity:
            velocity = np.full(len(sampled), int(np.median(piece.velocity)))
            sampled = replace(sampled, velocity=velocity)
        parts = [replace(sampled, onset=sampled.onset + first)]
        if self.included:
            parts.insert(0, replace(piece, track=representation.note_tracks(piece)))
        return Piece.from_arrays(
            *(
                np.concatenate([getattr(p, c) for p in parts])
                for c in ("onset", "duration", "pitch")
            ),
            velocity=np.concatenate([p.velocity for p in parts]),
            grid=piece.grid,
            meters=self._meters(),
            tempo=tempo,
            name=name,
            track=np.concatenate([p.track for p in parts]),
            tracks=tracks,
            ends=sampled.ends,
        )

    def _meters(self) -> IntArray:
        """The piece's meters up to its last note, int64 ``[M, 3]``."""
        meters = self.piece.meters
        return meters[: max(1, int((meters[:, 0] <= self.piece.onset[-1]).sum()))]
