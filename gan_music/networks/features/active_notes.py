"""What sounds while a note is chosen: the harmony that it joins, and when its neighbours end.

A network that reads offsets and durations would have to add them up to know which notes are still
held. It is told: which pitches began with the next note or are held into it, and which choices of
an offset or a duration would meet the end of a held note. What it learns of one pitch against
another holds for all that are as far apart.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gan_music.networks.note_space import NoteSpace

N_TIMES = 3  # what is known of each choice of a time
NEAR = 12  # semitones: intervals up to this are told apart, wider ones by their class
_N_NEAR = 2 * NEAR + 1
_CLASSES = 12
N_SETS = 4  # of notes: those that begin with it, held ones, this beat's, the last beat's
_LONG_AGO = -(1 << 20)  # steps: where there is no note

_OFFSET, _PITCH, _DURATION = 0, 1, 2


def n_around(n_memories: int) -> int:
    """How many numbers :func:`around` gives."""
    return _CLASSES * (N_SETS + n_memories) + 2 * _N_NEAR


class ActiveNotes(NamedTuple):
    """The last ``S`` notes before an event, the oldest first, int64 ``[..., S]``.

    Attributes
    ----------
    pitch : ids; ``P``, the number of pitches, stands for none.
    begins, ends : steps from the last onset.
    """

    pitch: Tensor
    begins: Tensor
    ends: Tensor

    def after(self, space: NoteSpace, chosen: Tensor) -> ActiveNotes:
        """An event later: ids ``[..., C]`` of the one that came."""
        if not self.pitch.shape[-1]:
            return self
        steps = space.offset_bins[chosen[..., _OFFSET]][..., None]
        length = space.duration_bins[chosen[..., _DURATION]][..., None]
        return ActiveNotes(
            torch.cat([self.pitch[..., 1:], chosen[..., _PITCH, None]], -1),
            torch.cat([self.begins[..., 1:] - steps, torch.zeros_like(steps)], -1),
            torch.cat([self.ends[..., 1:] - steps, length], -1),
        )

    def moved(self, steps: Tensor) -> ActiveNotes:
        """The same, counted from so many steps later, ``[...]``."""
        steps = steps[..., None]
        return ActiveNotes(self.pitch, self.begins - steps, self.ends - steps)


def nothing_sounds(space: NoteSpace, like: Tensor, *, span: int) -> ActiveNotes:
    """Before the first event of sequences, one for each of ``like``, ``[B]``."""
    pitch = like.new_full((*like.shape, span), space.sizes[_PITCH])
    long_ago = torch.full_like(pitch, _LONG_AGO)
    return ActiveNotes(pitch, long_ago, long_ago)


def all_sounding(space: NoteSpace, known: Tensor, *, span: int) -> ActiveNotes:
    """Before each event of whole windows, and the one after them: known ids ``[B, T - 1, C + 2]``
    -> fields ``[B, T, S]``.
    """
    if not span:
        return nothing_sounds(space, known.new_zeros(len(known), known.shape[1] + 1), span=0)
    begins = space.offset_bins[known[..., _OFFSET]].cumsum(1)
    ends = begins + space.duration_bins[known[..., _DURATION]]

    def last(x: Tensor, nothing: int) -> Tensor:
        return F.pad(x, (span, 0), value=nothing).unfold(1, span, 1)

    now = F.pad(begins, (1, 0))[..., None]
    return ActiveNotes(
        last(known[..., _PITCH], space.sizes[_PITCH]),
        (last(begins, _LONG_AGO) - now).clamp_min(_LONG_AGO),
        (last(ends, _LONG_AGO) - now).clamp_min(_LONG_AGO),
    )


@torch.no_grad()
def offsets(space: NoteSpace, sounding: ActiveNotes) -> Tensor:
    """What each choice of an offset meets, ``[..., K, n]``: whether a held note ends just then, the
    share of held notes that go on, and whether all have ended before.
    """
    return _times(sounding, sounding.ends > 0, space.offset_bins)


@torch.no_grad()
def durations(space: NoteSpace, sounding: ActiveNotes) -> Tensor:
    """The same of each duration, for a note that begins at step 0: notes that are held then, or
    begin with it.
    """
    return _times(sounding, (sounding.ends > 0) & (sounding.begins <= 0), space.duration_bins)


def _times(sounding: ActiveNotes, held: Tensor, bins: Tensor) -> Tensor:
    # by the first of the ascending bins that an end does not lie beyond, which may be none of them
    ends = sounding.ends.contiguous()
    place = torch.searchsorted(bins, ends)
    exact = bins[place.clamp_max(len(bins) - 1)] == ends
    counts = torch.zeros(*ends.shape[:-1], 2, len(bins) + 1, device=ends.device)
    kinds = torch.stack([held, held & exact], -2)
    counts.scatter_add_(-1, place[..., None, :].expand_as(kinds), kinds.to(counts.dtype))
    ended, met = counts[..., 0, :-1].cumsum(-1), counts[..., 1, :-1] > 0
    n_held = held.sum(-1, keepdim=True)
    goes_on = (n_held - ended) / n_held.clamp_min(1)
    return torch.stack([met.to(goes_on.dtype), goes_on, (goes_on == 0) & ~met], -2)


class Harmony(NamedTuple):
    """What a note joins that begins at some step.

    Attributes
    ----------
    classes : ``[..., X, 12]``, by pitch class: notes that begin with it, notes that are held, those
        that began in its beat, in the beat before, and the shares of what was heard, by memory.
    near : ``[..., 2, P + 2 NEAR]``, by pitch, ``NEAR`` more on either side: notes that begin with
        it, and held ones.
    """

    classes: Tensor
    near: Tensor


@torch.no_grad()
def harmony(space: NoteSpace, sounding: ActiveNotes, position: Tensor, heard: Tensor) -> Harmony:
    """Of a note at step 0 of ``sounding``, at a ``position [...]`` in the bar; pitches were
    ``heard`` so much, ``[..., M, P]``.
    """
    n_pitches = space.sizes[_PITCH]
    begins, beat = sounding.begins, -(position % space.grid)[..., None]
    sets = [
        begins == 0,
        (begins < 0) & (sounding.ends > 0),
        begins >= beat,
        (begins >= beat - space.grid) & (begins < beat),
    ]
    kinds = torch.stack(sets, -2).to(heard.dtype)  # [..., 4, S]
    where = sounding.pitch[..., None, :].expand_as(kinds)
    found = kinds.new_zeros(*kinds.shape[:-1], n_pitches + 2 * NEAR + 1)
    found = found.scatter_add_(-1, where + NEAR, kinds)[..., :-1]
    # what there is no note for, P, adds nothing: it began too long ago
    shares = heard / heard.sum(-1, keepdim=True).clamp_min(1e-3)
    pitches = torch.cat([found[..., NEAR : NEAR + n_pitches], shares], -2)
    padded = F.pad(pitches, (0, -n_pitches % _CLASSES))
    return Harmony(padded.unflatten(-1, (-1, _CLASSES)).sum(-2), found[..., :2, :])


@torch.no_grad()
def around(found: Harmony, pitch: Tensor) -> Tensor:
    """The harmony as a pitch would hear it, ``[..., F]``: by the class of the interval to each, and
    by the interval.
    """
    steps = torch.arange(_CLASSES, device=pitch.device)
    classes = (pitch[..., None, None] - steps) % _CLASSES
    turned = found.classes.gather(-1, classes.expand_as(found.classes))
    steps = torch.arange(2 * NEAR, -1, -1, device=pitch.device)
    where = (pitch[..., None, None] + steps).expand(*found.near.shape[:-1], -1)
    return torch.cat([turned.flatten(-2), found.near.gather(-1, where).flatten(-2)], -1)


def score(found: Harmony, weights: Tensor) -> Tensor:
    """For each pitch, what :func:`around` gives of it, weighted ``[..., F]``: ``[..., P]``."""
    n_kinds = found.classes.shape[-2]
    of_classes, of_near = weights.split([_CLASSES * n_kinds, 2 * _N_NEAR], -1)
    steps = torch.arange(_CLASSES, device=weights.device)
    turned = found.classes[..., (steps[:, None] - steps) % _CLASSES]  # [..., X, class, interval]
    by_class = torch.einsum(
        "...xci,...xi->...c",
        turned.to(weights.dtype),
        of_classes.unflatten(-1, (n_kinds, _CLASSES)),
    )
    of_near = of_near.unflatten(-1, (2, _N_NEAR)).float()
    n_pitches = found.near.shape[-1] - 2 * NEAR
    # a convolution whose kernel differs from event to event; what runs over the end of n comes back
    # below 2 NEAR, where nobody looks
    n = n_pitches + 2 * NEAR
    product = torch.fft.rfft(found.near, n) * torch.fft.rfft(of_near, n)
    by_interval = torch.fft.irfft(product.sum(-2), n)[..., 2 * NEAR :]
    pitch = torch.arange(n_pitches, device=weights.device)
    return by_class[..., pitch % _CLASSES] + by_interval
