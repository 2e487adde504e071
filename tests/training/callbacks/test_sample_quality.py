from __future__ import annotations

from types import SimpleNamespace

import pytest

from gan_music.decoding.request import SampleRequest
from gan_music.training.callbacks.sample_quality import SampleQuality
from tests.training.callbacks.fake import REAL, FakeModel


def test_windows_are_cut_from_long_samples() -> None:
    model = FakeModel()
    quality = SampleQuality(REAL, n_windows=7, window=16, n_notes=50, seed=0)
    figures = quality.measure(model, 5)
    # three windows of 16 notes in each of three pieces, of which seven are measured
    assert model.request == SampleRequest(n_pieces=3, length=48, seed=5)
    assert 0 <= figures["distance"] < 1
    quality = SampleQuality(REAL, n_windows=7, window=64, n_notes=48, seed=0)
    quality.measure(model, 0)  # samples shorter than a window are measured as they are
    assert model.request == SampleRequest(n_pieces=7, length=48, seed=0)


@pytest.mark.parametrize(("phase", "keeps_last"), [("", False), ("warm start", False), ("", True)])
def test_what_a_checkpoint_is_selected_by(phase: str, keeps_last: bool) -> None:
    quality = SampleQuality(REAL, n_windows=7, window=16, n_notes=48, seed=0)
    model, selection = FakeModel(phase=phase, keeps_last=keeps_last), []
    for epoch in range(2):
        quality.on_validation_epoch_end(
            SimpleNamespace(  # type: ignore[arg-type]
                current_epoch=epoch,
                is_global_zero=True,
                strategy=SimpleNamespace(broadcast=lambda x: x),
            ),
            model,
        )
        selection.append(model.logged["val/selection"])
    # the samples of both epochs are the same
    distance = model.logged["val/distance"] + (1 if phase else 0)
    assert selection == ([0.0, -1.0] if keeps_last else [distance, distance])
