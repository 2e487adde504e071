"""A generator of events and a representation -> sampled pieces."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from gan_music.decoding.event_decoding import EventDecoding
from gan_music.decoding.particle_filter import ParticleFilter
from gan_music.decoding.request import SampleRequest
from gan_music.music.bars import begins_with_upbeat
from gan_music.music.piece import IntArray, Piece
from gan_music.networks.event_generator import Decoder, EventGenerator
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents

_BATCH = 64  # pieces that are sampled side by side: beyond it, a step's time grows with them
_BLOCK = 256  # events that Gumbel noise is drawn for at a time, which bounds its memory
_MAX_NOTES = 65536  # that are sampled to fill a number of bars


def sample(
    generator: EventGenerator,
    representation: NoteEvents,
    request: SampleRequest,
    *,
    decoding: EventDecoding,
    particle_filter: ParticleFilter | None = None,
) -> list[Piece]:
    """The pieces of a request, all at once; see :func:`batches`."""
    found = batches(
        generator, representation, request, decoding=decoding, particle_filter=particle_filter
    )
    return [piece for batch in found for piece in batch]


@torch.no_grad()
def batches(
    generator: EventGenerator,
    representation: NoteEvents,
    request: SampleRequest,
    *,
    decoding: EventDecoding,
    particle_filter: ParticleFilter | None = None,
) -> Iterator[list[Piece]]:
    """The pieces of a request, in evaluation mode, as they are sampled side by side.

    They begin in the request's meter, or in those of the training pieces, at the positions in the
    bar where those begin. With a primer they continue it in its last meter; their first note begins
    later than the primer's last, whose chord is complete.

    The same request gives the same pieces on the same machine, and the global random state stays
    as it was.
    """
    device = next(generator.parameters()).device
    rng = torch.Generator(device).manual_seed(request.seed)
    primer = None
    space = generator.space
    forbidden = torch.zeros(space.width, device=device)
    if space.has_end:
        forbidden[space.sizes[0] + space.end] = -torch.inf  # at once
    if request.primer is not None:
        primer = torch.from_numpy(request.primer.encode(representation)).to(device)
        forbidden[0] = -torch.inf  # the offset 0
    training = generator.training
    n_particles = 1 if particle_filter is None else particle_filter.n_particles
    at_once = max(1, _BATCH // n_particles)
    for first in range(0, request.n_pieces, at_once):
        generator.eval()
        n = n_particles * min(at_once, request.n_pieces - first)
        if primer is None:
            z = generator.prior(n, rng=rng)
            position, meter = draw_starts(representation, n, request.meter, rng)
            starts = generator.space.beginning(position, meter)
            observed = position.new_zeros(n, 0, generator.space.n_categories + 2)
        else:
            observed = primer.expand(n, -1, -1)
            z = generator.prior(n, rng=rng, like=observed)
            starts = generator.space.starts(observed)
        decoder = decoding.decoder(generator, z, starts, temperature=request.temperature)
        decoder.observe(observed)
        if particle_filter is None:
            found = _generate(generator, decoder, n, request, rng, forbidden, decoding)
        else:
            found = particle_filter.generate(
                generator,
                decoder,
                observed,
                request.length,
                rng,
                forbidden,
                decoding=decoding,
                advance=request.advance,
            )
        generator.train(training)
        yield [
            decode(representation, ids, request, name=f"sample {number}")
            for number, ids in enumerate(found.cpu().numpy(), first + 1)
        ]


def decode(
    representation: NoteEvents, ids: IntArray, request: SampleRequest, *, name: str
) -> Piece:
    """The piece of sampled ids ``[T, C + 2]``, after the primer if the request has one."""
    if request.primer is None:
        return representation.decode(ids, tempo=request.tempo, name=name).piece
    return request.primer.continued_by(representation, ids, tempo=request.tempo, name=name)


def _generate(
    generator: EventGenerator,
    decoder: Decoder,
    n: int,
    request: SampleRequest,
    rng: torch.Generator,
    forbidden: Tensor,
    decoding: EventDecoding,
) -> Tensor:
    """The next events of ``n`` sequences, ids ``[n, T, C + 2]``; ``forbidden [V]`` is added
    to the first event's scores.
    """
    blocks = []
    ended = torch.zeros(n, dtype=torch.bool, device=forbidden.device)
    for start in range(0, request.length, _BLOCK):
        gumbel = generator.gumbel(n, min(_BLOCK, request.length - start), rng)
        if start == 0:
            gumbel[:, 0] += forbidden
        blocks.append(decoding.generate(generator, decoder, gumbel))
        request.advance(n * blocks[-1].shape[1])
        if generator.space.has_end:
            ended = ended | (blocks[-1][..., 1] == generator.space.end).any(1)
            if ended.all():
                request.advance(n * (request.length - start - blocks[-1].shape[1]))
                break
    return torch.cat(blocks, 1)


def in_bars(draw: Callable[[int], list[Piece]], n_bars: int, *, n_before: int = 0) -> list[Piece]:
    """Pieces of a number of bars, from ``draw(n_notes)``, which samples pieces of so many notes.

    The bars are counted after those of the first ``n_before`` notes, a primer's; an upbeat at the
    beginning is not counted. Notes that sound beyond the last bar are cut off at its end. Pieces
    that need more than 65,536 notes end earlier.
    """
    n_notes = _BLOCK
    while True:
        pieces = draw(n_notes)
        ends = [_end_of_bars(p, n_bars, n_before) for p in pieces]
        # the share of the bars that the slowest piece fills, unless it has ended
        shares = (int(p.onset[-1]) / e for p, e in zip(pieces, ends, strict=True) if not p.ends)
        filled = min(shares, default=1.0)
        if filled >= 1 or n_notes >= _MAX_NOTES:
            return [p.until(end) for p, end in zip(pieces, ends, strict=True)]
        wanted = n_notes * max(2.0, 1.2 / max(filled, 1e-6))
        n_notes = min(_MAX_NOTES, -(-math.ceil(wanted) // _BLOCK) * _BLOCK)


def _end_of_bars(piece: Piece, n_bars: int, n_before: int) -> int:
    """The step at which the last of the bars ends."""
    if not len(piece):
        return 0
    bars, _ = piece.bars()
    first = bars[n_before - 1] + 1 if n_before else bars[0] + begins_with_upbeat(piece)
    start, numerator, denominator = piece.meters[-1].tolist()
    number = int(piece.bars(np.array([start]))[0][0])  # of the bar where the last meter begins
    bar = Fraction(4 * piece.grid * numerator, denominator)
    return start + math.ceil((int(first) + n_bars - number) * bar)


def draw_starts(
    representation: NoteEvents, n: int, meter: tuple[int, int] | None, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Positions in the bar and meters where ``n`` pieces begin, ``[n]`` each, as frequent as in the
    training pieces.

    In a meter in which no training piece begins, they begin with the bar.
    """
    table = torch.from_numpy(representation.starts).to(rng.device)
    if meter is not None:
        wanted = meter_id(*meter)
        table = table[table[:, 0] == wanted]
        if not len(table):
            table = torch.tensor([[wanted, 0, 1]], device=rng.device)
    chosen = torch.multinomial(table[:, 2].float(), n, replacement=True, generator=rng)
    return table[chosen, 1], table[chosen, 0]
