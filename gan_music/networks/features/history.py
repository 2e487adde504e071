"""What is known before an event is chosen, beside any state that is learned.

A network that reads ids alone must learn by itself that one interval is one interval wherever it
lies, and that 18 steps after the third sixteenth comes the beat. It is told instead: how far the
last pitches lie apart, where in the bar it stands, and which pitches were heard of late.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.features.active_notes import (
    ActiveNotes,
    all_sounding,
    around,
    harmony,
    nothing_sounds,
)
from gan_music.networks.note_space import NoteSpace

# events after which what was heard counts 1 / e: a bar or two, and a section
MEMORIES = (16.0, 128.0)
# kinds of familiarity: with a pitch itself, its class, its register, in each memory
N_FAMILIAR = 3 * len(MEMORIES)
# Of a share of what was heard: small against one note of a memory, so that its logarithm is finite.
RARE = 0.01
_NEARBY = 4.0  # semitones: the deviation of "in this register"

_OFFSET, _PITCH = 0, 1  # columns of an event


class History(NamedTuple):
    """Before one event, or before each of many, ``[...]``.

    Attributes
    ----------
    position, meter : where in which bar the last event lies, int64 ``[...]``.
    pitches : ids of the last ``1 + I`` pitches, the last one first, int64 ``[..., 1 + I]``, where
        ``I`` intervals are asked for; ``P``, the number of pitches, stands for none.
    heard : how often each pitch was heard, the last event counting 1 and each before it
        ``exp(-1 / memory)`` times the one after it, float ``[..., len(MEMORIES), P]``.
    expected : what is known of each pitch from the start, the same for a whole sequence,
        ``[B, E, P]``; ``E`` may be 0.
    sounding : the last notes, of which those sound still that have not ended; so many as are asked
        for, which may be none.
    """

    position: Tensor
    meter: Tensor
    pitches: Tensor
    heard: Tensor
    expected: Tensor
    sounding: ActiveNotes

    def after(self, space: NoteSpace, chosen: Tensor) -> History:
        """The context of the next event: ids ``[..., C]`` of the one that came."""
        pitch = chosen[..., _PITCH]
        count = F.one_hot(pitch, self.heard.shape[-1])[..., None, :]
        return History(
            space.advance(self.position, chosen[..., _OFFSET], self.meter),
            self.meter,
            torch.cat([pitch[..., None], self.pitches[..., :-1]], -1),
            self.heard * _decay(self.heard)[:, None] + count,
            self.expected,
            self.sounding.after(space, chosen),
        )

    def kept(self, rows: Tensor) -> History:
        """Of these sequences alone, int64 ``[n]``."""
        return History(
            self.position[rows],
            self.meter[rows],
            self.pitches[rows],
            self.heard[rows],
            self.expected[rows],
            ActiveNotes(*(x[rows] for x in self.sounding)),
        )

    def intervals(self) -> Tensor:
        """The last pitch less each of those before it, plus ``P``, int64 ``[..., I]``; 0 where
        there is none.
        """
        n_pitches = self.heard.shape[-1]
        last, earlier = self.pitches[..., :1], self.pitches[..., 1:]
        return (last - earlier + n_pitches).where(earlier < n_pitches, 0)

    def joined(self, space: NoteSpace) -> Tensor:
        """The harmony that the last pitch joined, as it would hear it, ``[..., F]``
        (:func:`~gan_music.networks.features.active_notes.around`); of none before the first event.
        """
        found = harmony(space, self.sounding, self.position, self.heard)
        return around(found, self.pitches[..., 0].clamp_max(space.sizes[_PITCH] - 1))


def initial_history(
    space: NoteSpace,
    position: Tensor,
    meter: Tensor,
    *,
    n_intervals: int,
    active_notes_span: int = 0,
    expected: Tensor | None = None,
) -> History:
    """Before the first event: the position in the bar where a sequence begins, ``[B]`` each."""
    n_pitches = space.sizes[_PITCH]
    return History(
        position,
        meter,
        position.new_full((*position.shape, 1 + n_intervals), n_pitches),
        torch.zeros(*position.shape, len(MEMORIES), n_pitches, device=position.device),
        _or_nothing(space, position, expected),
        nothing_sounds(space, position, span=active_notes_span),
    )


def histories(
    space: NoteSpace,
    events: Tensor,
    *,
    n_intervals: int,
    active_notes_span: int = 0,
    expected: Tensor | None = None,
) -> History:
    """Before each event of whole windows: ids ``[B, T, C + 2]`` -> fields ``[B, T, ...]``.

    What it is for padding means nothing.
    """
    start, meter = space.starts(events)
    known = events.clamp_min(0)[:, :-1]
    n_pitches, length = space.sizes[_PITCH], events.shape[1]
    before = F.pad(known[..., _PITCH], (1, 0), value=n_pitches)  # [B, T]
    pitches = [F.pad(before, (k, 0), value=n_pitches)[:, :length] for k in range(1 + n_intervals)]
    steps = torch.arange(length, device=events.device)
    distance = steps[:, None] - steps
    # [M, T, T]: what an event counts for each that comes after it
    counts = torch.stack([torch.exp(-distance / memory) for memory in MEMORIES]).tril()
    with torch.autocast(events.device.type, enabled=False):
        heard = counts @ F.one_hot(before, n_pitches + 1)[:, None, :, :-1].float()
    return History(
        torch.cat([start[:, None], known[..., -2]], 1),
        torch.cat([meter[:, None], known[..., -1]], 1),
        torch.stack(pitches, -1),
        heard.transpose(1, 2),
        _or_nothing(space, start, expected),
        all_sounding(space, known, span=active_notes_span),
    )


def nearness(n_pitches: int) -> Tensor:
    """What each pitch counts for each other: as itself, its class, its register, ``[P, 3 P]``."""
    pitch = torch.arange(n_pitches)
    apart = pitch[:, None] - pitch
    parts = [apart == 0, apart % 12 == 0, torch.exp(-0.5 * (apart / _NEARBY) ** 2)]
    return torch.cat([p.float() for p in parts], 1)


@torch.no_grad()
def familiarity(heard: Tensor, near: Tensor) -> Tensor:
    """How familiar each pitch is: ``heard [..., M, P]`` and :func:`nearness` -> ``[..., F, P]``,
    logarithms of the shares that it, its class and its register have of what was heard.
    """
    with torch.autocast(heard.device.type, enabled=False):
        share = heard / heard.sum(-1, keepdim=True).clamp_min(1e-3)
        familiar = torch.log(share @ near + RARE)  # [..., M, 3 P]
    return familiar.unflatten(-1, (3, -1)).flatten(-3, -2)


def add_input_noise(space: NoteSpace, events: Tensor, rate: float) -> Tensor:
    """Ids ``[B, T, C + 2]`` with a share of the pitches up to three semitones off.

    A generator that learns from such a past what came next in truth does not follow its own wrong
    notes into another key.
    """
    pitch = events[..., _PITCH]
    off = torch.randint(1, 7, pitch.shape, device=pitch.device)
    moved = pitch + off - torch.where(off > 3, 7, 0)  # 1, 2, 3, -3, -2, -1
    moved = moved.clamp(0, space.sizes[_PITCH] - 1)
    wrong = (torch.rand(pitch.shape, device=pitch.device) < rate) & space.present(events)
    heard = events.clone()
    heard[..., _PITCH] = moved.where(wrong, pitch)
    return heard


class IntervalEmbedding(nn.Module):
    """The intervals from the last pitch to each of those before it, summed: ``E`` wide."""

    def __init__(self, space: NoteSpace, embedding_size: int, *, n_intervals: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(
            nn.Embedding(2 * space.sizes[_PITCH], embedding_size) for _ in range(n_intervals)
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Ids ``[..., I]`` as :meth:`Context.intervals` gives them -> ``[..., E]``."""
        return torch.stack([t(ids[..., k]) for k, t in enumerate(self.tables)]).sum(0)


def _decay(like: Tensor) -> Tensor:
    """What a count is worth an event later, by memory, ``[M]``."""
    # filled where it lies: a copy to a device at every step would wait for it
    spans = [like.new_full((), memory) for memory in MEMORIES]
    return torch.exp(-1 / torch.stack(spans))


def _or_nothing(space: NoteSpace, sequences: Tensor, expected: Tensor | None) -> Tensor:
    """``[B, 0, P]`` where nothing is expected of ``B`` sequences."""
    if expected is not None:
        return expected
    return torch.zeros(len(sequences), 0, space.sizes[_PITCH], device=sequences.device)
