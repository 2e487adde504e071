"""The record of a piece of music: what every reader yields and every writer takes.

Conventions
-----------
- Time is counted in steps of a grid, ``grid`` steps a quarter note; onset 0 is the piece's start.
- ``onset >= 0``, ``duration >= 1``, both in steps. Rests are implied by the onsets.
- ``pitch`` is a MIDI note number, 0 to 127 (60 is middle C); ``velocity`` is 1 to 127.
- Chords are notes with the same onset; tied notes are one note.
- Notes are ordered by (onset, pitch, duration). Two voices in unison are two notes.
- A meter is (start, numerator, denominator): its bars begin at ``start`` and follow each other
  until the next meter. The first start is 0, or below it where a piece begins within a bar.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]

DEFAULT_TEMPO = 120.0
DEFAULT_VELOCITY = 80
COMMON_TIME = (0, 4, 4)
KEYBOARD = range(21, 109)  # MIDI numbers of a piano


class Rounding(NamedTuple):
    """How far notes lay from the grid that they were rounded to, in quarters.

    ``off_grid_rate`` is the share of onsets that lay further off than 1/192 quarter, which is what
    tick counts that are no multiple of the grid may cause.
    """

    onset_mean: float = 0.0
    onset_largest: float = 0.0
    duration_mean: float = 0.0
    off_grid_rate: float = 0.0


EXACT = Rounding()


def rounding(
    onset: NDArray[Any],
    onset_step: IntArray,
    duration: NDArray[Any],
    duration_step: IntArray,
    grid: int,
) -> Rounding:
    """What rounding notes ``[N]`` cost, from their times in steps before and after it."""
    if not len(onset):
        return EXACT
    moved = np.abs(onset - onset_step) / grid
    return Rounding(
        float(moved.mean()),
        float(moved.max()),
        float(np.abs(duration - duration_step).mean()) / grid,
        float((moved > 1 / 192 + 1e-9).mean()),
    )


@dataclass(frozen=True, eq=False)
class Piece:
    """The notes of one piece, as parallel arrays of equal length in canonical order.

    Build it with :meth:`from_arrays`, which checks the values and sorts the notes.

    Attributes
    ----------
    onset, duration : int64 ``[N]``, in steps.
    pitch, velocity : int64 ``[N]``, MIDI numbers.
    grid : steps a quarter note.
    meters : int64 ``[M, 3]``, starts in steps, ascending; without any, four crotchets a bar.
    tempo : quarter notes a minute.
    name : where it came from; shown to people, never used as a path.
    rounding : what the grid cost when the piece was read.
    """

    onset: IntArray
    duration: IntArray
    pitch: IntArray
    velocity: IntArray
    grid: int
    meters: IntArray
    tempo: float = DEFAULT_TEMPO
    name: str = ""
    rounding: Rounding = EXACT

    @classmethod
    def from_arrays(
        cls,
        onset: ArrayLike,
        duration: ArrayLike,
        pitch: ArrayLike,
        *,
        grid: int,
        velocity: ArrayLike | None = None,
        meters: ArrayLike = (COMMON_TIME,),
        tempo: float = DEFAULT_TEMPO,
        name: str = "",
        rounding: Rounding = EXACT,
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
        meters = np.asarray(meters, dtype=np.int64)
        if meters.ndim != 2 or meters.shape[1:] != (3,) or not len(meters):
            raise ValueError(f"notes of {name!r}: meters of shape {meters.shape}, not [M, 3]")
        starts = meters[:, 0]
        if starts[0] > 0 or (np.diff(starts) <= 0).any() or (meters[:, 1:] < 1).any():
            raise ValueError(f"notes of {name!r}: meters {meters.tolist()}")
        onset, duration, pitch, velocity = columns
        if not _in_order(onset, pitch, duration):  # what comes from the cache is
            order = np.lexsort((duration, pitch, onset))
            onset, duration, pitch, velocity = (c[order] for c in columns)
        return cls(
            onset, duration, pitch, velocity, grid, meters, float(tempo), name, Rounding(*rounding)
        )

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

    def bars(self, steps: IntArray | None = None) -> tuple[IntArray, IntArray]:
        """The bar's number, from 0, and the position in it, in steps, of each note's onset.

        ``steps`` asks for other times than the onsets. A bar that is no whole number of steps long
        is not rounded: only the positions in it are, downwards.
        """
        steps = self.onset if steps is None else steps
        start, numerator, denominator = self.meters.T
        # exact in units of 1/denominator step
        length = 4 * self.grid * numerator
        n_bars = -(-np.diff(start) * denominator[:-1] // length[:-1])  # the last may be cut short
        first_bar = np.concatenate([[0], np.cumsum(n_bars)])
        meter = np.maximum(0, np.searchsorted(start, steps, side="right") - 1)
        units = (steps - start[meter]) * denominator[meter]
        return (
            first_bar[meter] + units // length[meter],
            units % length[meter] // denominator[meter],
        )

    def scaled(self, factor: float) -> Piece:
        """All times, and the bars with them, multiplied by a power of two.

        Onsets and durations go to the nearest step, halves upwards; a duration stays at least one.
        The notes keep their order. A meter whose denominator would fall below 1 has its numerator
        multiplied instead.
        """
        if factor == 1:
            return self
        onset, duration = (
            np.floor(x * factor + 0.5).astype(np.int64) for x in (self.onset, self.duration)
        )
        meters = []
        for start, numerator, denominator in self.meters.tolist():
            bar = Fraction(numerator, denominator) * Fraction(factor)
            over = Fraction(denominator) / Fraction(factor)
            if over.denominator > 1:
                over = Fraction(bar.denominator)
            meters.append((math.floor(start * factor + 0.5), int(bar * over), int(over)))
        return replace(self, onset=onset, duration=np.maximum(1, duration), meters=np.array(meters))

    def from_its_beat(self) -> Piece:
        """The same, moved so that it starts on the beat of its first note; bars move with it."""
        if not len(self):
            return self
        start = int(self.onset[0]) // self.grid * self.grid
        first = max(0, int(np.searchsorted(self.meters[:, 0], start, side="right")) - 1)
        meters = self.meters[first:] - np.array([start, 0, 0])
        return replace(self, onset=self.onset - start, meters=meters)

    def first_seconds(self, seconds: float) -> Piece:
        """What sounds in so many seconds from the first note on, at its tempo."""
        steps = math.ceil(seconds * self.tempo / 60 * self.grid)
        left = steps - (self.onset - self.onset[:1].sum())
        first = self.cut(0, int((left > 0).sum()))
        return replace(first, duration=np.minimum(first.duration, left[: len(first)]))

    def until(self, step: int) -> Piece:
        """The notes that begin before a step; those that sound beyond it end there."""
        piece = self.cut(0, int(np.searchsorted(self.onset, step)))
        return replace(piece, duration=np.minimum(piece.duration, step - piece.onset))

    def cut(self, start: int, stop: int) -> Piece:
        """Notes ``start`` to ``stop`` (exclusive), by number, at their own onsets."""
        s = slice(start, stop)
        return replace(
            self,
            onset=self.onset[s],
            duration=self.duration[s],
            pitch=self.pitch[s],
            velocity=self.velocity[s],
        )


def _in_order(*keys: IntArray) -> bool:
    """Whether rows are sorted by the first key, then the second, and so on."""
    tied: Any = True  # between neighbours, by the keys before
    for key in keys:
        step = np.diff(key)
        if (tied & (step < 0)).any():
            return False
        tied = tied & (step == 0)
    return True


def lengths(pieces: Sequence[Piece]) -> IntArray:
    """How many notes each piece has, ``[N]``; of pieces on disk, without reading them."""
    known = getattr(pieces, "lengths", None)
    return np.array([len(p) for p in pieces], dtype=np.int64) if known is None else known


def windows(pieces: Sequence[Piece], length: int, count: int) -> list[Piece]:
    """``count`` excerpts of ``length`` notes, evenly spread over all that the pieces hold.

    Excerpts do not overlap; fewer come back where the pieces hold fewer.
    """
    n_windows = lengths(pieces) // length
    ends = np.cumsum(n_windows)
    total = int(n_windows.sum())
    chosen = np.linspace(0, total - 1, min(count, total)).round().astype(int)
    owners = np.searchsorted(ends, chosen, side="right")
    found = []
    for owner, group in groupby(zip(owners, chosen, strict=True), key=lambda pair: pair[0]):
        piece, first = pieces[owner], ends[owner] - n_windows[owner]
        starts = [int(number - first) * length for _, number in group]
        found += [piece.cut(start, start + length) for start in starts]
    return found


def windows_or_pieces(
    pieces: Sequence[Piece], length: int, count: int = sys.maxsize
) -> list[Piece]:
    """The same; where all pieces are shorter than a window, the first ``count`` of them."""
    return windows(pieces, length, count) or list(pieces[:count])
