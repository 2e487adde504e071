"""Neo & Saleem's triples of real numbers (pitch, duration, offset), each note by itself."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gan_music.music.piece import DEFAULT_TEMPO, IntArray, Piece
from gan_music.representations.base import Decoded, Representation
from gan_music.representations.windows import Windows, WindowSpec

# A MIDI file stores a time in 28 bits; this many quarter notes are beyond music and well within.
_MAX_QUARTERS = 1024.0


class NoteTriples(Representation):
    """A note as (pitch, duration, offset), float32, not scaled.

    ``pitch`` is a MIDI number; ``duration`` and ``offset`` are in quarter notes. The offset counts
    from the previous note's onset, of a piece's first note from 0.

    A batch is float ``[B, 3]``: single notes, in any order.

    Parameters
    ----------
    grid : steps a quarter note of the pieces, at least 1.
    use_offsets : where :meth:`decode` places notes. True: each an offset after the previous onset,
        as in the training data. False: each at the end of the previous note, the offset ignored, as
        in the paper's published sampler.
    """

    name = "note_triples"
    can_pad = False
    row_dtype: ClassVar[np.dtype[Any]] = np.dtype("<f4")
    names = ("pitch", "duration", "offset")

    def __init__(self, grid: int, *, use_offsets: bool = False) -> None:
        self.grid = grid
        self.use_offsets = use_offsets

    def state(self) -> dict[str, Any]:
        return {"grid": self.grid, "use_offsets": self.use_offsets}

    def table(self) -> dict[str, Any]:
        return {"grid": self.grid}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        return cls(int(state["grid"]), use_offsets=bool(state["use_offsets"]))

    def encode(self, piece: Piece) -> NDArray[np.float32]:
        """Triples of a piece's notes, float32 ``[N, 3]``."""
        offset = np.diff(piece.onset, prepend=0)
        columns = (piece.pitch, piece.duration / self.grid, offset / self.grid)
        return np.stack(columns, 1).astype(np.float32)

    def decode(
        self, x: NDArray[np.float32], *, tempo: float = DEFAULT_TEMPO, name: str = ""
    ) -> Decoded:
        """A piece of triples ``[N, 3]``: pitches truncated to whole numbers, times rounded.

        Clipped, and counted, are a pitch outside 0 to 127, a duration or a used offset below 0 or
        above 1024 quarter notes, and NaN.
        """
        pitch = np.trunc(x[:, 0])
        duration, offset = x[:, 1], x[:, 2]
        counted = [(pitch, 127.0), (duration, _MAX_QUARTERS)]
        if self.use_offsets:
            counted.append((offset, _MAX_QUARTERS))
        n_clipped = int(sum((~((v >= 0) & (v <= high))).sum() for v, high in counted))
        pitch, duration, offset = (
            np.clip(np.nan_to_num(v), 0, high).astype(np.float64)
            for v, high in ((pitch, 127.0), (duration, _MAX_QUARTERS), (offset, _MAX_QUARTERS))
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

    def cut(self, begins: IntArray, sizes: IntArray, spec: WindowSpec) -> Windows:
        """Every note by itself, whatever ``spec`` says."""
        return Windows(begins, sizes, WindowSpec(1, 1), single=True)

    def augment(self, rows: Tensor, mask: Tensor, transposition: Tensor) -> Tensor:
        """See the base class; here rows are ``[B, 3]``."""
        rows[:, 0] += transposition
        return rows
