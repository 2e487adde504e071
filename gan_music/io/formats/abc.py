"""Reads ABC tunes and tune books, by the standard ABC 2.1.

:func:`read_fast` reads the text itself. :func:`read_music21` takes the notes from music21, which
does not read all of the standard, and refuses a file of which it reads other notes.

- Each tune is a piece, and each voice a track.
- A grace note has no duration in the score and lasts one step.
- Repeats are read once, as written.
"""

from __future__ import annotations

from pathlib import Path

from gan_music.io.errors import ReadError, Refused
from gan_music.io.formats import score
from gan_music.io.formats.abc_book import Line, Tune, divided
from gan_music.io.formats.abc_music import Reader
from gan_music.io.formats.abc_voice import Voice
from gan_music.io.formats.agreement import agreed
from gan_music.io.formats.measures import meters_of_measures
from gan_music.io.formats.score import Note, piece_in_quarters
from gan_music.io.formats.text import decoded
from gan_music.io.instruments import track_name
from gan_music.music.piece import (
    COMMON_TIME,
    DEFAULT_TEMPO,
    DEFAULT_VELOCITY,
    ONE_TRACK,
    Losses,
    Piece,
    Track,
    names_of_pieces,
)


def read_fast(path: Path, grid: int, name: str) -> list[Piece | Refused]:
    """The pieces of an ABC file, a tune each."""
    header, tunes = divided(decoded(path.read_bytes()))
    names = names_of_pieces(name, len(tunes))
    return [_tune(header, t, grid, n) for t, n in zip(tunes, names, strict=True)]


def _tune(header: list[Line], tune: Tune, grid: int, name: str) -> Piece | Refused:
    try:
        return _piece(Reader(header, tune), grid, name)
    except ReadError as error:
        return Refused(name, str(error))


def read_music21(path: Path, grid: int, name: str) -> list[Piece | Refused]:
    """The pieces that music21 reads, if they have the notes that :func:`read_fast` reads."""
    own = read_fast(path, grid, name)
    if all(isinstance(tune, Refused) for tune in own):
        return own
    return agreed(own, score.read_score(path, grid, name))


def _piece(reader: Reader, grid: int, name: str) -> Piece:
    voices = {key: voice for key, voice in reader.voices.items() if voice.notes}
    notes: list[Note] = []
    track: list[int] = []
    tracks = []
    for i, (key, voice) in enumerate(voices.items()):
        own = voice.state.name or (key if len(voices) > 1 else "")
        tracks.append(Track(track_name(own), 0, voice.state.is_drum))
        notes += [(n.onset, n.duration, n.pitch, DEFAULT_VELOCITY) for n in voice.notes]
        track += [i] * len(voice.notes)
    first = next(iter(voices.values()), None)
    return piece_in_quarters(
        notes,
        grid,
        name,
        meters=_meters(first, grid) if first is not None else [COMMON_TIME],
        tempo=reader.tempo or DEFAULT_TEMPO,
        track=track,
        tracks=tracks or ONE_TRACK,
        losses=Losses(grace=sum(voice.n_grace for voice in voices.values())),
    )


def _meters(voice: Voice, grid: int) -> list[tuple[int, int, int]]:
    measures = []
    for start in voice.bars:
        if start < voice.end:
            written = [meter for time, meter in voice.meters if time <= start]
            measures.append((start, written[-1]))
    return meters_of_measures(measures, grid)


FORMATS = {".abc": {"fast": read_fast, "music21": read_music21}}
