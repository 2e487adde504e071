"""Notes as events of a few categories each (ids)."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from gan_music.music.piece import COMMON_TIME, DEFAULT_TEMPO, KEYBOARD, IntArray, Piece, lengths
from gan_music.representations.base import PADDING, Decoded, DeviceTable, Representation
from gan_music.representations.meters import METERS, meter_ids
from gan_music.representations.tracks import (
    MAX_TRACKS,
    default_tracks,
    track_ids,
    tracks_from,
    usual_number,
    usual_tracks,
    velocity_varies,
)

# In 1/24 quarter note. Offsets have every step up to a quarter note, so that few onsets are
# rounded, then the values common in music; a longer rest is shortened to the largest.
_OFFSETS_24 = (
    *range(25),
    *(27, 30, 32, 33, 36, 39, 40, 42, 45, 48),
    *(54, 60, 66, 72, 84, 96, 108, 120, 144, 192),
)
_DURATIONS_24 = (
    *range(1, 13),
    *(15, 16, 18, 21, 23, 24, 30, 36, 42, 48, 60, 72, 84, 96, 120, 144, 192),
)


_VELOCITY_STEP = 4  # as in Oore et al. 2018
_LONGEST_BAR = 8  # quarter notes
_LONGEST_BIN = 8  # quarter notes, in a table from a file as in those above


class NoteEvents(Representation):
    """A note as ids: three to five categories that a model draws, and two that follow from them.

    =========  =============================================================  ====================
    category   meaning                                                        ids
    =========  =============================================================  ====================
    offset     steps since the previous event's onset, nearest bin            ``offset_bins[id]``
    pitch      MIDI number; off the piano keyboard, moved into it by octaves  ``KEYBOARD[id]``
    duration   steps, nearest bin by ratio                                    ``duration_bins[id]``
    velocity   optional: four MIDI velocities an id                           ``4 * id + 2``
    track      where there are several                                        ``id``
    position   steps since the bar began, modulo 8 quarter notes              ``id``
    meter      the bar's meter, or the one whose bar is nearest in length     ``METERS[id]``
    =========  =============================================================  ====================

    With ``ends``, a piece that ends has one more event, whose pitch is ``n_pitches``; its offset
    leads to the end of the last note.

    The first event's offset is its position in the beat. Offsets are measured from the *decoded*
    onset of the previous event, so that rounding errors do not accumulate. Position and meter
    tell a network where in the bar an event lies; :meth:`decode` uses them only for the first
    onset and for the meters.

    A batch is int64 ``[B, T, C + 2]`` for ``C`` drawn categories; padded rows are -1.

    Parameters
    ----------
    grid : steps a quarter note, at least 1.
    velocity : whether velocity is a category; otherwise every note decodes to the same velocity.
        None: where it varies in most training pieces.
    n_tracks : tracks that are told apart (:func:`gan_music.representations.tracks.track_ids`); with
        1, all notes are one stream. None: as many as the training pieces have (their median, at
        most eight).
    ends : whether the end of a piece is an event.
    """

    name = "note_events"
    folds_pitch = True
    # the largest id is a position: 8 quarter notes of at most 960 steps
    row_dtype: ClassVar[np.dtype[Any]] = np.dtype("<i2")
    n_pitches = len(KEYBOARD)
    shortest: ClassVar[int] = 1  # duration, in steps
    derived: ClassVar[tuple[str, ...]] = ()  # categories that follow from the events before

    def __init__(
        self,
        grid: int = 24,
        *,
        velocity: bool | None = False,
        n_tracks: int | None = 1,
        ends: bool = False,
    ) -> None:
        if grid < 1:
            raise ValueError(f"grid {grid}, but it must be at least 1")
        if n_tracks is not None and not 1 <= n_tracks <= MAX_TRACKS:
            raise ValueError(f"n_tracks {n_tracks}, but it must be 1 to {MAX_TRACKS}")
        self.grid = grid
        self._settings: dict[str, Any] = {"velocity": velocity, "n_tracks": n_tracks}
        self.velocity, self.n_tracks, self.ends = bool(velocity), n_tracks or 1, ends
        self.tracks = default_tracks(self.n_tracks)
        self.offset_bins = _scaled(_OFFSETS_24, grid, smallest=0)
        self.duration_bins = _scaled(_DURATIONS_24, grid, smallest=1)
        # rows of (meter's id, position of the beat, count): where training pieces begin
        self.starts = np.array([(METERS.index((4, 4)), 0, 1)])

    @property
    def names(self) -> tuple[str, ...]:
        """The ``C`` categories that a model draws, in the order of an event's columns."""
        more = ("velocity",) * self.velocity + ("track",) * (self.n_tracks > 1)
        return ("offset", "pitch", "duration", *more)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of ids of each category in ``names``."""
        more = (32,) * self.velocity + (self.n_tracks,) * (self.n_tracks > 1)
        n_ids = self.n_pitches + self.n_specials
        return (len(self.offset_bins), n_ids, len(self.duration_bins), *more)

    @property
    def n_specials(self) -> int:
        """Ids of the pitch that are no notes: an end; in other representations a rest and a tie."""
        return int(self.ends)

    @property
    def row_shape(self) -> tuple[int, ...]:
        return (len(self.names) + 2,)

    @property
    def n_positions(self) -> int:
        """The number of ids of the position."""
        return _LONGEST_BAR * self.grid

    @property
    def bars(self) -> IntArray:
        """Steps of each meter's bar, int64 ``[len(METERS)]``."""
        return np.array([max(1, round(4 * self.grid * n / d)) for n, d in METERS])

    def state(self) -> dict[str, Any]:
        tracks = [[t.name, t.program] for t in self.tracks]
        return self.table() | {"starts": self.starts.tolist(), "tracks": tracks}

    def table(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "grid": self.grid,
            "velocity": self.velocity,
            "offset_bins": self.offset_bins.tolist(),
            "duration_bins": self.duration_bins.tolist(),
        }
        if self.n_tracks > 1:
            found["n_tracks"] = self.n_tracks
        return found | ({"ends": True} if self.ends else {})

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        # checkpoints of schema 6 have neither tracks nor ends
        events = cls(
            int(state["grid"]),
            velocity=bool(state["velocity"]),
            n_tracks=int(state.get("n_tracks", 1)),
            ends=bool(state.get("ends", False)),
        )
        events._load(state)
        return events

    def _load(self, state: dict[str, Any]) -> None:
        """Take bins, starts and tracks from a state."""
        events = self
        events.tracks = tracks_from(state.get("tracks"), self.n_tracks)
        events.offset_bins = np.asarray(state["offset_bins"], dtype=np.int64)
        events.duration_bins = np.asarray(state["duration_bins"], dtype=np.int64)
        events.starts = np.asarray(state["starts"], dtype=np.int64).reshape(-1, 3)
        for name, bins, least in (
            ("offset_bins", events.offset_bins, 0),
            ("duration_bins", events.duration_bins, self.shortest),
        ):
            ascending = bins.ndim == 1 and len(bins) > 0 and (np.diff(bins) > 0).all()
            if not ascending or bins[0] < least or bins[-1] > _LONGEST_BIN * events.grid:
                raise ValueError(
                    f"{name} do not ascend from {least} or more to {_LONGEST_BIN} quarter notes"
                )
        meter, position, count = events.starts.T
        inside = (meter >= 0) & (meter < len(METERS)) & (position >= 0) & (count > 0)
        if not len(inside) or not (inside & (position < events.n_positions)).all():
            raise ValueError("starts lie in no bar")

    def resolved(self, state: dict[str, Any]) -> NoteEvents:
        taken = {k: state[k] for k in ("n_tracks", "velocity") if k in state}
        if self._settings["n_tracks"] is None:
            self._settings["n_tracks"] = self.n_tracks = int(taken.get("n_tracks", 1))
        if self._settings["velocity"] is None:
            self._settings["velocity"] = self.velocity = bool(taken.get("velocity", False))
        return self

    def fit(self, pieces: Sequence[Piece]) -> None:
        """Count in which meters, and on which beats of the bar, the training pieces begin; find out
        what the settings leave to the music.
        """
        if self._settings["n_tracks"] is None:
            self.n_tracks = usual_number(pieces)
        if self._settings["velocity"] is None:
            self.velocity = velocity_varies(pieces)
        self.tracks = usual_tracks(pieces, self.n_tracks)
        first = (self._place(p, p.onset[:1])[0].tolist() for p in pieces if len(p))
        counts = Counter((meter, x // self.grid * self.grid) for x, meter in first)
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
            raise ValueError(
                f"{piece.name!r} has a grid of {piece.grid}, the representation one of {self.grid}"
            )
        position = piece.bars()[1]
        offset = self._offsets(piece.onset, position)
        columns = [
            offset,
            fold(piece.pitch) - KEYBOARD[0],
            nearest(self.duration_bins, piece.duration, by_ratio=True),
        ]
        if self.velocity:
            columns.append(piece.velocity // _VELOCITY_STEP)
        if self.n_tracks > 1:
            columns.append(self.note_tracks(piece))
        columns += [position % self.n_positions, meter_ids(piece)]
        ids = np.stack(columns, 1)
        return self._with_end(piece, ids) if self.ends and piece.ends and len(piece) else ids

    def _place(self, piece: Piece, steps: IntArray) -> IntArray:
        """Ids of the position and of the meter at these steps, ``[N, 2]``."""
        return np.stack([piece.bars(steps)[1] % self.n_positions, meter_ids(piece, steps)], 1)

    def _with_end(self, piece: Piece, ids: IntArray) -> IntArray:
        """The ids, and the event of the end."""
        end = int((piece.onset + piece.duration).max())
        row = np.zeros((1, ids.shape[1]), np.int64)
        row[0, 0] = nearest(self.offset_bins, np.array([end - piece.onset[-1]]))[0]
        row[0, 1] = self.n_pitches
        # where the offset leads, as for all events
        step = piece.onset[-1:] + self.offset_bins[row[0, :1]]
        row[:, -2:] = self._place(piece, step)
        return np.concatenate([ids, row])

    def note_tracks(self, piece: Piece) -> IntArray:
        """The track of each note among :attr:`tracks`, ``[N]``."""
        return track_ids(piece, self.n_tracks)

    def last_onset(self, ids: IntArray, piece: Piece) -> int:
        """The onset of the last of the ids of a piece, in its steps."""
        return int(piece.onset[-1])

    def n_rows(self, pieces: Sequence[Piece]) -> IntArray:
        return lengths(pieces) + self.ends

    def decode(self, x: IntArray, *, tempo: float = DEFAULT_TEMPO, name: str = "") -> Decoded:
        """The notes of ids ``[N, C + 2]`` up to an end, from the beginning of the first event's
        bar.
        """
        ends = np.flatnonzero(x[:, 1] == self.n_pitches)
        x = x[: ends[0]] if self.ends and len(ends) else x
        onset, meters = self._times(x)
        piece = Piece.from_arrays(
            onset,
            self.duration_bins[x[:, 2]],
            x[:, 1] + KEYBOARD[0],
            velocity=x[:, 3] * _VELOCITY_STEP + 2 if self.velocity else None,
            grid=self.grid,
            meters=meters,
            tempo=tempo,
            name=name,
            track=x[:, self.names.index("track")] if self.n_tracks > 1 else None,
            tracks=self.tracks,
            ends=self.ends and len(ends) > 0,
        )
        return Decoded(piece, 0)

    def _times(self, x: IntArray) -> tuple[IntArray, list[tuple[int, int, int]]]:
        """The onsets of ids ``[N, C + 2]``, in steps from the beginning of the first event's bar,
        and the meters.
        """
        onset = np.cumsum(self.offset_bins[x[:, 0]])
        position, meter = x[:, -2], x[:, -1]
        if len(x):
            onset += position[0] - onset[0]
        meters = [(0, *METERS[meter[0]])] if len(x) else [COMMON_TIME]
        for i in np.flatnonzero(np.diff(meter)) + 1:
            start = int(onset[i] - position[i])
            if start > meters[-1][0]:
                meters.append((start, *METERS[meter[i]]))
        return onset, meters

    def augment(self, rows: Tensor, mask: Tensor, transposition: Tensor) -> Tensor:
        """See the base class; a transposition is limited to what keeps a window on the keyboard."""
        x = rows.long()
        x[:, 0, 0] = self._first_offset.on(x.device)[x[:, 0, -2]]
        pitch = x[..., 1]
        is_note = mask & (pitch < self.n_pitches)
        low = -pitch.masked_fill(~is_note, self.n_pitches).amin(1)
        high = self.n_pitches - 1 - pitch.masked_fill(~is_note, 0).amax(1)
        moved = pitch + transposition.clamp(low, high)[:, None]
        x[..., 1] = moved.where(is_note, pitch)
        return x.masked_fill_(~mask[..., None], PADDING)

    def first_offsets(self, ids: IntArray) -> IntArray:
        """The offset id of each event ``[N]`` if it is the first of a sequence."""
        return nearest(self.offset_bins, ids[:, -2] % self.grid)

    @cached_property
    def _first_offset(self) -> DeviceTable:
        """The offset id of a sequence's first event, by its position in the bar."""
        positions = np.arange(self.n_positions)
        return DeviceTable(self.first_offsets(np.stack([positions, positions], 1)))

    def _offsets(self, onset: IntArray, position: IntArray) -> IntArray:
        """Offset ids ``[N]`` of notes in order; the notes of a chord share an onset."""
        ids = np.zeros(len(onset), dtype=np.int64)  # bin 0 is 0 steps: the other notes of a chord
        if not len(onset):
            return ids
        onsets, first = np.unique(onset, return_index=True)
        clock = int(onsets[0] - position[0] % self.grid)
        steps = np.diff(onsets, prepend=clock)
        chosen = nearest(self.offset_bins, steps)
        if not np.array_equal(self.offset_bins[chosen], steps):
            chosen = self._offsets_without_drift(onsets, clock)
        ids[first] = chosen
        return ids

    def _offsets_without_drift(self, onsets: IntArray, clock: int) -> IntArray:
        """Offset ids ``[M]`` of ascending onsets; ``clock`` is the decoded time."""
        bins = self.offset_bins.tolist()
        middles = (self.offset_bins[:-1] + self.offset_bins[1:]).tolist()
        ids = np.empty(len(onsets), dtype=np.int64)
        for i, onset in enumerate(onsets.tolist()):
            if onset - clock > bins[-1]:  # shorten the rest and move all that follows
                clock = onset - bins[-1]
            # two onsets never decode to the same time, even where the clock is ahead
            ids[i] = max(0 if i == 0 else 1, bisect_left(middles, 2 * (onset - clock)))
            clock += bins[ids[i]]
        return ids


def fold(pitch: IntArray) -> IntArray:
    """MIDI numbers moved by octaves into the keyboard."""
    up = np.maximum(0, -((pitch - KEYBOARD[0]) // 12)) * 12
    down = np.maximum(0, -((KEYBOARD[-1] - pitch) // 12)) * 12
    return pitch + up - down


def nearest(bins: IntArray, values: IntArray, *, by_ratio: bool = False) -> IntArray:
    """Index of the bin nearest to each value, the lower of two at the same distance."""
    # the boundary between two bins is their mean, or by ratio their geometric mean
    if by_ratio:
        return np.searchsorted(bins[:-1] * bins[1:], values * values).astype(np.int64)
    return np.searchsorted(bins[:-1] + bins[1:], 2 * values).astype(np.int64)


def _scaled(bins: tuple[int, ...], grid: int, *, smallest: int) -> IntArray:
    scaled = np.floor(np.asarray(bins) * grid / 24 + 0.5).astype(np.int64)
    return np.unique(np.maximum(smallest, scaled))
