"""The generator's network trained by maximum likelihood alone: the baseline of every GAN of it."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from gan_music.config.model_settings import LanguageModelConfig
from gan_music.losses import likelihood
from gan_music.models.event_model import EventModel, averaged, note_space, warmup_cosine
from gan_music.networks.features.history import add_input_noise
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.representations.note_events import NoteEvents


class LanguageModel(EventModel):
    """An LSTM of event sequences, with or without attention over its own past; one player.

    A batch is a tensor of event ids, int64 ``[B, T, C + 2]``. The loss is the negative log
    likelihood of each event given those before it, in nats an event; AdamW, whose learning rate
    rises linearly over ``warmup_batches`` and falls to a twentieth along a cosine over the run.
    Samples are drawn with averaged weights. The noise of the generator is an outline of what comes,
    or, with ``n_style_components=0``, means nothing.
    """

    settings: LanguageModelConfig
    n_batches: Tensor

    def __init__(
        self,
        settings: LanguageModelConfig,
        *,
        codec_state: dict[str, Any],
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            settings, codec_state=codec_state, config=config, clip_norm=settings.clip_norm
        )
        self.automatic_optimization = False  # the learning rate is set by the batch
        self.codec = NoteEvents.from_state(codec_state)
        self.generator = LSTMGenerator(
            note_space(self.codec),
            noise_size=1,
            hidden_size=settings.hidden_size,
            n_layers=settings.n_layers,
            embedding_size=settings.embedding_size,
            dropout=settings.dropout,
            n_intervals=settings.n_intervals,
            attention_span=settings.attention_span,
            n_style_components=settings.n_style_components,
            lookback_span=settings.lookback_span,
            active_notes_span=settings.active_notes_span,
            recurrent_dropout=settings.recurrent_dropout,
        )
        self.averaged = averaged(self.generator, settings.ema_decay)
        self.register_buffer("n_batches", torch.tensor(0))

    @property
    def best_at_last(self) -> bool:
        return True

    def configure_optimizers(self) -> torch.optim.Optimizer:
        s = self.settings
        # decay pulls matrices towards 0; biases and norms are left where they are
        matrices = [p for p in self.generator.parameters() if p.ndim > 1]
        others = [p for p in self.generator.parameters() if p.ndim <= 1]
        return torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": s.weight_decay, "player": "g"},
                {"params": others, "weight_decay": 0.0, "player": "g"},
            ],
            lr=s.lr,
            betas=(s.betas[0], s.betas[1]),
        )

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        s, optimizer = self.settings, self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)  # there is one
        total = int(self.trainer.num_training_batches) * (self.trainer.max_epochs or 1)
        share = warmup_cosine(self.number, warmup=s.warmup_batches, total=total)
        self.set_lr(optimizer, s.lr * share)

        z = self.generator.posterior(batch, self.generator.prior(len(batch)))
        inputs = add_input_noise(self.generator.space, batch, s.input_noise)
        logits = self.generator.logits(batch, z, inputs=inputs)
        nll = likelihood.negative_log_likelihood(logits, batch)
        self.backward_loss(optimizer, nll=nll)
        optimizer.step()
        self.averaged.update_parameters(self.generator)
        self.count_batch()
        self.log_train(nll=nll)
