from __future__ import annotations

import logging
from pathlib import Path

import pytest
import soundfile

from gan_music.io.rendering import sound
from gan_music.music.piece import Piece
from gan_music.training import final_evaluation
from tests.conftest import make_piece


def test_the_first_samples_are_written_as_sound(tmp_path: Path) -> None:
    final_evaluation._write_sounds([make_piece(i, 8) for i in range(3)], 2, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["sample_01.flac", "sample_02.flac"]
    endless = Piece.from_arrays([0, 24 * 1000], [24 * 1000, 24], [60, 60], grid=24, tempo=60)
    final_evaluation._write_sounds([endless], 1, tmp_path)
    assert soundfile.info(tmp_path / "sample_01.flac").duration == pytest.approx(121.5, abs=0.1)
    final_evaluation._write_sounds([make_piece(0)], 0, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_without_the_extra_audio_a_run_logs_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sound, "sound_available", lambda: False)
    with caplog.at_level(logging.INFO):
        final_evaluation._write_sounds([make_piece(0)], 3, tmp_path)
        final_evaluation._write_sounds([make_piece(0)], 0, tmp_path)  # none is wanted
    assert list(tmp_path.iterdir()) == []
    (record,) = caplog.records
    assert "pip install 'gan_music[audio]'" in record.getMessage()
