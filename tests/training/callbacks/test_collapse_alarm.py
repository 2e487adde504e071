from __future__ import annotations

from types import SimpleNamespace

import pytest
from lightning.pytorch.strategies import SingleDeviceStrategy

from gan_music.music.piece import Piece
from gan_music.training.callbacks.collapse_alarm import CollapseAlarm
from tests.training.callbacks.fake import REAL, FakeModel

ONE_NOTE = [Piece.from_arrays([0] * 48, [1] * 48, [60] * 48, grid=24)] * 8


def make_alarm(patience: int | None = 2) -> CollapseAlarm:
    return CollapseAlarm(REAL, every_n_batches=10, window=48, seed=0, patience=patience)


def run(alarm: CollapseAlarm, model: FakeModel, batches: range) -> bool:
    """Whether the alarm stops training after these batches."""
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


def test_real_music_is_varied_and_one_note_collapsed() -> None:
    alarm, model = make_alarm(), FakeModel()
    run(alarm, model, range(25))
    assert alarm.summary() == {"last_variety": "varied", "first_collapsed_batch": None}
    model.pieces = ONE_NOTE
    assert not run(alarm, model, range(25, 35))
    assert alarm.summary() == {"last_variety": "collapsed", "first_collapsed_batch": 30}
    assert run(alarm, model, range(35, 45))


def test_verdicts_that_stop_training_are_consecutive() -> None:
    alarm, model = make_alarm(), FakeModel()
    model.pieces = ONE_NOTE
    run(alarm, model, range(10))
    model.pieces = REAL
    run(alarm, model, range(10, 20))
    model.pieces = ONE_NOTE
    assert not run(alarm, model, range(20, 30))


@pytest.mark.parametrize(("phase", "patience"), [("warm start", 1), ("", None)])
def test_a_warm_start_or_no_patience_never_stops(phase: str, patience: int | None) -> None:
    alarm, model = make_alarm(patience), FakeModel(phase=phase)
    model.pieces = ONE_NOTE
    assert not run(alarm, model, range(100))
    assert alarm.first_collapse == (None if phase else 10)


def test_a_resumed_alarm_counts_on() -> None:
    alarm, model = make_alarm(), FakeModel()
    model.pieces = ONE_NOTE
    run(alarm, model, range(10))
    resumed = make_alarm()
    resumed.load_state_dict(alarm.state_dict())
    assert run(resumed, model, range(10, 20))
    assert resumed.first_collapse == 10
