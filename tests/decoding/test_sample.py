"""Sampling needs no more of a generator than its interface."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gan_music.decoding.event_decoding import EventDecoding
from gan_music.decoding.primer import Primer
from gan_music.decoding.request import SampleRequest
from gan_music.decoding.sample import sample
from gan_music.models.event_model import note_space
from gan_music.networks.event_generator import Decoder, EventGenerator
from gan_music.networks.note_space import NoteSpace, Starts
from gan_music.representations.note_events import NoteEvents
from tests.conftest import make_piece

codec = NoteEvents(24)
ROW = [12, 40, 5]  # half a beat after the last event


class RowGenerator(EventGenerator):
    """Gives every event the same categories."""

    def __init__(self, space: NoteSpace | None = None, *, noise_size: int = 2) -> None:
        super().__init__(space or note_space(codec), noise_size=noise_size)
        self.weight = nn.Parameter(torch.ones(()))

    def logits(self, events: Tensor, z: Tensor, **_: Any) -> tuple[Tensor, ...]:
        shape = *events.shape[:2], -1
        pairs = zip(ROW, self.space.sizes, strict=True)
        rows = [nn.functional.one_hot(torch.tensor(i), n) for i, n in pairs]
        return tuple(self.weight * 1e3 * row.expand(shape) for row in rows)

    def decoder(self, z: Tensor, starts: Starts, **_: Any) -> Decoder:
        return RowDecoder(self, z, starts)


class RowDecoder(Decoder):
    def __init__(self, generator: RowGenerator, z: Tensor, starts: Starts) -> None:
        self.generator, self.space, self.z, self.temperature = generator, generator.space, z, 1.0
        self.position, self.meter, _ = starts

    def observe(self, events: Tensor) -> None:
        if events.shape[1]:
            self.position = events[:, -1, -2]

    def generate(self, gumbel: Tensor) -> Tensor:
        logits = self.generator.logits(gumbel, self.z)
        noise = gumbel.split(self.space.sizes, -1)
        columns = [(x + g).argmax(-1) for x, g in zip(logits, noise, strict=True)]
        steps = self.space.offset_bins[columns[0]].cumsum(1)
        position = (self.position[:, None] + steps) % self.space.bars[self.meter][:, None]
        self.position = position[:, -1]
        return torch.stack([*columns, position, self.meter[:, None].expand_as(position)], -1)

    def reorder(self, rows: Tensor) -> None:
        raise NotImplementedError

    def fix_shapes(self) -> None:
        pass


def test_any_generator_can_be_sampled_from() -> None:
    pieces = sample(
        RowGenerator(), codec, SampleRequest(3, 300, seed=0, meter=(3, 4)), decoding=EventDecoding()
    )
    assert [p.name for p in pieces] == ["sample 1", "sample 2", "sample 3"]
    for piece in pieces:
        assert piece.notes() == [(12 * i, 6, 61) for i in range(1, 301)]
        assert piece.meters.tolist() == [[0, 3, 4]]


def test_any_generator_can_continue_a_primer() -> None:
    primer = Primer(make_piece(0, 20))
    request = SampleRequest(2, 7, seed=0, primer=primer)
    for piece in sample(RowGenerator(), codec, request, decoding=EventDecoding()):
        first = int(primer.piece.onset[-1]) + 12
        assert piece.onset[len(primer.piece) :].tolist() == list(range(first, first + 84, 12))
