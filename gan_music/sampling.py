"""A generator and a codec -> pieces."""

from __future__ import annotations

import torch

from gan_music.events import EventCodec
from gan_music.networks.generator import LSTMGenerator
from gan_music.notes import DEFAULT_TEMPO, Piece

# Pieces sampled side by side: past this, a step's cost grows with the batch.
_BATCH = 64


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
) -> list[Piece]:
    """``n_pieces`` pieces of ``n_notes`` notes from noise alone.

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
        events = generator.rollout(z, generator.gumbel(n, n_notes, rng), temperature=temperature)
        pieces += [
            codec.decode(ids, tempo=tempo, name=f"sample {first + i + 1}")
            for i, ids in enumerate(events.cpu().numpy())
        ]
    generator.train(training)
    return pieces
