"""Notes <-> events: a few categories a note, both ways, by one table."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from gan_music.music.piece import COMMON_TIME, DEFAULT_TEMPO, IntArray, Piece

# In 1/24 quarter. Offsets: every step up to a quarter, so that hardly an onset is moved, then the
# values that music uses; a rest beyond the largest is shortened to it.
_OFFSETS_24 = (
    *range(25),
    *(27, 30, 32, 33, 36, 39, 40, 42, 45, 48),
    *(54, 60, 66, 72, 84, 96, 108, 120, 144, 192),
)
_DURATIONS_24 = (
    *range(1, 13),
    *(15, 16, 18, 21, 23, 24, 30, 36, 42, 48, 60, 72, 84, 96, 120, 144, 192),
)


# Bars that can be asked for; any other counts as the one whose bar is nearest in length.
METERS = (
    *((n, 4) for n in (1, 2, 3, 4, 5, 6)),
    *((n, 2) for n in (2, 3, 4)),
    *((n, 8) for n in (2, 3, 4, 5, 6, 7, 9, 12)),
    *((n, 16) for n in (3, 6, 9, 12)),
)
_VELOCITY_STEP = 4  # as in Oore et al. 2018
_LONGEST_BAR = 8  # quarters
_LONGEST = 2**24  # steps that an id can stand for, in a table from elsewhere


class NoteEvents:
    """A note as ids: three or four categories that are chosen, and two that follow from them.

    =========  =============================================================  ====================
    category   meaning                                                        ids
    =========  =============================================================  ====================
    offset     steps since the last event's onset, nearest bin                ``offset_bins[id]``
    pitch      MIDI number; outside the keyboard, moved in by octaves         ``lowest_pitch + id``
    duration   steps, nearest bin by ratio                                    ``duration_bins[id]``
    velocity   only if asked for: four MIDI velocities an id                  ``4 * id + 2``
    position   steps since the bar began; beyond 8 quarters, from 0 again     ``id``
    meter      the bar's, or else the one whose bar is nearest in length      ``METERS[id]``
    =========  =============================================================  ====================

    The clock starts on a beat: the first event's offset is its position in the beat. Offsets are
    measured from where the last event was *decoded*, so an error of rounding never adds up.
    Position and meter tell a network where in the bar an event lies; decoding needs them only to
    begin where the first event began, and to write bars.

    Parameters
    ----------
    grid : steps a quarter note, at least 1.
    velocity : whether a note's velocity is a category too; otherwise all decode to one.
    """

    lowest_pitch = 21
    n_pitches = 88

    def __init__(self, grid: int = 24, *, velocity: bool = False) -> None:
        if grid < 1:
            raise ValueError(f"grid {grid}, but it must be at least 1")
        self.grid = grid
        self.velocity = velocity
        self.offset_bins = _scaled(_OFFSETS_24, grid, smallest=0)
        self.duration_bins = _scaled(_DURATIONS_24, grid, smallest=1)
        # (meter's id, position of the beat, how often) that training pieces begin with
        self.starts = np.array([(METERS.index((4, 4)), 0, 1)])

    @property
    def names(self) -> tuple[str, ...]:
        """The categories that are chosen, in the order of an event's columns."""
        return ("offset", "pitch", "duration", "velocity")[: 3 + self.velocity]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many ids each of ``names`` has."""
        sizes = (len(self.offset_bins), self.n_pitches, len(self.duration_bins), 32)
        return sizes[: 3 + self.velocity]

    @property
    def n_positions(self) -> int:
        """How many ids the position has."""
        return _LONGEST_BAR * self.grid

    @property
    def bars(self) -> IntArray:
        """Steps of each meter's bar, int64 ``[len(METERS)]``."""
        return np.array([max(1, round(4 * self.grid * n / d)) for n, d in METERS])

    def state(self) -> dict[str, Any]:
        """All that :meth:`from_state` needs, as plain values."""
        return {
            "grid": self.grid,
            "velocity": self.velocity,
            "offset_bins": self.offset_bins.tolist(),
            "duration_bins": self.duration_bins.tolist(),
            "starts": self.starts.tolist(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> NoteEvents:
        """The codec that wrote ``state``, whatever bins this version would choose.

        Raises
        ------
        ValueError
            If a table is none that a codec writes.
        """
        codec = cls(int(state["grid"]), velocity=bool(state["velocity"]))
        codec.offset_bins = np.asarray(state["offset_bins"], dtype=np.int64)
        codec.duration_bins = np.asarray(state["duration_bins"], dtype=np.int64)
        codec.starts = np.asarray(state["starts"], dtype=np.int64).reshape(-1, 3)
        for name, bins, least in (
            ("offset_bins", codec.offset_bins, 0),
            ("duration_bins", codec.duration_bins, 1),
        ):
            ascending = bins.ndim == 1 and len(bins) > 0 and (np.diff(bins) > 0).all()
            if not ascending or bins[0] < least or bins[-1] > _LONGEST:
                raise ValueError(f"{name} do not ascend from {least} or more")
        meter, position, count = codec.starts.T
        inside = (meter >= 0) & (meter < len(METERS)) & (position >= 0) & (count > 0)
        if not len(inside) or not (inside & (position < codec.n_positions)).all():
            raise ValueError("starts lie in no bar")
        return codec

    def fit_starts(self, pieces: Iterable[Piece]) -> None:
        """Remember in which meters, and on which beats of the bar, pieces begin."""
        first = (self.encode(p.cut(0, 1))[0].tolist() for p in pieces if len(p))
        counts = Counter((ids[-1], ids[-2] // self.grid * self.grid) for ids in first)
        if counts:
            self.starts = np.array([(*start, n) for start, n in sorted(counts.items())])

    def encode(self, piece: Piece) -> IntArray:
        """Ids of a piece's notes, int64 ``[N, len(names) + 2]``.

        Raises
        ------
        ValueError
            If the piece is on another grid.
        """
        if piece.grid != self.grid:
            raise ValueError(f"{piece.name!r} has a grid of {piece.grid}, the codec of {self.grid}")
        position = piece.bars()[1]
        columns = [
            self._offsets(piece.onset, position),
            self._fold(piece.pitch) - self.lowest_pitch,
            nearest(self.duration_bins, piece.duration, by_ratio=True),
        ]
        if self.velocity:
            columns.append(piece.velocity // _VELOCITY_STEP)
        columns += [position % self.n_positions, _meter_ids(piece)]
        return np.stack(columns, 1)

    def decode(self, ids: IntArray, *, tempo: float = DEFAULT_TEMPO, name: str = "") -> Piece:
        """The notes of ids ``[N, len(names) + 2]``: the inverse of :meth:`encode` up to rounding.

        The piece begins with the bar that its first event lies in.
        """
        onset = np.cumsum(self.offset_bins[ids[:, 0]])
        position, meter = ids[:, -2], ids[:, -1]
        if len(ids):
            onset += position[0] - onset[0]
        meters = [(0, *METERS[meter[0]])] if len(ids) else [COMMON_TIME]
        for i in np.flatnonzero(np.diff(meter)) + 1:
            start = int(onset[i] - position[i])
            if start > meters[-1][0]:
                meters.append((start, *METERS[meter[i]]))
        return Piece.from_arrays(
            onset,
            self.duration_bins[ids[:, 2]],
            ids[:, 1] + self.lowest_pitch,
            velocity=ids[:, 3] * _VELOCITY_STEP + 2 if self.velocity else None,
            grid=self.grid,
            meters=meters,
            tempo=tempo,
            name=name,
        )

    def first_offsets(self, ids: IntArray) -> IntArray:
        """For each event ``[N]``, the offset's id that it takes where a sequence begins with it."""
        return nearest(self.offset_bins, ids[:, -2] % self.grid)

    def n_folded(self, piece: Piece) -> int:
        """How many notes lie outside the keyboard and are moved."""
        return int((self._fold(piece.pitch) != piece.pitch).sum())

    def _offsets(self, onset: IntArray, position: IntArray) -> IntArray:
        """Offset ids ``[N]`` of notes in order; those of a chord share an onset."""
        ids = np.zeros(len(onset), dtype=np.int64)  # bin 0 is 0: a chord's further notes
        if not len(onset):
            return ids
        onsets, first = np.unique(onset, return_index=True)
        clock = int(onsets[0] - position[0] % self.grid)
        steps = np.diff(onsets, prepend=clock)
        chosen = nearest(self.offset_bins, steps)
        if not np.array_equal(self.offset_bins[chosen], steps):
            chosen = self._without_drift(onsets, clock)
        ids[first] = chosen
        return ids

    def _without_drift(self, onsets: IntArray, clock: int) -> IntArray:
        bins = self.offset_bins.tolist()
        middles = (self.offset_bins[:-1] + self.offset_bins[1:]).tolist()
        ids = np.empty(len(onsets), dtype=np.int64)
        for i, onset in enumerate(onsets.tolist()):
            if onset - clock > bins[-1]:  # a long rest is shortened for good: all moves up
                clock = onset - bins[-1]
            # later onsets never share an event's time, even where the clock runs ahead
            ids[i] = max(0 if i == 0 else 1, bisect_left(middles, 2 * (onset - clock)))
            clock += bins[ids[i]]
        return ids

    def _fold(self, pitch: IntArray) -> IntArray:
        low, high = self.lowest_pitch, self.lowest_pitch + self.n_pitches - 1
        up = np.maximum(0, -((pitch - low) // 12)) * 12
        down = np.maximum(0, -((high - pitch) // 12)) * 12
        return pitch + up - down


def meter_id(numerator: int, denominator: int) -> int:
    """The id of a meter, or of the one whose bar is nearest in length by ratio."""
    if (numerator, denominator) in METERS:
        return METERS.index((numerator, denominator))
    length = math.log(numerator / denominator)
    return min(
        range(len(METERS)), key=lambda i: abs(math.log(METERS[i][0] / METERS[i][1]) - length)
    )


def _meter_ids(piece: Piece) -> IntArray:
    ids = np.array([meter_id(n, d) for _, n, d in piece.meters.tolist()])
    index = np.searchsorted(piece.meters[:, 0], piece.onset, side="right") - 1
    return ids[np.maximum(0, index)]


def nearest(bins: IntArray, values: IntArray, *, by_ratio: bool = False) -> IntArray:
    """Index of the bin nearest to each value, the lower of two at the same distance."""
    # between two neighbours, the middle decides: their mean, or their geometric mean
    if by_ratio:
        return np.searchsorted(bins[:-1] * bins[1:], values * values).astype(np.int64)
    return np.searchsorted(bins[:-1] + bins[1:], 2 * values).astype(np.int64)


def _scaled(bins: tuple[int, ...], grid: int, *, smallest: int) -> IntArray:
    scaled = np.floor(np.asarray(bins) * grid / 24 + 0.5).astype(np.int64)
    return np.unique(np.maximum(smallest, scaled))
