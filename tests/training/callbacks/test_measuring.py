"""The collapse alarm, on a model whose samples are given; the clock."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import SingleDeviceStrategy

from gan_music.config.validate import compose_run
from gan_music.models.base import MusicModel
from gan_music.music.piece import Piece
from gan_music.training.callbacks.measuring import CollapseAlarm, EpochLine, SampleQuality
from gan_music.training.callbacks.sample_logger import SampleLogger
from gan_music.training.run import _gallery
from tests.conftest import event_tags, make_piece

REAL = [make_piece(seed, n_notes=48).cut(0, 48) for seed in range(8)]
ONE_NOTE = [Piece.from_arrays([0] * 48, [1] * 48, [60] * 48, grid=24)] * 8


class Model(MusicModel):
    """Writes what it is told to."""

    def __init__(self, warm: bool = False, last: bool = False) -> None:
        super().__init__(None, codec_state={}, config=None, clip_norm=None)
        self.pieces = REAL
        self.warm, self.last = warm, last

    @property
    def best_at_last(self) -> bool:
        return self.last

    def log_dict(self, values: Any, **arguments: Any) -> None:
        self.logged = values

    @property
    def phase(self) -> str:
        return "warm start" if self.warm else ""

    def sample(self, **arguments: Any) -> list[Piece]:
        self.asked = arguments
        return self.pieces[: arguments["n_pieces"]]


def make_alarm(patience: int | None = 2) -> CollapseAlarm:
    return CollapseAlarm(REAL, every_n_batches=10, window=48, seed=0, patience=patience)


def run(alarm: CollapseAlarm, model: Model, batches: range) -> bool:
    """Whether the alarm wants training to stop after these batches."""
    trainer = SimpleNamespace(
        fit_loop=SimpleNamespace(),
        loggers=[],
        should_stop=False,
        is_last_batch=False,
        is_global_zero=True,
        strategy=SingleDeviceStrategy(),
    )
    for number in batches:
        trainer.fit_loop.total_batch_idx = number
        alarm.on_train_batch_end(trainer, model)  # type: ignore[arg-type]
    return trainer.should_stop


def test_real_music_is_healthy_and_one_note_collapsed() -> None:
    alarm, model = make_alarm(), Model()
    run(alarm, model, range(25))
    assert alarm.summary() == {"last_verdict": "healthy", "first_collapsed_batch": None}
    model.pieces = ONE_NOTE
    assert not run(alarm, model, range(25, 35))
    assert alarm.summary() == {"last_verdict": "collapsed", "first_collapsed_batch": 30}
    assert run(alarm, model, range(35, 45))


def test_verdicts_that_stop_training_come_in_a_row() -> None:
    alarm, model = make_alarm(), Model()
    model.pieces = ONE_NOTE
    run(alarm, model, range(10))
    model.pieces = REAL
    run(alarm, model, range(10, 20))
    model.pieces = ONE_NOTE
    assert not run(alarm, model, range(20, 30))


@pytest.mark.parametrize(("warm", "patience"), [(True, 1), (False, None)])
def test_no_alarm_in_a_warm_start_or_without_patience(warm: bool, patience: int | None) -> None:
    alarm, model = make_alarm(patience), Model(warm=warm)
    model.pieces = ONE_NOTE
    assert not run(alarm, model, range(100))
    assert (alarm.first_collapse is None) == warm


def test_a_resumed_alarm_counts_on() -> None:
    alarm, model = make_alarm(), Model()
    model.pieces = ONE_NOTE
    run(alarm, model, range(10))
    again = make_alarm()
    again.load_state_dict(alarm.state_dict())
    assert run(again, model, range(10, 20))
    assert again.first_collapse == 10


def test_a_clock_that_missed_the_first_epochs_says_so() -> None:
    fresh, resumed = EpochLine(), EpochLine()
    for clock, last_batch in ((fresh, -1), (resumed, 7)):
        loop = SimpleNamespace(total_batch_idx=last_batch)
        clock.on_train_start(SimpleNamespace(fit_loop=loop), Model())  # type: ignore[arg-type]
    assert fresh.seconds == 0
    assert resumed.seconds != resumed.seconds


def test_quality_is_of_windows_cut_from_long_samples() -> None:
    model = Model()
    quality = SampleQuality(REAL, n_windows=7, window=16, n_notes=50, seed=0)
    figures = quality.measure(model, 5)
    # three windows of 16 in each of three pieces, of which seven are looked at
    assert model.asked == {"n_pieces": 3, "n_notes": 48, "seed": 5}
    assert 0 <= figures["distance"] < 1
    quality = SampleQuality(REAL, n_windows=7, window=64, n_notes=48, seed=0)
    quality.measure(model, 0)  # samples shorter than a window are taken as they are
    assert model.asked == {"n_pieces": 7, "n_notes": 48, "seed": 0}


@pytest.mark.parametrize(("warm", "last"), [(False, False), (True, False), (False, True)])
def test_what_a_checkpoint_is_chosen_by(warm: bool, last: bool) -> None:
    quality = SampleQuality(REAL, n_windows=7, window=16, n_notes=48, seed=0)
    model, chosen = Model(warm=warm, last=last), []
    for epoch in range(2):
        quality.on_validation_epoch_end(
            SimpleNamespace(  # type: ignore[arg-type]
                current_epoch=epoch,
                is_global_zero=True,
                strategy=SimpleNamespace(broadcast=lambda x: x),
            ),
            model,
        )
        chosen.append(model.logged["val/selection"])
    # the samples stay the same: only an epoch that is better by being later is chosen anew
    first = 0.0 if last else model.logged["val/distance"] + warm
    assert chosen == [first, -1.0 if last else first]


@pytest.mark.parametrize(
    ("max_epochs", "at_most", "every"), [(16, 100, 1), (100, 100, 1), (101, 100, 2), (1000, 7, 143)]
)
def test_tensorboard_shows_samples_so_many_times_at_most(
    max_epochs: int, at_most: int, every: int
) -> None:
    config = compose_run(
        "samples.show_every_n_epochs=1",
        f"samples.show_at_most={at_most}",
        f"trainer.max_epochs={max_epochs}",
    )
    (gallery,) = _gallery(config, SimpleNamespace(median_tempo=120.0), [])  # type: ignore[arg-type]
    assert isinstance(gallery, SampleLogger)
    assert gallery.every_n_epochs == every
    assert max_epochs // every <= at_most


def test_pieces_of_one_note_are_shown_without_offsets(tmp_path: Path) -> None:
    trainer = SimpleNamespace(
        fit_loop=SimpleNamespace(total_batch_idx=-1),
        loggers=[TensorBoardLogger(tmp_path, name="", version="tensorboard")],
    )
    one_note = [Piece.from_arrays([0], [24], [60], grid=24)] * 2
    gallery = SampleLogger(one_note, n_notes=1, tempo=120.0, seed=0, every_n_epochs=1)
    gallery.on_train_start(trainer, Model())  # type: ignore[arg-type]
    tags = event_tags(tmp_path)
    assert sorted(tags["histograms"]) == ["notes/duration_real", "notes/pitch_real"]
    assert tags["images"] == ["rolls/real"]
