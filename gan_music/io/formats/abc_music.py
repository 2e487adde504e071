"""Reads the lines of one ABC tune as voices of notes (ABC 2.1, sections 3, 4 and 7).

Repeats are read once, as written; so are variant endings. An accidental holds to the bar's end for
its letter in all octaves, unless ``propagate-accidentals`` says otherwise (section 11.3). A tied
note keeps the accidental of the note before it. Chord symbols, annotations, decorations and lyrics
are left out, and all ``%%MIDI`` directives but ``channel 10`` and ``nobarlines``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from gan_music.io.errors import ReadError
from gan_music.io.formats import abc_fields
from gan_music.io.formats.abc_book import FIELD, Line, Tune, is_music
from gan_music.io.formats.abc_voice import State, Voice, Written

_LENGTH = r"\d*(?:/\d*)*"
_NOTE = r"(\^\^|\^|__|_|=)?([A-Ga-g])([,']*)(" + _LENGTH + ")"
_TEXT = r'"[^"]*"'
_MARK = r"![^!\s|\[\]\":]+!|\+[^+\s|\[\]\":]+\+"  # a decoration
_ENDING = r"\d+(?:[,.\-]\d+)*\.?"  # the numbers of a variant ending
_NAMED = rf"\[{_TEXT}(?![^\[\]|]*\])"  # one with a text, which is no chord with a text
_BAR = (
    rf"\.?(?::*\[?\|(?:[|:\]]|\[(?=[|\]]))*|:+\]?)(?:\[?{_ENDING}|\s+{_ENDING}(?=\s)|\s*{_NAMED})?"
)
_TOKENS = {
    "quarter_tone": r"[\^_]+\d*/\d*(?=[A-Ga-g])",
    "note": _NOTE,
    "rest": rf"[zx]({_LENGTH})",
    "rest_bars": r"[ZX](\d*)",
    "field": r"\[([A-Za-z]):([^\]]*)\]",
    "bar": rf"{_BAR}|\[{_ENDING}",
    "chord": rf"\[((?:{_TEXT}|![^!]*!|[^\]\"!])*)\]({_LENGTH})",
    "grace": r"\{/?([^}]*)\}",
    "tuplet": r"\((\d+)(?::(\d*))?(?::(\d*))?",
    "text": _TEXT,
    "decoration": _MARK,
    "broken": r">+|<+",
    "tie": r"\.?-",
    "long_overlay": r"\(&|&\)",
    "overlay": r"&+",
    "letter": r"[h-wH-W~.]",
    "skipped": rf"y{_LENGTH}|[\s()`$*;?@\\!]",
}
_TOKEN = re.compile("|".join(f"(?P<{name}>{form})" for name, form in _TOKENS.items()))
_LEFT_OUT_OF_CHORDS = {"text", "decoration", "letter", "skipped", "rest"}
_NAMES = re.compile(r"f+|D\.?C\.?|[A-Ga-g]")  # of decorations
_ONLY_NOTES = re.compile(r"(?=.*[A-Ga-g])[A-Ga-gzx0-9,'/^_=\-<>().~]+")
_MAILED = re.compile(r"=(?:20)?\s*$")  # of a line that was mailed as quoted-printable
_LETTERS = frozenset(".~HLMOPSTuv")  # decorations without a field U:
_FIELDS = frozenset("ABCDEFGHIKLMNOPQRSTUVWXZmrsw+")


class Reader:
    """The voices and the first tempo of a tune.

    Attributes
    ----------
    voices : by identifier, as the tune names them.
    tempo : in quarter notes a minute; None if the tune has none.
    """

    def __init__(self, header: list[Line], tune: Tune) -> None:
        self.voices: dict[str, Voice] = {}
        self.tempo: float | None = None
        self._state = State()
        self._declared: dict[str, list[abc_fields.Properties]] = {}
        self._voice: Voice | None = None
        self._letters = set(_LETTERS)
        self._macros: list[tuple[str, str]] = []
        self._in_header = True
        self._after_bar = False
        has_key = any(line.text.startswith("K:") for line in tune.lines)
        for line in (*header, *tune.lines):
            try:
                self._line(line.text, has_key)
            except ValueError as error:
                where = f"tune {tune.number} (X:{tune.reference}), line {line.number}"
                advice = "" if ";" in str(error) else "; correct it, or remove the tune"
                raise ReadError(f"{where}: {error}{advice}") from error
        for voice in self.voices.values():
            voice.finish()

    def _line(self, text: str, has_key: bool) -> None:
        if found := FIELD.fullmatch(text):
            letter, value = found.groups()
            if letter not in _FIELDS:
                raise ValueError(f"no field is named {letter}:")
            if not self._in_header and letter in "ABCDEFG" and is_music(text):
                raise ValueError(f"a field {letter}: that looks like music; write :: or |:")
            self._field(letter, value)
            if letter == "K":
                self._in_header = False
        elif self._in_header and has_key:
            self._history(text)
        else:
            self._in_header = False
            self._music(text)

    def _history(self, text: str) -> None:
        if is_music(text):
            raise ValueError("music before the field K:, which ends a tune's header")

    def _field(self, letter: str, value: str) -> None:
        if letter == "V":
            self._begin_voice(value)
        elif letter == "K":
            self._set_key(value)
        elif letter == "M":
            meter = abc_fields.meter(value)
            if self._voice is None:
                self._state.meter = meter
            else:
                self._voice.set_meter(meter)
        elif letter == "L":
            self._current_state().unit = abc_fields.unit(value)
        elif letter == "Q" and self.tempo is None:
            self.tempo = abc_fields.tempo(value, self._current_state().quarters)
        elif letter == "I":
            self._instruct(value.split())
        elif letter == "U" and "=" in value:
            self._letters.add(value.partition("=")[0].strip())
        elif letter == "m" and "=" in value:
            target, _, text = value.partition("=")
            self._macros.append((target.strip(), text.strip()))

    def _current_state(self) -> State:
        return self._state if self._voice is None else self._voice.state

    def _set_key(self, value: str) -> None:
        state = self._current_state()
        key, properties = abc_fields.key(value, state.key)
        state.take(properties)
        if self._voice is None:
            state.key = key
        else:
            self._voice.set_key(key)

    def _instruct(self, words: list[str]) -> None:
        name = words[0].lower() if words else ""
        if name == "propagate-accidentals" and len(words) > 1:
            named = {"n": "not", "o": "octave", "p": "pitch"}
            self._current_state().propagation = named.get(words[-1][:1].lower(), "pitch")
        elif name == "abc-include":
            raise ValueError("it includes another file, which is not read; copy it in")
        elif name == "midi":
            directive = " ".join(words[1:]).lower()
            if directive == "channel 10":
                self._current_state().is_drum = True
            elif directive == "nobarlines":  # without bars, no accidental holds
                self._current_state().propagation = "not"

    def _begin_voice(self, value: str) -> None:
        name, properties = abc_fields.voice(value)
        if self._in_header:
            self._declared.setdefault(name, []).append(properties)
            return
        if name not in self.voices:
            self.voices[name] = Voice(self._state)
            for declared in self._declared.get(name, ()):
                self.voices[name].state.take(declared)
        self._voice = self.voices[name]
        self._voice.state.take(properties)

    def _playing(self) -> Voice:
        """The current voice; music before any ``V:`` is the first voice's."""
        if self._voice is None:
            self._begin_voice(next(iter(self._declared), "1"))
        assert self._voice is not None
        return self._voice

    def _music(self, text: str) -> None:
        for target, replacement in self._macros:
            if "n" in target:
                form = re.escape(target).replace("n", "[A-Ga-g]")
                if re.search(form, text):
                    raise ValueError(f"the macro m:{target} is not read; write its notes out")
            else:
                text = text.replace(target, replacement)
        text = _MAILED.sub("", text).replace("=3D", "=")
        if len(self._undefined(text)) > len(re.findall("[A-Ga-g]", text)):
            raise ValueError(
                "it reads like text; put % before it, or an empty line before and after"
            )
        if self._after_bar and (ending := re.match(rf"\s*{_ENDING}(?=\s)", text)):
            text = text[ending.end() :]
        position = 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            if token is None:
                raise ValueError(_not_understood(text[position:]))
            name = str(token.lastgroup)
            if name != "skipped":
                self._after_bar = name == "bar"
            groups = token.groups()[_FIRST_GROUP[name] : _FIRST_GROUP[name] + _N_GROUPS[name]]
            handler = _HANDLERS.get(name)
            if handler is not None:
                handler(self, token[0], groups)
            position = token.end()

    def _undefined(self, text: str) -> list[str]:
        """The letters of decorations that no field ``U:`` defines."""
        plain = re.sub(rf"{_TEXT}|{_MARK}|{_TOKENS['field']}", "", text)
        return [c for c in re.findall("[h-wH-W]", plain) if c not in self._letters]

    def _note(self, text: str, groups: tuple[str, ...]) -> None:
        note = _written(*groups)
        self._playing().play([note], note.length)

    def _rest(self, text: str, groups: tuple[str, ...]) -> None:
        self._playing().play([], abc_fields.length(groups[0]))

    def _rest_bars(self, text: str, groups: tuple[str, ...]) -> None:
        self._playing().rest_bars(int(groups[0] or 1))

    def _inline(self, text: str, groups: tuple[str, ...]) -> None:
        self._field(groups[0], groups[1])

    def _chord(self, text: str, groups: tuple[str, ...]) -> None:
        notes, lengths = self._members(groups[0])
        if not lengths:
            raise ValueError(f"{text} is a chord without notes")
        factor = abc_fields.length(groups[1])
        for note in notes:
            note.length *= factor
        # a chord lasts as long as its first note
        self._playing().play(notes, lengths[0] * factor)

    def _members(self, text: str) -> tuple[list[Written], list[Fraction]]:
        """The notes of a chord or of grace notes; the lengths of its notes and rests."""
        notes: list[Written] = []
        lengths: list[Fraction] = []
        position = 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            name = token.lastgroup if token is not None else None
            if token is None or name not in ("note", "tie", "chord", *_LEFT_OUT_OF_CHORDS):
                raise ValueError(_not_understood(text[position:]) + f" within {text}")
            groups = token.groups()[_FIRST_GROUP[name] : _FIRST_GROUP[name] + _N_GROUPS[name]]
            if name == "note":
                notes.append(replace(_written(*groups)))
                lengths.append(notes[-1].length)
            elif name == "rest":
                lengths.append(abc_fields.length(groups[0]))
            elif name == "tie" and notes:
                notes[-1].is_tied = True
            elif name == "chord":
                notes += self._members(groups[0])[0]
            elif name == "decoration":
                self._check_decoration(token[0])
            position = token.end()
        return notes, lengths

    def _grace(self, text: str, groups: tuple[str, ...]) -> None:
        self._playing().grace(self._members(re.sub("[<>]", "", groups[0]))[0])

    def _tuplet(self, text: str, groups: tuple[str | None, ...]) -> None:
        p, q, r = (int(group) if group else None for group in groups)
        assert p is not None
        self._playing().begin_tuplet(p, q, r)

    def _decoration(self, text: str, groups: tuple[str, ...]) -> None:
        if text[0] == "+" and _is_notes(text):  # a chord in ABC 1
            self._chord(text, (text[1:-1], ""))
        else:
            self._check_decoration(text)

    def _check_decoration(self, text: str) -> None:
        """Refuse what may be notes between two ``!`` that break lines."""
        if _is_notes(text):
            raise ValueError(
                f"cannot tell whether {text} is a decoration or notes; remove ! at line breaks"
            )


