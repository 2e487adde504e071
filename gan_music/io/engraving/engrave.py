"""Notes -> a score in MusicXML, through music21: piano music of two staves.

What a score needs and notes do not say is estimated: hands, voices, key, spelling (see
:mod:`gan_music.io.engraving.notation` and :mod:`gan_music.io.engraving.note_values`). Notes are written as long as they
sound, and tied over barlines and beats. Times that no usual notation holds are moved to the nearest
that it does: fifths and sevenths of a beat, 64ths, 16ths and thirds mixed in half a beat. Where
more than four voices would sound in one hand, notes end early. All else reads back as the same
notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from music21 import (
    chord,
    clef,
    duration,
    instrument,
    key,
    layout,
    metadata,
    meter,
    note,
    pitch,
    stream,
    tempo,
    tie,
)
from music21.musicxml.m21ToXml import GeneralObjectExporter

from gan_music.io.engraving.notation import Staff, hands, measures, spelled, voiced
from gan_music.io.engraving.note_values import TICKS, Measure, Note, Value, quantised, values
from gan_music.io.instruments import GENERAL_MIDI
from gan_music.music.piece import Piece
from gan_music.system.atomic_files import atomic_write

# How well each degree fits a major and a minor key (Temperley 2001, The Cognition of Basic Musical
# Structures). The profiles of Krumhansl & Kessler miss the signature of every fourth piano piece.
_MAJOR = (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0)
_MINOR = (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0)


def write_musicxml(piece: Piece, path: Path, *, program: int = 0) -> None:
    """Write a piece as MusicXML, whole or not at all.

    ``program`` is the instrument, 0 to 127 by General MIDI.
    """
    data = GeneralObjectExporter(_score(piece, program)).parse()
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def _score(piece: Piece, program: int) -> stream.Score:
    bars = measures(piece)
    sharps = signature(piece)
    left, alone = hands(piece)
    scale = TICKS / piece.grid
    score = stream.Score()
    # without a composer, music21 would name itself
    score.metadata = metadata.Metadata(title=piece.name or "Untitled", composer=" ")
    staves = []
    for mine in [np.ones(len(piece), bool)] if alone else [~left, left]:
        part = piece.onset[mine] * scale, (piece.onset + piece.duration)[mine] * scale
        notes = [
            Note(round(start), max(round(start) + 1, round(end)), number)
            for start, end, number in zip(*part, piece.pitch[mine].tolist(), strict=True)
        ]
        placed, thirds = quantised(notes, bars)
        staves.append((Staff(voiced(placed), thirds), placed))
    end = max((n.end for _, placed in staves for n in placed), default=0)
    bars = [b for b in bars if b.start < end] or bars[:1]
    for number, (staff, placed) in enumerate(staves):
        own = stream.PartStaff() if len(staves) > 1 else stream.Part()
        own.id = f"P{number + 1}"
        own.insert(0, _instrument(program))
        default = clef.BassClef() if number else clef.TrebleClef()
        _fill(own, staff, bars, sharps, _clef(placed, default))
        score.insert(0, own)
    first = next(iter(score.parts)).measure(bars[0].number)
    first.insert(0, tempo.MetronomeMark(number=round(piece.tempo, 2)))
    if len(staves) > 1:
        score.insert(0, layout.StaffGroup(list(score.parts), symbol="brace", barTogether=True))
    return score


def signature(piece: Piece) -> int:
    """The sharps of the key (flats below 0) that the piece is most likely in.

    By correlation of its pitch classes, weighted by duration, with Temperley's profiles; no note at
    all is in C.
    """
    weights = np.bincount(piece.pitch % 12, piece.duration, minlength=12)
    if np.ptp(weights) == 0:
        return 0
    fits = {
        (tonic, mode): np.corrcoef(np.roll(profile, tonic), weights)[0, 1]
        for mode, profile in enumerate((_MAJOR, _MINOR))
        for tonic in range(12)
    }
    tonic, mode = max(fits, key=lambda k: fits[k])
    sharps = (tonic + 3 * mode) * 7 % 12
    return sharps - 12 if sharps > 6 else sharps


def _instrument(program: int) -> instrument.Instrument:
    made = instrument.instrumentFromMidiProgram(program)
    made.partId, made.instrumentId = "P1", "I1"  # not drawn at random
    made.partName = made.instrumentName = GENERAL_MIDI[program]
    return made


def _clef(notes: Sequence[Note], default: clef.Clef) -> clef.Clef:
    """The usual one, unless nearly all of the staff would lie on ledger lines."""
    if not notes:
        return default
    middle = float(np.median([n.pitch for n in notes]))
    if middle < 53:
        return clef.BassClef()
    return clef.TrebleClef() if middle > 64 else default


def _fill(
    part: stream.Part, staff: Staff, bars: Sequence[Measure], sharps: int, sign: clef.Clef
) -> None:
    """Write a staff bar by bar."""
    before: Measure | None = None
    at = [0] * len(staff.voices)  # the first chord of each voice that has not ended
    for bar in bars:
        measure = stream.Measure(number=bar.number)
        if before is None:
            measure.insert(0, sign)
            measure.insert(0, key.KeySignature(sharps))
        if before is None or bar[-2:] != before[-2:]:
            measure.insert(0, meter.TimeSignature(f"{bar.numerator}/{bar.denominator}"))
        full = Fraction(4 * bar.numerator, bar.denominator)
        if (missing := full - _quarters(bar.end - bar.start)) > 0:
            if before is None:
                measure.paddingLeft = missing
                measure.showNumber = stream.enums.ShowNumber.NEVER
            else:
                measure.paddingRight = missing
        sounding = []
        for number, voice in enumerate(staff.voices):
            while at[number] < len(voice) and voice[at[number]].end <= bar.start:
                at[number] += 1
            here = voice[at[number] :]
            stop = next((i for i, c in enumerate(here) if c.start >= bar.end), len(here))
            if stop:
                sounding.append((number, values(here[:stop], bar, staff.thirds)))
        if not sounding or sounding[0][0] > 0:  # the first voice counts the bar
            sounding.insert(0, (0, []))
        for number, written in sounding:
            made = stream.Voice(id=str(number + 1)) if len(sounding) > 1 else measure
            for value in written:
                sign_of = _sign(value, sharps, staff.thirds)
                if not value.pitches:
                    sign_of.style.hideObjectOnPrint = number > 0
                elif len(sounding) > 1:
                    sign_of.stemDirection = "down" if number % 2 else "up"
                made.insert(_quarters(value.start - bar.start), sign_of)
            if not written:
                for rest in _rests(bar, missing > 0):
                    rest.style.hideObjectOnPrint = len(sounding) > 1
                    made.insert(rest.offset, rest)
            if made is not measure:
                measure.insert(0, made)
        part.append(measure)
        before = bar


def _rests(bar: Measure, is_short: bool) -> list[note.Rest]:
    """A bar's rest: one sign, but for a bar that is shorter than its meter, where it would lie."""
    if not is_short:
        whole = note.Rest(quarterLength=_quarters(bar.end - bar.start))
        whole.fullMeasure = True
        return [whole]
    rests = []
    for value in values([], bar, {}):
        rests.append(note.Rest(quarterLength=_quarters(value.end - value.start)))
        rests[-1].offset = _quarters(value.start - bar.start)
    return rests


def _sign(value: Value, sharps: int, thirds: dict[int, int]) -> note.GeneralNote:
    """A note, a chord or a rest, tied to what it goes on from and to what goes on with it."""
    length = duration.Duration(_quarters(value.end - value.start))
    for group in length.tuplets:
        if value.start in thirds:
            group.type = "start"
        elif any(value.end == start + ticks for start, ticks in thirds.items()):
            group.type = "stop"
    if not value.pitches:
        return note.Rest(duration=length)
    pitches = []
    for number in value.pitches:
        step, alter, octave = spelled(number, sharps)
        # an explicit natural would always be printed
        pitches.append(pitch.Pitch(step=step, accidental=alter or None, octave=octave))
    made = (
        note.Note(pitches[0], duration=length)
        if len(pitches) == 1
        else chord.Chord(pitches, duration=length)
    )
    kinds = {(True, True): "continue", (True, False): "stop", (False, True): "start"}
    kind = kinds.get((value.tied_back, value.tied_on))
    if kind:
        for single in made.notes if isinstance(made, chord.Chord) else [made]:
            single.tie = tie.Tie(kind)
    return made


def _quarters(ticks: int) -> Fraction:
    return Fraction(ticks, TICKS)
