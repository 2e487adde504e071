"""Synthesizes pieces with a General MIDI SoundFont, without downloading anything.

The synthesizer is RustySynth from ``midirenderer``. It implements the SoundFont standard (filters,
envelopes, loops), needs no system library, and returns bytes, so that it works with every version
of NumPy. The default SoundFont is ``TimGM6mb.sf2`` from ``pretty_midi``. Both are in the extra
``audio``. Without it :func:`sound_available` is False and the rest of the package works.
"""

from __future__ import annotations

import importlib.util
import io
import math
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gan_music.io.midi_writer import midi_bytes
from gan_music.music.bars import from_its_opening
from gan_music.music.piece import Piece
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError

_INSTALL = "sound needs the extra audio: pip install 'gan_music[audio]' (make train installs it)."
_PEAK = 10 ** (-1 / 20)  # one decibel below clipping
_TAIL = 1.5  # seconds after the end of the last note, for its release
_LONGEST = 3600.0  # seconds; synthesizing an hour takes 1.4 GB of memory
_VOLUME, _EXPRESSION = 7, 11  # MIDI controllers


def sound_available() -> bool:
    """Whether the extra ``audio`` is installed. Imports none of it."""
    return all(importlib.util.find_spec(m) for m in ("midirenderer", "soundfile", "pretty_midi"))


def check_soundfont(path: Path | None = None) -> None:
    """Check the extra ``audio`` and the SoundFont before there is music to synthesize.

    Raises
    ------
    UserError
        If the extra ``audio`` is not installed, or ``path`` is no SoundFont.
    """
    if not sound_available():
        raise UserError(_INSTALL)
    if path is not None:
        try:
            with path.open("rb") as file:
                head = file.read(12)
        except OSError as error:
            raise UserError(
                f"soundfont={path} cannot be read ({error.strerror}): name an .sf2 file."
            ) from error
        if head[:4] != b"RIFF" or head[8:] != b"sfbk":
            raise UserError(f"soundfont={path} is no SoundFont: name an .sf2 file.")


def synthesize(piece: Piece, *, soundfont: Path | None = None) -> tuple[NDArray[np.float32], int]:
    """The waveform of a piece, mono float32 ``[n]``, and its sample rate in hertz.

    It begins where the music does (:func:`gan_music.music.bars.opening`) and ends 1.5 seconds after
    the last note. Its peak is one decibel below 1. A piece without notes is silence.

    Parameters
    ----------
    soundfont : an ``.sf2`` file. The default is the one of the extra ``audio``.

    Raises
    ------
    UserError
        If the extra ``audio`` is not installed, the file is no SoundFont, or the piece lasts longer
        than an hour.
    """
    check_soundfont(soundfont)
    import midirenderer

    font = soundfont or _default_soundfont()
    try:
        data = midirenderer.render_wave_from(font.read_bytes(), _midi(piece))
    except RuntimeError as error:
        raise UserError(
            f"soundfont={font} cannot be played ({error}): name an intact .sf2 file."
        ) from error
    with wave.open(io.BytesIO(data)) as file:
        rate, n_channels = file.getframerate(), file.getnchannels()
        frames = np.frombuffer(file.readframes(file.getnframes()), np.dtype("<i2"))
    channels = frames.reshape(-1, n_channels)
    sound = channels[:, 0].astype(np.float32)
    for other in channels.T[1:]:
        sound += other
    fade = sound[-int(_TAIL / 3 * rate) :]
    fade *= np.linspace(1, 0, len(fade), dtype=np.float32)  # no click at the end of a long release
    peak = float(np.abs(sound).max(initial=0))
    if peak > 0:
        sound *= np.float32(_PEAK / peak)
    return sound, rate


def write_sound(piece: Piece, path: Path, *, soundfont: Path | None = None) -> None:
    """Write the waveform of a piece as WAV or FLAC, by the path's suffix, atomically.

    Raises
    ------
    UserError
        As in :func:`synthesize`.
    """
    sound, rate = synthesize(piece, soundfont=soundfont)
    import soundfile

    with atomic_write(path) as temporary:
        soundfile.write(temporary, sound, rate, format=path.suffix[1:].upper(), subtype="PCM_16")


def _midi(piece: Piece) -> bytes:
    """MIDI of the piece from its opening on, at full channel volume, with silence at the end."""
    piece = from_its_opening(piece)
    length = int((piece.onset + piece.duration).max(initial=0))
    seconds = length / piece.grid * 60 / piece.tempo
    if seconds + _TAIL > _LONGEST:
        raise UserError(
            f"{piece.name or 'the piece'} lasts {seconds / 60:.0f} minutes; sound is limited to "
            "60 minutes: choose fewer notes or a faster tempo."
        )
    end = length + math.ceil(_TAIL * piece.tempo / 60 * piece.grid)
    return midi_bytes(piece, controls={_VOLUME: 127, _EXPRESSION: 127}, end=end)


def _default_soundfont() -> Path:
    """The SoundFont in the folder of pretty_midi, without importing pretty_midi."""
    spec = importlib.util.find_spec("pretty_midi")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("TimGM6mb.sf2")
