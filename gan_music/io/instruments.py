"""The instruments of General MIDI (level 1): a program's number, 0 to 127, and its name."""

from __future__ import annotations

import difflib

from gan_music.system.errors import UserError

# in groups of eight: pianos, chromatic percussion, organs, guitars, basses, strings, ensemble,
# brass, reeds, pipes, leads, pads, effects, of the world, percussion, sound effects
_NAMES = """
    Acoustic Grand Piano, Bright Acoustic Piano, Electric Grand Piano, Honky-tonk Piano,
    Electric Piano 1, Electric Piano 2, Harpsichord, Clavinet,
    Celesta, Glockenspiel, Music Box, Vibraphone, Marimba, Xylophone, Tubular Bells, Dulcimer,
    Drawbar Organ, Percussive Organ, Rock Organ, Church Organ, Reed Organ, Accordion, Harmonica,
    Tango Accordion,
    Acoustic Guitar (nylon), Acoustic Guitar (steel), Electric Guitar (jazz),
    Electric Guitar (clean), Electric Guitar (muted), Overdriven Guitar, Distortion Guitar,
    Guitar Harmonics,
    Acoustic Bass, Electric Bass (finger), Electric Bass (pick), Fretless Bass, Slap Bass 1,
    Slap Bass 2, Synth Bass 1, Synth Bass 2,
    Violin, Viola, Cello, Contrabass, Tremolo Strings, Pizzicato Strings, Orchestral Harp, Timpani,
    String Ensemble 1, String Ensemble 2, Synth Strings 1, Synth Strings 2, Choir Aahs, Voice Oohs,
    Synth Voice, Orchestra Hit,
    Trumpet, Trombone, Tuba, Muted Trumpet, French Horn, Brass Section, Synth Brass 1,
    Synth Brass 2,
    Soprano Sax, Alto Sax, Tenor Sax, Baritone Sax, Oboe, English Horn, Bassoon, Clarinet,
    Piccolo, Flute, Recorder, Pan Flute, Blown Bottle, Shakuhachi, Whistle, Ocarina,
    Lead 1 (square), Lead 2 (sawtooth), Lead 3 (calliope), Lead 4 (chiff), Lead 5 (charang),
    Lead 6 (voice), Lead 7 (fifths), Lead 8 (bass + lead),
    Pad 1 (new age), Pad 2 (warm), Pad 3 (polysynth), Pad 4 (choir), Pad 5 (bowed),
    Pad 6 (metallic), Pad 7 (halo), Pad 8 (sweep),
    FX 1 (rain), FX 2 (soundtrack), FX 3 (crystal), FX 4 (atmosphere), FX 5 (brightness),
    FX 6 (goblins), FX 7 (echoes), FX 8 (sci-fi),
    Sitar, Banjo, Shamisen, Koto, Kalimba, Bagpipe, Fiddle, Shanai,
    Tinkle Bell, Agogo, Steel Drums, Woodblock, Taiko Drum, Melodic Tom, Synth Drum, Reverse Cymbal,
    Guitar Fret Noise, Breath Noise, Seashore, Bird Tweet, Telephone Ring, Helicopter, Applause,
    Gunshot
    """
GENERAL_MIDI = tuple(" ".join(name.split()) for name in _NAMES.split(","))

# what people say, and the one of several that they mean
_SHORT = {"piano": 0, "organ": 19, "guitar": 24, "bass": 32, "strings": 48, "choir": 52, "sax": 65}


def program(instrument: str) -> int:
    """The program, 0 to 127, of a name or a number; case and punctuation do not matter.

    A part of a name will do where only one instrument has it.

    Raises
    ------
    UserError
        If it is none, or could be several; lists those that are near.
    """
    if instrument.strip().isdecimal():
        number = int(instrument)
        if number < len(GENERAL_MIDI):
            return number
        raise UserError(
            f"instrument={instrument} is no program of General MIDI: give 0 (piano) to 127, or a "
            "name such as instrument=harpsichord."
        )
    wanted = _plain(instrument)
    names = [_plain(name) for name in GENERAL_MIDI]
    if wanted in names:
        return names.index(wanted)
    if wanted in _SHORT:
        return _SHORT[wanted]
    within = [i for i, name in enumerate(names) if wanted and wanted in name]
    if len(within) == 1:
        return within[0]
    near = within or [names.index(n) for n in difflib.get_close_matches(wanted, names, 4, 0.5)]
    if not near:
        words = {word: i for i, name in reversed([*enumerate(names)]) for word in name.split()}
        near = [words[w] for w in difflib.get_close_matches(wanted, words, 4, 0.6)]
    listed = ", ".join(f"{GENERAL_MIDI[i]} ({i})" for i in near[:8])
    if within:
        raise UserError(f"instrument={instrument} could be {listed}: give one of them.")
    hint = f"near are {listed}" if near else "give a name or a number, such as instrument=violin"
    raise UserError(f"instrument={instrument} is no instrument of General MIDI: {hint}.")


def _plain(name: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
