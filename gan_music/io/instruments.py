"""General MIDI (level 1) instruments: the name of each program, 0 to 127.

The table is kept here because symusic has none and pretty_midi is only in the extra ``audio``.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

from gan_music.music.piece import Piece, Track
from gan_music.system.errors import UserError

_NAMES = """
    Acoustic Grand Piano, Bright Acoustic Piano, Electric Grand Piano, Honky-tonk Piano,
    Electric Piano 1, Electric Piano 2, Harpsichord, Clavinet, Celesta, Glockenspiel, Music Box,
    Vibraphone, Marimba, Xylophone, Tubular Bells, Dulcimer, Drawbar Organ, Percussive Organ,
    Rock Organ, Church Organ, Reed Organ, Accordion, Harmonica, Tango Accordion,
    Acoustic Guitar (nylon), Acoustic Guitar (steel), Electric Guitar (jazz),
    Electric Guitar (clean), Electric Guitar (muted), Overdriven Guitar, Distortion Guitar,
    Guitar Harmonics, Acoustic Bass, Electric Bass (finger), Electric Bass (pick), Fretless Bass,
    Slap Bass 1, Slap Bass 2, Synth Bass 1, Synth Bass 2, Violin, Viola, Cello, Contrabass,
    Tremolo Strings, Pizzicato Strings, Orchestral Harp, Timpani, String Ensemble 1,
    String Ensemble 2, Synth Strings 1, Synth Strings 2, Choir Aahs, Voice Oohs, Synth Voice,
    Orchestra Hit, Trumpet, Trombone, Tuba, Muted Trumpet, French Horn, Brass Section,
    Synth Brass 1, Synth Brass 2, Soprano Sax, Alto Sax, Tenor Sax, Baritone Sax, Oboe,
    English Horn, Bassoon, Clarinet, Piccolo, Flute, Recorder, Pan Flute, Blown Bottle, Shakuhachi,
    Whistle, Ocarina, Lead 1 (square), Lead 2 (sawtooth), Lead 3 (calliope), Lead 4 (chiff),
    Lead 5 (charang), Lead 6 (voice), Lead 7 (fifths), Lead 8 (bass + lead), Pad 1 (new age),
    Pad 2 (warm), Pad 3 (polysynth), Pad 4 (choir), Pad 5 (bowed), Pad 6 (metallic), Pad 7 (halo),
    Pad 8 (sweep), FX 1 (rain), FX 2 (soundtrack), FX 3 (crystal), FX 4 (atmosphere),
    FX 5 (brightness), FX 6 (goblins), FX 7 (echoes), FX 8 (sci-fi), Sitar, Banjo, Shamisen, Koto,
    Kalimba, Bagpipe, Fiddle, Shanai, Tinkle Bell, Agogo, Steel Drums, Woodblock, Taiko Drum,
    Melodic Tom, Synth Drum, Reverse Cymbal, Guitar Fret Noise, Breath Noise, Seashore, Bird Tweet,
    Telephone Ring, Helicopter, Applause, Gunshot
    """
GENERAL_MIDI = tuple(name.strip() for name in _NAMES.split(","))

SNARE = 38  # in General MIDI's percussion map
_LONGEST_NAME = 200  # characters

# Names of instruments in scores, from the longest on; of voices, 52.
_IN_SCORES = {
    **{"violoncello": 42, "double bass": 43, "glockenspiel": 9, "harpsichord": 6, "cembalo": 6},
    **{"clarinet": 71, "trombone": 57, "baritone": 52, "recorder": 74, "bassoon": 70},
    **{"trumpet": 56, "soprano": 52, "piccolo": 72, "timpani": 47, "celesta": 8, "guitar": 24},
    **{
        "violin": 40,
        "marimba": 12,
        "cello": 42,
        "viola": 41,
        "flute": 73,
        "tenor": 52,
        "choir": 52,
    },
    **{"organ": 19, "voice": 52, "piano": 0, "horn": 60, "tuba": 58, "oboe": 68, "harp": 46},
    **{"alto": 52, "bass": 52},
}

# Common short names that several instruments contain.
_SHORT = {"piano": 0, "organ": 19, "guitar": 24, "bass": 32, "strings": 48, "choir": 52, "sax": 65}


def program(instrument: str, *, key: str = "instrument") -> int:
    """The program, 0 to 127, of an instrument's name or number.

    Case and punctuation are ignored. Part of a name is enough if only one instrument contains it.
    ``key`` is the setting that errors name.

    Raises
    ------
    UserError
        If no instrument or several match. It lists similar names.
    """
    if instrument.strip().isdecimal():
        number = int(instrument)
        if number < len(GENERAL_MIDI):
            return number
        raise UserError(
            f"{key}={instrument} is no program of General MIDI: give 0 (piano) to 127, or a name "
            "such as harpsichord."
        )
    wanted = _plain(instrument)
    names = [_plain(name) for name in GENERAL_MIDI]
    if wanted in names:
        return names.index(wanted)
    if wanted in _SHORT:
        return _SHORT[wanted]
    containing = [i for i, name in enumerate(names) if wanted and wanted in name]
    if len(containing) == 1:
        return containing[0]
    similar = containing or [
        names.index(name) for name in difflib.get_close_matches(wanted, names, 4, 0.5)
    ]
    if not similar:
        words = {word: i for i, name in reversed([*enumerate(names)]) for word in name.split()}
        similar = [words[w] for w in difflib.get_close_matches(wanted, words, 4, 0.6)]
    listed = ", ".join(f"{GENERAL_MIDI[i]} ({i})" for i in similar[:8])
    if containing:
        raise UserError(f"{key}={instrument} could be {listed}: choose one of them.")
    hint = "give a name or a number, such as violin"
    if similar:
        hint = f"similar names are {listed}"
    raise UserError(f"{key}={instrument} is no instrument of General MIDI: {hint}.")


def named_program(name: str) -> int:
    """The program that a name in a score stands for, 0 if none."""
    plain = _plain(name)
    return next((number for known, number in _IN_SCORES.items() if known in plain), 0)


def chosen_programs(
    instrument: str | int | None, instruments: Sequence[str | int] | None
) -> int | list[int] | None:
    """The program for all tracks, those for each, or None for those of the piece.

    Raises
    ------
    UserError
        If both are given, or no instrument has such a name.
    """
    if instruments is None:
        return None if instrument is None else program(str(instrument))
    listed = ", ".join(map(str, instruments))
    if instrument is not None:
        raise UserError(
            f"instrument={instrument} and instruments=[{listed}] both name instruments: give "
            "instrument for all tracks, or instruments, one for each."
        )
    if not instruments:
        raise UserError("instruments=[] names none: give one for each track, or leave it out.")
    return [program(str(name), key="instruments") for name in instruments]


def played_by(piece: Piece, programs: int | Sequence[int] | None) -> Piece:
    """The piece with other instruments: one program for all tracks, or one for each.

    A track without a name gets the instrument's; drums stay drums.

    Raises
    ------
    UserError
        If there are not as many programs as tracks.
    """
    own = [t.program for t in piece.tracks if not t.is_drum]
    if programs is None:
        programs = own
    elif isinstance(programs, int):
        programs = [programs] * len(own)
    elif len(programs) != len(own):
        listed = ", ".join(GENERAL_MIDI[number] for number in programs)
        counted = "1 track" if len(own) == 1 else f"{len(own)} tracks"
        raise UserError(
            f"instruments=[{listed}] has {len(programs)}, but {piece.name or 'the piece'} has "
            f"{counted} with pitches: give one for each, or instrument=NAME for all."
        )
    new = iter(programs)
    tracks = (t if t.is_drum else _played(t, next(new)) for t in piece.tracks)
    return replace(piece, tracks=tuple(tracks))


def _played(track: Track, number: int) -> Track:
    return Track(track.name or _written_name(number), number)


def _written_name(number: int) -> str:
    # music21 takes this name for program 0, and makes a part of its own for any other
    return GENERAL_MIDI[number] if number else "Piano"


def track_name(name: str) -> str:
    """The name of a track as a file gives it, printable and bounded."""
    return "".join(c for c in name if c.isprintable()).strip()[:_LONGEST_NAME]


def _plain(name: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
