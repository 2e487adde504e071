"""Notes <-> the paper's triples of real numbers (pitch, duration, offset), as it trains on them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gan_music.music.piece import DEFAULT_TEMPO, Piece

# A MIDI file counts time in 28 bits; this many quarters is far beyond music and well within them.
_MAX_QUARTERS = 1024.0


class Decoded(NamedTuple):
    """A piece, and how many of its values no MIDI file could hold and were clipped."""

    piece: Piece
    n_clipped: int


class NoteTriples:
    """A note as (pitch, duration, offset), float32, not scaled.

    ``pitch`` is a MIDI number; ``duration`` and ``offset`` are in quarter notes, and the offset
    counts from the last note's onset (from 0 for a piece's first note).

    Parameters
    ----------
    grid : steps a quarter note of the pieces, at least 1.
    use_offsets : how :meth:`decode` places notes. False: one after the other, as the paper's
        published sampler does, the offset ignored. True: as the data define it, each note an offset
        after the last one's onset.
    """

    names = ("pitch", "duration", "offset")

    def __init__(self, grid: int, *, use_offsets: bool = False) -> None:
        self.grid = grid
        self.use_offsets = use_offsets

    def state(self) -> dict[str, Any]:
        """All that :meth:`from_state` needs, as plain values."""
        return {"grid": self.grid, "use_offsets": self.use_offsets}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> NoteTriples:
        """The codec that wrote ``state``."""
        return cls(int(state["grid"]), use_offsets=bool(state["use_offsets"]))

    def encode(self, piece: Piece) -> NDArray[np.float32]:
        """Triples of a piece's notes, float32 ``[N, 3]``."""
        offset = np.diff(piece.onset, prepend=0)
        columns = (piece.pitch, piece.duration / self.grid, offset / self.grid)
        return np.stack(columns, 1).astype(np.float32)

    def decode(
        self, triples: NDArray[np.float32], *, tempo: float = DEFAULT_TEMPO, name: str = ""
    ) -> Decoded:
        """A piece of triples ``[N, 3]``: pitches truncated to whole numbers, the rest rounded.

        What no MIDI file can hold is clipped, and each such value counted: a pitch outside 0 to
        127, a duration or an offset below 0 or beyond 1024 quarters, whatever is not a number.
        """
        pitch = np.trunc(triples[:, 0])
        duration, offset = triples[:, 1], triples[:, 2]
        counted = [(pitch, 127.0), (duration, _MAX_QUARTERS)]
        if self.use_offsets:
            counted.append((offset, _MAX_QUARTERS))
        n_clipped = int(sum((~((x >= 0) & (x <= high))).sum() for x, high in counted))
        pitch, duration, offset = (
            np.clip(np.nan_to_num(x), 0, high).astype(np.float64)
            for x, high in ((pitch, 127.0), (duration, _MAX_QUARTERS), (offset, _MAX_QUARTERS))
        )
        steps = np.maximum(1, np.floor(duration * self.grid + 0.5)).astype(np.int64)
        if self.use_offsets:
            onset = np.cumsum(np.floor(offset * self.grid + 0.5)).astype(np.int64)
        else:
            onset = np.cumsum(steps) - steps
        piece = Piece.from_arrays(
            onset, steps, pitch.astype(np.int64), grid=self.grid, tempo=tempo, name=name
        )
        return Decoded(piece, n_clipped)
