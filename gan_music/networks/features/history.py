"""What the features share of past events: metrical position, last pitches, decayed pitch counts."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_music.networks.note_space import NoteSpace, Starts

# events in which a pitch count decays to 1 / e: one or two bars, and a section
TIME_CONSTANTS = (16.0, 128.0)

_OFFSET, _PITCH = 0, 1  # columns of an event


class History(NamedTuple):
    """Before one event, or before each of many, ``[...]``.

    Attributes
    ----------
    position, meter : of the last event in its bar, and that bar's meter, int64 ``[...]``.
    pitches : ids of the last ``1 + I`` pitches, the last one first, int64 ``[..., 1 + I]``, for
        ``I`` intervals; ``P``, the number of pitches, stands for none.
    pitch_history : counts of each pitch, float ``[..., M, P]``, that decay exponentially with each
        of the ``M`` time constants.
    pitch_prior : scores of each pitch for a whole sequence, float ``[B, E, P]``; ``E`` may be 0.
    offset, onset : id of the next event's offset, and its position in the bar, int64 ``[...]``;
        None until the offset is chosen.
    track : id of the next event's track, int64 ``[...]``; None until it is chosen.
    """

    position: Tensor
    meter: Tensor
    pitches: Tensor
    pitch_history: Tensor
    pitch_prior: Tensor
    offset: Tensor | None = None
    onset: Tensor | None = None
    track: Tensor | None = None

    def choose(self, space: NoteSpace, category: int, ids: Tensor) -> History:
        """With the next event's category, ``[...]``."""
        if category == space.track_column:
            return self._replace(track=ids)
        if category != _OFFSET:
            return self
        return self._replace(offset=ids, onset=space.advance(self.position, ids, self.meter))

    def observe(self, space: NoteSpace, event: Tensor) -> History:
        """After an event, ids ``[..., C]``."""
        pitch = space.sounding(event[..., _PITCH])
        count = F.one_hot(pitch, space.n_pitches + 1)[..., None, :-1]
        return History(
            space.advance(self.position, event[..., _OFFSET], self.meter),
            self.meter,
            torch.cat([pitch[..., None], self.pitches[..., :-1]], -1),
            self.pitch_history * _decay(self.pitch_history)[:, None] + count,
            self.pitch_prior,
        )

    def reorder(self, rows: Tensor) -> History:
        """Of the sequences of the rows, int64 ``[n]``."""
        return History(*(x[rows] for x in self[:5]))

    def intervals(self) -> Tensor:
        """From each earlier pitch to the last one, plus ``P``, int64 ``[..., I]``; 0 where there
        is none.
        """
        return intervals(self.pitches[..., :1], self.pitches[..., 1:], self.pitch_history.shape[-1])


def initial_history(
    space: NoteSpace,
    starts: Starts,
    *,
    n_intervals: int,
    pitch_prior: Tensor | None = None,
) -> History:
    """Before the first event of sequences that begin there."""
    position, meter, n_pitches = starts.position, starts.meter, space.n_pitches
    return History(
        position,
        meter,
        position.new_full((*position.shape, 1 + n_intervals), n_pitches),
        torch.zeros(*position.shape, len(TIME_CONSTANTS), n_pitches, device=position.device),
        _or_empty(space, position, pitch_prior),
    )


def history_sequence(
    space: NoteSpace,
    events: Tensor,
    inputs: Tensor,
    *,
    n_intervals: int,
    pitch_prior: Tensor | None = None,
) -> History:
    """Before each of known events, ids ``[B, T, C + 2]`` -> fields ``[B, T, ...]``; ``inputs`` are
    the same events as the network reads them. Undefined for padding.
    """
    start, meter, _ = space.starts(inputs)
    known = inputs.clamp_min(0)[:, :-1]
    n_pitches, length = space.n_pitches, inputs.shape[1]
    before = F.pad(space.sounding(known[..., _PITCH]), (1, 0), value=n_pitches)  # [B, T]
    pitches = [F.pad(before, (k, 0), value=n_pitches)[:, :length] for k in range(1 + n_intervals)]
    steps = torch.arange(length, device=inputs.device)
    distance = steps[:, None] - steps
    # [M, T, T]: how much an event counts before each later one
    decays = torch.stack([torch.exp(-distance / constant) for constant in TIME_CONSTANTS]).tril()
    with torch.autocast(inputs.device.type, enabled=False):
        counts = decays @ F.one_hot(before, n_pitches + 1)[:, None, :, :-1].float()
    return History(
        torch.cat([start[:, None], known[..., -2]], 1),
        torch.cat([meter[:, None], known[..., -1]], 1),
        torch.stack(pitches, -1),
        counts.transpose(1, 2),
        _or_empty(space, start, pitch_prior),
        events[..., _OFFSET].clamp_min(0),
        events[..., -2].clamp_min(0),
        None if space.track_column is None else events[..., space.track_column].clamp_min(0),
    )


def intervals(pitch: Tensor, earlier: Tensor, n_pitches: int) -> Tensor:
    """From earlier pitches ``[..., I]`` to a pitch ``[..., 1]``, plus ``P``; 0 where one of them is
    ``P`` or above, which stands for none.
    """
    return (pitch - earlier + n_pitches).where((earlier < n_pitches) & (pitch < n_pitches), 0)


def add_input_noise(space: NoteSpace, events: Tensor, rate: float) -> Tensor:
    """Ids ``[B, T, C + 2]`` with a share ``rate`` of the pitches moved by one to three semitones.

    A generator that learns to predict the true continuation of such inputs recovers from its own
    wrong notes (exposure bias, Bengio et al. 2015).
    """
    pitch = events[..., _PITCH]
    shift = torch.randint(1, 7, pitch.shape, device=pitch.device)
    moved = pitch + shift - torch.where(shift > 3, 7, 0)  # 1, 2, 3, -3, -2, -1
    moved = moved.clamp(0, space.n_pitches - 1)
    is_noisy = (torch.rand(pitch.shape, device=pitch.device) < rate) & space.present(events)
    is_noisy = is_noisy & (pitch < space.n_pitches)
    inputs = events.clone()
    inputs[..., _PITCH] = moved.where(is_noisy, pitch)
    return inputs


class IntervalEmbedding(nn.Module):
    """The sum of an embedding of each interval between the last pitch and earlier ones, ``[E]``."""

    def __init__(self, space: NoteSpace, embedding_size: int, *, n_intervals: int) -> None:
        super().__init__()
        self.tables = nn.ModuleList(
            nn.Embedding(2 * space.n_pitches, embedding_size) for _ in range(n_intervals)
        )

    def forward(self, ids: Tensor) -> Tensor:
        """Ids ``[..., I]`` of :func:`intervals` -> ``[..., E]``."""
        return torch.stack([t(ids[..., k]) for k, t in enumerate(self.tables)]).sum(0)


def _decay(like: Tensor) -> Tensor:
    """The factor of a count from one event to the next, by time constant, ``[M]``."""
    # filled on the device: copying values to a GPU at every step would synchronise with it
    constants = [like.new_full((), constant) for constant in TIME_CONSTANTS]
    return torch.exp(-1 / torch.stack(constants))


def _or_empty(space: NoteSpace, sequences: Tensor, pitch_prior: Tensor | None) -> Tensor:
    """``[B, 0, P]`` where ``B`` sequences have no prior."""
    if pitch_prior is not None:
        return pitch_prior
    return torch.zeros(len(sequences), 0, space.n_pitches, device=sequences.device)
