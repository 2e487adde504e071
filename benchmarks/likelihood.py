"""What the test pieces of a run cost its model, in nats an event, by category.

    python benchmarks/likelihood.py RUN

The pieces are read and split as in the run, and cut into windows that do not overlap, as long as
those that it was trained on. The EMA weights of ``best.ckpt`` predict each event from those before
it in its window; padding does not count. For models of events.
"""

from __future__ import annotations

from pathlib import Path

import common
import torch
from omegaconf import OmegaConf

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked
from gan_music.data.datasets import MusicDataset
from gan_music.losses.likelihood import log_likelihoods
from gan_music.models.event_model import EventModel
from gan_music.representations.windows import WindowSpec
from gan_music.runs.folder import checkpoint_at
from gan_music.system.errors import UserError
from gan_music.training.factory import restore_model

_BATCH = 16  # windows


@torch.no_grad()
def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("run", type=common.folder, metavar="RUN")
    run: Path = parser.parse_args().run
    path = checkpoint_at(run, "RUN")
    checkpoint = load_checkpoint(path)
    config = checked(TrainConfig, OmegaConf.create(checkpoint.config))
    model = restore_model(checkpoint, path).eval()
    if not isinstance(model, EventModel):
        raise UserError(f"model={model.label} gives no likelihood of events: name another run.")
    pieces = common.read_data(config).pieces
    assert pieces is not None
    if config.data.test_rate == 0:
        raise UserError(f"{run} has no test pieces (data.test_rate=0): name another run.")
    window = config.data.window
    spec = WindowSpec(window, window, pad_short=True)
    data = MusicDataset(pieces.test, model.representation, spec)
    names = model.generator.space.names
    nats, n_events = torch.zeros(len(names)), 0
    rng = torch.Generator().manual_seed(0)
    for first in range(0, len(data), _BATCH):
        x = data.unaugmented(range(first, min(first + _BATCH, len(data)))).x
        z = model.sampler.posterior(x, model.sampler.prior(len(x), rng=rng))
        logits = model.sampler.logits(x, z)
        for i, of_category in enumerate(logits):
            nats[i] -= log_likelihoods([of_category], x[..., i : i + 1]).sum()
        n_events += int(model.generator.space.present(x).sum())
    print(f"{len(pieces.test)} test pieces, {n_events:,} {model.representation.unit}")
    for name, value in zip(names, (nats / n_events).tolist(), strict=True):
        print(f"  {name:10} {value:.4f} nats")
    notes = sum(v for n, v in zip(names, nats.tolist(), strict=True) if n in names[:3]) / n_events
    print(f"  {', '.join(names[:3])} {notes:.4f}, all {float(nats.sum()) / n_events:.4f}")


if __name__ == "__main__":
    common.command(main)
