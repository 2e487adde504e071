"""The record of a piece: what readers return and writers take.

Conventions
-----------
- Times are in steps, ``grid`` steps a quarter note; the piece starts at step 0.
- ``onset >= 0`` and ``duration >= 1``, in steps. Rests are implied.
- ``pitch`` is a MIDI note number, 0 to 127 (60 is middle C); ``velocity`` is 1 to 127.
- The notes of a chord share an onset; tied notes are one note.
- Notes are sorted by (onset, pitch, duration, track). Two voices in unison are two notes.
- A track is what one instrument, or one hand, plays. Every note belongs to one.
- A meter is (start, numerator, denominator): bars follow each other from step ``start`` to the next
  meter. The first start is 0, or negative if the piece begins within a bar.
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
    """How far rounding to the grid moved the notes of a piece, in quarter notes.

    ``off_grid_rate`` is the share of onsets that moved by more than 1/192 quarter note, which is
    what a tick count that is no multiple of the grid may cause.
    """

    onset_mean: float = 0.0
    onset_largest: float = 0.0
    duration_mean: float = 0.0
    off_grid_rate: float = 0.0


EXACT = Rounding()


class Losses(NamedTuple):
    """Notes of a file that a piece has as notes of one step (``grace``), or not at all (``cue``;
    ``unended``, notes of MIDI without a note-off).
    """

    grace: int = 0
    cue: int = 0
    unended: int = 0


NO_LOSSES = Losses()


class Track(NamedTuple):
    """A part of a piece: a MIDI track or channel, a part of a score, a staff of a piano part.

    ``program`` is the General MIDI program, 0 to 127. The pitches of drums are the keys of General
    MIDI's percussion map. ``name`` is as the file gives it, never used as a path.
    """

    name: str = ""
    program: int = 0
    is_drum: bool = False


ONE_TRACK = (Track(),)


def rounding(
    onset: NDArray[Any],
    onset_step: IntArray,
    duration: NDArray[Any],
    duration_step: IntArray,
    grid: int,
) -> Rounding:
    """The :class:`Rounding` of notes, from times in steps before and after it, ``[N]`` each."""
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
    """A piece as parallel arrays, a note an index, sorted.

    Build it with :meth:`from_arrays`, which checks the values and sorts the notes.

    Attributes
    ----------
    onset, duration : int64 ``[N]``, in steps.
    pitch, velocity : int64 ``[N]``, MIDI numbers.
    grid : steps a quarter note.
    meters : int64 ``[M, 3]``, by ascending start; 4/4 by default.
    tempo : quarter notes a minute.
    name : the source's name for messages, never used as a path.
    rounding : how far the reader moved the notes.
    track : int64 ``[N]``, the index of each note's track in ``tracks``.
    tracks : at least one.
    ends : whether the piece ends after its last note; False for an excerpt, and for a sample that
        was cut off.
    losses : numbers of notes that the reader has left out or changed.
    """

    onset: IntArray
    duration: IntArray
    pitch: IntArray
    velocity: IntArray
    grid: int
    meters: IntArray
    tempo: float
    name: str
    rounding: Rounding
    track: IntArray
    tracks: tuple[Track, ...]
    ends: bool = True
    losses: Losses = NO_LOSSES

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
        track: ArrayLike | None = None,
        tracks: Sequence[Track] = ONE_TRACK,
        ends: bool = True,
        losses: Losses = NO_LOSSES,
    ) -> Piece:
        """A piece of notes in any order.

        Raises
        ------
        ValueError
            If the lengths differ or a value is out of bounds; it names the value and the piece.
        """
        columns = [np.asarray(a, dtype=np.int64) for a in (onset, duration, pitch)]
        for given, default in ((velocity, DEFAULT_VELOCITY), (track, 0)):
            filled = np.full(columns[0].shape, default) if given is None else given
            columns.append(np.asarray(filled, dtype=np.int64))
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
            ("track", 0, len(tracks) - 1),
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
        onset, duration, pitch, velocity, track = columns
        if not _is_sorted(onset, pitch, duration, track):  # pieces from the cache are
            order = np.lexsort((track, duration, pitch, onset))
            onset, duration, pitch, velocity, track = (c[order] for c in columns)
        return cls(
            *(onset, duration, pitch, velocity, grid, meters),
            *(float(tempo), name, Rounding(*rounding), track, tuple(tracks), ends),
            losses=losses,
        )

    def __len__(self) -> int:
        return len(self.onset)

    def notes(self) -> list[tuple[int, int, int]]:
        """The notes as tuples (onset, duration, pitch)."""
        return list(
            zip(self.onset.tolist(), self.duration.tolist(), self.pitch.tolist(), strict=True)
        )

    def pitched(self) -> Piece:
        """The notes that drums do not play, in the tracks of these."""
        drums = np.array([t.is_drum for t in self.tracks])
        if not drums.any():
            return self
        number = np.cumsum(~drums) - 1
        kept = self.take(np.flatnonzero(~drums[self.track]))
        tracks = tuple(t for t in self.tracks if not t.is_drum) or ONE_TRACK
        return replace(kept, track=number[kept.track], tracks=tracks)

    def merged(self) -> Piece:
        """The notes of all tracks as one, that of the first; unnamed if names differ."""
        if len(self.tracks) == 1:
            return self
        track = self.tracks[0]
        if len({t.name for t in self.tracks}) > 1:
            track = track._replace(name="")
        return replace(self, track=np.zeros_like(self.track), tracks=(track,))

    def same_notes(self, other: Piece) -> bool:
        """Whether both have the same grid and the same (onset, duration, pitch)."""
        return self.grid == other.grid and self.notes() == other.notes()

    def bars(self, steps: IntArray | None = None) -> tuple[IntArray, IntArray]:
        """The bar, numbered from 0, and the position in it, in steps, of each onset.

        ``steps`` are other times than the onsets. If a bar is not a whole number of steps,
        positions are rounded down and later bars do not drift.
        """
        steps = self.onset if steps is None else steps
        start, numerator, denominator = self.meters.T
        # exact in units of 1/denominator step
        length = 4 * self.grid * numerator
        n_bars = -(-np.diff(start) * denominator[:-1] // length[:-1])  # the last may be incomplete
        first_bar = np.concatenate([[0], np.cumsum(n_bars)])
        meter = np.maximum(0, np.searchsorted(start, steps, side="right") - 1)
        units = (steps - start[meter]) * denominator[meter]
        return (
            first_bar[meter] + units // length[meter],
            units % length[meter] // denominator[meter],
        )

    def scaled(self, factor: float) -> Piece:
        """A copy with all times, bars included, multiplied by a power of two.

        Times are rounded to the nearest step, halves up; a duration is at least 1. The order of the
        notes stays. If a meter's denominator would fall below 1, its numerator is multiplied.
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

    def first_seconds(self, seconds: float) -> Piece:
        """The first seconds from the first onset on, at the piece's tempo."""
        steps = math.ceil(seconds * self.tempo / 60 * self.grid)
        left = steps - (self.onset - self.onset[:1].sum())
        first = self.cut(0, int((left > 0).sum()))
        duration = np.minimum(first.duration, left[: len(first)])
        return replace(first, duration=duration, ends=first.ends and _same(duration, first))

    def until(self, step: int) -> Piece:
        """The notes with onsets before a step; durations end there at the latest."""
        piece = self.cut(0, int(np.searchsorted(self.onset, step)))
        duration = np.minimum(piece.duration, step - piece.onset)
        return replace(piece, duration=duration, ends=piece.ends and _same(duration, piece))

    def cut(self, start: int, stop: int) -> Piece:
        """The notes with indices ``start`` to ``stop`` (exclusive); onsets stay."""
        return replace(self.take(slice(start, stop)), ends=self.ends and stop >= len(self))

    def take(self, chosen: slice | IntArray) -> Piece:
        """The notes with these indices, ascending; onsets stay."""
        return replace(
            self,
            onset=self.onset[chosen],
            duration=self.duration[chosen],
            pitch=self.pitch[chosen],
            velocity=self.velocity[chosen],
            track=self.track[chosen],
        )


