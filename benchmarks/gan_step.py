"""What a step of adversarial training costs beyond its forward and backward passes.

    python benchmarks/gan_step.py [N_ROUNDS [KEY=VALUE ...]]
    python benchmarks/gan_step.py 10 experiment=flagship
    python benchmarks/gan_step.py 10 experiment=flagship data.root=MIDI

``step`` is a training batch of Lightning's trainer without a warm start: rollout, updates of both
networks, clipping, optimizers and EMA weights. ``passes`` are the forward and backward passes of
the same losses, teacher-forced, on a rollout that is at hand. ``rollout`` is the rollout of a step.
Where a rollout serves ``model.rollout_reuse`` batches, step and rollout are means over so many.

All are timed in turn on random music of one track, or on music that is named; ratios are medians
over rounds, with quartiles. On the CPU with the settings of ``quick``, or those that are given, and
two threads; where there is a GPU, also there, in bfloat16, without and with a CUDA graph, by
default with larger networks and batches.
"""

from __future__ import annotations

import statistics
from typing import Any

import common
import torch
from torch import Tensor

from gan_music.config.schema import TrainConfig
from gan_music.config.validate import compose_run
from gan_music.losses import adversarial, likelihood, policy_gradient
from gan_music.system.errors import UserError
from gan_music.training.precision import precision

ON_A_GPU = ("data.window=128", "data.batch_size=512", "model.hidden_size=512", "model.n_layers=2")
ADVERSARIAL = ("model.warm_start_epochs=0", "trainer.max_epochs=1000", "data.jitter=false")


class Passes:
    """A batch of windows, and what a step of ``model=gumbel_gan`` does with one, piece by piece."""

    n_batches = 1  # that a rollout serves

    def __init__(self, config: TrainConfig, model: Any, events: Tensor) -> None:
        self.config, self.model, self.s, self.events = config, model, model.settings, events
        self.generator, self.discriminator = model.generator, model.discriminator
        self.n_fake = getattr(self.s, "rollout_batch", len(events))
        self.fake: Tensor | None = None

    def rollout(self) -> None:
        """Sequences of the generator, as long and as many as in a step."""
        generator = self.generator
        self.events = self.events.to(next(generator.parameters()).device)
        self.z = generator.prior(self.n_fake)
        self.gumbel = generator.gumbel(self.n_fake, self.events.shape[1])
        first = torch.zeros(self.n_fake, dtype=torch.int64, device=self.events.device)
        starts = generator.space.starts(self.events).rows(first)
        decoding = self.model.decoding
        self.fake = decoding.rollout(generator, self.z, self.gumbel, starts)

    def passes(self) -> None:
        if self.fake is None:
            self.rollout()
        kind = self.events.device.type
        bf16 = precision(self.config.trainer) == "bf16-mixed"
        with torch.autocast(kind, torch.bfloat16, enabled=bf16):
            loss = adversarial.discriminator_bce(*self.scores())
        loss.backward()
        self.discriminator.zero_grad()
        self.discriminator.requires_grad_(False)
        with torch.autocast(kind, torch.bfloat16, enabled=bf16):
            logits = self.generator.logits(self.events, self.generator.prior(len(self.events)))
            nll = likelihood.negative_log_likelihood(logits, self.events)
            loss = self.loss_g() + self.s.likelihood_weight * nll
        loss.backward()
        self.generator.zero_grad()
        self.discriminator.requires_grad_(True)

    def scores(self) -> tuple[Tensor, Tensor]:
        """The discriminator's logits of real windows and of the rollout."""
        return self.discriminator(self.events), self.discriminator(self.fake)

    def loss_g(self) -> Tensor:
        relaxed = self.generator.relaxed(
            self.fake, self.z, self.gumbel, temperature=self.s.temperature
        )
        return adversarial.generator_bce(self.discriminator(self.fake, relaxed))


class ReinforcePasses(Passes):
    """The same of ``model=reinforce_gan``, whose critic learns from ``replay_batch`` sequences."""

    def __init__(self, config: TrainConfig, model: Any, events: Tensor) -> None:
        super().__init__(config, model, events)
        self.n_batches = int(self.s.rollout_reuse)

    def rollout(self) -> None:
        self.generator.eval()
        super().rollout()
        self.generator.train()
        n = self.s.replay_batch if self.s.replay_size else self.n_fake
        which = torch.arange(n, device=self.events.device)
        real = self.model.make_item(self.events[which % len(self.events)])
        fake = self.model.make_item(self.fake[which % self.n_fake], self.z[which % self.n_fake])
        self.replayed = [(x.events, x.features) for x in (real, fake)]

    def scores(self) -> tuple[Tensor, Tensor]:
        real, fake = (self.discriminator(*x) for x in self.replayed)
        return real, fake

    def loss_g(self) -> Tensor:
        logits = self.generator.logits(self.fake, self.z, dropout=False)
        advantages = torch.zeros(self.fake.shape[:2], device=self.fake.device)
        likelihoods = likelihood.log_likelihoods(logits, self.fake)
        return policy_gradient.policy_gradient(likelihoods, advantages)


def report(config: TrainConfig, n_rounds: int, device: str) -> None:
    data, model = common.build(config)
    events = next(iter(data.train_dataloader())).x
    kinds = {"gumbel_gan": Passes, "reinforce_gan": ReinforcePasses}
    parts = kinds[config.model.name](config, model, events)
    timer = common.InTurn(
        {"passes": parts.passes, "rollout": parts.rollout}, n_rounds, n_batches=parts.n_batches
    )
    common.fit(data, model, timer, accelerator=device, precision=precision(config.trainer))
    timer.times["rollout"] = [t / parts.n_batches for t in timer.times["rollout"]]
    n, length = config.data.batch_size, config.data.window
    graph = ", CUDA graph" if config.trainer.cuda_graph and device == "cuda" else ""
    print(
        f"{device}, {precision(config.trainer)}, {torch.get_num_threads()} threads{graph}: {n} "
        f"windows of {length} notes, {model.settings.n_layers} layers of "
        f"{model.settings.hidden_size}\n"
        f"  {n / statistics.median(timer.times['step']):,.0f} windows a second"
    )
    common.print_times(timer.times)
    common.print_ratio(timer.times, "step", "passes")
    common.print_ratio(timer.times, "rollout", "step")


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("n_rounds", type=common.count, nargs="?", default=15, metavar="N_ROUNDS")
    parser.add_argument("overrides", type=common.override, nargs="*", metavar="KEY=VALUE")
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    with common.random_music() as random_music:

        def time_on(device: str, *overrides: str) -> None:
            is_named = any(o.startswith(("data=", "data.root=")) for o in overrides)
            music = () if is_named else random_music
            config = compose_run(*music, *ADVERSARIAL, *overrides)
            if config.model.name not in ("gumbel_gan", "reinforce_gan"):
                raise UserError(f"model.name={config.model.name} has no rollout to time.")
            if config.model.name == "reinforce_gan":
                config.model.critic_pretrain_batches = 0
            report(config, max(2, given.n_rounds), device)  # quartiles take two

        time_on("cpu", *given.overrides, "trainer=cpu")
        for graph in ("false", "true") if torch.cuda.is_available() else ():
            sizes = given.overrides or ON_A_GPU
            time_on("cuda", "trainer.precision=bf16-mixed", *sizes, f"trainer.cuda_graph={graph}")


if __name__ == "__main__":
    common.command(main)
