from __future__ import annotations

import math
from types import SimpleNamespace

from gan_music.training.callbacks.epoch_log import EpochLog
from tests.training.callbacks.fake import FakeModel


def test_the_time_of_a_resumed_run_is_undefined_without_that_of_its_first_epochs() -> None:
    new, resumed = EpochLog(), EpochLog()
    for epochs, last_batch in ((new, -1), (resumed, 7)):
        loop = SimpleNamespace(total_batch_idx=last_batch)
        epochs.on_train_start(SimpleNamespace(fit_loop=loop), FakeModel())  # type: ignore[arg-type]
    assert new.seconds == 0
    assert math.isnan(resumed.seconds)
