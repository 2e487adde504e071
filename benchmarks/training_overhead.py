"""What the framework costs: a batch of ``experiment=paper`` three ways, in turn, on random notes.

    python benchmarks/training_overhead.py [N_ROUNDS]

1. step: the model of ``experiment=paper`` with Lightning's trainer and this package's logging;
2. published: the loop that Neo & Saleem published, a Dataset of single notes and a DataLoader;
3. bare: the same loop over tensors in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import common
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from gan_music.config.validate import compose_run
from gan_music.training.loggers import build_loggers


class Loop:
    """One batch of the published loop at each call."""

    def __init__(self, model: Any, batches: Iterator[Tensor]) -> None:
        self.generator, self.discriminator = model.generator, model.discriminator
        self.batches = batches
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=0.001)
            for network in (self.generator, self.discriminator)
        ]
        self.criterion = nn.BCEWithLogitsLoss()

    def __call__(self) -> None:
        real, (opt_g, opt_d) = next(self.batches), self.optimizers
        ones, zeros = torch.ones(len(real)), torch.zeros(len(real))
        opt_d.zero_grad()
        fake = self.generator(torch.randn(len(real), 100))
        loss_d = self.criterion(self.discriminator(real), ones)
        loss_d = loss_d + self.criterion(self.discriminator(fake), zeros)
        loss_d.backward()
        opt_d.step()
        opt_g.zero_grad()
        fake = self.generator(torch.randn(len(real), 100))
        self.criterion(self.discriminator(fake), ones).backward()
        opt_g.step()


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("n_rounds", type=common.count, nargs="?", default=400, metavar="N_ROUNDS")
    n_rounds = max(2, parser.parse_args().n_rounds)  # quartiles take two
    with common.random_music() as music:
        config = compose_run("experiment=paper", *music, "data.reader=fast")
        data, model = common.build(config)
        in_memory = [batch.x for batch in itertools.islice(data.train_dataloader(), 100)]
        notes = TensorDataset(torch.cat(in_memory))
        loader = DataLoader(notes, batch_size=config.data.batch_size, shuffle=True)
        published = (batch for _ in itertools.count() for (batch,) in loader)
        parts = {
            "published": Loop(common.build_untrained(config), published),
            "bare": Loop(common.build_untrained(config), itertools.cycle(in_memory)),
        }
        timer = common.InTurn(parts, n_rounds)
        folder = Path(music[1].partition("=")[2])
        logger = build_loggers(config.logger, folder, at_most=20_000, n_batches=lambda: n_rounds)
        every = config.trainer.log_every_n_batches
        common.fit(data, model, timer, logger=logger, log_every_n_steps=every)
    common.print_times(timer.times)
    for name in parts:
        common.print_ratio(timer.times, "step", name)


if __name__ == "__main__":
    common.command(main)
