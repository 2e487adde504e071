"""Which notes sound while an event is chosen: the harmony that it joins, and when other notes end.

A network that reads offsets and durations would have to add them up to know which notes are held.
The scores share what is learned about one pitch against another between all pairs that are the same
interval apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.networks.features.base import (
    Feature,
    FeatureSequence,
    FeatureState,
    select,
    weighted,
)
from gan_music.networks.features.history import TIME_CONSTANTS, History
from gan_music.networks.note_space import NoteSpace, Starts

N_TIME_SCORES = 3  # scores of each choice of an offset or a duration
MAX_INTERVAL = 12  # semitones up to which signed intervals are told apart; wider ones by class
N_INTERVALS = 2 * MAX_INTERVAL + 1
N_CLASSES = 12
N_SETS = 4  # of notes: those with the same onset, held ones, this beat's, the last beat's
N_CLASS_SETS = N_SETS + len(TIME_CONSTANTS)  # X; those of the decayed pitch counts, too
N_HARMONY = N_CLASSES * N_CLASS_SETS + 2 * N_INTERVALS
_LONG_AGO = -(1 << 20)  # steps, for places without a note

_OFFSET, _PITCH, _DURATION = 0, 1, 2  # columns of an event


class RecentNotes(NamedTuple):
    """The last ``S`` notes before an event, the oldest first, int64 ``[..., S]``.

    Attributes
    ----------
    pitch : ids; ``P``, the number of pitches, stands for none.
    begins, ends : steps from the last onset.
    """

    pitch: Tensor
    begins: Tensor
    ends: Tensor

    def observe(self, space: NoteSpace, event: Tensor) -> RecentNotes:
        """After an event, ids ``[..., C]``."""
        steps = space.offset_bins[event[..., _OFFSET]][..., None]
        length = space.duration_bins[event[..., _DURATION]][..., None]
        pitch = space.sounding(event[..., _PITCH, None])
        is_note = pitch < space.n_pitches
        return RecentNotes(
            torch.cat([self.pitch[..., 1:], pitch], -1),
            torch.cat(
                [
                    self.begins[..., 1:] - steps,
                    torch.zeros_like(pitch).masked_fill(~is_note, _LONG_AGO),
                ],
                -1,
            ),
            torch.cat([self.ends[..., 1:] - steps, length.masked_fill(~is_note, _LONG_AGO)], -1),
        )

    def shifted(self, steps: Tensor) -> RecentNotes:
        """The same, counted from so many steps later, ``[...]``."""
        steps = steps[..., None]
        return RecentNotes(self.pitch, self.begins - steps, self.ends - steps)


def initial_notes(space: NoteSpace, like: Tensor, *, span: int) -> RecentNotes:
    """Before the first event of as many sequences as ``like [B]`` has."""
    pitch = like.new_full((*like.shape, span), space.n_pitches)
    long_ago = torch.full_like(pitch, _LONG_AGO)
    return RecentNotes(pitch, long_ago, long_ago)


def recent_notes(space: NoteSpace, known: Tensor, *, span: int) -> RecentNotes:
    """Before each event of whole sequences, whose ids but the last are ``known [B, T - 1, C + 2]``:
    fields ``[B, T, S]``.
    """
    begins = space.offset_bins[known[..., _OFFSET]].cumsum(1)
    ends = begins + space.duration_bins[known[..., _DURATION]]

    def last(x: Tensor, none: int) -> Tensor:
        return F.pad(x, (span, 0), value=none).unfold(1, span, 1)

    now = F.pad(begins, (1, 0))[..., None]
    pitch = space.sounding(known[..., _PITCH])
    is_note = pitch < space.n_pitches
    begins, ends = (x.masked_fill(~is_note, _LONG_AGO) for x in (begins, ends))
    return RecentNotes(
        last(pitch, space.n_pitches),
        (last(begins, _LONG_AGO) - now).clamp_min(_LONG_AGO),
        (last(ends, _LONG_AGO) - now).clamp_min(_LONG_AGO),
    )


class ActiveNotes(Feature):
    """The last ``span`` notes and whether they still sound.

    Inputs are the harmony around the last pitch. Scores are, of an offset and a duration, whether
    held notes end then; of a pitch, its intervals to the notes that share its onset, are held or
    came of late. A known event is described by the same about itself.
    """

    def __init__(self, space: NoteSpace, *, span: int) -> None:
        super().__init__()
        self.space, self.span = space, span
        self.n_inputs, self.n_descriptors = N_HARMONY, N_HARMONY + 2 * N_TIME_SCORES
        by_category = (N_TIME_SCORES, N_HARMONY, N_TIME_SCORES)
        self.n_weights = [*by_category, *[0] * (space.n_categories - len(by_category))]

    def sequence(self, events: Tensor, inputs: Tensor, history: History) -> ActiveNotesValues:
        known = inputs.clamp_min(0)[:, :-1]
        return ActiveNotesValues(self.space, recent_notes(self.space, known, span=self.span))

    def state(self, starts: Starts) -> ActiveNotesValues:
        notes = initial_notes(self.space, starts.meter, span=self.span)
        return ActiveNotesValues(self.space, notes)


class ActiveNotesValues(FeatureSequence, FeatureState):
    """The notes before one event or before each of many."""

    def __init__(self, space: NoteSpace, notes: RecentNotes) -> None:
        self.space, self.notes = space, notes

    def inputs(self, history: History) -> Tensor:
        found = harmony(self.space, self.notes, history.position, history.pitch_history)
        return relative_harmony(found, history.pitches[..., 0].clamp_max(self._n_pitches - 1))

    def add_scores(
        self, category: int, logits: Tensor, weights: Tensor, history: History
    ) -> Tensor:
        if category == _OFFSET:
            return logits + weighted(weights, offset_scores(self.space, self.notes))
        notes = self._at_onset(history)
        if category == _PITCH:
            return self.space.add_to_pitches(
                logits, harmony_scores(self._harmony(notes, history), weights)
            )
        return logits + weighted(weights, duration_scores(self.space, notes))

    def describe(self, events: Tensor, history: History) -> Tensor:
        ids, notes = events.clamp_min(0), self._at_onset(history)
        offsets, durations = (
            offset_scores(self.space, self.notes),
            duration_scores(self.space, notes),
        )
        parts = [
            relative_harmony(
                self._harmony(notes, history), ids[..., _PITCH].clamp_max(self._n_pitches - 1)
            ),
            select(offsets, ids[..., _OFFSET]),
            select(durations, ids[..., _DURATION]),
        ]
        return torch.cat(parts, -1)

    def observe(self, event: Tensor) -> None:
        self.notes = self.notes.observe(self.space, event)

    def reorder(self, rows: Tensor) -> None:
        self.notes = RecentNotes(*(x[rows] for x in self.notes))

    @property
    def _n_pitches(self) -> int:
        return self.space.n_pitches

    def _at_onset(self, history: History) -> RecentNotes:
        """The notes, counted from the onset of the event whose offset is chosen."""
        assert history.offset is not None
        return self.notes.shifted(self.space.offset_bins[history.offset])

    def _harmony(self, notes: RecentNotes, history: History) -> Harmony:
        assert history.onset is not None
        return harmony(self.space, notes, history.onset, history.pitch_history)


@torch.no_grad()
def offset_scores(space: NoteSpace, notes: RecentNotes) -> Tensor:
    """Of each offset, ``[..., N_TIME_SCORES, n]``: whether a held note ends exactly then, the share
    of held notes that sound longer, and whether all of them have ended earlier.
    """
    return _time_scores(notes, notes.ends > 0, space.offset_bins)


@torch.no_grad()
def duration_scores(space: NoteSpace, notes: RecentNotes) -> Tensor:
    """The same of each duration of a note with onset 0, against the notes that sound then."""
    return _time_scores(notes, (notes.ends > 0) & (notes.begins <= 0), space.duration_bins)


def _time_scores(notes: RecentNotes, held: Tensor, bins: Tensor) -> Tensor:
    # each end is counted in the first of the ascending bins that is not before it, if there is one
    ends = notes.ends.contiguous()
    place = torch.searchsorted(bins, ends)
    exact = bins[place.clamp_max(len(bins) - 1)] == ends
    counts = torch.zeros(*ends.shape[:-1], 2, len(bins) + 1, device=ends.device)
    kinds = torch.stack([held, held & exact], -2)
    counts.scatter_add_(-1, place[..., None, :].expand_as(kinds), kinds.to(counts.dtype))
    ended, coincides = counts[..., 0, :-1].cumsum(-1), counts[..., 1, :-1] > 0
    n_held = held.sum(-1, keepdim=True)
    longer = (n_held - ended) / n_held.clamp_min(1)
    return torch.stack([coincides.to(longer.dtype), longer, (longer == 0) & ~coincides], -2)


class Harmony(NamedTuple):
    """What sounds at an onset.

    Attributes
    ----------
    classes : ``[..., X, 12]``, by pitch class: counts of the notes that begin then, are held, began
        in the same beat, began in the beat before; and the decayed shares of each time constant.
    pitches : ``[..., 2, P + 2 MAX_INTERVAL]``, by pitch, padded on both sides: counts of the notes
        that begin then, and that are held.
    """

    classes: Tensor
    pitches: Tensor


@torch.no_grad()
def harmony(
    space: NoteSpace, notes: RecentNotes, position: Tensor, pitch_history: Tensor
) -> Harmony:
    """At step 0 of ``notes``, a position ``[...]`` in the bar, after pitches whose decayed counts
    are ``[..., M, P]``.
    """
    n_pitches = space.n_pitches
    begins, beat = notes.begins, -(position % space.grid)[..., None]
    sets = [
        begins == 0,
        (begins < 0) & (notes.ends > 0),
        begins >= beat,
        (begins >= beat - space.grid) & (begins < beat),
    ]
    counts = torch.stack(sets, -2).to(pitch_history.dtype)  # [..., N_SETS, S]
    where = notes.pitch[..., None, :].expand_as(counts)
    found = counts.new_zeros(*counts.shape[:-1], n_pitches + 2 * MAX_INTERVAL + 1)
    found = found.scatter_add_(-1, where + MAX_INTERVAL, counts)[..., :-1]
    # places without a note, at pitch P, count 0: they began too long ago
    shares = pitch_history / pitch_history.sum(-1, keepdim=True).clamp_min(1e-3)
    pitches = torch.cat([found[..., MAX_INTERVAL : MAX_INTERVAL + n_pitches], shares], -2)
    padded = F.pad(pitches, (0, -n_pitches % N_CLASSES))
    return Harmony(padded.unflatten(-1, (-1, N_CLASSES)).sum(-2), found[..., :2, :])


@torch.no_grad()
def relative_harmony(found: Harmony, pitch: Tensor) -> Tensor:
    """The harmony relative to a pitch ``[...]``, by interval class and by interval:
    ``[..., N_HARMONY]``.
    """
    steps = torch.arange(N_CLASSES, device=pitch.device)
    classes = (pitch[..., None, None] - steps) % N_CLASSES
    by_class = found.classes.gather(-1, classes.expand_as(found.classes))
    steps = torch.arange(2 * MAX_INTERVAL, -1, -1, device=pitch.device)
    where = (pitch[..., None, None] + steps).expand(*found.pitches.shape[:-1], -1)
    return torch.cat([by_class.flatten(-2), found.pitches.gather(-1, where).flatten(-2)], -1)


def harmony_scores(found: Harmony, weights: Tensor) -> Tensor:
    """:func:`relative_harmony` of every pitch times weights ``[..., N_HARMONY]``: ``[..., P]``."""
    n_sets = found.classes.shape[-2]
    of_class, of_interval = weights.split([N_CLASSES * n_sets, 2 * N_INTERVALS], -1)
    steps = torch.arange(N_CLASSES, device=weights.device)
    turned = found.classes[..., (steps[:, None] - steps) % N_CLASSES]  # [..., X, class, interval]
    by_class = torch.einsum(
        "...xci,...xi->...c",
        turned.to(weights.dtype),
        of_class.unflatten(-1, (n_sets, N_CLASSES)),
    )
    of_interval = of_interval.unflatten(-1, (2, N_INTERVALS)).float()
    n_pitches = found.pitches.shape[-1] - 2 * MAX_INTERVAL
    # a convolution whose kernel differs between events; what wraps around at n lands below
    # 2 MAX_INTERVAL, which is cut off
    n = n_pitches + 2 * MAX_INTERVAL
    product = torch.fft.rfft(found.pitches, n) * torch.fft.rfft(of_interval, n)
    by_interval = torch.fft.irfft(product.sum(-2), n)[..., 2 * MAX_INTERVAL :]
    pitch = torch.arange(n_pitches, device=weights.device)
    return by_class[..., pitch % N_CLASSES] + by_interval
