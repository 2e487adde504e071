"""The distance of samples from validation music after each epoch, which selects ``best.ckpt``."""

from __future__ import annotations

from collections.abc import Sequence

from lightning.pytorch import Callback, LightningModule, Trainer

from gan_music.decoding.request import SampleRequest
from gan_music.metrics.sets.distance import distance
from gan_music.models.base import MusicModel
from gan_music.music.piece import Piece, windows_or_pieces


class SampleQuality(Callback):
    """After each epoch: windows of samples against windows of validation music.

    Samples are drawn with the same seed each time, so that epochs can be compared. They are
    ``n_notes`` long and windows are cut from all of them, so that drift within a piece counts. Logs
    ``val/distance`` and its parts (:func:`gan_music.metrics.sets.distance.distance`), and
    ``val/selection``, which checkpoints are selected by: the distance, plus 1 in a warm start; for
    a model whose last checkpoint is kept, minus the epoch.
    """

    def __init__(
        self, reference: Sequence[Piece], *, n_windows: int, window: int, n_notes: int, seed: int
    ) -> None:
        self.reference = reference
        self.n_windows, self.window, self.n_notes = n_windows, window, n_notes
        self.seed = seed

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, MusicModel)
        figures = self.measure(pl_module, self.seed) if trainer.is_global_zero else {}
        figures = trainer.strategy.broadcast(figures)  # computed by rank 0 alone
        # a checkpoint of the warm start ranks behind every one of adversarial training
        figures["selection"] = figures["distance"] + (1.0 if pl_module.phase else 0.0)
        if pl_module.keeps_last:
            figures["selection"] = -float(trainer.current_epoch)
        pl_module.log_dict({f"val/{k}": float(v) for k, v in figures.items()})

    def measure(self, model: MusicModel, seed: int) -> dict[str, float]:
        """The distance of samples of this seed, and its parts."""
        each = max(1, self.n_notes // self.window)
        request = SampleRequest(
            n_pieces=-(-self.n_windows // each),
            length=min(self.n_notes, each * self.window),
            seed=seed,
        )
        pieces = model.sample(request)
        return distance(windows_or_pieces(pieces, self.window, self.n_windows), self.reference)
