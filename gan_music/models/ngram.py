"""The n-gram baseline: smoothed counts of events given the last two, and no network."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_music.config.model_settings import NGramConfig
from gan_music.data.batch import Batch
from gan_music.data.datasets import MusicDataset
from gan_music.decoding.request import SampleRequest
from gan_music.decoding.sample import decode, draw_starts
from gan_music.models.base import MusicModel
from gan_music.models.event_model import note_space
from gan_music.music.piece import Piece
from gan_music.networks.baselines.ngram_counts import NGramCounts
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.windows import WindowSpec

log = logging.getLogger(__name__)

_BATCH = 256  # pieces sampled at a time
_HELD_OUT = 10  # back-off strengths are fitted on every tenth work


class NGramModel(MusicModel):
    """Counts and back-off strengths that are fitted before the first batch; no weight is trained.

    The training pieces are counted without transposition or time scaling. The strengths are fitted
    on every tenth work with the counts of the others, and all works are counted at the end. A batch
    holds event ids, int64 ``[B, T, C + 2]``, of which the likelihood is logged. Training ends after
    one epoch.
    """

    settings: NGramConfig
    representation: NoteEvents

    def __init__(
        self, settings: NGramConfig, *, representation: NoteEvents, **options: Any
    ) -> None:
        super().__init__(settings, representation=representation, **options)
        self.chain = NGramCounts(note_space(representation))

    def configure_optimizers(self) -> None:
        return None

    def on_fit_start(self) -> None:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]  # set by fit
        pieces = data.pieces.train
        self.fit_pieces(pieces, works=data.works(pieces), window=data.window)

    def fit_pieces(self, pieces: Sequence[Piece], *, works: Sequence[str], window: int) -> None:
        """Count pieces, each of which is part of a work, in windows of ``window`` notes."""
        numbers = {work: i for i, work in enumerate(dict.fromkeys(works))}
        held_out = [numbers[work] % _HELD_OUT == _HELD_OUT - 1 for work in works]
        if any(held_out):
            parts = {
                h: [p for p, x in zip(pieces, held_out, strict=True) if x == h]
                for h in (False, True)
            }
            self.chain.count(self._windows(parts[False], window))
            self.chain.fit_strengths(self._windows(parts[True], window))
        else:
            log.info("fewer than %d works: back-off strengths are not fitted", _HELD_OUT)
        self.chain.count(self._windows(pieces, window))

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        if self.log_due:
            nll = self.chain.negative_log_likelihood(batch.x)
            if not nll.isfinite():
                what = f"nll of the n-gram model is not finite ({float(nll)})"
                self.guard.reject(what, self, self.trainer)
            self.log_train(nll=nll)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        nll = self.chain.negative_log_likelihood(batch.x)
        self.log("val/nll", nll, batch_size=len(batch.x))

    def on_train_epoch_end(self) -> None:
        self.trainer.should_stop = True

    @torch.no_grad()
    def _sample(self, request: SampleRequest) -> list[Piece]:
        rng = torch.Generator(self.device).manual_seed(request.seed)
        primer = None
        if request.primer is not None:
            primer = torch.from_numpy(request.primer.encode(self.representation)).to(self.device)
        ids: list[np.ndarray] = []
        for first in range(0, request.n_pieces, _BATCH):
            n = min(_BATCH, request.n_pieces - first)
            if primer is None:
                given = None
                position, meter = draw_starts(self.representation, n, request.meter, rng)
            else:
                given = primer.repeat(n, 1, 1)
                position, meter = given[:, -1, -2], given[:, -1, -1]
            events = self.chain.rollout(
                self.chain.space.beginning(position, meter),
                request.length,
                rng,
                temperature=request.temperature,
                primer=given,
            )
            ids += list(events.cpu().numpy())
        return [
            decode(self.representation, x, request, name=f"sample {number}")
            for number, x in enumerate(ids, 1)
        ]

    def _windows(self, pieces: Sequence[Piece], length: int) -> Tensor:
        """Windows of all pieces that overlap only at a piece's end, ids ``[N, length, C + 2]``."""
        spec = WindowSpec(length, length, pad_short=True)
        dataset = MusicDataset(pieces, self.representation, spec)
        return dataset.unaugmented(range(len(dataset))).x.to(self.device)
