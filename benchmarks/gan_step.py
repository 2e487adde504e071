"""What the game costs beyond its passes: windows a second, the rollout's share, a ratio to a floor.

    python benchmarks/gan_step.py [N_ROUNDS [KEY=VALUE ...]]
    python benchmarks/gan_step.py 10 experiment=flagship

A step once the game has begun (both players' updates, the rollout, clipping, the optimizers,
averaged weights), without the trainer, against its floor: the forward and backward passes of the
same two networks in that step, teacher-forced, with a known window in place of the rollout's.
Nothing else is in the floor: no rollout, no optimizer. ``once each`` is a smaller one: of all
passes, the likelihood of real windows and the discriminator's real and known ones. Where a rollout
serves ``model.rollout_reuse`` steps, a step is the mean of so many.

All are timed in turn; the ratios are medians over rounds, with the quartiles. On a processor, with
the default's sizes, or those that are given, and two threads; where there is a GPU, also there, in
bfloat16, with those that are given, or else with windows of 128 notes, 512 of them, and two layers
of 512: once as they come, and once with ``trainer.cuda_graph=true``.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from gan_music.config.validate import compose_run
from gan_music.decoding.cuda_graph import CUDAGraphDecoder
from gan_music.losses import adversarial, likelihood, policy_gradient
from gan_music.representations.note_events import NoteEvents
from gan_music.training.factory import build_model, write_as_trained
from gan_music.training.precision import precision

ON_A_GPU = (
    "data.window=128",
    "data.batch_size=512",
    "model.hidden_size=512",
    "model.n_layers=2",
)
_WARM_UP = 2


class Step:
    """A model and a batch of random events, and the parts of a step of ``model=gumbel_gan``."""

    rollout_reuse = 1  # steps that a rollout serves

    def __init__(self, device: str, *overrides: str) -> None:
        codec = NoteEvents(24)
        config = compose_run(*overrides)
        model: Any = build_model(config.model, codec.state())
        n, length = config.data.batch_size, config.data.window
        write_as_trained(model, config.trainer)
        self.model, self.s = model.to(device).train(), model.settings
        self.generator, self.discriminator = model.generator, model.discriminator
        self.discriminator.padded_in_training = False
        self.captures = config.trainer.cuda_graph
        if self.captures:
            self.generator.captured = CUDAGraphDecoder(self.generator)
        self.device, self.n, self.length = device, n, length
        self.bfloat16 = device == "cuda" or precision(config.trainer) == "bf16-mixed"
        columns = [torch.randint(0, size, (n, length)) for size in codec.sizes]
        columns += [torch.randint(0, 96, (n, length)), torch.full((n, length), 3)]
        self.batch = torch.stack(columns, -1).to(device)
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=1e-4)
            for network in (self.generator, self.discriminator)
        ]
        self.known = self.rollout(*self.noise())

    @property
    def rollout_batch(self) -> int:
        """Windows of a rollout."""
        return self.n

    def noise(self) -> tuple[Tensor, Tensor]:
        """Global and local."""
        return (
            self.generator.noise(self.rollout_batch),
            self.generator.gumbel(self.rollout_batch, self.length),
        )

    def rollout(self, z: Tensor, gumbel: Tensor) -> Tensor:
        """What the generator writes."""
        starts = [x[:1].expand(self.rollout_batch) for x in self.generator.space.starts(self.batch)]
        return self.generator.rollout(z, gumbel, tuple(starts))

    def whole(self) -> None:
        """The steps that a rollout serves, as the model's ``training_step`` has them."""
        z, gumbel = self.noise()
        fake = self.rollout(z, gumbel)
        for _ in range(self.rollout_reuse):
            self.passes(fake, z, gumbel, update=True)
            self.model.averaged.update_parameters(self.generator)

    def floor(self) -> None:
        """The passes of one step alone."""
        self.passes(self.known, *self.noise(), update=False)

    def passes(self, fake: Tensor, z: Tensor, gumbel: Tensor, *, update: bool) -> None:
        """Forward and backward of both players' losses."""
        opt_g, opt_d = self.optimizers
        with self._autocast():
            real, faked = self.judged_real(update=update), self.judged(fake)
            loss = adversarial.discriminator_bce(real, faked, smoothing=self.s.label_smoothing)
        self._backward(loss, self.discriminator, opt_d if update else None)
        self.discriminator.requires_grad_(False)
        with self._autocast():
            loss = self.loss_g(fake, z, gumbel, update=update)
            loss = loss + self.s.likelihood_weight * self._nll()
        self._backward(loss, self.generator, opt_g if update else None)
        self.discriminator.requires_grad_(True)

    def loss_g(self, fake: Tensor, z: Tensor, gumbel: Tensor, *, update: bool) -> Tensor:
        """The generator's adversarial loss."""
        relaxed = self.generator.relaxed(fake, z, gumbel, temperature=self.s.temperature)
        return adversarial.generator_bce(self.discriminator(fake, relaxed))

    def judged(self, fake: Tensor) -> Tensor:
        """The discriminator's scores of the last rollout."""
        return self.discriminator(fake)

    def judged_real(self, *, update: bool) -> Tensor:
        """Those of real windows; ``update``: in a step, not in its floor."""
        return self.discriminator(self.batch)

    def once_each(self) -> None:
        """Each network once: the likelihood, and real against known windows."""
        with self._autocast():
            loss = self._nll()
        self._backward(loss, self.generator, None)
        with self._autocast():
            scores = self.judged_real(update=False), self.judged(self.known)
            loss = adversarial.discriminator_bce(*scores)
        self._backward(loss, self.discriminator, None)

    def _nll(self) -> Tensor:
        z = self.generator.noise(self.n)
        return likelihood.negative_log_likelihood(self.generator.logits(self.batch, z), self.batch)

    def _backward(
        self, loss: Tensor, network: nn.Module, optimizer: torch.optim.Optimizer | None
    ) -> None:
        network.zero_grad()
        loss.backward()
        if optimizer is not None:
            nn.utils.clip_grad_norm_(network.parameters(), self.s.clip_norm)
            optimizer.step()

    def _autocast(self) -> AbstractContextManager:
        return torch.autocast(self.device, torch.bfloat16) if self.bfloat16 else nullcontext()

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


