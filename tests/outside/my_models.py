"""A unigram model: each category of an event is drawn independently."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gan_music.config.fields import LearningRate, settings
from gan_music.data.batch import Batch
from gan_music.decoding.request import SampleRequest
from gan_music.decoding.sample import draw_starts
from gan_music.models.base import MusicModel
from gan_music.music.piece import Piece
from gan_music.representations.note_events import NoteEvents


@settings
class UnigramSettings:
    """The values in my_conf/model/unigram.yaml."""

    lr: LearningRate


class Unigram(MusicModel):
    """Logits of each category; the loss is the negative log-likelihood in nats an event."""

    Settings = UnigramSettings
    has_primer = False

    def __init__(
        self, settings: UnigramSettings, *, representation: NoteEvents, **options: Any
    ) -> None:
        super().__init__(settings, representation=representation, **options)
        self.logits = nn.ParameterList(torch.zeros(n) for n in representation.sizes)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        group = {"params": list(self.parameters()), "network": "g"}
        return torch.optim.Adam([group], lr=self.settings.lr)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        nll = self._nll(batch)
        self.log_train(nll=nll)
        return nll

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.log("val/nll", self._nll(batch), batch_size=len(batch.x))

    def _nll(self, batch: Batch) -> Tensor:
        events = batch.x[batch.mask]  # [N, C + 2]
        terms = [
            F.cross_entropy(logits.expand(len(events), -1), events[:, c])
            for c, logits in enumerate(self.logits)
        ]
        return torch.stack(terms).sum()

    @torch.no_grad()
    def _sample(self, request: SampleRequest) -> list[Piece]:
        rng = torch.Generator(self.device).manual_seed(request.seed)
        n, length = request.n_pieces, request.length
        position, meter = draw_starts(self.representation, n, request.meter, rng)
        columns = [
            torch.multinomial(
                (logits / request.temperature).softmax(0), n * length, True, generator=rng
            ).view(n, length)
            for logits in self.logits
        ]
        columns += [x[:, None].expand(n, length) for x in (position, meter)]
        return self.decode(torch.stack(columns, 2).cpu().numpy(), request)
