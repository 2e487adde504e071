"""A GAN of events by REINFORCE: a critic scores every event, and rewards the generator."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from gan_music.config.model_settings import ReinforceGANConfig
from gan_music.data.batch import Batch
from gan_music.decoding.particle_filter import ParticleFilter
from gan_music.losses import likelihood, policy_gradient
from gan_music.models.base import MusicGAN
from gan_music.models.language_model import LanguageModel
from gan_music.models.replay import ReplayBuffer, ReplayItem
from gan_music.networks.features.style_vector import STYLE_SIZE
from gan_music.networks.step_discriminator import StepDiscriminator, hold
from gan_music.optim.optimizers import adamw
from gan_music.optim.schedules import warmup_cosine
from gan_music.representations.note_events import NoteEvents


class ReinforceGAN(LanguageModel, MusicGAN):
    """The generator of :class:`LanguageModel` against a :class:`StepDiscriminator`, the critic.

    A batch holds event ids, int64 ``[B, T, C + 2]``. Training has three phases:

    1. ``warm_start_epochs`` of likelihood pre-training of the generator;
    2. ``critic_pretrain_batches`` on which the critic alone is updated;
    3. updates of both networks on each batch: of the critic by BCE at every step of real windows
       and of rollouts, which have their length and begin at their positions in the bar; of the
       generator by REINFORCE with the advantages of the latest ``rollout_batch`` rollouts
       (:func:`gan_music.losses.policy_gradient.advantages`), with ``likelihood_weight`` times the
       negative log-likelihood of the real windows.

    The critic is updated on ``replay_batch`` real and ``replay_batch`` generated sequences (at most
    ``replay_size``) that are sampled from the last ``replay_size`` of each (Shrivastava et al.
    2017, section 2.3): computing their features takes longer than an update. With ``replay_size=0``
    it is updated on the batch and on the latest rollouts.

    Samples are drawn with EMA weights and a particle filter of ``n_particles``, weighted by the
    critic (:class:`~gan_music.decoding.particle_filter.ParticleFilter`).
    """

    settings: ReinforceGANConfig
    n_adversarial: Tensor  # batches since the warm start, saved in checkpoints
    batches_since_warm_start = 0  # the same on the CPU: reading that would synchronise with the GPU
    sampled_from = ("averaged.module.", "discriminator.", "n_adversarial")

    def __init__(
        self, settings: ReinforceGANConfig, *, representation: NoteEvents, **options: Any
    ) -> None:
        super().__init__(settings, representation=representation, **options)
        s = settings
        self.discriminator = StepDiscriminator(
            self.generator.space,
            hidden_size=s.d_hidden_size,
            embedding_size=s.d_embedding_size,
            dropout=s.d_dropout,
            n_intervals=s.n_intervals,
            lookback_span=s.lookback_span,
            active_notes_span=s.active_notes_span,
            style_size=STYLE_SIZE if s.n_style_components and s.conditional_critic else 0,
        )
        self.register_buffer("n_adversarial", torch.tensor(0))
        self.replay_real = ReplayBuffer(s.replay_size)
        self.replay_fake = ReplayBuffer(max(s.replay_size, s.rollout_batch))
        self._latest: ReplayItem | None = None  # rollouts

    @property
    def keeps_last(self) -> bool:
        # without a likelihood term, adversarial training may end worse than it was before
        return self.settings.likelihood_weight > 0

    @property
    def particle_filter(self) -> ParticleFilter | None:
        s = self.settings
        # an untrained critic would resample at random
        if s.n_particles == 1 or not int(self.n_adversarial):
            return None
        return ParticleFilter(self.discriminator, s.n_particles, s.resample_every)

    def on_train_start(self) -> None:
        super().on_train_start()
        self.batches_since_warm_start = int(self.n_adversarial)

    def configure_optimizers(self) -> Any:
        s = self.settings
        own = partial(adamw, betas=(0.5, 0.99), weight_decay=s.d_weight_decay)
        opt_d = self.build_optimizer(self.discriminator, "d", lr=s.lr_d, default=own)
        return [super().configure_optimizers(), opt_d]

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        s = self.settings
        opt_g, opt_d = self.both_optimizers()
        self._schedule(opt_g, opt_d)
        fake = None
        pretrains_critic = False
        if not self.is_warm_start:
            pretrains_critic = self.batches_since_warm_start < s.critic_pretrain_batches
            reuse = s.critic_pretrain_reuse if pretrains_critic else s.rollout_reuse
            fake = self._rollout(batch.x, reuse)
            self._update_d(opt_d, *self._replay(batch.x, fake))
            self.n_adversarial += 1
            self.batches_since_warm_start += 1
        if not pretrains_critic:
            self._update_g(opt_g, batch.x, fake)
        self.count_batch()

    def make_item(self, events: Tensor, z: Tensor | None = None) -> ReplayItem:
        """Sequences with the critic's features; real ones, without ``z``, have the style vectors of
        their own events.
        """
        if z is None:
            prior = self.generator.style_prior
            z = events.new_zeros(len(events), 0, dtype=torch.float32)
            if prior is not None:
                z = prior.encode(events, noise=0.0)
        return ReplayItem(events, z, self.discriminator.features(events, z))

    def _rollout(self, real: Tensor, reuse: int) -> ReplayItem:
        """The latest ``rollout_batch`` sequences of the windows' length, new every ``reuse``-th
        batch.
        """
        n, generator = self.settings.rollout_batch, self.generator
        if self._latest is None or self.batches_since_warm_start % reuse == 0:
            generator.eval()
            z = generator.prior(n)
            rows = torch.randint(len(real), (n,), device=real.device)
            starts = generator.space.starts(real).rows(rows)
            gumbel = generator.gumbel(n, real.shape[1])
            events = self.decoding.rollout(generator, z, gumbel, starts)
            generator.train()
            self._latest = self.make_item(events, z)
            self.replay_fake.add(self._latest)
        return self._latest

    def _replay(self, real: Tensor, latest: ReplayItem) -> tuple[ReplayItem, ReplayItem]:
        """The real and the generated sequences of a critic's update."""
        s = self.settings
        item = self.make_item(real)
        if not s.replay_size:
            return item, latest
        self.replay_real.add(item)
        n = min(s.replay_batch, s.replay_size)
        return self.replay_real.sample(n), self.replay_fake.sample(n)

    def _update_d(self, opt_d: LightningOptimizer, real: ReplayItem, fake: ReplayItem) -> None:
        with self.toggled_optimizer(opt_d):
            d, n = self.discriminator.train(), min(len(real.events), len(fake.events))
            if self.adversarial_loss.pairs:
                real, fake = real.rows(slice(n)), fake.rows(slice(n))
            score_real = d(real.events, real.features)
            score_fake = d(fake.events, fake.features)
            space = self.generator.space
            if self.has_padding or space.has_end:
                here = space.present(real.events)
                there = space.present(fake.events)
                if self.adversarial_loss.pairs:
                    here = there = here & there
                score_real, score_fake = score_real[here], score_fake[there]
            terms = self.discriminator_terms(
                score_real,
                score_fake,
                critic=d.score,
                inputs=lambda: (self._inputs(real, n), self._inputs(fake, n)),
                smoothing=self.settings.label_smoothing,
            )
            self.backward_loss(opt_d, **terms)
            opt_d.step()
        self.log_discriminator(terms, score_real, score_fake)

    def _inputs(self, item: ReplayItem, n: int) -> Tensor:
        """The critic's inputs ``[n, T, F]`` of the first ``n`` sequences."""
        item = item.rows(slice(n))
        return self.discriminator.inputs(item.events, item.features)

    def _update_g(self, opt_g: LightningOptimizer, real: Tensor, fake: ReplayItem | None) -> None:
        s, generator = self.settings, self.generator
        weight = 1.0 if fake is None else s.likelihood_weight
        with self.toggled_optimizer(opt_g):
            terms: dict[str, Tensor] = {}
            if weight > 0:
                nll = self.nll(real)
                terms["nll"] = weight * nll
                self.log_train(nll=nll)
            if fake is not None:
                advantages = policy_gradient.advantages(
                    self._critic_logits(fake), discount=s.discount, limit=s.advantage_limit
                )
                logits = generator.logits(fake.events, fake.z, dropout=False)
                log_p = likelihood.log_likelihoods(logits, fake.events)
                present = generator.space.present(fake.events)
                loss_g = policy_gradient.policy_gradient(log_p, advantages, present)
                terms["loss_g"] = s.adversarial_weight * loss_g
                if s.entropy_weight > 0:
                    terms["entropy"] = -s.entropy_weight * likelihood.entropy(logits, present)
                surprise = -log_p.sum() / present.sum()  # log_p is 0 for padding
                self.log_train(loss_g=loss_g, advantage=advantages.std(), entropy=surprise)
            self.backward_loss(opt_g, **terms)
            opt_g.step()
        self.averaged.update_parameters(generator)

    @torch.no_grad()
    def _critic_logits(self, fake: ReplayItem) -> Tensor:
        """The critic's logits ``[N, T]``, without dropout; after an end, that of the end."""
        self.discriminator.eval()
        logits = self.discriminator(fake.events, fake.features)
        self.discriminator.train()
        present = self.generator.space.present(fake.events)
        return hold(logits, present)

    def _schedule(self, opt_g: LightningOptimizer, opt_d: LightningOptimizer) -> None:
        """The generator's learning rate: one warm-up and cosine decay over the warm start, to
        ``lr``, and one over the updates by REINFORCE, to ``lr_g``.
        """
        s = self.settings
        batches = int(self.trainer.num_training_batches)
        if self.is_warm_start:
            n, total, lr = self.batch_number, batches * s.warm_start_epochs, s.lr
        else:
            n = max(0, self.batches_since_warm_start - s.critic_pretrain_batches)
            epochs = (self.trainer.max_epochs or 1) - s.warm_start_epochs
            total, lr = batches * epochs - s.critic_pretrain_batches, s.lr_g
        share = warmup_cosine(n, warmup=s.warmup_batches, total=max(1, total))
        self.set_lr(opt_g, lr, share)
        self.set_lr(opt_d, s.lr_d)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["gan_music"]["replay"] = {
            "real": self.replay_real.state(),
            "fake": self.replay_fake.state(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        replay = checkpoint["gan_music"]["replay"]
        self.replay_real.load(replay["real"], self.make_item, self.device)
        self.replay_fake.load(replay["fake"], self.make_item, self.device)
        if self.replay_fake.sequences:
            self._latest = self.replay_fake.last(self.settings.rollout_batch)