class CriticStep(Step):
    """A step of ``model=reinforce_gan``: the critic learns from ``replay_batch`` kept windows and as many
    rollouts, or from the latest of both.

    What it notices of new ones, which no weight has a part in, is none of the floor's passes.
    """

    def __init__(self, device: str, *overrides: str) -> None:
        super().__init__(device, *overrides)
        n_real, n_fake = (
            (self.s.replay_batch,) * 2 if self.s.replay_size else (self.n, self.rollout_batch)
        )
        self.met = self.model.heard(self.batch[torch.arange(n_real, device=device) % self.n])
        self.which = torch.arange(n_fake, device=device) % self.rollout_batch

    @property
    def rollout_reuse(self) -> int:  # type: ignore[override]
        """Steps that a rollout serves."""
        return int(self.s.rollout_reuse)

    @property
    def rollout_batch(self) -> int:
        return int(self.s.rollout_batch)

    def rollout(self, z: Tensor, gumbel: Tensor) -> Tensor:
        self.generator.eval()
        events = super().rollout(z, gumbel)
        self.generator.train()
        self.heard = self.model.heard(events, z)  # once for both players
        return events

    def judged(self, fake: Tensor) -> Tensor:
        met = self.heard.of(self.which)
        return self.discriminator(met.events, met.features)

    def judged_real(self, *, update: bool) -> Tensor:
        if update:
            self.model.heard(self.batch)
        return self.discriminator(self.met.events, self.met.features)

    def loss_g(self, fake: Tensor, z: Tensor, gumbel: Tensor, *, update: bool) -> Tensor:
        earned = torch.zeros(fake.shape[:2], device=fake.device)
        if update:
            with torch.no_grad():
                self.discriminator.eval()
                scores = self.discriminator(fake, self.heard.features)
                self.discriminator.train()
            earned = policy_gradient.advantages(
                scores, discount=self.s.discount, limit=self.s.advantage_limit
            )
        logits = self.generator.logits(fake, z, dropout=False)
        return policy_gradient.policy_gradient(likelihood.log_likelihoods(logits, fake), earned)


def make_step(device: str, *overrides: str) -> Step:
    """What is timed, by the model that is asked for."""
    chosen = any(o.partition("=")[0] == "experiment" for o in overrides)
    # no music is read, but some experiments want to be told where it is
    words = ("data.root=.", *overrides) if chosen else ("experiment=quick", *overrides)
    is_of_critic = compose_run(*words).model.name == "reinforce_gan"
    return (CriticStep if is_of_critic else Step)(device, *words)


def main() -> None:
    """Time and print."""
    n_rounds = max(2, int(sys.argv[1])) if len(sys.argv) > 1 else 15  # quartiles take two
    torch.manual_seed(0)
    if torch.get_num_threads() > 2:
        torch.set_num_threads(2)
    report(make_step("cpu", *sys.argv[2:]), n_rounds)
    if torch.cuda.is_available():
        for captures in ("false", "true"):
            sizes = sys.argv[2:] or ON_A_GPU
            report(make_step("cuda", *sizes, f"trainer.cuda_graph={captures}"), n_rounds)


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
                of_a_step = step.rollout_reuse if name in ("step", "rollout") else 1
                times[name].append(seconds / of_a_step)
    where = f"{torch.get_num_threads()} threads" if step.device == "cpu" else "bfloat16"
    print(
        f"{step.device}, {where}: {step.n} windows of {step.length} notes, {step.s.n_layers} "
        f"layers of {step.s.hidden_size}{', rollout captured' if step.captures else ''}"
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
