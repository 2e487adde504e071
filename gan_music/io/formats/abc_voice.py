"""The state of one voice of an ABC tune while it is read: time, bars, accidentals, ties.

Times are in quarter notes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from gan_music.io.formats.abc_fields import (
    ACCIDENTALS,
    SEMITONES,
    Key,
    Meter,
    Properties,
    default_unit,
)


@dataclass
class Written:
    """A note as it is written, before any transposition."""

    letter: str
    octave: int  # 0 for C to B from middle C on
    accidental: str  # "" if none is written
    length: Fraction
    is_tied: bool = False


@dataclass(eq=False)
class Sounding:
    """A note with all notes that are tied to it."""

    onset: Fraction
    duration: Fraction
    pitch: int
    step: tuple[str, int]
    is_tied: bool

    @property
    def end(self) -> Fraction:
        return self.onset + self.duration


@dataclass
class State:
    """What fields set. A voice begins with what the file's header and the tune's have set."""

    key: Key = field(default_factory=dict)
    meter: Meter | None = None
    unit: Fraction | None = None
    propagation: str = "pitch"  # of accidentals, to the bar's end: not, octave or pitch
    clef: int = 0
    octave: int = 0
    transpose: int = 0
    name: str = ""
    is_drum: bool = False

    def take(self, properties: Properties) -> None:
        for name, value in properties._asdict().items():
            if value is not None:
                setattr(self, name, value)

    @property
    def quarters(self) -> Fraction:
        """The unit of length."""
        return default_unit(self.meter) if self.unit is None else self.unit


class Voice:
    """A voice of a tune.

    Attributes
    ----------
    notes : those read so far, with ties merged.
    bars : the starts of the bars.
    meters : the time and the meter of each change.
    end : the end of the last note or rest.
    n_grace : grace notes.
    """

    def __init__(self, state: State) -> None:
        self.state = replace(state, key=dict(state.key), unit=state.quarters)
        self.now = Fraction()
        self.notes: list[Sounding] = []
        self.n_grace = 0
        self.bars = [Fraction()]
        self.meters: list[tuple[Fraction, Meter | None]] = [(Fraction(), state.meter)]
        self._accidentals: dict[tuple[str, int], int] = {}
        self._tied: list[Sounding] = []
        self._last: list[tuple[Sounding, Fraction]] | None = None  # note, own duration
        self._last_length = Fraction()
        self._broken = Fraction(1)  # factor of the next note
        self._tuplet = (Fraction(1), 0)  # factor, notes left
        self._tuplet_begins = False
        self._overlay_bars = 0  # bar lines up to the end of the overlay
        self._overlaid = Fraction()  # the end of what is overlaid

    @property
    def end(self) -> Fraction:
        return self.now

    def play(self, notes: list[Written], length: Fraction) -> None:
        """Notes that begin together, or a rest, of a length in units."""
        factor = self.state.quarters
        if self._broken != 1:
            factor *= self._broken
            self._broken = Fraction(1)
        tuplet, left = self._tuplet
        if left:
            factor *= tuplet
            self._tuplet = (tuplet, left - 1)
            self._tuplet_begins = False
        self._last = []
        for note in notes:
            duration = note.length * factor
            self._last.append((self._sound(note, duration), duration))
        self._last_length = length * factor
        self.now += self._last_length

    def grace(self, notes: list[Written]) -> None:
        for note in notes:
            self._sound(replace(note, is_tied=False), Fraction(), grace=True)
        self.n_grace += len(notes)

    def rest_bars(self, count: int) -> None:
        if self.state.meter is None:
            raise ValueError("a rest of whole bars in free meter; write the rest with z")
        self._last = None
        self.now += count * self.state.meter.bar

    def _sound(self, note: Written, duration: Fraction, *, grace: bool = False) -> Sounding:
        step = (note.letter, note.octave)
        pitch = self._pitch(note)
        if not grace:
            for begun in self._tied:
                held = begun.step == step and not note.accidental
                if begun.end == self.now and (begun.pitch == pitch or held):
                    self._tied.remove(begun)
                    begun.duration += duration
                    begun.is_tied = note.is_tied
                    if note.is_tied:
                        self._tied.append(begun)
                    return begun
        if not 0 <= pitch <= 127:
            raise ValueError(f"the pitch {pitch} is beyond MIDI's, 0 to 127")
        sounding = Sounding(self.now, duration, pitch, step, note.is_tied)
        self.notes.append(sounding)
        if note.is_tied:
            self._tied.append(sounding)
        return sounding

    def _pitch(self, note: Written) -> int:
        state = self.state
        place = (note.letter, note.octave if state.propagation == "octave" else 0)
        if note.accidental:
            alteration = ACCIDENTALS[note.accidental]
            if state.propagation != "not":
                self._accidentals[place] = alteration
        else:
            alteration = self._accidentals.get(place, state.key.get(note.letter, 0))
        written = 60 + 12 * note.octave + SEMITONES[note.letter] + alteration
        return written + state.clef + state.octave + state.transpose

    def tie(self) -> None:
        """Tie the last notes to the next."""
        if self._last is None:
            raise ValueError("a tie without a note before it")
        for note, _ in self._last:
            if not note.is_tied:
                note.is_tied = True
                self._tied.append(note)

    def break_rhythm(self, marks: str) -> None:
        """``>`` lengthens the last note and shortens the next, ``<`` the other way."""
        if self._last is None:
            raise ValueError(f"{marks} without a note before it")
        short = Fraction(1, 2 ** len(marks))
        first, self._broken = (2 - short, short) if marks[0] == ">" else (short, 2 - short)
        for note, own in self._last:
            note.duration += own * (first - 1)
        self._last = [(note, own * first) for note, own in self._last]
        self.now += self._last_length * (first - 1)
        self._last_length *= first

    def begin_tuplet(self, p: int, q: int | None, r: int | None) -> None:
        if self._tuplet[1] and not self._tuplet_begins:
            raise ValueError(f"a tuplet begins where another one lacks {self._tuplet[1]} notes")
        if q is None:
            by_meter = 3 if self.state.meter is not None and self.state.meter.is_compound else 2
            q = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(p, by_meter)
            if not 2 <= p <= 9:
                raise ValueError(f"a tuplet of {p} notes; write how long they are, as in ({p}:2")
        if not p or not q:
            raise ValueError("a tuplet of 0 notes")
        self._tuplet = (Fraction(q, p), p if r is None else r)
        self._tuplet_begins = True  # a mark that is written twice counts once

    def bar_line(self) -> None:
        self._accidentals.clear()
        if self._overlay_bars:
            self._overlay_bars -= 1
            if self._overlay_bars:
                return
            self.now = max(self.now, self._overlaid)
        self._tied = [note for note in self._tied if note.end >= self.now]
        if self.now > self.bars[-1]:
            self.bars.append(self.now)

    def overlay(self, n_bars: int) -> None:
        """Go back to the start of the bar, or to that of an earlier one."""
        if n_bars > len(self.bars):
            raise ValueError(f"{'&' * n_bars} goes back beyond the first bar")
        self._overlaid = max(self.now, self._overlaid if self._overlay_bars else self.now)
        self._overlay_bars = n_bars
        self.now = self.bars[-n_bars]
        self._accidentals.clear()
        self._last = None

    def set_meter(self, meter: Meter | None) -> None:
        self.state.meter = meter
        self.meters.append((self.now, meter))

    def set_key(self, key: Key) -> None:
        self.state.key = key
        self._accidentals.clear()

    def finish(self) -> None:
        """End the last bar."""
        if self._overlay_bars:
            self._overlay_bars = 1
            self.bar_line()
