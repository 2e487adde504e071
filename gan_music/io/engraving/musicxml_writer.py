"""Writes MusicXML through music21: each track as a part on one staff, or one track as keyboard
music on one or two staves.

Hands, voices, key and spelling are estimated by :mod:`gan_music.io.engraving.notation`. Notes keep
their durations and are tied over barlines and beats. They read back unchanged with two exceptions:

- Times move where common notation cannot show them: quintuplets, septuplets, 64th notes, and 16th
  notes mixed with triplets in half a beat.
- Notes end early where more than four voices would sound in one staff.
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
    percussion,
    pitch,
    stream,
    tempo,
    tie,
)
from music21.musicxml.m21ToXml import GeneralObjectExporter

from gan_music.io.engraving import notation
from gan_music.io.engraving.drums import DRUM_CHANNEL, unpitched, with_drum_keys
from gan_music.io.engraving.note_values import TICKS, Measure, Note, NoteValue, notate, quantize
from gan_music.io.instruments import GENERAL_MIDI
from gan_music.music.piece import Piece, Track
from gan_music.system.atomic_files import atomic_write

_VIOLA = 41  # a program


def write_musicxml(piece: Piece, path: Path, *, composer: str | None = None) -> None:
    """Write a piece as MusicXML, atomically."""
    data = GeneralObjectExporter(_score(piece, composer)).parse()
    with atomic_write(path) as temporary:
        temporary.write_bytes(with_drum_keys(data))


def _score(piece: Piece, composer: str | None) -> stream.Score:
    bars = notation.measures(piece)
    sharps = notation.key_signature(piece.pitched())
    scale = TICKS / piece.grid
    score = stream.Score()
    # Without a composer, music21 writes its own name.
    score.metadata = metadata.Metadata(title=piece.name or "Untitled", composer=composer or " ")
    parts = _staves(piece)
    staves = []
    for _, mine, _ in parts:
        times = piece.onset[mine] * scale, (piece.onset + piece.duration)[mine] * scale
        notes = [
            Note(round(start), max(round(start) + 1, round(end)), number)
            for start, end, number in zip(*times, piece.pitch[mine].tolist(), strict=True)
        ]
        placed, triplets = quantize(notes, bars)
        staves.append((notation.Staff(notation.separate_voices(placed), triplets), placed))
    end = max((n.end for _, placed in staves for n in placed), default=0)
    bars = [b for b in bars if b.start < end] or bars[:1]
    is_grand_staff = len(piece.tracks) == 1 and len(parts) > 1
    for number, (staff, placed) in enumerate(staves):
        track, _, default = parts[number]
        part = stream.PartStaff() if is_grand_staff else stream.Part()
        part.id = f"P{number + 1}"
        part.insert(0, _instrument(track, 1 if is_grand_staff else number + 1))
        first_clef = clef.PercussionClef() if track.is_drum else _clef(placed, default)
        _fill(part, staff, bars, sharps, first_clef, is_drum=track.is_drum)
        score.insert(0, part)
    first = next(iter(score.parts)).measure(bars[0].number)
    first.insert(0, tempo.MetronomeMark(number=round(piece.tempo, 2)))
    if is_grand_staff:
        score.insert(0, layout.StaffGroup(list(score.parts), symbol="brace", barTogether=True))
    return score


def _staves(piece: Piece) -> list[tuple[Track, np.ndarray, clef.Clef]]:
    """(track, its notes, its clef) of each staff: the hands of one track, or one for each track."""
    used = np.unique(piece.track).tolist() or [0]
    if len(used) == 1:
        track = piece.tracks[used[0]]
        left, is_one_hand = notation.split_hands(piece)
        if is_one_hand or track.is_drum:
            return [(track, np.ones(len(piece), bool), clef.TrebleClef())]
        return [(track, ~left, clef.TrebleClef()), (track, left, clef.BassClef())]
    return [
        (
            piece.tracks[n],
            piece.track == n,
            clef.AltoClef() if piece.tracks[n].program == _VIOLA else clef.TrebleClef(),
        )
        for n in used
    ]


def _instrument(track: Track, number: int) -> instrument.Instrument:
    if track.is_drum:
        made: instrument.Instrument = instrument.UnpitchedPercussion()
        made.midiChannel = DRUM_CHANNEL
    else:
        made = instrument.instrumentFromMidiProgram(track.program)
    # music21 draws them at random
    made.partId, made.instrumentId = f"P{number}", f"I{number}"
    made.partName = track.name
    if not track.name:  # else music21 takes the instrument's
        made.printPartName = False
    made.instrumentName = "Drums" if track.is_drum else GENERAL_MIDI[track.program]
    return made


def _clef(notes: Sequence[Note], default: clef.Clef) -> clef.Clef:
    """The default clef, unless nearly all notes would lie on ledger lines."""
    if not notes:
        return default
    middle = float(np.median([n.pitch for n in notes]))
    if middle < 53:
        return clef.BassClef()
    return clef.TrebleClef() if middle > 64 else default


def _fill(
    part: stream.Part,
    staff: notation.Staff,
    bars: Sequence[Measure],
    sharps: int,
    first_clef: clef.Clef,
    *,
    is_drum: bool,
) -> None:
    before: Measure | None = None
    at = [0] * len(staff.voices)  # the first chord of each voice that has not ended
    for bar in bars:
        measure = stream.Measure(number=bar.number)
        if before is None:
            measure.insert(0, first_clef)
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
                sounding.append((number, notate(here[:stop], bar, staff.triplets)))
        if not sounding or sounding[0][0] > 0:  # the first voice fills every measure
            sounding.insert(0, (0, []))
        for number, written in sounding:
            made = stream.Voice(id=str(number + 1)) if len(sounding) > 1 else measure
            for value in written:
                element = _element(value, sharps, staff.triplets, is_drum=is_drum)
                if not value.pitches:
                    element.style.hideObjectOnPrint = number > 0
                elif len(sounding) > 1:
                    element.stemDirection = "down" if number % 2 else "up"
                made.insert(_quarters(value.start - bar.start), element)
            if not written:
                for rest in _rests(bar, missing > 0):
                    rest.style.hideObjectOnPrint = len(sounding) > 1
                    made.insert(rest.offset, rest)
            if made is not measure:
                measure.insert(0, made)
        part.append(measure)
        before = bar


def _rests(bar: Measure, is_short: bool) -> list[note.Rest]:
    """The rests of an empty measure: one full-measure rest, or several if it is incomplete."""
    if not is_short:
        whole = note.Rest(quarterLength=_quarters(bar.end - bar.start))
        whole.fullMeasure = True
        return [whole]
    rests = []
    for value in notate([], bar, {}):
        rests.append(note.Rest(quarterLength=_quarters(value.end - value.start)))
        rests[-1].offset = _quarters(value.start - bar.start)
    return rests


def _element(
    value: NoteValue, sharps: int, triplets: dict[int, int], *, is_drum: bool
) -> note.GeneralNote:
    """The music21 note, chord or rest of a note value, with its ties."""
    length = duration.Duration(_quarters(value.end - value.start))
    for group in length.tuplets:
        if value.start in triplets:
            group.type = "start"
        elif any(value.end == start + ticks for start, ticks in triplets.items()):
            group.type = "stop"
    if not value.pitches:
        return note.Rest(duration=length)
    if is_drum:
        hits = [unpitched(number, length) for number in value.pitches]
        return _tied(hits[0] if len(hits) == 1 else percussion.PercussionChord(hits), value)
    pitches = []
    for number in value.pitches:
        step, alter, octave = notation.spell(number, sharps)
        # music21 always prints an explicit natural.
        pitches.append(pitch.Pitch(step=step, accidental=alter or None, octave=octave))
    made = (
        note.Note(pitches[0], duration=length)
        if len(pitches) == 1
        else chord.Chord(pitches, duration=length)
    )
    return _tied(made, value)


def _tied(made: note.GeneralNote, value: NoteValue) -> note.GeneralNote:
    kinds = {(True, True): "continue", (True, False): "stop", (False, True): "start"}
    kind = kinds.get((value.tie_stop, value.tie_start))
    if kind:
        for single in getattr(made, "notes", [made]):
            single.tie = tie.Tie(kind)
    return made


def _quarters(ticks: int) -> Fraction:
    return Fraction(ticks, TICKS)
