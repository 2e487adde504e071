"""Voices as chains of notes and rests; the next event is that of the voice that is free first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from itertools import zip_longest
from typing import Any, Self

import numpy as np
from torch import Tensor

from gan_music.music.piece import DEFAULT_TEMPO, KEYBOARD, IntArray, Piece, Track
from gan_music.representations.base import PADDING, Decoded, DeviceTable
from gan_music.representations.note_events import NoteEvents, fold
from gan_music.representations.tracks import MAX_TRACKS, tracks_from
from gan_music.representations.voice_layout import (
    chains,
    choose_layout,
    fits,
    used_tracks,
    voices_needed,
)

_PITCH, _DURATION, _TRACK = 1, 2, 3  # columns of an event

Event = tuple[int, int, int, int, int]  # onset, voice, place in a chord, pitch, duration
_LAST = 1 << 30  # place


class Voices(NoteEvents):
    """An event of a voice as ids: two categories that a model draws, and four that follow.

    =========  =============================================================  ====================
    category   meaning                                                        ids
    =========  =============================================================  ====================
    offset     steps since the previous event's onset                         steps
    pitch      a note, as in note events; the end; a rest; a tie              88 ids; 88; 89; 90
    duration   0 of all notes of a chord but the last; steps                  ``duration_bins[id]``
    track      the voice, from the highest                                    ``id``
    position   as in note events                                              ``id``
    meter      as in note events                                              ``METERS[id]``
    =========  =============================================================  ====================

    Each voice is a chain of notes and rests without gaps, whose next event begins when the last one
    ends. So the next event of all voices is that of the voice that is free first (of several, the
    highest): its voice and its onset need not be drawn. All voices end together, with one event
    whose pitch is the end. A duration without an id is that of a note and of ties, or of rests.

    The notes of a chord share the duration of the last one. A track takes as many voices as there
    are notes or chords that overlap; which track has how many is taken from the training pieces. A
    piece that needs others is refused.

    Parameters
    ----------
    grid : steps a quarter note, at least 1.
    max_voices : 1 to 8; a piece that needs more is refused.
    """

    name = "voices"
    unit = "events"
    derived = ("offset", "track")
    shortest = 0

    def __init__(self, grid: int = 24, *, max_voices: int = MAX_TRACKS) -> None:
        if not 1 <= max_voices <= MAX_TRACKS:
            raise ValueError(f"max_voices {max_voices}, but it must be 1 to {MAX_TRACKS}")
        super().__init__(grid, ends=True)
        self.max_voices = max_voices
        self.layout = (1,) * max_voices  # voices of each track
        self._has_layout = False  # which data do not change
        self.offset_bins = np.arange(int(self.duration_bins[-1]) + 1)
        self.duration_bins = np.concatenate([[0], self.duration_bins])
        self.tracks = tuple(Track() for _ in self.layout)
        # lowest and highest pitch of each voice in the training pieces
        self.ranges = np.array([(0, self.n_pitches - 1)] * self.n_voices)

    @property
    def n_voices(self) -> int:
        return sum(self.layout)

    @property
    def names(self) -> tuple[str, ...]:
        return ("offset", "pitch", "duration", "track")

    @property
    def sizes(self) -> tuple[int, ...]:
        n_ids = self.n_pitches + self.n_specials
        return (len(self.offset_bins), n_ids, len(self.duration_bins), self.n_voices)

    @property
    def n_specials(self) -> int:
        return 3

    @property
    def rest(self) -> int:
        return self.n_pitches + 1

    @property
    def tie(self) -> int:
        return self.n_pitches + 2

    def table(self) -> dict[str, Any]:
        return {
            "grid": self.grid,
            "layout": list(self.layout),
            "duration_bins": self.duration_bins.tolist(),
        }

    def state(self) -> dict[str, Any]:
        return self.table() | {
            "starts": self.starts.tolist(),
            "tracks": [[t.name, t.program] for t in self.tracks],
            "ranges": self.ranges.tolist(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        layout = tuple(state["layout"])
        if not all(type(n) is int and n >= 1 for n in layout) or sum(layout) > MAX_TRACKS:
            raise ValueError(f"a layout of {layout}")
        voices = cls(int(state["grid"]), max_voices=sum(layout))
        voices.layout = layout
        duration = np.asarray(state["duration_bins"], dtype=np.int64)
        if duration.ndim != 1 or duration[:2].tolist() != [0, 1]:
            raise ValueError("duration_bins do not begin with 0 and 1")
        offset = np.arange(int(duration[-1]) + 1)
        voices._load(state | {"offset_bins": offset, "tracks": None})
        voices.tracks = tracks_from(state.get("tracks"), len(layout))
        voices.ranges = np.asarray(state["ranges"], dtype=np.int64).reshape(-1, 2)
        if len(voices.ranges) != voices.n_voices:
            raise ValueError(f"ranges of {len(voices.ranges)} voices")
        return voices

    def resolved(self, state: dict[str, Any]) -> Voices:
        found = type(self).from_state(state)
        found._has_layout = True
        return found if found.n_voices <= self.max_voices else self

    def fit(self, pieces: Sequence[Piece]) -> None:
        """Find the voices of each track, their ranges, and where the training pieces begin."""
        needs = [voices_needed(p) for p in pieces]
        if not self._has_layout:
            self.layout = choose_layout(Counter(needs), self.max_voices)
        own = [p for p in pieces if self.refuses(p) is None]
        names = [Counter[Track]() for _ in self.layout]
        low = np.full(self.n_voices, self.n_pitches - 1)
        high = np.zeros(self.n_voices, np.int64)
        starts: Counter[tuple[int, int]] = Counter()
        for piece in own:
            x = self.encode(piece)
            for k in range(self.n_voices):
                pitch = x[(x[:, _TRACK] == k) & (x[:, _PITCH] < self.n_pitches), _PITCH]
                if len(pitch):
                    low[k], high[k] = min(low[k], pitch.min()), max(high[k], pitch.max())
            starts[int(x[0, -1]), int(x[0, -2]) // self.grid * self.grid] += 1
            for counter, number in zip(names, used_tracks(piece, len(self.layout)), strict=True):
                track = piece.tracks[number]
                counter[Track(track.name[:100], track.program)] += 1
        self.tracks = tuple(c.most_common(1)[0][0] if c else Track() for c in names)
        self.ranges = np.stack([np.minimum(low, high), np.maximum(low, high)], 1)
        if starts:
            self.starts = np.array([(*start, n) for start, n in sorted(starts.items())])

    def refuses(self, piece: Piece) -> str | None:
        if fits(need := voices_needed(piece, len(self.layout)), self.layout):
            return None
        needed, found = (", ".join(map(str, n)) for n in (need, self.layout))
        return (
            f"its tracks need {needed} voices, and those of most training pieces {found} "
            "(representation.max_voices bounds their sum)"
        )

    def encode(self, piece: Piece) -> IntArray:
        """Ids of a piece's events, int64 ``[N, 6]``.

        Raises
        ------
        ValueError
            If the piece is on another grid, or needs other voices.
        """
        if piece.grid != self.grid:
            raise ValueError(
                f"{piece.name!r} has a grid of {piece.grid}, the representation one of {self.grid}"
            )
        if why := self.refuses(piece):
            raise ValueError(f"{piece.name!r}: {why}")
        if not len(piece):
            return np.empty((0, 6), np.int64)
        first, end = int(piece.onset[0]), int((piece.onset + piece.duration).max())
        pitch = fold(piece.pitch) - KEYBOARD[0]
        voice = self._voice_of_notes(piece)
        events: list[Event] = []
        free = []
        for k in range(self.n_voices):
            own = np.flatnonzero(voice == k)
            own = own[np.lexsort((-pitch[own], piece.onset[own]))]
            now = first
            of_notes = (piece.onset[own], piece.duration[own], pitch[own])
            notes = list(zip(*(c.tolist() for c in of_notes), strict=True))
            for (onset, duration, note), after in zip_longest(notes, notes[1:]):
                events += self._chain(now, onset - now, k, self.rest)
                if after is not None and after[0] == onset:
                    events.append((onset, k, len(events), note, 0))
                else:
                    events += self._chain(onset, duration, k, note)
                    now = onset + duration
            free.append(now)
        # an excerpt does not tell what follows the last note of a voice
        stop = end if piece.ends else max(onset for onset, *_ in events)
        for k, now in enumerate(free):
            events += self._chain(now, stop - now, k, self.rest)
        if piece.ends:
            events.append((end, 0, 0, self.n_pitches, 1))
        events.sort()
        onset, track, _, ids, duration = np.array(events).T
        columns = [
            np.diff(onset, prepend=onset[0]),
            ids,
            np.searchsorted(self.duration_bins, duration),
            track,
        ]
        return np.concatenate([np.stack(columns, 1), self._place(piece, onset)], 1)

    def decode(self, x: IntArray, *, tempo: float = DEFAULT_TEMPO, name: str = "") -> Decoded:
        """The notes of ids ``[N, 6]`` up to an end, from the beginning of the first event's bar."""
        ends = np.flatnonzero(x[:, _PITCH] == self.n_pitches)
        x = x[: ends[0]] if len(ends) else x
        onset, meters = self._times(x)
        notes: list[list[int]] = []  # onset, duration, pitch, voice
        chords: dict[int, list[list[int]]] = {}  # the last of each voice; its duration may be 0 yet
        events = (onset, self.duration_bins[x[:, _DURATION]], x[:, _PITCH], x[:, _TRACK])
        for start, duration, pitch, voice in zip(*(c.tolist() for c in events), strict=True):
            chord = chords.setdefault(voice, [])
            is_open = bool(chord) and chord[-1][1] == 0
            if pitch < self.n_pitches:
                chord = chords[voice] = chord if is_open else []
                chord.append([start, 0, pitch + KEYBOARD[0], voice])
                notes.append(chord[-1])
            elif pitch != self.tie and not is_open:
                chord = chords[voice] = []
            for note in chord:
                note[1] += duration
        notes = [note for note in notes if note[1]]
        columns = np.array(notes, dtype=np.int64).reshape(-1, 4).T
        piece = Piece.from_arrays(
            *columns[:3],
            grid=self.grid,
            meters=meters,
            tempo=tempo,
            name=name,
            track=np.repeat(np.arange(len(self.layout)), self.layout)[columns[3]],
            tracks=self.tracks,
            ends=len(ends) > 0,
        )
        return Decoded(piece, 0)

    def note_tracks(self, piece: Piece) -> IntArray:
        return np.searchsorted(used_tracks(piece, len(self.layout)), piece.track)

    def last_onset(self, ids: IntArray, piece: Piece) -> int:
        return int(piece.onset[0] + self.offset_bins[ids[:, 0]].sum())

    def n_rows(self, pieces: Sequence[Piece]) -> IntArray:
        return np.array([len(self.encode(p)) for p in pieces], dtype=np.int64)

    def augment(self, rows: Tensor, mask: Tensor, transposition: Tensor) -> Tensor:
        """See the base class; a transposition is limited to what keeps each voice in its range."""
        x = rows.long()
        x[:, 0, 0].zero_()
        pitch, track = x[..., _PITCH], x[..., _TRACK]
        is_note = mask & (pitch < self.n_pitches)
        ranges = self._ranges.on(x.device)[track]
        low = (ranges[..., 0] - pitch).masked_fill(~is_note, -self.n_pitches).amax(1).clamp_max(0)
        high = (ranges[..., 1] - pitch).masked_fill(~is_note, self.n_pitches).amin(1).clamp_min(0)
        moved = pitch + transposition.clamp(low, high)[:, None]
        x[..., _PITCH] = moved.where(is_note, pitch)
        return x.masked_fill_(~mask[..., None], PADDING)

    @cached_property
    def _ranges(self) -> DeviceTable:
        return DeviceTable(self.ranges)

    def _chain(self, onset: int, steps: int, voice: int, pitch: int) -> list[Event]:
        """The events of a note or a rest of so many steps."""
        events: list[Event] = []
        while steps > 0:
            length = int(
                self.duration_bins[np.searchsorted(self.duration_bins, steps, "right") - 1]
            )
            events.append((onset, voice, _LAST, pitch, length))
            onset, steps = onset + length, steps - length
            pitch = self.rest if pitch == self.rest else self.tie
        return events

    def _voice_of_notes(self, piece: Piece) -> IntArray:
        """The voice of each note, ``[N]``."""
        voice = np.zeros(len(piece), np.int64)
        first = 0
        for number, n in zip(used_tracks(piece, len(self.layout)), self.layout, strict=True):
            own = np.flatnonzero(piece.track == number)
            voice[own] = first + chains(piece, own)
            first += n
        return voice
