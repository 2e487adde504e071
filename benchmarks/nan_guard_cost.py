"""What it costs to check each gradient before a weight moves: CPU time of a batch.

    python benchmarks/nan_guard_cost.py [N]

Trains each model that has gradients for N batches (20 by default) of random music, at its default
size, on one thread. Beside the CPU time of a batch stands that of what the guard adds: whether the
gradient's norm is finite, and the norm itself where no clipping computes it.
"""

from __future__ import annotations

import statistics
import time

import common
import torch
from torch import nn

from gan_music.config.validate import compose_run
from gan_music.models.base import MusicModel

N_REPEATS = 50
OVERRIDES = {  # batches of adversarial training, and no style prior, which takes minutes to fit
    "gumbel_gan": ("model.warm_start_epochs=0",),
    "lstm_lm": ("model.n_style_components=0",),
    "neo_saleem": (),
    "crnn_gan": ("model.warm_start_epochs=0",),
}


def check_gradients(model: MusicModel) -> None:
    """What the guard adds to a batch, so often."""
    for _ in range(N_REPEATS):
        for optimizer in model.trainer.optimizers:
            gradients = [p.grad for g in optimizer.param_groups for p in g["params"]]
            norm = torch.ones(())
            if model.clip_norm is None:
                norm = nn.utils.get_total_norm([g for g in gradients if g is not None])
            assert norm.isfinite()


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("n", type=common.count, nargs="?", default=20, metavar="N")
    n = parser.parse_args().n
    torch.set_num_threads(1)
    with common.random_music() as music:
        for name, overrides in OVERRIDES.items():
            words = (f"model={name}", "data.batch_size=16", *music, *overrides)
            data, model = common.build(compose_run(*words))
            parts = {"guard": lambda model=model: check_gradients(model)}
            timer = common.InTurn(parts, n, clock=time.process_time)
            common.fit(data, model, timer)
            batch = statistics.median(timer.times["step"])
            guard = statistics.median(timer.times["guard"]) / N_REPEATS
            share = f"{1e6 * guard:.0f} µs of it ({guard / batch:.3%})"
            print(f"{name}: {1e3 * batch:.1f} ms a batch, {share}", flush=True)


if __name__ == "__main__":
    common.command(main)
