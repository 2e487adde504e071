"""Single elements of MusicXML -> pitches, lengths, meters, tempi, instruments.

A function raises a ``ValueError`` that says what is wrong with its element.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

from lxml.etree import _Element as Element

from gan_music.io.formats.measures import TimeSignature
from gan_music.io.instruments import named_program
from gan_music.music.piece import DEFAULT_VELOCITY

_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_TYPES: dict[str, Fraction | int] = {
    **{"maxima": 32, "long": 16, "breve": 8, "whole": 4, "half": 2, "quarter": 1},
    **{"eighth": Fraction(1, 2), "16th": Fraction(1, 4), "32nd": Fraction(1, 8)},
    **{"64th": Fraction(1, 16), "128th": Fraction(1, 32), "256th": Fraction(1, 64)},
    **{"512th": Fraction(1, 128), "1024th": Fraction(1, 256)},
}
# dynamics are a percentage of this velocity
_FORTE = 90
_DECIMAL = re.compile(r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@lru_cache(maxsize=1024)
def number(text: str | None, what: str, *, above: int | None = None) -> Fraction:
    """The number that a text is; ``what`` names it in errors."""
    text = (text or "").strip()
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{what} is {text[:20]!r}, which is no number")
    found = Fraction(text)
    if above is not None and found <= above:
        raise ValueError(f"{what} is {text[:20]}, but it must be above {above}")
    return found


def semitone(quantity: Fraction) -> int:
    """The nearest semitone; quarter tones are rounded up."""
    return math.floor(quantity + Fraction(1, 2))


def midi_number(pitch: Element | None) -> int:
    """A pitch as MIDI's number, which may be out of its bounds."""
    if pitch is None:
        raise ValueError("a note has no pitch")
    return _midi_number(*[(c.tag, c.text) for c in pitch[:]])


@lru_cache(maxsize=4096)
def _midi_number(*written: tuple[str, str | None]) -> int:
    texts = {tag: (text or "").strip() for tag, text in written}
    step = _STEPS.get(texts.get("step", "").upper())
    if step is None:
        raise ValueError(f"the step of a pitch is {texts.get('step', '')[:20]!r}")
    alter = number(texts.get("alter") or "0", "the alter of a pitch")
    return semitone(12 * (number(texts.get("octave"), "an octave") + 1) + step + alter)


def written_length(note: Element) -> Fraction:
    """The length of a note's type, dots and tuplet, in quarter notes."""
    kind = (note.findtext("type") or "").strip()
    if kind not in _TYPES:
        raise ValueError("a note has no duration" + (f", and its type is {kind[:20]}" * bool(kind)))
    length = _dotted(kind, len(note.findall("dot")))
    ratio = note.find("time-modification")
    if ratio is not None:
        length *= number(ratio.findtext("normal-notes"), "a tuplet's number of notes", above=0)
        length /= number(ratio.findtext("actual-notes"), "a tuplet's number of notes", above=0)
    return length


def _dotted(kind: str, n_dots: int) -> Fraction:
    return Fraction(_TYPES[kind]) * (2 - Fraction(1, 2**n_dots))


def are_written_alike(note: Element, other: Element) -> bool:
    """Whether both notes have one type and number of dots."""
    kind = note.findtext("type")
    n_dots = len(note.findall("dot"))
    return bool(kind) and (kind, n_dots) == (other.findtext("type"), len(other.findall("dot")))


def stands_for_a_bar(note: Element, *, is_alone: bool) -> bool:
    """Whether a rest is that of a whole bar, whatever its duration."""
    rest = note.find("rest")
    kind = (note.findtext("type") or "").strip()
    if rest is not None and rest.get("measure") == "yes":
        return kind in ("", "whole", "breve")
    is_plain = note.find("dot") is None and note.find("time-modification") is None
    return is_alone and is_plain and kind in ("whole", "breve")


def velocity(dynamics: str | None) -> int:
    """Of a note's own dynamics; marks as *p* and *f* are not counted."""
    if dynamics is None:
        return DEFAULT_VELOCITY
    return max(1, min(127, round(number(dynamics, "the dynamics of a note") * _FORTE / 100)))


@lru_cache(maxsize=256)
def staff(text: str | None) -> int:
    """The number of a staff."""
    return int(number(text, "the number of a staff"))


def semitones(transpose: Element) -> int:
    """How many semitones higher the notes sound."""
    chromatic = number(transpose.findtext("chromatic") or "0", "a transposition")
    octaves = number(transpose.findtext("octave-change") or "0", "a transposition")
    return semitone(chromatic + 12 * octaves)


def time_signature(time: Element) -> TimeSignature | None:
    """Beats and their type; None without a meter. Meters that add up count as one."""
    beats = [b.text or "" for b in time.findall("beats")]
    types = [int(number(t.text, "a beat-type", above=0)) for t in time.findall("beat-type")]
    if len(beats) != len(types):
        raise ValueError(f"a meter has {len(beats)} numbers of beats, but {len(types)} beat-types")
    if not beats:
        return None
    total, unit = Fraction(0), math.lcm(*types)
    for added, of_type in zip(beats, types, strict=True):
        numbers = [number(text, "a number of beats", above=0) for text in added.split("+")]
        total += sum(numbers, Fraction(0)) * unit / of_type
    return total.numerator, unit * total.denominator


def tempo(element: Element) -> float | None:
    """Quarter notes a minute, of a direction or a sound."""
    for metronome in element.iter("metronome"):
        units = metronome.findall("beat-unit")
        per_minute = _NUMBER.search(metronome.findtext("per-minute") or "")
        kind = (units[0].text or "").strip() if len(units) == 1 else ""
        if per_minute and kind in _TYPES and float(per_minute[0]):
            n_dots = len(metronome.findall("beat-unit-dot"))
            return float(Fraction(per_minute[0]) * _dotted(kind, n_dots))
    for sound in element.iter("sound"):
        per_minute = _NUMBER.fullmatch(sound.get("tempo", "").strip())
        if per_minute and float(per_minute[0]):
            return float(per_minute[0])
    return None


def program(described: Element) -> int:
    """The program of a part; where it is missing or a piano's, that of the instrument's name."""
    text = (described.findtext("midi-instrument/midi-program") or "").strip()
    found = int(text) - 1 if text.isdecimal() and len(text) < 4 else 0
    if 0 < found <= 127:
        return found
    return named_program(described.findtext("score-instrument/instrument-name") or "")


def drum_keys(described: Element) -> dict[str, int]:
    """The key of each percussion instrument of a part, by its id."""
    found = {}
    for instrument in described.iter("midi-instrument"):
        text = (instrument.findtext("midi-unpitched") or "").strip()
        if text.isdecimal() and len(text) < 4 and 1 <= int(text) <= 128:
            found[instrument.get("id", "")] = int(text) - 1
    return found
