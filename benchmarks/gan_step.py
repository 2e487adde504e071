"""What the game costs beyond its passes: windows a second, the rollout's share, a ratio to a floor.

    python benchmarks/gan_step.py [N_ROUNDS [KEY=VALUE ...]]

A step of ``model=sequence_gan`` once it is adversarial (both players' updates, the rollout,
clipping, Adam, averaged weights), without the trainer, against its floor: the forward and backward
passes of the same two networks in that step, teacher-forced, with a known window in place of the
rollout's. Nothing else is in the floor: no rollout, no optimizer. ``once each`` is a smaller one:
of all passes, the likelihood of real windows and the discriminator's real and known ones.

All are timed in turn; the ratios are medians over rounds, with the quartiles. On a processor, with
the default's sizes, or those that are given, and two threads; where there is a GPU, also with
windows of 128 notes, 512 of them, and two layers of 512, in bfloat16.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from gan_music import losses
from gan_music.build import build_model
from gan_music.config import compose_run
from gan_music.events import EventCodec
from gan_music.models.sequence_gan import SequenceGAN

ON_A_GPU = (
    "data.window=128",
    "data.batch_size=512",
    "model.hidden_size=512",
    "model.n_layers=2",
)
_WARM_UP = 2


class Step:
    """A model and a batch of random events, and the parts of a step."""

    def __init__(self, device: str, *overrides: str) -> None:
        codec = EventCodec(24)
        config = compose_run("experiment=quick", *overrides)
        model = build_model(config.model, codec.state())
        n, length = config.data.batch_size, config.data.window
        assert isinstance(model, SequenceGAN)
        self.model, self.s = model.to(device).train(), model.settings
        model.discriminator.padded_in_training = False
        self.device, self.n, self.length = device, n, length
        columns = [torch.randint(0, size, (n, length)) for size in codec.sizes]
        columns += [torch.randint(0, 96, (n, length)), torch.full((n, length), 3)]
        self.batch = torch.stack(columns, -1).to(device)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=1e-4)
            for network in (model.generator, model.discriminator)
        ]
        self.known = self.rollout(*self.noise())

    def noise(self) -> tuple[Tensor, Tensor]:
        """Global and local."""
        generator = self.model.generator
        return generator.noise(self.n), generator.gumbel(self.n, self.length)

    def rollout(self, z: Tensor, gumbel: Tensor) -> Tensor:
        """What the generator writes."""
        return self.model.generator.rollout(
            z, gumbel, self.model.generator.space.starts(self.batch)
        )

    def whole(self) -> None:
        """The step, as the model's ``training_step`` has it."""
        z, gumbel = self.noise()
        self.passes(self.rollout(z, gumbel), z, gumbel, update=True)
        self.model.averaged.update_parameters(self.model.generator)

    def floor(self) -> None:
        """Its passes alone."""
        self.passes(self.known, *self.noise(), update=False)

    def passes(self, fake: Tensor, z: Tensor, gumbel: Tensor, *, update: bool) -> None:
        """Forward and backward of both players' losses."""
        s, generator, discriminator = self.s, self.model.generator, self.model.discriminator
        opt_g, opt_d = self.optimizers
        with self._autocast():
            real, faked = discriminator(self.batch), discriminator(fake)
            loss = losses.discriminator_bce(real, faked, smoothing=s.label_smoothing)
        self._backward(loss, discriminator, opt_d if update else None)
        discriminator.requires_grad_(False)
        with self._autocast():
            relaxed = generator.relaxed(fake, z, gumbel, temperature=s.temperature)
            loss = losses.generator_bce(discriminator(fake, relaxed))
            logits = generator.logits(self.batch, z)
            nll = losses.negative_log_likelihood(logits, self.batch)
            loss = loss + s.likelihood_weight * nll
        self._backward(loss, generator, opt_g if update else None)
        discriminator.requires_grad_(True)

    def once_each(self) -> None:
        """Each network once: the likelihood, and real against known windows."""
        generator, discriminator = self.model.generator, self.model.discriminator
        with self._autocast():
            logits = generator.logits(self.batch, self.noise()[0])
            loss = losses.negative_log_likelihood(logits, self.batch)
        self._backward(loss, generator, None)
        with self._autocast():
            scores = discriminator(self.batch), discriminator(self.known)
            loss = losses.discriminator_bce(*scores)
        self._backward(loss, discriminator, None)

    def _backward(
        self, loss: Tensor, network: nn.Module, optimizer: torch.optim.Optimizer | None
    ) -> None:
        network.zero_grad()
        loss.backward()
        if optimizer is not None:
            nn.utils.clip_grad_norm_(network.parameters(), self.s.clip_norm)
            optimizer.step()

    def _autocast(self) -> AbstractContextManager:
        return torch.autocast("cuda", torch.bfloat16) if self.device == "cuda" else nullcontext()

    def seconds(self, part: Callable[[], object]) -> float:
        """What a part takes, to its end on the device."""
        self._wait()
        start = time.perf_counter()
        part()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def main() -> None:
    """Time and print."""
    n_rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    torch.manual_seed(0)
    if torch.get_num_threads() > 2:
        torch.set_num_threads(2)
    report(Step("cpu", *sys.argv[2:]), n_rounds)
    if torch.cuda.is_available():
        report(Step("cuda", *ON_A_GPU), n_rounds)


def report(step: Step, n_rounds: int) -> None:
    """Time the parts in turn."""
    z, gumbel = step.noise()
    parts: dict[str, Callable[[], object]] = {
        "step": step.whole,
        "floor": step.floor,
        "once each": step.once_each,
        "rollout": lambda: step.rollout(z, gumbel),
    }
    times: dict[str, list[float]] = {name: [] for name in parts}
    for number in range(_WARM_UP + n_rounds):
        for name, part in parts.items():
            seconds = step.seconds(part)
            if number >= _WARM_UP:
                times[name].append(seconds)
    where = f"{torch.get_num_threads()} threads" if step.device == "cpu" else "bfloat16"
    print(
        f"{step.device}, {where}: {step.n} windows of {step.length} notes, {step.s.n_layers} "
        f"layers of {step.s.hidden_size}"
    )
    print(f"  {step.n / statistics.median(times['step']):,.0f} windows a second")
    for name, seconds_ in times.items():
        print(f"  {name:12}{1000 * statistics.median(seconds_):8.1f} ms")
    for over, under in (("rollout", "step"), ("step", "floor"), ("step", "once each")):
        ratios = [a / b for a, b in zip(times[over], times[under], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(f"  {over} / {under:12}{middle:6.2f}  (quartiles {low:.2f} to {high:.2f})")


if __name__ == "__main__":
    main()