def _is_notes(decoration: str) -> bool:
    name = decoration[1:-1]
    return bool(_ONLY_NOTES.fullmatch(name)) and not _NAMES.fullmatch(name)


def _not_understood(text: str) -> str:
    unclosed = {'"': "a text", "[": "a chord or a field", "{": "grace notes"}.get(text[0])
    if unclosed:
        return f"cannot read {text[:20]}: {unclosed} without an end"
    if re.match(r"\d", text):
        return f"cannot read {text[:20]}: a number that belongs to no note"
    return f"cannot read {text[:20]}"


def _refuse_long_overlay(reader: Reader, text: str, groups: tuple[str, ...]) -> None:
    raise ValueError(f"the overlay {text} over several bars is not read; write & in each bar")


def _refuse_quarter_tone(reader: Reader, text: str, groups: tuple[str, ...]) -> None:
    raise ValueError(
        f"the accidental {text} is a part of a semitone, which MIDI numbers do not have"
    )


@lru_cache(maxsize=4096)
def _written(accidental: str | None, letter: str, marks: str, length: str) -> Written:
    octave = int(letter.islower()) + marks.count("'") - marks.count(",")
    return Written(letter.upper(), octave, accidental or "", abc_fields.length(length))


_FIRST_GROUP = dict(_TOKEN.groupindex)
_N_GROUPS = {name: re.compile(form).groups for name, form in _TOKENS.items()}
_HANDLERS: dict[str, Callable[..., None]] = {
    "quarter_tone": _refuse_quarter_tone,
    "note": Reader._note,
    "rest": Reader._rest,
    "rest_bars": Reader._rest_bars,
    "field": Reader._inline,
    "bar": lambda reader, *_: reader._playing().bar_line(),
    "chord": Reader._chord,
    "grace": Reader._grace,
    "tuplet": Reader._tuplet,
    "decoration": Reader._decoration,
    "broken": lambda reader, text, _: reader._playing().break_rhythm(text),
    "tie": lambda reader, *_: reader._playing().tie(),
    "long_overlay": _refuse_long_overlay,
    "overlay": lambda reader, text, _: reader._playing().overlay(len(text)),
}
