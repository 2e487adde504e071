"""A generator and a codec -> pieces."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_music.events import EventCodec, meter_id
from gan_music.networks.generator import LSTMGenerator
from gan_music.networks.rollout import Rollout
from gan_music.notes import DEFAULT_TEMPO, Piece

# Pieces sampled side by side: past this, a step's cost grows with the batch.
_BATCH = 64
# Notes that noise is drawn for at a time: of a long piece it would fill the memory.
_BLOCK = 256


@torch.no_grad()
def sample(
    generator: LSTMGenerator,
    codec: EventCodec,
    *,
    n_pieces: int,
    n_notes: int,
    seed: int,
    temperature: float = 1.0,
    tempo: float = DEFAULT_TEMPO,
    meter: tuple[int, int] | None = None,
) -> list[Piece]:
    """``n_pieces`` pieces of ``n_notes`` notes from noise alone.

    They begin in ``meter``, or in the meters of the training pieces, where in the bar those do.

    The same seed gives the same pieces on the same machine, and leaves the global random state as
    it was.
    """
    device = next(generator.parameters()).device
    rng = torch.Generator(device).manual_seed(seed)
    training = generator.training
    generator.eval()
    pieces = []
    for first in range(0, n_pieces, _BATCH):
        n = min(_BATCH, n_pieces - first)
        z = generator.noise(n, rng)
        starts = draw_starts(codec, n, meter, rng)
        rollout = Rollout(generator, z, starts, temperature=temperature)
        blocks = []
        for begin in range(0, n_notes, _BLOCK):
            length = min(_BLOCK, n_notes - begin)
            blocks.append(rollout.write(generator.gumbel(n, length, rng)))
        events = torch.cat(blocks, 1)
        pieces += [
            codec.decode(ids, tempo=tempo, name=f"sample {first + i + 1}")
            for i, ids in enumerate(events.cpu().numpy())
        ]
    generator.train(training)
    return pieces


def draw_starts(
    codec: EventCodec, n: int, meter: tuple[int, int] | None, rng: torch.Generator
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
