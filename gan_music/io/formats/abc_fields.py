"""The values of ABC's information fields: keys, meters, lengths, tempi, voices (ABC 2.1, sect. 3).

Lengths are in quarter notes. What cannot be understood raises a :class:`ValueError` with it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from fractions import Fraction
from typing import NamedTuple

LETTERS = "CDEFGAB"
SEMITONES = dict(zip(LETTERS, (0, 2, 4, 5, 7, 9, 11), strict=True))
ACCIDENTALS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}

_FIFTHS = "FCGDAEB"
# how many fifths a mode's key signature is above that of the major key on its tonic
_MODES = {"maj": 0, "ion": 0, "lyd": 1, "mix": -1, "dor": -2, "min": -3, "aeo": -3, "phr": -4}
_MODES |= {"loc": -5}
_CLEF = re.compile(
    r"[+-]8va|(?:treble|bass|alto|tenor|soprano|mezzosoprano|mezzo|bari(?:tone?)?|perc(?:ussion)?|none"
    r"|auto|[GCFP])?\d?(?:[+\-^_](?:8|15))?",
    re.IGNORECASE,
)
# of K:, where a word may also be a key with an accidental, as in Dmix=c
_PROPERTIES = {"clef", "octave", "oct", "transpose", "t", "middle", "m", "name", "nm", "snm"}
_PROPERTIES |= {"sname", "subname", "stem", "stafflines", "staffscale", "style", "cue", "strings"}
_OCTAVES = {
    "+8va": 1,
    "-8va": -1,
    "+8": 1,
    "-8": -1,
    "+15": 2,
    "-15": -2,
}  # ^8 and _8 only print the figure
_WORD = re.compile(r'([A-Za-z-]+)=("[^"]*"|[^\s"]+)|"[^"]*"|\S+')
_GERMAN = {"H": "B", "Es": "Eb", "As": "Ab"}  # in the Essen collection
_EXPLICIT = re.compile(r"(\^\^?|__?|=)([A-Ga-g])")
# these change the pitch in other standards than ABC 2.1, and not in one way
_UNREAD = {"sound", "score", "shift", "instrument"}

Key = dict[str, int]  # letter -> semitones


class Meter(NamedTuple):
    """A meter; ``bar`` is in quarter notes."""

    numerator: int
    denominator: int

    @property
    def bar(self) -> Fraction:
        return Fraction(4 * self.numerator, self.denominator)

    @property
    def is_compound(self) -> bool:
        return self.numerator % 3 == 0 and self.numerator > 3


class Properties(NamedTuple):
    """What ``K:`` and ``V:`` say of a voice besides its key; None where they say nothing."""

    clef: int | None = None  # semitones: 8 below a clef is -12
    octave: int | None = None
    transpose: int | None = None
    name: str | None = None
    is_drum: bool | None = None


def length(text: str) -> Fraction:
    """A length as in ``3/2``, ``/`` or ``//``, 1 if there is none."""
    numerator, *divisors = re.split(r"/", text)
    found = Fraction(int(numerator or 1))
    for divisor in divisors:
        found /= _positive(divisor or "2")
    if not found:
        raise ValueError(f"a length of {text}")
    return found


def unit(text: str) -> Fraction:
    """``L:``"""
    found = re.search(r"(\d*)\s*/\s*(\d+)|(\d+)", text)
    if not found:
        raise ValueError(f"L:{text} is no length of a note, such as 1/8")
    if found[3]:
        return 4 * _positive(found[3])
    return 4 * _positive(found[1] or "1") / _positive(found[2])


def default_unit(meter: Meter | None) -> Fraction:
    """The unit of length where there is no ``L:``."""
    return Fraction(1, 4) if meter is not None and meter.bar < 3 else Fraction(1, 2)


def meter(text: str) -> Meter | None:
    """``M:``; None for free meter."""
    text = text.strip()
    if re.match(r"[Cc]\|", text):
        return Meter(2, 2)
    if re.match(r"[Cc](?![A-Za-z])", text):
        return Meter(4, 4)
    found = re.search(r"(\(?\s*\d+(?:\s*\+\s*\d+)*\s*\)?)\s*/\s*(\d+)", text)
    if found:
        beats = sum(int(n) for n in re.findall(r"\d+", found[1]))
        return Meter(int(_positive(str(beats))), int(_positive(found[2])))
    if text.lower() in ("", "none", "free", "frei"):
        return None
    raise ValueError(f"M:{text} is no meter, such as 4/4 or none")


