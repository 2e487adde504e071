"""The values of ABC's fields against literal answers."""

from __future__ import annotations

from fractions import Fraction

import pytest

from gan_music.io.formats import abc_fields
from gan_music.io.formats.abc_fields import Meter, Properties

SHARPS, FLATS = "FCGDAEB", "BEADGCF"


@pytest.mark.parametrize(
    ("text", "n_sharps"),
    [
        *(
            ("C", 0),
            ("G", 1),
            ("Gmaj", 1),
            ("G Major", 1),
            ("Em", 1),
            ("EM", 1),
            ("E min", 1),
            ("Eminor", 1),
        ),
        *(("D Dor", 0), ("DDorian", 0), ("Amix", 2), ("A Mixolydian", 2), ("F#m", 3), ("Fion", -1)),
        *(("Bb", -2), ("Eb maj", -3), ("Cm", -3), ("Abaeo", -7), ("F lyd", 0), ("E phr", 0)),
        *(("B loc", 0), ("C#", 7), ("am", 0), ("none", 0), ("", 0), ("C treble", 0), ("H", 5)),
        *(("Es", -3), ("G bass-8", 1), ("G clef=alto", 1), ("D exp", 0)),
    ],
)
def test_keys(text: str, n_sharps: int) -> None:
    letters = SHARPS[:n_sharps] if n_sharps > 0 else FLATS[:-n_sharps]
    expected = dict.fromkeys(letters, 1 if n_sharps > 0 else -1)
    assert abc_fields.key(text, {"F": 1})[0] == expected


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("D Dor ^g", {"G": 1}),
        ("D =c", {"F": 1, "C": 0}),
        ("Dmix=c", {"F": 1, "C": 0}),
        ("Am=c clef=bass", {"C": 0}),
        ("D exp _b ^f", {"B": -1, "F": 1}),
        ("D^g_b", {"F": 1, "C": 1, "G": 1, "B": -1}),
        ("Hp", {"F": 1, "C": 1}),
        ("HP", {"F": 1, "C": 1}),
        ("clef=bass", {"E": -1}),
        ("alto", {"E": -1}),
        ("G# loc", {"F": 1, "G": 1, "C": 1}),
    ],
)
def test_further_accidentals_and_keys_that_stay(text: str, key: dict) -> None:
    assert abc_fields.key(text, {"E": -1})[0] == key


@pytest.mark.parametrize("text", ["Q", "Gfoo", "C score=AB", "C octave=x", "C clef=foo"])
def test_wrong_keys(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no|not read"):
        abc_fields.key(text, {})


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ('1 clef=bass-8 name="A b"', Properties(clef=-12, name="A b", is_drum=False)),
        ("T treble+8 octave=-1", Properties(clef=12, octave=-12, is_drum=False)),
        ("x transpose=-2 up stem=down", Properties(transpose=-2)),
        ('1 clef="treble^8" nm="a"', Properties(clef=0, name="a", is_drum=False)),
        ("1 perc", Properties(clef=0, is_drum=True)),
        ("1 bass middle=d", Properties(clef=0, is_drum=False)),
    ],
)
def test_voices(text: str, properties: Properties) -> None:
    assert abc_fields.voice(text) == (text.split()[0], properties)


@pytest.mark.parametrize(
    ("text", "meter"),
    [
        *(("4/4", Meter(4, 4)), ("C", Meter(4, 4)), ("C|", Meter(2, 2)), (" 6/8 ", Meter(6, 8))),
        *(("(2+3)/8", Meter(5, 8)), ("2 + 3/8", Meter(5, 8)), ("none", None), ("", None)),
        *(("FREI4/4", Meter(4, 4)), ("3/4 2/4", Meter(3, 4))),
    ],
)
def test_meters(text: str, meter: Meter | None) -> None:
    assert abc_fields.meter(text) == meter


@pytest.mark.parametrize("text", ["3", "x", "4/0", "0/4"])
def test_wrong_meters(text: str) -> None:
    with pytest.raises(ValueError, match=r"no meter|number 0"):
        abc_fields.meter(text)


@pytest.mark.parametrize(
    ("text", "tempo"),
    [
        *(("1/4=120", 120), ('"Slow" 3/8=40', 60), ('3/8 = 40 "Slow"', 60), ("1/4 1/8=100", 150)),
        *(("120", 60), ("C=120", 60), ("C3=40", 60), ('"Allegro"', None), ("1/4=ca. 90", 90)),
        *(("1/4=0", None), ("", None)),
    ],
)
def test_tempi(text: str, tempo: float | None) -> None:
    assert abc_fields.tempo(text, Fraction(1, 2)) == tempo


@pytest.mark.parametrize(
    ("meter", "quarters"),
    [(None, 0.5), (Meter(2, 4), 0.25), (Meter(3, 4), 0.5), (Meter(5, 8), 0.25), (Meter(4, 4), 0.5)],
)
def test_the_unit_by_the_meter(meter: Meter | None, quarters: float) -> None:
    assert abc_fields.default_unit(meter) == quarters


@pytest.mark.parametrize(
    ("text", "quarters"), [("1/8", 0.5), ("1/4", 1), ("1", 4), (" 1 / 16", 0.25)]
)
def test_units(text: str, quarters: float) -> None:
    assert abc_fields.unit(text) == quarters
