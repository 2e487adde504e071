"""Music that a sample goes on from: what a model hears of it, and how both are joined."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from gan_music.music.piece import IntArray, Piece
from gan_music.representations.note_events import NoteEvents


@dataclass(frozen=True)
class Primer:
    """A piece on the codec's grid that a sample goes on from.

    Attributes
    ----------
    piece : with at least one note.
    n_heard : how many of its last notes the model hears; None: all.
    included : whether the sample begins with the piece, note for note; otherwise it begins with the
        bar of the first note that the model writes.
    """

    piece: Piece
    n_heard: int | None = None
    included: bool = True

    def events(self, codec: NoteEvents) -> IntArray:
        """Ids of the notes that are heard, int64 ``[T, C + 2]``.

        All of them lie in bars of the meter that holds at the last note, since that is the one to
        go on in: earlier ones are counted back from where it begins. A meter that the codec does
        not have is heard as the one whose bar is nearest in length.
        """
        piece = self.piece
        start, numerator, denominator = self._meters()[-1].tolist()
        bar = Fraction(4 * piece.grid * numerator, denominator)
        start -= max(0, math.ceil(math.ceil(start / bar) * bar))
        whole = replace(piece, meters=np.array([(start, numerator, denominator)]))
        first = 0 if self.n_heard is None else max(0, len(piece) - self.n_heard)
        return codec.encode(whole.cut(first, len(piece)))

    def followed_by(self, codec: NoteEvents, ids: IntArray, *, tempo: float, name: str) -> Piece:
        """The piece and after it the notes of ids ``[T, C + 2]``, in the piece's last meter.

        Where velocity is no category, they are as loud as the piece is in the middle.
        """
        piece, written = self.piece, codec.decode(ids).piece
        last = int(piece.onset[-1]) + int(codec.offset_bins[ids[0, 0]])
        velocity = written.velocity
        if not codec.velocity:
            velocity = np.full(len(written), int(np.median(piece.velocity)))
        whole = Piece.from_arrays(
            np.concatenate([piece.onset, written.onset - written.onset[0] + last]),
            np.concatenate([piece.duration, written.duration]),
            np.concatenate([piece.pitch, written.pitch]),
            velocity=np.concatenate([piece.velocity, velocity]),
            grid=piece.grid,
            meters=self._meters(),
            tempo=tempo,
            name=name,
        )
        return whole if self.included else _from_its_bar(whole.cut(len(piece), len(whole)))

    def _meters(self) -> IntArray:
        """The piece's meters up to its last note, int64 ``[M, 3]``."""
        meters = self.piece.meters
        return meters[: max(1, int((meters[:, 0] <= self.piece.onset[-1]).sum()))]


def _from_its_bar(piece: Piece) -> Piece:
    """The same notes, counted from the bar of the first; they have one meter."""
    bar = piece.onset[0] - piece.bars()[1][0]
    meters = [(0, *piece.meters[-1, 1:])]
    return replace(piece, onset=piece.onset - bar, meters=np.array(meters))
