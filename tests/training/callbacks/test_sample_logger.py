from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from lightning.pytorch.loggers import TensorBoardLogger

from gan_music.config.validate import compose_run
from gan_music.music.piece import Piece
from gan_music.training.callbacks.sample_logger import SampleLogger
from gan_music.training.trainer import sample_logger
from tests.conftest import events_of
from tests.training.callbacks.fake import FakeModel


@pytest.mark.parametrize(
    ("max_epochs", "at_most", "every"), [(16, 100, 1), (100, 100, 1), (101, 100, 2), (1000, 7, 143)]
)
def test_samples_are_logged_a_bounded_number_of_times(
    max_epochs: int, at_most: int, every: int
) -> None:
    config = compose_run("samples.show_every_n_epochs=1", f"samples.show_at_most={at_most}")
    (logger,) = sample_logger(config.samples, [], tempo=120.0, seed=0, max_epochs=max_epochs)
    assert logger.every_n_epochs == every
    assert max_epochs // every <= at_most


def test_pieces_of_one_note_are_logged_without_offsets(tmp_path: Path) -> None:
    trainer = SimpleNamespace(
        fit_loop=SimpleNamespace(total_batch_idx=-1),
        loggers=[TensorBoardLogger(tmp_path, name="", version="tensorboard")],
        is_global_zero=True,
    )
    one_note = [Piece.from_arrays([0], [24], [60], grid=24)] * 2
    logger = SampleLogger(one_note, n_notes=1, tempo=120.0, seed=0, every_n_epochs=1)
    logger.on_train_start(trainer, FakeModel())  # type: ignore[arg-type]
    tags = events_of(tmp_path).Tags()
    assert sorted(tags["histograms"]) == ["notes/duration_real", "notes/pitch_real"]
    assert tags["images"] == ["rolls/real"]
