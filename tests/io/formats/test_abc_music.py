"""The music of ABC tunes: literal answers, and random tunes against the notes they were made of."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_music.io.errors import ReadError
from gan_music.io.formats.abc_book import divided
from gan_music.io.formats.abc_music import Reader
from gan_music.io.read import read

Q = Fraction(1, 4)


def sung(music: str, key: str = "C", meter: str = "4/4", unit: str = "1/4") -> list[list[tuple]]:
    """The notes of each voice: onset, duration, pitch; a grace note lasts 0."""
    header, (tune,) = divided(f"X:1\nM:{meter}\nL:{unit}\nK:{key}\n{music}\n")
    voices = Reader(header, tune).voices.values()
    return [sorted((n.onset, n.duration, n.pitch) for n in v.notes) for v in voices]


def in_order(*notes: tuple[float | Fraction, int | None]) -> list[tuple]:
    """Notes that follow each other, of durations and pitches; None is a rest."""
    now, found = Fraction(), []
    for duration, pitch in notes:
        if pitch is not None:
            found.append((now, duration, pitch))
        now += Fraction(duration)
    return found


@pytest.mark.parametrize(
    ("music", "notes"),
    [
        ("C C/ C// C3/2 C/4", [(1, 60), (0.5, 60), (Q, 60), (1.5, 60), (Q, 60)]),
        ("C, c c' C,,", [(1, 48), (1, 72), (1, 84), (1, 36)]),
        ("C>D E<F G>>A", [(1.5, 60), (0.5, 62), (0.5, 64), (1.5, 65), (1.75, 67), (0.25, 69)]),
        ("C > zD", [(1.5, 60), (0.5, None), (1, 62)]),
        ("zC x/D y2E", [(1, None), (1, 60), (0.5, None), (1, 62), (1, 64)]),
        ("Z2|C", [(8, None), (1, 60)]),
        ("X|C", [(4, None), (1, 60)]),
        (
            "(3CDE (3:2:2C2D",
            [(Fraction(2, 3), p) for p in (60, 62, 64)]
            + [(Fraction(4, 3), 60), (Fraction(2, 3), 62)],
        ),
        ("(3(3CDE C", [(Fraction(2, 3), p) for p in (60, 62, 64)] + [(1, 60)]),
        ("^CC c=c|C ^^C __D", [(1, p) for p in (61, 61, 73, 72, 60, 62, 60)]),
        ("^c-|c c", [(2, 73), (1, 72)]),
        ("C-C- [K:Eb] C", [(3, 60)]),
        ("C->C D", [(2, 60), (1, 62)]),
        ("F:|F::F|]F[|F|:F|1F:|2F[1F[2,3F", [(1, 65)] * 10),
        ('|:F|["1st" F:|["2nd" F', [(1, 65)] * 3),
        ("|1 F :|\n2 F |", [(1, 65)] * 2),
        ("A:|\nG::F", [(1, 69), (1, 67), (1, 65)]),
        ('"Am"!f!vF "^50% of |"~F .F +trill+F!>(!F', [(1, 65)] * 5),
        ("F|!F|F!|F$F*F`F\\\nF% F", [(1, 65)] * 8),
        ("F[P:A][r:a note]F[I:linebreak $]F\nw:a b\ns:c\nN:d\nF", [(1, 65)] * 4),
        ("F[L:1/8]F[K:D]F[K:clef=treble-8]F", [(1, 65), (0.5, 65), (0.5, 66), (0.5, 54)]),
        (
            "[I:propagate-accidentals octave]^Cc|[I:propagate-accidentals not]^CC",
            [(1, 61), (1, 72), (1, 61), (1, 60)],
        ),
        ("%%MIDI nobarlines\n^CC", [(1, 61), (1, 60)]),
        ("F=\nF=20\nF=3DF", [(1, 65)] * 4),
    ],
)
def test_one_voice(music: str, notes: list[tuple]) -> None:
    assert sung(music) == [in_order(*notes)]


@pytest.mark.parametrize(
    ("music", "notes"),
    [
        ("[CE]2 [C2E2G2]/", [(0, 2, 60), (0, 2, 64), (2, 1, 60), (2, 1, 64), (2, 1, 67)]),
        ("[C2E4]D", [(0, 2, 60), (0, 4, 64), (2, 1, 62)]),
        ('["Am"C(E!f!]>[D)F]', [(0, 1.5, 60), (0, 1.5, 64), (1.5, 0.5, 62), (1.5, 0.5, 65)]),
        ("[CC]-[C-E]C", [(0, 1, 60), (0, 3, 60), (1, 1, 64)]),
        ("+CE+D", [(0, 1, 60), (0, 1, 64), (1, 1, 62)]),
        (
            "{CD}E{/[FA]}G{}",
            [(0, 0, 60), (0, 0, 62), (0, 1, 64), (1, 0, 65), (1, 0, 69), (1, 1, 67)],
        ),
        ("C4&E2&G4|c", [(0, 2, 64), (0, 4, 60), (0, 4, 67), (4, 1, 72)]),
        ("g4|e4&&d4|c4|f", [(0, 4, 74), (0, 4, 79), (4, 4, 72), (4, 4, 76), (8, 1, 77)]),
        ("C4-&E4-|C4&E4|", [(0, 8, 60), (0, 8, 64)]),
    ],
)
def test_notes_that_sound_together(music: str, notes: list[tuple]) -> None:
    assert sung(music) == [sorted(notes)]


@pytest.mark.parametrize(
    ("meter", "music", "durations"),
    [
        (
            "6/8",
            "(2CD(4CDEF(5CDEFG",
            [Fraction(3, 4)] * 2 + [Fraction(3, 8)] * 4 + [Fraction(3, 10)] * 5,
        ),
        ("3/4", "(5CDEFG(8CDEFGABc", [Fraction(1, 5)] * 5 + [Fraction(3, 16)] * 8),
    ],
)
def test_tuplets_by_the_meter(meter: str, music: str, durations: list) -> None:
    assert [d for _, d, _ in sung(music, meter=meter, unit="1/8")[0]] == durations


def test_voices_go_on_where_they_were() -> None:
    music = "V:1 octave=-1\nCD|[V:2]E2|\nV:1\nE[V:2][K:D]F\n[V:1]F"
    assert sung(music) == [
        in_order((1, 48), (1, 50), (1, 52), (1, 53)),
        in_order((2, 64), (1, 66)),
    ]


def test_music_before_any_voice_is_the_first_declared_one() -> None:
    header, (tune,) = divided("X:1\nV:a\nV:b octave=1\nL:1/4\nK:C\nC|\nV:b\nC|\nV:a\nD|\n")
    voices = Reader(header, tune).voices
    assert {k: [(n.onset, n.pitch) for n in v.notes] for k, v in voices.items()} == {
        "a": [(0, 60), (1, 62)],
        "b": [(0, 72)],
    }


def test_macros_and_user_defined_symbols() -> None:
    header, (tune,) = divided("X:1\nU:n=!trill!\nm:~G2=G{A}G\nL:1/4\nK:C\n~G2nC\n")
    (voice,) = Reader(header, tune).voices.values()
    assert [(n.onset, n.duration, n.pitch) for n in voice.notes] == [
        *((0, 1, 67), (1, 0, 69), (1, 1, 67), (2, 1, 60)),
    ]


@pytest.mark.parametrize(
    ("music", "reason"),
    [
        ("C 4D", "cannot read 4D: a number that belongs to no note"),
        ("C [CE", "a chord or a field without an end"),
        ('C "Am', "a text without an end"),
        ("C {d", "grace notes without an end"),
        ("[]C", "a chord without notes"),
        ("C#", "cannot read #"),
        ("C!DEF!", "cannot tell whether !DEF! is a decoration or notes"),
        ("^/C", "a part of a semitone"),
        ("(10CDE", "a tuplet of 10 notes"),
        ("(3CD(3EFG", "a tuplet begins where another one lacks 1 notes"),
        ("-C", "a tie without a note"),
        (">C", "> without a note"),
        ("C0", "a length of 0"),
        ("c''''''''", "beyond MIDI's"),
        ("&&C", "goes back beyond the first bar"),
        ("(&C&)D", "overlay"),
        ("[M:none]Z", "free meter"),
        ("[V:2 score=AB]C", "score=AB is not read"),
        ("m:~n2=ono\n~G2", "the macro m:~n2 is not read"),
        ("This is the tune", "it reads like text"),
        ("%%abc-include b.abc", "includes another file"),
        ("G: CDE|", "looks like music"),
    ],
)
def test_what_cannot_be_read_is_refused(music: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.abc"
    path.write_text(f"X:7\nL:1/4\nK:C\n{music}\n")
    with pytest.raises(ReadError) as raised:
        read(path)
    assert reason in str(raised.value)
    assert str(raised.value).startswith("tune 1 (X:7), line ")
    assert ";" in str(raised.value)  # what to do


LETTERS = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11), strict=True))
NOTES = st.tuples(
    st.sampled_from("CDEFGAB"),
    st.integers(-2, 2),
    st.sampled_from(["", "", "", "^", "_", "=", "^^", "__"]),
    st.sampled_from([1, 2, 3, 4, Fraction(1, 2), Fraction(3, 2)]),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(NOTES, max_size=6), min_size=1, max_size=5), st.sampled_from(["C", "G", "Eb"])
)
def test_random_tunes(bars: list, key: str) -> None:
    signature = {"C": {}, "G": {"F": 1}, "Eb": {"B": -1, "E": -1, "A": -1}}[key]
    music, now, expected = "", Fraction(), []
    for bar in bars:
        held = dict(signature)
        for letter, octave, accidental, length in bar:
            if accidental:
                held[letter] = accidental.count("^") - accidental.count("_")
            pitch = 60 + 12 * octave + LETTERS[letter] + held.get(letter, 0)
            expected.append((now, Fraction(length), pitch))
            now += length
            marks = "'" * octave if octave > 0 else "," * -octave
            music += f" {accidental}{letter}{marks}{length if length != 1 else ''}"
        music += "|"
    voices = sung(music, key)
    assert [n for voice in voices for n in voice] == sorted(expected)
