from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from gan_music.io.instruments import played_by
from gan_music.io.rendering import sound as sound_module
from gan_music.io.rendering.sound import check_soundfont, sound_available, synthesize, write_sound
from gan_music.music.piece import Piece
from gan_music.system.errors import UserError


def quarter_notes(*pitches: int, first: int = 0, tempo: float = 120) -> Piece:
    onset = first + 24 * np.arange(len(pitches))
    return Piece.from_arrays(onset, [24] * len(pitches), pitches, grid=24, tempo=tempo)


def peak_hertz(sound: np.ndarray, rate: int) -> float:
    """Frequency of the strongest component, with a resolution of half a hertz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound)), n=2 * rate))
    return float(spectrum.argmax()) / 2


def test_duration_peak_and_order() -> None:
    sound, rate = synthesize(quarter_notes(69, 73, 76, 81, tempo=60))
    assert sound.dtype == np.float32
    assert sound.ndim == 1
    assert len(sound) / rate == pytest.approx(4 + 1.5, abs=0.05)
    # the peak is a decibel below 1, and the end is silent
    assert np.abs(sound).max() == pytest.approx(10 ** (-1 / 20), rel=1e-5)
    assert abs(sound[-1]) < 1e-3
    for second, hertz in enumerate((440.0, 554.4, 659.3, 880.0)):
        part = sound[second * rate : (second + 1) * rate]
        assert np.sqrt((part**2).mean()) > 0.02
        assert peak_hertz(part, rate) == pytest.approx(hertz, rel=0.005)


@pytest.mark.parametrize("first", [2400, 2472, 84])  # with the bar, or upbeats
def test_it_begins_where_the_music_does(first: int) -> None:
    late, _ = synthesize(quarter_notes(69, first=first))
    early, rate = synthesize(quarter_notes(69))
    assert np.array_equal(late, early)
    assert len(early) / rate == pytest.approx(0.5 + 1.5, abs=0.05)


def test_instruments_differ_and_a_unison_is_two_notes() -> None:
    piano, rate = synthesize(quarter_notes(69, 69))
    flute, _ = synthesize(played_by(quarter_notes(69, 69), 73))
    assert not np.allclose(piano, flute, atol=0.05)
    assert peak_hertz(flute[:rate], rate) == pytest.approx(440, rel=0.005)
    overlapping = Piece.from_arrays([0, 12], [48, 12], [69, 69], grid=24)
    sound, rate = synthesize(overlapping)
    assert len(sound) / rate == pytest.approx(1 + 1.5, abs=0.05)


def test_a_piece_without_notes_is_silent() -> None:
    sound, _ = synthesize(Piece.from_arrays([], [], [], grid=24))
    assert len(sound) > 0
    assert not sound.any()


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_files_hold_the_waveform(tmp_path: Path, suffix: str) -> None:
    piece = quarter_notes(60, 64, 67)
    write_sound(piece, tmp_path / f"a{suffix}")
    written, rate = soundfile.read(tmp_path / f"a{suffix}", dtype="float32")
    made, expected = synthesize(piece)
    assert rate == expected
    assert written == pytest.approx(made, abs=1 / 32767)
    assert [p.name for p in tmp_path.iterdir()] == [f"a{suffix}"]


def test_a_file_that_is_no_soundfont(tmp_path: Path) -> None:
    (tmp_path / "a.sf2").write_bytes(b"RIFF\0\0\0\0sfbk")
    (tmp_path / "c.sf2").write_bytes(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(UserError, match=r"a\.sf2 cannot be played"):
        synthesize(quarter_notes(60), soundfont=tmp_path / "a.sf2")
    with pytest.raises(UserError, match=r"b\.sf2 cannot be read"):
        write_sound(quarter_notes(60), tmp_path / "b.wav", soundfont=tmp_path / "b.sf2")
    with pytest.raises(UserError, match=r"c\.sf2 is no SoundFont"):
        check_soundfont(tmp_path / "c.sf2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.sf2", "c.sf2"]


def test_a_piece_longer_than_an_hour_is_refused() -> None:
    with pytest.raises(UserError, match="lasts 100 minutes"):
        synthesize(Piece.from_arrays([0], [24 * 100], [60], grid=24, tempo=1))


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sound_available()
    monkeypatch.setattr(sound_module.importlib.util, "find_spec", lambda name: None)
    assert not sound_available()
    with pytest.raises(UserError, match=r"pip install 'gan_music\[audio\]'"):
        synthesize(quarter_notes(60))