def tempo(text: str, unit: Fraction) -> float | None:
    """``Q:`` in quarter notes a minute; None if it has no number."""
    text = re.sub(r'"[^"]*"', "", text).strip()
    beats, equals, speed = text.rpartition("=")
    number = re.search(r"\d+(?:\.\d+)?", speed)
    if not number or not float(number[0]):
        return None
    beat = unit  # as in the forms Q:120 and Q:C=120
    if fractions := re.findall(r"(\d+)\s*/\s*(\d+)", beats):
        beat = sum((4 * _positive(n) / _positive(d) for n, d in fractions), Fraction())
    elif equals:
        beat *= length("".join(re.findall(r"[\d/]+", beats)))
    return float(number[0]) * float(beat)


def key(text: str, current: Key) -> tuple[Key, Properties]:
    """``K:``: the accidental of each letter, and the properties of a voice.

    ``current`` holds where the field has no key, as in ``K:clef=bass``.
    """
    words, properties = _words(text, _PROPERTIES | _UNREAD)
    plain = [w for w in words if w == "none" or not (_is_clef(w) or w.startswith('"'))]
    if not plain:
        return (current if words or properties != Properties() else {}), properties
    name = _EXPLICIT.sub("", "".join(plain))
    explicit = {
        letter.upper(): ACCIDENTALS[accidental]
        for accidental, letter in _EXPLICIT.findall(" ".join(plain))
    }
    return _signature(name, text.strip()) | explicit, properties


def _signature(name: str, text: str) -> Key:
    """The accidentals of a key by its name."""
    if not name or name.lower() == "none":
        return {}
    name = _GERMAN.get(name, name)
    if name in ("HP", "Hp"):  # the scale of the bagpipe
        return {"F": 1, "C": 1}
    found = re.fullmatch(r"([A-Ga-g])([#b♯♭]?)([A-Za-z]*)", name)
    mode = found[3] if found else "?"
    if found is None or (mode.lower() not in ("", "m", "exp") and mode[:3].lower() not in _MODES):
        raise ValueError(f"K:{text} is no key, such as Am or D mix")
    if mode.lower() == "exp":
        return {}
    fifths = _FIFTHS.index(found[1].upper()) - 1 + {"": 0, "#": 7, "♯": 7}.get(found[2], -7)
    if mode.lower() == "m":
        fifths += _MODES["min"]
    elif mode:
        fifths += _MODES[mode[:3].lower()]
    order = _FIFTHS if fifths > 0 else _FIFTHS[::-1]
    times, rest = divmod(abs(fifths), 7)
    sign = 1 if fifths > 0 else -1
    signature = {letter: sign * (times + (i < rest)) for i, letter in enumerate(order)}
    return {letter: value for letter, value in signature.items() if value}


def voice(text: str) -> tuple[str, Properties]:
    """``V:``: the voice's identifier and properties."""
    name, _, rest = text.strip().partition(" ")
    if not name:
        raise ValueError("V: names no voice")
    return name, _words(rest)[1]


def _words(text: str, known: Collection[str] | None = None) -> tuple[list[str], Properties]:
    """The plain words of ``K:`` or ``V:``, clefs among them, and the properties, of known names."""
    words, found = [], Properties()
    for match in _WORD.finditer(text):
        name, value = (match[1] or "").lower(), (match[2] or "").strip('"')
        if not name or (known is not None and name not in known):
            words.append(match[0])
            if _is_clef(match[0]):
                found = _with_clef(found, match[0])
        elif name == "clef":
            if not _is_clef(value):
                raise ValueError(f"clef={value} is no clef, such as treble, bass or treble-8")
            found = _with_clef(found, value)
        elif name in ("octave", "oct"):
            found = found._replace(octave=12 * _integer(name, value))
        elif name in ("transpose", "t"):
            found = found._replace(transpose=_integer(name, value))
        elif name in ("name", "nm"):
            found = found._replace(name=value.replace("\\n", " "))
        elif name in _UNREAD:
            raise ValueError(f"{name}={value} is not read; write transpose= in semitones")
    return words, found


def _is_clef(word: str) -> bool:
    named = re.search("[A-Za-z]", word) and not re.fullmatch("[GCF]", word)
    return bool(named) and _CLEF.fullmatch(word) is not None


def _with_clef(found: Properties, clef: str) -> Properties:
    octaves = next((n for mark, n in _OCTAVES.items() if clef.endswith(mark)), 0)
    return found._replace(clef=12 * octaves, is_drum=clef[0] in "pP")


def _integer(name: str, value: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,3}", value):
        raise ValueError(f"{name}={value} is no whole number")
    return int(value)


def _positive(text: str) -> Fraction:
    if len(text) > 6 or not int(text):
        raise ValueError(f"the number {text[:20]}")
    return Fraction(int(text))
