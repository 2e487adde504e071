"""MusicXML: what both readers make of it."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path

import pytest

from gan_music.io.errors import ReadError
from gan_music.io.read import read
from gan_music.music.piece import Piece

FAULTS = Path(__file__).parents[1] / "faults"
READERS = pytest.mark.parametrize("reader", ["fast", "music21"])
FOUR = "<time><beats>4</beats><beat-type>4</beat-type></time>"


def attributes(inside: str = FOUR, divisions: int = 2) -> str:
    return f"<attributes><divisions>{divisions}</divisions>{inside}</attributes>"


def note(step: str, duration: int, more: str = "", before: str = "", octave: int = 4) -> str:
    pitch = f"<pitch><step>{step[0]}</step><alter>{step.count('#')}</alter>"
    pitch += f"<octave>{octave}</octave></pitch>"
    return f"<note>{before}{pitch}<duration>{duration}</duration>{more}</note>"


def rest(duration: int, of_measure: bool = False) -> str:
    kind = '<rest measure="yes"/>' if of_measure else "<rest/>"
    return f"<note>{kind}<duration>{duration}</duration></note>"


def score(*parts: list[str], described: str = "") -> str:
    """A score of parts, each a list of what stands in its measures."""
    listed = "".join(
        f'<score-part id="P{k}"><part-name>part {k}</part-name>{described}</score-part>'
        for k in range(len(parts))
    )
    body = "".join(
        f'<part id="P{k}">'
        + "".join(f'<measure number="{n}">{m}</measure>' for n, m in enumerate(part, 1))
        + "</part>"
        for k, part in enumerate(parts)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><score-partwise version="4.0">'
        f"<part-list>{listed}</part-list>{body}</score-partwise>"
    )


def notes(piece: Piece, track: int = 0) -> list[tuple[Fraction, Fraction, int]]:
    """Onset and duration in quarter notes, and pitch."""
    own = piece.track == track
    columns = (piece.onset[own], piece.duration[own], piece.pitch[own])
    return [
        (Fraction(int(o), piece.grid), Fraction(int(d), piece.grid), int(p))
        for o, d, p in zip(*columns, strict=True)
    ]


def read_text(text: str, reader: str, tmp_path: Path) -> Piece:
    path = tmp_path / "score.musicxml"
    path.write_text(text)
    (piece,) = read(path, reader=reader)
    return piece


@READERS
def test_measures_of_all_parts_begin_together(reader: str, tmp_path: Path) -> None:
    first = [
        attributes() + note("C", 8),
        note("D", 4) + "<forward><duration>4</duration></forward>",
    ]
    whole = [attributes() + note("E", 8), note("F", 8)]
    short = [attributes() + note("G", 8), note("A", 2)]
    long_rest = [attributes() + note("B", 8), rest(24, of_measure=True)]
    parts = [[*part, note("C", 2)] for part in (first, whole, short, long_rest)]
    piece = read_text(score(*parts), reader, tmp_path)
    assert [notes(piece, k)[-1][0] for k in range(4)] == [8, 8, 8, 8]
    assert notes(piece, 0) == [(0, 4, 60), (4, 2, 62), (8, 1, 60)]
    assert piece.meters.tolist() == [[0, 4, 4]]


@READERS
@pytest.mark.parametrize("silent", ["", rest(8, of_measure=True), rest(2)])
def test_an_upbeat_is_as_long_as_the_notes_in_it(reader: str, silent: str, tmp_path: Path) -> None:
    upbeat, other = [attributes() + note("G", 2), note("C", 8)], [attributes() + silent]
    piece = read_text(score(upbeat, [*other, note("E", 8)]), reader, tmp_path)
    assert notes(piece, 0) == [(0, 1, 67), (1, 4, 60)]
    assert notes(piece, 1) == [(1, 4, 64)]
    assert piece.meters.tolist() == [[-72, 4, 4]]


@READERS
def test_ties_join_notes_of_all_voices_and_staves_of_a_part(reader: str, tmp_path: Path) -> None:
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    staves = attributes(f"{FOUR}<staves>2</staves>")
    first = note("C", 8, f"{start}<voice>1</voice><staff>1</staff>")
    back = "<backup><duration>8</duration></backup>"
    other = note("E", 8, "<voice>2</voice><staff>2</staff>", octave=3)
    second = note("C", 4, f"{stop}<voice>2</voice><staff>2</staff>")
    open_end = note("D", 4, f"{start}<voice>2</voice><staff>2</staff>")
    text = score([staves + first + back + other, second + open_end])
    piece = read_text(text, reader, tmp_path)
    assert [(t.name, t.is_drum) for t in piece.tracks] == [("part 0", False)] * 2
    assert notes(piece, 0) == [(0, 6, 60)]
    assert notes(piece, 1) == [(0, 4, 52), (6, 2, 62)]


@READERS
def test_a_tie_that_is_only_drawn_sounds(reader: str, tmp_path: Path) -> None:
    drawn = '<notations><tied type="{}"/></notations>'
    measure = note("C", 4, drawn.format("start")) + note("C", 4, drawn.format("stop"))
    assert notes(read_text(score([attributes() + measure]), reader, tmp_path)) == [(0, 4, 60)]


@READERS
def test_cue_notes_are_silent_and_chords_may_hold_drums(reader: str, tmp_path: Path) -> None:
    drum = (
        "<note>{}<unpitched><display-step>E</display-step><display-octave>4</display-octave>"
        "</unpitched><duration>2</duration></note>"
    )
    measure = (
        note("C", 2, before="<cue/>")
        + note("E", 2, before="<cue/><chord/>")
        + note("D", 2)
        + drum.format("<chord/>")
        + drum.format("")
        + note("F", 2, before="<chord/>")
    )
    piece = read_text(score([attributes() + measure]), reader, tmp_path)
    assert [t.is_drum for t in piece.tracks] == [False, True]
    assert notes(piece, 0) == [(1, 1, 62), (2, 1, 65)]
    assert notes(piece, 1) == [(1, 1, 38), (2, 1, 38)]


@READERS
def test_divisions_and_transpositions_change(reader: str, tmp_path: Path) -> None:
    clarinet = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    down = "<transpose><chromatic>0</chromatic><octave-change>-1</octave-change></transpose>"
    first = attributes(FOUR + clarinet, divisions=1) + note("C", 1) + note("F#", 1)
    first += "<attributes><divisions>480</divisions></attributes>" + note("C", 960)
    second = attributes(down, divisions=3) + note("C", 1) * 12
    piece = read_text(score([first, second]), reader, tmp_path)
    third = Fraction(1, 3)
    expected = [(0, 1, 58), (1, 1, 64), (2, 2, 58)]
    assert notes(piece) == expected + [(4 + k * third, third, 48) for k in range(12)]


@READERS
def test_divisions_that_cannot_express_a_tuplet_keep_the_barline(
    reader: str, tmp_path: Path
) -> None:
    tuplets = note("C", 33) * 7 + note("D", 300)  # seven in the time of a beat and a third
    other = note("E", 400)
    bar = attributes("<time><beats>4</beats><beat-type>4</beat-type></time>", divisions=133)
    parts = [bar + tuplets + note("C", 0), note("C", 532)], [bar + other, note("G", 532)]
    piece = read_text(score(*parts), reader, tmp_path)
    assert notes(piece, 0)[-1][0] == notes(piece, 1)[-1][0] == 4


@READERS
def test_programs_and_dynamics(reader: str, tmp_path: Path) -> None:
    described = (
        '<score-instrument id="P0-I1"><instrument-name>Oboe</instrument-name></score-instrument>'
        '<midi-instrument id="P0-I1"><midi-channel>1</midi-channel>'
        "<midi-program>69</midi-program></midi-instrument>"
    )
    tempo = '<direction><direction-type><words>x</words></direction-type><sound tempo="76"/>'
    loud = note("C", 4).replace("<note>", '<note dynamics="100">')
    text = score([attributes() + f"{tempo}</direction>" + loud + note("D", 4)], described=described)
    piece = read_text(text, reader, tmp_path)
    assert piece.tracks[0].program == 68
    assert piece.tempo == 76
    assert piece.velocity.tolist() == [90, 80]


SCALE = (60, 62, 64, 65)
ANSWERS = {
    "cue_notes.musicxml": [(k + o, 1, p) for k in (0, 8) for o, p in enumerate(SCALE)],
    "parts_out_of_step.musicxml": [
        *((o, 1, p) for o, p in enumerate(SCALE)),
        (4, 2, 60),
        *((8 + o, 1, p) for o, p in enumerate((64, 65, 67, 69))),
    ],
    "tie_across_staves.musicxml": [(0, 8, 60)],
    "timewise.musicxml": [(o, 1, p) for o, p in enumerate(SCALE * 2)],
    "mxl_wrong_score.mxl": [(o, 1, p) for o, p in enumerate(SCALE)],
}


@READERS
@pytest.mark.parametrize("name", ANSWERS)
def test_files_that_are_easily_read_wrong(name: str, reader: str) -> None:
    (piece,) = read(FAULTS / name, reader=reader)
    assert notes(piece) == ANSWERS[name]


TEXT = score([attributes() + note("C", 8)])
OTHER = score([attributes() + note("G", 8)])


@READERS
@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("score.mxl", {"META-INF/container.xml": "b.xml", "a.xml": OTHER, "b.xml": TEXT}),
        ("score.mxl", {"__MACOSX/._b.xml": "junk", "._c.xml": "junk", "b.musicxml": TEXT}),
        ("score.musicxml", {"META-INF/container.xml": "b.xml", "b.xml": TEXT}),
        ("score.mxl", None),
    ],
)
def test_compressed_scores(
    name: str, members: dict[str, str] | None, reader: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if members is None:
        path.write_text(TEXT)  # not compressed, whatever its name
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for member, content in members.items():
                if member == "META-INF/container.xml":
                    content = (
                        "<container><rootfiles>"
                        '<rootfile full-path="preview.png" media-type="image/png"/>'
                        f'<rootfile full-path="{content}"/></rootfiles></container>'
                    )
                archive.writestr(member, content)
    assert notes(read(path, reader=reader)[0]) == [(0, 4, 60)]


@READERS
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings(encoding: str, reader: str, tmp_path: Path) -> None:
    path = tmp_path / "score.xml"
    named = encoding.removesuffix("-sig")
    text = TEXT.replace("UTF-8", named).replace("part 0", "Flöte")
    path.write_bytes(text.encode(encoding))
    (piece,) = read(path, reader=reader)
    assert (piece.tracks[0].name, notes(piece)) == ("Flöte", [(0, 4, 60)])


@READERS
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (TEXT[:-20].encode(), "is not well-formed XML at line 1: export it again"),
        (b"<html><body/></html>", "its XML is a <html>, not a score: export it as MusicXML"),
        (b"PK\x03\x04 and nothing more", "is a damaged archive: export it again"),
        (TEXT.replace("<duration>8", "<duration>x").encode(), "has a number that is none"),
        (TEXT.replace("<divisions>2", "<divisions>0").encode(), "has a number that is none"),
        (TEXT.replace("<step>C", "<step>H").encode(), "has a number that is none"),
    ],
)
def test_what_is_damaged_is_refused(
    content: bytes, reason: str, reader: str, tmp_path: Path
) -> None:
    path = tmp_path / "score.musicxml"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=reason):
        read(path, reader=reader)
