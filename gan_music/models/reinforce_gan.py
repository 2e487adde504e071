"""The GAN of long event sequences: a critic of every step, and a generator that learns from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from gan_music.config.model_settings import ReinforceGANConfig
from gan_music.decoding.particle_filter import ParticleFilter
from gan_music.losses import adversarial, likelihood, policy_gradient
from gan_music.models.base import MusicGAN
from gan_music.models.event_model import warmup_cosine
from gan_music.models.language_model import LanguageModel
from gan_music.networks.features.history import add_input_noise
from gan_music.networks.features.style_vector import STYLE_SIZE
from gan_music.networks.step_discriminator import CriticFeatures, StepDiscriminator


class ReplayItem(NamedTuple):
    """Sequences ``events [N, T, C + 2]``, the noise that they were written to, ``[N, Z]``, and what
    the critic notices of them.
    """

    events: Tensor
    z: Tensor
    features: CriticFeatures

    def of(self, rows: Tensor | slice) -> ReplayItem:
        """Some of them."""
        features = CriticFeatures(*(x[rows] for x in self.features))
        return ReplayItem(self.events[rows], self.z[rows], features)

    @staticmethod
    def together(parts: Sequence[ReplayItem]) -> ReplayItem:
        """All of them, one after another."""
        features = (torch.cat(x) for x in zip(*(p.features for p in parts), strict=True))
        events, z = torch.cat([p.events for p in parts]), torch.cat([p.z for p in parts])
        return ReplayItem(events, z, CriticFeatures(*features))


class ReplayBuffer:
    """The last sequences that were heard, one by one."""

    def __init__(self, most: int) -> None:
        self.sequences: deque[ReplayItem] = deque(maxlen=most)

    def add(self, heard: ReplayItem) -> None:
        """These, instead of the earliest."""
        self.sequences.extend(heard.of(slice(i, i + 1)) for i in range(len(heard.events)))

    def last(self, n: int) -> ReplayItem:
        """The latest of them, the last one last."""
        return ReplayItem.together(list(self.sequences)[-n:])

    def any(self, n: int) -> ReplayItem:
        """As many of them as are asked for, each drawn among all."""
        drawn = torch.randint(len(self.sequences), (n,)).tolist()
        return ReplayItem.together([self.sequences[i] for i in drawn])


class ReinforceGAN(LanguageModel, MusicGAN):
    """The generator of :class:`LanguageModel` against an :class:`StepDiscriminator`.

    A batch is a tensor of event ids, int64 ``[B, T, C + 2]``. In the first ``warm_start_epochs``
    the generator learns from the likelihood alone; then the critic learns alone for
    ``critic_pretrain_batches``; then both learn on each batch: the critic by BCE at every step of real windows
    and of rollouts, as long, that begin where in the bar these do; the generator by REINFORCE with
    what the critic says each event of its ``rollout_batch`` latest rollouts is worth
    (:func:`gan_music.losses.policy_gradient.advantages`), plus ``likelihood_weight`` times the likelihood of the
    real windows. No gradient passes through a choice.

    The critic's ``replay_batch`` sequences of each kind are drawn among the last ``replay_size``: what it
    notices of them takes longer than learning from it, and it forgets nothing that it has caught
    (Shrivastava et al. 2017, section 2.3). With ``replay_size=0`` it learns from the batch and the
    latest rollouts.

    Samples are drawn with averaged weights, and the critic chooses among ``n_particles`` of each
    (:class:`~gan_music.decoding.particle_filter.ParticleFilter`).
    """

    settings: ReinforceGANConfig
    n_adversarial: Tensor
    since = 0  # the warm start, in batches: ``n_adversarial``, as the processor knows it
    sampled_from = ("averaged.module.", "discriminator.", "n_adversarial")

    def __init__(
        self,
        settings: ReinforceGANConfig,
        *,
        codec_state: dict[str, Any],
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(settings, codec_state=codec_state, config=config)
        self.discriminator = StepDiscriminator(
            self.generator.space,
            hidden_size=settings.d_hidden_size,
            embedding_size=settings.d_embedding_size,
            dropout=settings.d_dropout,
            n_intervals=settings.n_intervals,
            lookback_span=settings.lookback_span,
            active_notes_span=settings.active_notes_span,
            style_size=STYLE_SIZE
            if settings.n_style_components and settings.conditional_critic
            else 0,
        )
        # batches since the warm start
        self.register_buffer("n_adversarial", torch.tensor(0))
        # windows and rollouts that the critic meets again
        self._real = ReplayBuffer(settings.replay_size)
        self._fake = ReplayBuffer(max(settings.replay_size, settings.rollout_batch))
        self._latest: ReplayItem | None = None  # the last rollout of those

    @property
    def best_at_last(self) -> bool:
        # beside a likelihood; else nothing keeps the game from ending worse than it was
        return self.settings.likelihood_weight > 0

    @property
    def choice(self) -> ParticleFilter | None:
        s = self.settings
        # a critic that has learned nothing would choose at random
        if s.n_particles == 1 or not int(self.n_adversarial):
            return None
        return ParticleFilter(self.discriminator, s.n_particles, s.resample_every)

    def on_train_start(self) -> None:
        super().on_train_start()
        self.since = int(self.n_adversarial)

    def configure_optimizers(self) -> Any:
        s = self.settings
        opt_d = torch.optim.AdamW(
            [{"params": self.discriminator.parameters(), "player": "d"}],
            lr=s.lr_d,
            betas=(0.5, 0.99),
            weight_decay=s.d_weight_decay,
        )
        return [super().configure_optimizers(), opt_d]

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        s = self.settings
        opt_g, opt_d = self.both_optimizers()
        self._schedule(opt_g)
        fake = None
        if not self.warm:
            leads = self.since < s.critic_pretrain_batches
            fake = self._rollout(batch, s.critic_pretrain_reuse if leads else s.rollout_reuse)
            self._update_d(opt_d, *self._met(batch, fake))
            self.n_adversarial += 1
            self.since += 1
            if leads:
                self.count_batch()
                return
        self._update_g(opt_g, batch, fake)
        self.count_batch()

    def heard(self, events: Tensor, z: Tensor | None = None) -> ReplayItem:
        """Sequences, written to this noise, or real ones: those have their outlines."""
        if z is None:
            style_prior = self.generator.style_prior
            nothing = torch.zeros(len(events), 0, device=events.device)
            z = nothing if style_prior is None else style_prior.encode(events, noise=0.0)
        return ReplayItem(events, z, self.discriminator.features(events, z))

    def _rollout(self, batch: Tensor, rollout_reuse: int) -> ReplayItem:
        """``rollout_batch`` sequences as long as a batch's, new ones if it is time."""
        s = self.settings
        if self._latest is None or self.since % rollout_reuse == 0:
            self.generator.eval()
            z = self.generator.prior(s.rollout_batch)
            position, meter = self.generator.space.starts(batch)
            which = torch.randint(len(batch), (s.rollout_batch,), device=batch.device)
            gumbel = self.generator.gumbel(s.rollout_batch, batch.shape[1])
            starts = position[which], meter[which]
            events = self.decoding.rollout(self.generator, z, gumbel, starts)
            self.generator.train()
            self._latest = self.heard(events, z)
            self._fake.add(self._latest)
        return self._latest

    def _met(self, batch: Tensor, latest: ReplayItem) -> tuple[ReplayItem, ReplayItem]:
        """The real windows and the rollouts that the critic learns from."""
        s = self.settings
        real = self.heard(batch)
        if not s.replay_size:
            return real, latest
        self._real.add(real)
        return self._real.any(s.replay_batch), self._fake.any(s.replay_batch)

    def _update_d(self, opt_d: LightningOptimizer, real: ReplayItem, fake: ReplayItem) -> None:
        with self.toggled_optimizer(opt_d):
            self.discriminator.train()
            score_real = self.discriminator(real.events, real.features)
            if self.padded:
                score_real = score_real[self.generator.space.present(real.events)]
            score_fake = self.discriminator(fake.events, fake.features)
            loss_d = adversarial.discriminator_bce(
                score_real, score_fake, smoothing=self.settings.label_smoothing
            )
            self.backward_loss(opt_d, loss_d=loss_d)
            opt_d.step()
        self.log_train(
            loss_d=loss_d,
            score_real=score_real.sigmoid().mean(),
            score_fake=score_fake.sigmoid().mean(),
            accuracy_d=adversarial.accuracy(score_real, score_fake),
        )

    def _update_g(self, opt_g: LightningOptimizer, real: Tensor, fake: ReplayItem | None) -> None:
        s, generator = self.settings, self.generator
        weight = 1.0 if fake is None else s.likelihood_weight
        with self.toggled_optimizer(opt_g):
            terms: dict[str, Tensor] = {}
            if weight > 0:
                z = generator.posterior(real, generator.prior(len(real)))
                inputs = add_input_noise(generator.space, real, s.input_noise)
                nll = likelihood.negative_log_likelihood(
                    generator.logits(real, z, inputs=inputs), real
                )
                terms["nll"] = weight * nll
                self.log_train(nll=nll)
            if fake is not None:
                earned = policy_gradient.advantages(
                    self._scored(fake), discount=s.discount, limit=s.advantage_limit
                )
                logits = generator.logits(fake.events, fake.z, dropout=False)
                likelihoods = likelihood.log_likelihoods(logits, fake.events)
                loss_g = policy_gradient.policy_gradient(likelihoods, earned)
                terms["loss_g"] = s.adversarial_weight * loss_g
                if s.entropy_weight > 0:
                    terms["entropy"] = -s.entropy_weight * likelihood.entropy(logits)
                self.log_train(loss_g=loss_g, advantage=earned.std(), entropy=-likelihoods.mean())
            self.backward_loss(opt_g, **terms)
            opt_g.step()
        self.averaged.update_parameters(generator)

    @torch.no_grad()
    def _scored(self, fake: ReplayItem) -> Tensor:
        """The critic's logits without dropout."""
        self.discriminator.eval()
        scores = self.discriminator(fake.events, fake.features)
        self.discriminator.train()
        return scores

    def _schedule(self, opt_g: LightningOptimizer) -> None:
        """The generator's learning rate: in the warm start as in :class:`LanguageModel`, with its
        end for the run's; then ``lr_g``, with a rise and a fall of its own.
        """
        s = self.settings
        batches = int(self.trainer.num_training_batches)
        if self.warm:
            n, total, rate = self.number, batches * s.warm_start_epochs, s.lr
        else:
            n = max(0, self.since - s.critic_pretrain_batches)
            epochs = (self.trainer.max_epochs or 1) - s.warm_start_epochs
            total, rate = batches * epochs - s.critic_pretrain_batches, s.lr_g
        share = warmup_cosine(n, warmup=s.warmup_batches, total=max(1, total))
        self.set_lr(opt_g, rate * share)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        # those that batches to come would see again; ids are small
        for name, kept in (("fakes", self._fake), ("windows", self._real)):
            saved = None
            if n := len(kept.sequences):
                every = kept.last(n)
                saved = every.events.short(), every.z
            checkpoint["gan_music"][name] = saved

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)

        for name, kept in (("fakes", self._fake), ("windows", self._real)):
            saved = checkpoint["gan_music"].get(name)
            if saved is not None:
                events, z = (x.to(self.device) for x in saved)
                kept.add(self.heard(events.long(), z))
        if self._fake.sequences:
            self._latest = self._fake.last(self.settings.rollout_batch)