def _same(duration: IntArray, piece: Piece) -> bool:
    return np.array_equal(duration, piece.duration)


def _is_sorted(*keys: IntArray) -> bool:
    """Whether rows are sorted by the first key, then by the second, and so on."""
    tied: Any = True  # whether neighbours are equal in all previous keys
    for key in keys:
        step = np.diff(key)
        if (tied & (step < 0)).any():
            return False
        tied = tied & (step == 0)
    return True


def lengths(pieces: Sequence[Piece]) -> IntArray:
    """The number of notes of each piece, ``[N]``; packed pieces are not read for it."""
    known = getattr(pieces, "lengths", None)
    return np.array([len(p) for p in pieces], dtype=np.int64) if known is None else known


def names_of_pieces(name: str, n: int) -> list[str]:
    """The names of the ``n`` pieces of a file: its own, with a number where there are several."""
    return [f"{name}#{i + 1}" for i in range(n)] if n > 1 else [name]


def attribute(pieces: Sequence[Piece], name: str) -> IntArray:
    """All values of ``pitch``, ``duration`` or ``offset``, the time since the note before, 0 within
    a chord; the first note of a piece has no offset.
    """
    columns = [np.diff(p.onset) if name == "offset" else getattr(p, name) for p in pieces]
    return np.concatenate([np.empty(0, np.int64), *columns])


def quarters(steps: int, grid: int) -> str:
    """Steps as quarter notes, a mixed number with its fraction on a second line: 1, 1/3, 1 1/2."""
    whole, part = divmod(Fraction(steps, grid), 1)
    if not part:
        return str(whole)
    return f"{whole}\n{part}" if whole else str(part)


def windows(pieces: Sequence[Piece], length: int, count: int) -> list[Piece]:
    """``count`` excerpts of ``length`` notes, evenly spread over all pieces.

    Excerpts do not overlap; if there are fewer, all of them are returned.
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
    """See :func:`windows`; if every piece is shorter than that, the first ``count`` pieces."""
    return windows(pieces, length, count) or list(pieces[:count])
