"""The record of a piece of music: what every reader yields and every writer takes.

Conventions
-----------
- Time is counted in steps of a grid, ``grid`` steps a quarter note; onset 0 is the piece's start.
- ``onset >= 0``, ``duration >= 1``, both in steps. Rests are implied by the onsets.
- ``pitch`` is a MIDI note number, 0 to 127 (60 is middle C); ``velocity`` is 1 to 127.
- Chords are notes with the same onset; tied notes are one note.
- Notes are ordered by (onset, pitch, duration). Two voices in unison are two notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]

DEFAULT_TEMPO = 120.0
DEFAULT_VELOCITY = 80


@dataclass(frozen=True, eq=False)
class Piece:
    """The notes of one piece, as parallel arrays of equal length in canonical order.

    Build it with :meth:`from_arrays`, which checks the values and sorts the notes.

    Attributes
    ----------
    onset, duration : int64 ``[N]``, in steps.
    pitch, velocity : int64 ``[N]``, MIDI numbers.
    grid : steps a quarter note.
    tempo : quarter notes a minute.
    name : where it came from; shown to people, never used as a path.
    """

    onset: IntArray
    duration: IntArray
    pitch: IntArray
    velocity: IntArray
    grid: int
    tempo: float = DEFAULT_TEMPO
    name: str = ""

    @classmethod
    def from_arrays(
        cls,
        onset: ArrayLike,
        duration: ArrayLike,
        pitch: ArrayLike,
        *,
        grid: int,
        velocity: ArrayLike | None = None,
        tempo: float = DEFAULT_TEMPO,
        name: str = "",
    ) -> Piece:
        """A piece of these notes, sorted.

        Raises
        ------
        ValueError
            If the lengths differ or a value is outside its bounds; names the value and the piece.
        """
        columns = [np.asarray(a, dtype=np.int64) for a in (onset, duration, pitch)]
        columns.append(
            np.full(columns[0].shape, DEFAULT_VELOCITY, dtype=np.int64)
            if velocity is None
            else np.asarray(velocity, dtype=np.int64)
        )
        if any(c.ndim != 1 or len(c) != len(columns[0]) for c in columns):
            raise ValueError(f"notes of {name!r}: arrays of shapes {[c.shape for c in columns]}")
        if grid < 1:
            raise ValueError(f"notes of {name!r}: grid {grid}, but it must be at least 1")
        if not (np.isfinite(tempo) and tempo > 0):
            raise ValueError(f"notes of {name!r}: tempo {tempo}, but it must be positive")
        bounds = (
            ("onset", 0, None),
            ("duration", 1, None),
            ("pitch", 0, 127),
            ("velocity", 1, 127),
        )
        for column, (what, low, high) in zip(columns, bounds, strict=True):
            wrong = (column < low) | (column > high if high is not None else False)
            if wrong.any():
                value = int(column[wrong.argmax()])
                raise ValueError(f"notes of {name!r}: {what} {value} at note {wrong.argmax()}")
        order = np.lexsort((columns[1], columns[2], columns[0]))
        onset, duration, pitch, velocity = (c[order] for c in columns)
        return cls(onset, duration, pitch, velocity, grid, float(tempo), name)

    def __len__(self) -> int:
        return len(self.onset)

    def notes(self) -> list[tuple[int, int, int]]:
        """The notes as (onset, duration, pitch)."""
        return list(
            zip(self.onset.tolist(), self.duration.tolist(), self.pitch.tolist(), strict=True)
        )

    def same_notes(self, other: Piece) -> bool:
        """Whether both hold the same (onset, duration, pitch) on the same grid."""
        return self.grid == other.grid and self.notes() == other.notes()

    def cut(self, start: int, stop: int) -> Piece:
        """Notes ``start`` to ``stop`` (exclusive), by number, at their own onsets."""
        s = slice(start, stop)
        return Piece(
            self.onset[s],
            self.duration[s],
            self.pitch[s],
            self.velocity[s],
            self.grid,
            self.tempo,
            self.name,
        )


def windows(pieces: Sequence[Piece], length: int, count: int) -> list[Piece]:
    """``count`` excerpts of ``length`` notes, evenly spread over all that the pieces hold.

    Excerpts do not overlap; fewer come back where the pieces hold fewer.
    """
    starts = [(p, i) for p in pieces for i in range(0, len(p) - length + 1, length)]
    if not starts:
        return []
    chosen = np.linspace(0, len(starts) - 1, min(count, len(starts))).round().astype(int)
    return [starts[i][0].cut(starts[i][1], starts[i][1] + length) for i in chosen]
