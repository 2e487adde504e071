"""Notes <-> events: three categories a note, both ways, by one table."""

from __future__ import annotations

from typing import Any

import numpy as np

from gan_music.notes import DEFAULT_TEMPO, IntArray, Piece

# In 1/24 quarter. Offsets: every step up to a quarter, so that hardly an onset is moved, then the
# values that music uses; a rest beyond the largest is shortened to it.
_OFFSETS_24 = (*range(25), 27, 30, 33, 36, 39, 42, 45, 48, 54, 60, 66, 72, 84, 96, 120, 144, 192)
_DURATIONS_24 = (
    *range(1, 13),
    15,
    16,
    18,
    21,
    23,
    24,
    30,
    36,
    42,
    48,
    60,
    72,
    84,
    96,
    120,
    144,
    192,
)


class EventCodec:
    """A note as the ids of (offset, pitch, duration).

    =========  =============================================================  ===================
    category   meaning                                                        ids
    =========  =============================================================  ===================
    offset     steps since the last event's onset, nearest bin                ``offset_bins[id]``
    pitch      MIDI number; outside the keyboard, moved in by octaves         ``lowest_pitch + id``
    duration   steps, nearest bin by ratio                                    ``duration_bins[id]``
    =========  =============================================================  ===================

    The clock starts on a beat: the first event's offset is its position in the beat, so a sequence
    knows where in the beat it is without a further category. Offsets are measured from where the
    last event was *decoded*, so an error of rounding never adds up.

    Parameters
    ----------
    grid : steps a quarter note, at least 1.
    """

    lowest_pitch = 21
    n_pitches = 88
    names = ("offset", "pitch", "duration")

    def __init__(self, grid: int = 24) -> None:
        if grid < 1:
            raise ValueError(f"grid {grid}, but it must be at least 1")
        self.grid = grid
        self.offset_bins = _scaled(_OFFSETS_24, grid, smallest=0)
        self.duration_bins = _scaled(_DURATIONS_24, grid, smallest=1)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many ids offset, pitch and duration have."""
        return len(self.offset_bins), self.n_pitches, len(self.duration_bins)

    def state(self) -> dict[str, Any]:
        """All that :meth:`from_state` needs, as plain values."""
        return {
            "grid": self.grid,
            "offset_bins": self.offset_bins.tolist(),
            "duration_bins": self.duration_bins.tolist(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> EventCodec:
        """The codec that wrote ``state``, whatever bins this version would choose."""
        codec = cls(int(state["grid"]))
        codec.offset_bins = np.asarray(state["offset_bins"], dtype=np.int64)
        codec.duration_bins = np.asarray(state["duration_bins"], dtype=np.int64)
        return codec

    def encode(self, piece: Piece) -> IntArray:
        """Ids of a piece's notes, int64 ``[N, 3]``.

        Raises
        ------
        ValueError
            If the piece is on another grid.
        """
        if piece.grid != self.grid:
            raise ValueError(f"{piece.name!r} has a grid of {piece.grid}, the codec of {self.grid}")
        ids = np.empty((len(piece), 3), dtype=np.int64)
        ids[:, 1] = self._fold(piece.pitch) - self.lowest_pitch
        ids[:, 2] = nearest(self.duration_bins, piece.duration, by_ratio=True)
        if not len(piece):
            return ids
        onsets, group = np.unique(piece.onset, return_inverse=True)
        ids[:, 0] = 0  # the offset's bin 0 is 0: a chord's further notes
        _, first = np.unique(group, return_index=True)
        clock = int(onsets[0]) // self.grid * self.grid
        offsets = np.empty(len(onsets), dtype=np.int64)
        for i, onset in enumerate(onsets.tolist()):
            offset = onset - clock
            if offset > self.offset_bins[-1]:  # a long rest is shortened for good: all moves up
                clock += offset - int(self.offset_bins[-1])
                offset = int(self.offset_bins[-1])
            # later onsets never share an event's time, even where the clock runs ahead
            low = 0 if i == 0 else 1
            choice = low + int(nearest(self.offset_bins[low:], np.array([offset]))[0])
            offsets[i] = choice
            clock += int(self.offset_bins[choice])
        ids[first, 0] = offsets
        return ids

    def decode(self, ids: IntArray, *, tempo: float = DEFAULT_TEMPO, name: str = "") -> Piece:
        """The notes of ids ``[N, 3]``: the inverse of :meth:`encode` up to its rounding."""
        return Piece.from_arrays(
            self.onsets(ids),
            self.duration_bins[ids[:, 2]],
            ids[:, 1] + self.lowest_pitch,
            grid=self.grid,
            tempo=tempo,
            name=name,
        )

    def onsets(self, ids: IntArray) -> IntArray:
        """Onsets of ids ``[..., N, 3]`` in steps from the beat where the clock starts."""
        return np.cumsum(self.offset_bins[ids[..., 0]], axis=-1)

    def first_offsets(self, ids: IntArray) -> IntArray:
        """For each event ``[N]``, the offset's id that it takes where a sequence begins with it."""
        return nearest(self.offset_bins, self.onsets(ids) % self.grid)

    def _fold(self, pitch: IntArray) -> IntArray:
        low, high = self.lowest_pitch, self.lowest_pitch + self.n_pitches - 1
        up = np.maximum(0, -((pitch - low) // 12)) * 12
        down = np.maximum(0, -((high - pitch) // 12)) * 12
        return pitch + up - down


def nearest(bins: IntArray, values: IntArray, *, by_ratio: bool = False) -> IntArray:
    """Index of the bin nearest to each value, the lower of two at the same distance."""
    if by_ratio:
        distance = np.abs(np.log(values)[:, None] - np.log(bins))
    else:
        distance = np.abs(values[:, None] - bins)
    return distance.argmin(axis=1).astype(np.int64)


def _scaled(bins: tuple[int, ...], grid: int, *, smallest: int) -> IntArray:
    scaled = np.floor(np.asarray(bins) * grid / 24 + 0.5).astype(np.int64)
    return np.unique(np.maximum(smallest, scaled))
