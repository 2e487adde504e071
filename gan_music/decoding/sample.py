"""A generator and a codec -> pieces."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor

from gan_music.decoding.particle_filter import ParticleFilter
from gan_music.decoding.primer import Primer
from gan_music.music.bars import begins_with_upbeat
from gan_music.music.piece import DEFAULT_TEMPO, IntArray, Piece
from gan_music.networks.lstm_decoder import LSTMDecoder
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.representations.note_events import NoteEvents, meter_id

# Pieces sampled side by side: past this, a step's cost grows with the batch.
_BATCH = 64
# Notes that noise is drawn for at a time: of a long piece it would fill the memory.
_BLOCK = 256
# Notes that are written at most for so many bars.
_MOST = 65536


def sample(
    generator: LSTMGenerator,
    codec: NoteEvents,
    *,
    n_pieces: int,
    n_notes: int,
    seed: int,
    temperature: float = 1.0,
    tempo: float = DEFAULT_TEMPO,
    meter: tuple[int, int] | None = None,
    choice: ParticleFilter | None = None,
) -> list[Piece]:
    """``n_pieces`` pieces of ``n_notes`` notes from noise alone, steered by a ``choice`` if any.

    They begin in ``meter``, or in the meters of the training pieces, where in the bar those do.

    The same seed gives the same pieces on the same machine, and leaves the global random state as
    it was.
    """

    def begin(n: int, rng: torch.Generator) -> tuple[LSTMDecoder, Tensor]:
        z = generator.noise(n, rng)
        starts = draw_starts(codec, n, meter, rng)
        nothing = torch.zeros(n, 0, len(codec.sizes) + 2, dtype=torch.int64, device=z.device)
        return LSTMDecoder(generator, z, starts, temperature=temperature), nothing

    events = _write(generator, begin, choice, n_pieces=n_pieces, n_notes=n_notes, seed=seed)
    return [
        codec.decode(ids, tempo=tempo, name=f"sample {number}").piece
        for number, ids in enumerate(events, 1)
    ]


def go_on(
    generator: LSTMGenerator,
    codec: NoteEvents,
    primer: Primer,
    *,
    n_pieces: int,
    n_notes: int,
    seed: int,
    temperature: float = 1.0,
    tempo: float = DEFAULT_TEMPO,
    choice: ParticleFilter | None = None,
) -> list[Piece]:
    """``n_pieces`` pieces that go on from a primer for ``n_notes`` notes, in its meter.

    The generator hears the primer's notes as if it had chosen them. The first that it writes begins
    later than the last of them: the primer's last chord is complete.

    The same seed gives the same pieces, as :func:`sample` does.
    """
    device = next(generator.parameters()).device
    heard = torch.from_numpy(primer.events(codec)).to(device)

    def begin(n: int, rng: torch.Generator) -> tuple[LSTMDecoder, Tensor]:
        events = heard.expand(n, -1, -1)
        z = generator.noise_like(events, rng)
        rollout = LSTMDecoder(generator, z, generator.space.starts(events), temperature=temperature)
        rollout.hear(events)
        return rollout, events

    events = _write(
        generator, begin, choice, n_pieces=n_pieces, n_notes=n_notes, seed=seed, new_onset=True
    )
    return [
        primer.followed_by(codec, ids, tempo=tempo, name=f"sample {number}")
        for number, ids in enumerate(events, 1)
    ]


@torch.no_grad()
def _write(
    generator: LSTMGenerator,
    begin: Callable[[int, torch.Generator], tuple[LSTMDecoder, Tensor]],
    choice: ParticleFilter | None,
    *,
    n_pieces: int,
    n_notes: int,
    seed: int,
    new_onset: bool = False,
) -> list[IntArray]:
    """The events of ``n_pieces`` rollouts, so many of which ``begin`` side by side, with what they
    have heard: ids ``[n_notes, C + 2]``.

    ``new_onset`` keeps the first event out of a chord with what was before it.
    """
    rng = torch.Generator(next(generator.parameters()).device).manual_seed(seed)
    training = generator.training
    generator.eval()
    events: list[IntArray] = []
    forbidden = torch.zeros(generator.space.width, device=rng.device)
    if new_onset:
        forbidden[0] = -torch.inf  # the offset 0
    n_particles = 1 if choice is None else choice.n_particles
    at_once = max(1, _BATCH // n_particles)
    for first in range(0, n_pieces, at_once):
        rollout, heard = begin(n_particles * min(at_once, n_pieces - first), rng)
        if choice is not None:
            written = choice.write(generator, rollout, heard, n_notes, rng, forbidden)
        else:
            written = _written(generator, rollout, len(heard), n_notes, rng, forbidden)
        events += list(written.cpu().numpy())
    generator.train(training)
    return events


def _written(
    generator: LSTMGenerator,
    rollout: LSTMDecoder,
    n: int,
    n_notes: int,
    rng: torch.Generator,
    forbidden: Tensor,
) -> Tensor:
    """The next events of ``n`` sequences, ids ``[n, n_notes, C + 2]``; ``forbidden``, ``[V]``, is
    added to the first one's scores.
    """
    blocks = []
    for start in range(0, n_notes, _BLOCK):
        gumbel = generator.gumbel(n, min(_BLOCK, n_notes - start), rng)
        if start == 0:
            gumbel[:, 0] += forbidden
        blocks.append(generator.write(rollout, gumbel))
    return torch.cat(blocks, 1)


def in_bars(draw: Callable[[int], list[Piece]], n_bars: int, *, n_before: int = 0) -> list[Piece]:
    """Pieces of so many bars, from ``draw(n_notes)``, which writes so many notes a piece.

    The bars come after those that the first ``n_before`` notes, a primer's, lie in; else an upbeat
    is not counted. Notes that sound beyond the last bar end with it. A model that hardly moves on
    is left after 65,536 notes.
    """
    n_notes = _BLOCK
    while True:
        pieces = draw(n_notes)
        ends = [_end_of_bars(p, n_bars, n_before) for p in pieces]
        # how far the slowest has come
        done = min(int(p.onset[-1]) / end for p, end in zip(pieces, ends, strict=True))
        if done >= 1 or n_notes >= _MOST:
            return [p.until(end) for p, end in zip(pieces, ends, strict=True)]
        wanted = n_notes * max(2.0, 1.2 / max(done, 1e-6))
        n_notes = min(_MOST, -(-math.ceil(wanted) // _BLOCK) * _BLOCK)


def _end_of_bars(piece: Piece, n_bars: int, n_before: int) -> int:
    """The step at which the bars end that are asked for."""
    bars, _ = piece.bars()
    first = bars[n_before - 1] + 1 if n_before else bars[0] + begins_with_upbeat(piece)
    start, numerator, denominator = piece.meters[-1].tolist()
    number = int(piece.bars(np.array([start]))[0][0])  # of the bar where the last meter begins
    bar = Fraction(4 * piece.grid * numerator, denominator)
    return start + math.ceil((int(first) + n_bars - number) * bar)


def draw_starts(
    codec: NoteEvents, n: int, meter: tuple[int, int] | None, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Positions in the bar and meters for ``n`` pieces to begin with, ``[n]`` each.

    A meter in which no training piece begins starts with the bar.
    """
    table = torch.from_numpy(codec.starts).to(rng.device)
    if meter is not None:
        wanted = meter_id(*meter)
        table = table[table[:, 0] == wanted]
        if not len(table):
            table = torch.tensor([[wanted, 0, 1]], device=rng.device)
    chosen = torch.multinomial(table[:, 2].float(), n, replacement=True, generator=rng)
    return table[chosen, 1], table[chosen, 0]
