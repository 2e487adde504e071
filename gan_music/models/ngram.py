"""The floor that is no network: a Markov chain of order 2 over events, smoothed."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gan_music.config.model_settings import NGramConfig
from gan_music.data.datamodule import MusicDataModule
from gan_music.data.datasets import MusicDataset
from gan_music.data.split import work_of
from gan_music.decoding.primer import Primer
from gan_music.decoding.sample import draw_starts
from gan_music.models.base import MusicModel
from gan_music.models.event_model import note_space
from gan_music.music.piece import DEFAULT_TEMPO, Piece
from gan_music.networks.baselines.ngram_counts import NGramCounts
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.windows import WindowSpec

log = logging.getLogger(__name__)

_BATCH = 256  # pieces sampled side by side
_HELD_OUT = 10  # the strengths are chosen on every tenth work


class NGramModel(MusicModel):
    """Counts and strengths, all of them found before the first batch; nothing is trained on.

    The training pieces are counted as they are, without transposition or scaling of time. How far
    each rung is trusted is chosen on every tenth work, with the other nine counted; then all are.
    A batch is a tensor of event ids, int64 ``[B, T, C + 2]``, and only its likelihood is logged.
    One epoch is all there is: further ones are left out.
    """

    settings: NGramConfig

    def __init__(
        self,
        settings: NGramConfig,
        *,
        codec_state: dict[str, Any],
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(settings, codec_state=codec_state, config=config)
        self.codec = NoteEvents.from_state(codec_state)
        self.chain = NGramCounts(note_space(self.codec))

    def configure_optimizers(self) -> None:
        return None

    def on_fit_start(self) -> None:
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]  # set by fit
        assert isinstance(data, MusicDataModule)
        assert data.pieces is not None
        self.fit_pieces(data.pieces.train, window=data.window, movement=data.movement)

    def fit_pieces(self, pieces: Sequence[Piece], *, window: int, movement: str | None) -> None:
        """Count pieces in windows, as they will be judged; ``movement`` tells works apart."""
        works = {name: i for i, name in enumerate({work_of(p.name, movement): 0 for p in pieces})}
        held = [works[work_of(p.name, movement)] % _HELD_OUT == _HELD_OUT - 1 for p in pieces]
        if any(held):
            self.chain.count(
                self._windows([p for p, h in zip(pieces, held, strict=True) if not h], window)
            )
            self.chain.fit_strengths(
                self._windows([p for p, h in zip(pieces, held, strict=True) if h], window)
            )
        else:
            log.info("fewer than %d works: how far counts are trusted is not fitted", _HELD_OUT)
        self.chain.count(self._windows(pieces, window))

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        if self.log_due:
            nll = self.chain.negative_log_likelihood(batch)
            if not nll.isfinite():
                self.guard.refuse(self, f"nll of the chain is not finite ({float(nll)})")
            self.log_train(nll=nll)

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        nll = self.chain.negative_log_likelihood(batch)
        self.log("val/nll", nll, batch_size=len(batch))

    def on_train_epoch_end(self) -> None:
        self.trainer.should_stop = True

    @torch.no_grad()
    def sample(
        self,
        *,
        n_pieces: int,
        n_notes: int,
        seed: int,
        temperature: float = 1.0,
        tempo: float = DEFAULT_TEMPO,
        meter: tuple[int, int] | None = None,
    ) -> list[Piece]:
        rng = torch.Generator(self.device).manual_seed(seed)
        pieces: list[Piece] = []
        for first in range(0, n_pieces, _BATCH):
            starts = draw_starts(self.codec, min(_BATCH, n_pieces - first), meter, rng)
            events = self.chain.rollout(starts, n_notes, rng, temperature=temperature)
            pieces += [
                self.codec.decode(ids, tempo=tempo, name=f"sample {first + i + 1}").piece
                for i, ids in enumerate(events.cpu().numpy())
            ]
        return pieces

    @torch.no_grad()
    def go_on(
        self,
        primer: Primer,
        *,
        n_pieces: int,
        n_notes: int,
        seed: int,
        temperature: float = 1.0,
        tempo: float = DEFAULT_TEMPO,
    ) -> list[Piece]:
        rng = torch.Generator(self.device).manual_seed(seed)
        heard = torch.from_numpy(primer.encode(self.codec)).to(self.device)
        pieces: list[Piece] = []
        for first in range(0, n_pieces, _BATCH):
            n = min(_BATCH, n_pieces - first)
            starts = (heard[-1, -2].repeat(n), heard[-1, -1].repeat(n))
            events = self.chain.rollout(
                starts, n_notes, rng, temperature=temperature, primer=heard.repeat(n, 1, 1)
            )
            pieces += [
                primer.continued_by(self.codec, ids, tempo=tempo, name=f"sample {first + i + 1}")
                for i, ids in enumerate(events.cpu().numpy())
            ]
        return pieces

    def _windows(self, pieces: Sequence[Piece], length: int) -> Tensor:
        dataset = MusicDataset(pieces, self.codec, WindowSpec(length, length, pad_short=True))
        return dataset.unaugmented(range(len(dataset))).x.to(self.device)
