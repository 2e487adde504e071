"""What each track plays while an event is chosen: its last note, how it moved, when it ends.

A stream of events mixes the notes of all tracks, so that the note before an event seldom is that of
its own track. These scores share what is learned of a melodic interval, and of an interval between
two tracks, among all pitches.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.networks.features.base import Feature, FeatureSequence, FeatureState
from gan_music.networks.features.history import History
from gan_music.networks.note_space import NoteSpace, Starts

N_CLASSES = 12
MAX_STEP = 12  # semitones of a track's motion that are told apart
N_STEPS = 2 * MAX_STEP + 1
MAX_INTERVAL = 48  # semitones between tracks that are told apart
N_INTERVALS = 2 * MAX_INTERVAL + 1
N_NUMBERS = 5  # of one track: height, whether it begins now, its age, what is left, whether any is
N_OF_TRACK = N_CLASSES + N_STEPS + N_NUMBERS
_LONG_AGO = -(1 << 20)  # steps, of tracks without a note

_OFFSET, _PITCH, _DURATION = 0, 1, 2  # columns of an event


class TrackNotes(NamedTuple):
    """The last note of each of ``K`` tracks before an event, int64 ``[..., K]``.

    Attributes
    ----------
    pitch : ids; ``P``, the number of pitches, stands for a rest or none.
    before : the pitch of the event before it in the same track.
    begins, ends : steps from the last onset; ``ends`` counts ties.
    """

    pitch: Tensor
    before: Tensor
    begins: Tensor
    ends: Tensor

    def observe(self, space: NoteSpace, event: Tensor) -> TrackNotes:
        """After an event, ids ``[..., C]``."""
        assert space.track_column is not None
        steps = space.offset_bins[event[..., _OFFSET]][..., None]
        length = space.duration_bins[event[..., _DURATION]][..., None]
        pitch = event[..., _PITCH, None]
        tracks = torch.arange(space.n_tracks, device=event.device)
        own = tracks == event[..., space.track_column, None]
        new = own & (pitch != space.tie)
        return TrackNotes(
            space.sounding(pitch).where(new, self.pitch),
            self.pitch.where(new, self.before),
            (self.begins - steps).masked_fill(new, 0),
            length.where(own, self.ends - steps),
        )

    def shifted(self, steps: Tensor) -> TrackNotes:
        """The same, counted from so many steps later, ``[...]``."""
        steps = steps[..., None]
        return TrackNotes(self.pitch, self.before, self.begins - steps, self.ends - steps)


def initial_tracks(space: NoteSpace, free: Tensor) -> TrackNotes:
    """Before the first event of sequences whose tracks end the notes before it at ``free [B, K]``,
    in steps from the position where they begin.
    """
    nothing = torch.full_like(free, space.n_pitches)
    return TrackNotes(nothing, nothing, torch.full_like(free, _LONG_AGO), free)


def track_notes(space: NoteSpace, inputs: Tensor) -> TrackNotes:
    """Before each event of whole sequences, ids ``[B, T, C + 2]``: fields ``[B, T, K]``."""
    assert space.track_column is not None
    known, length = inputs.clamp_min(0)[:, :-1], inputs.shape[1]
    track, pitch = known[..., space.track_column], known[..., _PITCH]
    onset = space.offset_bins[known[..., _OFFSET]].cumsum(1)
    end = onset + space.duration_bins[known[..., _DURATION]]
    step = torch.arange(length - 1, device=inputs.device)[:, None]
    own = track[..., None] == torch.arange(space.n_tracks, device=inputs.device)
    is_new = own & (pitch != space.tie)[..., None]
    # the last event of each track, after each event, ties aside and with them; -1 before the first
    last = F.pad(step.where(is_new, -1).cummax(1).values, (0, 0, 1, 0), value=-1)
    held = F.pad(step.where(own, -1).cummax(1).values, (0, 0, 1, 0), value=-1)
    now = F.pad(onset, (1, 0))[..., None]

    def at(x: Tensor, index: Tensor, none: Tensor) -> Tensor:
        x = F.pad(x, (0, 1))  # so that there is something to read in sequences of one event
        return x.gather(1, index.clamp_min(0).flatten(1)).view(index.shape).where(index >= 0, none)

    nothing = torch.full_like(last, space.n_pitches)
    sounding = space.sounding(pitch)
    found = at(sounding, last, nothing)
    # the note before each event in its track, then that of each track's last event
    mine = found[:, :-1].gather(2, track[..., None])[..., 0]
    return TrackNotes(
        found,
        at(mine, last, nothing),
        at(onset, last, now + _LONG_AGO) - now,
        at(end, held, space.starts(inputs).free[:, None].expand_as(last)) - now,
    )


class Tracks(Feature):
    """The last notes of all tracks, for events that have a track.

    Inputs are, of each track, its last pitch, how it moved to it, when it began and what is left of
    it; the interval class between any two tracks; and the next event's track where that is known.
    Scores are, of a pitch, its interval to the last note of each track, and to that of its own; and
    by interval class, whether it would move in parallel with a track that moves at the same onset.
    A known event is described by its own motion, its interval class to each track, and by parallel
    motion.
    """

    def __init__(self, space: NoteSpace) -> None:
        super().__init__()
        self.space, k = space, space.n_tracks
        pairs = k * (k - 1) // 2
        next_track = k if space.is_derived(space.track_column) else 0
        self.n_inputs = k * N_OF_TRACK + pairs * N_CLASSES + next_track
        self.n_descriptors = N_STEPS + k * N_CLASSES + N_CLASSES
        self.n_weights = [0] * space.n_categories
        self.n_weights[_PITCH] = (k + 1) * N_INTERVALS + N_CLASSES

    def sequence(self, events: Tensor, inputs: Tensor, history: History) -> TrackValues:
        return TrackValues(self.space, track_notes(self.space, inputs))

    def state(self, starts: Starts) -> TrackValues:
        return TrackValues(self.space, initial_tracks(self.space, starts.free))


class TrackValues(FeatureSequence, FeatureState):
    """The tracks before one event or before each of many."""

    def __init__(self, space: NoteSpace, notes: TrackNotes) -> None:
        self.space, self.notes = space, notes

    @torch.no_grad()
    def inputs(self, history: History) -> Tensor:
        space, notes = self.space, self.notes
        n, k = space.n_pitches, space.n_tracks
        here = notes.pitch < n
        moved = here & (notes.before < n)
        motion = (notes.pitch - notes.before).clamp(-MAX_STEP, MAX_STEP) + MAX_STEP
        numbers = torch.stack(
            [
                notes.pitch / n * here,
                (notes.begins == 0).float(),
                torch.log1p(-notes.begins / space.grid) * here,
                torch.log1p(notes.ends.clamp(0, 32 * space.grid) / space.grid),
                (notes.ends > 0).float(),
            ],
            -1,
        )
        parts = [
            (F.one_hot(notes.pitch % N_CLASSES, N_CLASSES) * here[..., None]).flatten(-2),
            (F.one_hot(motion, N_STEPS) * moved[..., None]).flatten(-2),
            numbers.flatten(-2),
        ]
        for i in range(k):
            for j in range(i + 1, k):
                both = (here[..., i] & here[..., j])[..., None]
                apart = (notes.pitch[..., i] - notes.pitch[..., j]) % N_CLASSES
                parts.append(F.one_hot(apart, N_CLASSES) * both)
        if space.is_derived(space.track_column):
            parts.append(F.one_hot(next_track(notes), k))
        return torch.cat([p.float() for p in parts], -1)

    def add_scores(
        self, category: int, logits: Tensor, weights: Tensor, history: History
    ) -> Tensor:
        if category != _PITCH:
            return logits
        space, notes = self.space, self._at_onset(history)
        k, n = space.n_tracks, space.n_pitches
        of_interval, of_parallel = weights.split([(k + 1) * N_INTERVALS, N_CLASSES], -1)
        own = self._own(notes.pitch, history)
        pitches = torch.cat([own, notes.pitch], -1)  # [..., K + 1]
        apart = torch.arange(n, device=logits.device) - pitches[..., None] + MAX_INTERVAL
        inside = (apart >= 0) & (apart < N_INTERVALS) & (pitches < n)[..., None]
        table = of_interval.unflatten(-1, (k + 1, N_INTERVALS))
        scores = table.gather(-1, apart.clamp(0, N_INTERVALS - 1)).masked_fill(~inside, 0).sum(-2)
        goal, classes, is_parallel = parallels(space, notes, own)
        found = of_parallel.gather(-1, classes) * is_parallel
        scores = scores.scatter_add(-1, goal, found.to(scores.dtype))
        return space.add_to_pitches(logits, scores)

    @torch.no_grad()
    def describe(self, events: Tensor, history: History) -> Tensor:
        space, notes = self.space, self._at_onset(history)
        n = space.n_pitches
        pitch = events[..., _PITCH, None].clamp_min(0)
        is_note = pitch < n
        own = self._own(notes.pitch, history)
        motion = (pitch - own).clamp(-MAX_STEP, MAX_STEP)[..., 0] + MAX_STEP
        moved = is_note & (own < n)
        here = is_note & (notes.pitch < n)
        apart = F.one_hot((pitch - notes.pitch) % N_CLASSES, N_CLASSES) * here[..., None]
        goal, classes, is_parallel = parallels(space, notes, own)
        hit = is_parallel & (goal == pitch)
        parts = [
            F.one_hot(motion, N_STEPS) * moved,
            apart.flatten(-2),
            (F.one_hot(classes, N_CLASSES) * hit[..., None]).sum(-2),
        ]
        return torch.cat([p.float() for p in parts], -1)

    def observe(self, event: Tensor) -> None:
        self.notes = self.notes.observe(self.space, event)

    def reorder(self, rows: Tensor) -> None:
        self.notes = TrackNotes(*(x[rows] for x in self.notes))

    def _at_onset(self, history: History) -> TrackNotes:
        """The tracks, counted from the onset of the event whose offset is chosen."""
        assert history.offset is not None
        return self.notes.shifted(self.space.offset_bins[history.offset])

    def _own(self, of_tracks: Tensor, history: History) -> Tensor:
        """What is given of each track, ``[..., K]``, of the event's own track, ``[..., 1]``."""
        assert history.track is not None
        return of_tracks.gather(-1, history.track[..., None])


def next_track(notes: TrackNotes) -> Tensor:
    """The track that is free first, ``[...]``; of several, the first."""
    return notes.ends.argmin(-1)


@torch.no_grad()
def parallels(space: NoteSpace, notes: TrackNotes, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where a track whose last pitch is ``own [..., 1]`` would move in parallel with each other
    track that moved at this onset, step 0 of ``notes``.

    Returns, ``[..., K]`` each, the pitch, the interval class (upwards from the other track), and
    whether there is such a pitch.
    """
    n = space.n_pitches
    goal = own + notes.pitch - notes.before
    moves = (notes.begins == 0) & (notes.pitch < n) & (notes.before < n)
    moves = moves & (notes.pitch != notes.before) & (own < n) & (goal >= 0) & (goal < n)
    return goal.clamp(0, n - 1), (goal - notes.pitch) % N_CLASSES, moves
