"""Notes a second that a generator samples, and what a note costs late in a long piece.

    python benchmarks/sampling.py [N_PIECES [N_NOTES [N_LONG]]]

64 (or N_PIECES) pieces side by side, of 400 and of 4,000 notes (or so many), with the networks of
``experiment=lstm_lm`` and ``attention_lm``, in the precision in which these train here. Each is
compared in the same run with decoding without cached states, where every note takes a forward pass
over the whole window before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import common
import torch

from gan_music.config.schema import TrainConfig
from gan_music.config.validate import compose_run
from gan_music.decoding.request import SampleRequest
from gan_music.training.precision import decodes_in_bf16


def seconds(function: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def forward_pass(config: TrainConfig, n: int, n_notes: int) -> float:
    """Seconds of a teacher-forced pass over n windows: a note's cost without cached states."""
    window = min(n_notes, config.data.window)
    with common.random_music() as music:
        sizes = (f"data.batch_size={n}", f"data.window={window}", "data.reader=fast")
        data, model = common.build(compose_run(f"experiment={config.name}", *music, *sizes))
        generator: Any = model.generator.eval()
        events = next(iter(data.train_dataloader())).x
    z = generator.prior(n)
    bf16 = decodes_in_bf16(config.trainer)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        return seconds(lambda: generator.logits(events, z), 3)


def main() -> None:
    parser = common.Parser(__doc__)
    add = parser.add_argument
    for name, default in (("N_PIECES", 64), ("N_NOTES", 400), ("N_LONG", 4000)):
        add(name.lower(), type=common.count, nargs="?", default=default, metavar=name)
    given = parser.parse_args()
    n = given.n_pieces
    torch.manual_seed(0)
    print(f"{n} pieces side by side, {torch.get_num_threads()} threads")
    for name in ("lstm_lm", "attention_lm"):
        config = compose_run(f"experiment={name}", f"name={name}", "data.root=.")  # none is read
        model = common.build_untrained(config).eval()

        def step(length: int, repeats: int, model: Any = model) -> float:
            def draw() -> None:
                model.sample(SampleRequest(n, length, seed=0))

            return seconds(draw, repeats) / length

        short, long = step(given.n_notes, 3), step(given.n_long, 1)
        uncached = forward_pass(config, n, given.n_notes)
        print(
            f"{name:13}{n / short:7,.0f} notes a second at {given.n_notes} notes, "
            f"{n / long:7,.0f} at {given.n_long:,}: a note costs {long / short:.2f} times as much; "
            f"without cached states {n / uncached:7,.0f}: {uncached / short:.2f} times slower"
        )


if __name__ == "__main__":
    common.command(main)
