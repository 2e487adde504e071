"""Pieces and recordings as MP3, which every browser plays, and piano rolls as PNG: data URIs."""

from __future__ import annotations

import base64
import io
import tempfile
from pathlib import Path

import numpy as np

from gan_music.io.rendering.piano_roll import draw_piano_rolls
from gan_music.music.piece import Piece

INSTALL = (
    "To listen to the pieces, install the audio packages (pip install 'gan_music[audio]') and "
    "write this page again with python -m gan_music.report."
)
SECONDS = 20.0  # of each piece
_WIDTH = 7.0  # inches: text remains legible at half the width of the page


def sound_of(piece: Piece) -> str | None:
    """The first 20 seconds of a piece as MP3; None if the audio packages are not installed."""
    try:
        from gan_music.io.rendering.sound import sound_available, synthesize
    except ImportError:
        return None
    if not sound_available():
        return None
    sound, rate = synthesize(piece.first_seconds(SECONDS))
    return _mp3(sound, rate)


def sound_of_wav(data: bytes) -> str | None:
    """A WAV recording as MP3; None if the audio packages are not installed."""
    try:
        import soundfile
    except ImportError:
        return None
    sound, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    return _mp3(sound, rate)


def picture_of(piece: Piece) -> str:
    """The piano roll of the first 20 seconds of a piece."""
    beats = max(8, round(SECONDS * piece.tempo / 60 / 4) * 4)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "roll.png"
        draw_piano_rolls([("", piece)], path, beats=beats, width=_WIDTH)
        return png(path.read_bytes())


def png(data: bytes) -> str:
    """The data URI of a PNG."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def _mp3(sound: np.ndarray, rate: int) -> str:
    """A mono MP3, 6 kB per second: FLAC takes five times as much, and some Safaris play no Ogg."""
    import soundfile
    from scipy.signal import resample_poly

    if rate >= 44100:
        sound, rate = np.clip(resample_poly(sound, 1, 2), -1, 1), rate // 2
    file = io.BytesIO()
    with soundfile.SoundFile(
        file, "w", rate, 1, format="MP3", subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT", compression_level=0.75,
    ) as target:  # fmt: skip
        target.write(sound)
    return "data:audio/mpeg;base64," + base64.b64encode(file.getvalue()).decode()
