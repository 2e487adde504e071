"""MusicXML: what both readers make of it."""

from __future__ import annotations

import zipfile
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from gan_music.io.errors import ReadError
from gan_music.io.formats.musicxml import Score
from gan_music.io.formats.musicxml_by_music21 import with_notes_of_music21
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
PLACE = "measure 1 of part part 0 cannot be read:"
OTHER = score([attributes() + note("G", 8)])


@READERS
@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("score.mxl", {"META-INF/container.xml": "b.xml", "a.xml": OTHER, "b.xml": TEXT}),
        ("score.mxl", {"__MACOSX/._b.xml": "junk", "._c.xml": "junk", "b.musicxml": TEXT}),
        ("score.mxl", {"META-INF/container.xml": "/A\\B", "a/b": TEXT, "c.xml": OTHER}),
        ("score.mxl", {"META-INF/container.xml": "lost.xml", "b.xml": TEXT, "c.xml": "<html/>"}),
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
        (TEXT[:-20].encode(), r"is damaged XML: .* in line 1, column \d+"),
        (TEXT.replace("</note>", "</nte>").encode(), "is damaged XML: .* tag mismatch.* in line 1"),
        (b"C D E F", "is damaged XML: .* in line 1, column 1"),
        (b"<html><body/></html>", "is no MusicXML: its outermost element is html"),
        (b"<opus/>", "is an opus, a list of other files; read those"),
        (b"PK\x03\x04 and nothing more", "its archive is damaged"),
        (TEXT.replace("<duration>8", "<duration>x").encode(), f"{PLACE} a duration is 'x', which"),
        (
            TEXT.replace("<duration>8", "<duration>-8").encode(),
            f"{PLACE} a duration is -8; correct",
        ),
        (TEXT.replace("<step>C", "<step>H").encode(), f"{PLACE} the step of a pitch is 'H'"),
        (TEXT.replace("<octave>4", "<octave>").encode(), f"{PLACE} an octave is '', which"),
        (
            TEXT.replace("<octave>4", "<octave>12").encode(),
            "part 0 has a pitch of 156, not 0 to 127",
        ),
        (TEXT.replace("<beats>4", "<beats>C").encode(), f"{PLACE} a number of beats is 'C'"),
        (TEXT.replace("<duration>8</duration>", "").encode(), f"{PLACE} a note has no duration"),
        (
            TEXT.replace("<divisions>2</divisions>", "").encode(),
            f"{PLACE} no divisions come before",
        ),
        (
            TEXT.replace("<divisions>2", "<divisions>0").encode(),
            "divisions is 0, but it must be above",
        ),
    ],
)
def test_what_is_damaged_is_refused(
    content: bytes, reason: str, reader: str, tmp_path: Path
) -> None:
    path = tmp_path / "score.musicxml"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=reason) as raised:
        read(path, reader=reader)
    assert "Error" not in str(raised.value)


def test_an_archive_with_several_scores_and_no_container_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mxl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.xml", TEXT)
        archive.writestr("b.xml", OTHER)
    with pytest.raises(ReadError, match=r"container\.xml is missing, and it holds 2 scores"):
        read(path)


def test_latin_1_that_is_declared_as_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(TEXT.replace("part 0", "Flöte").encode("latin-1"))
    assert read(path)[0].tracks[0].name == "Flöte"


def test_a_namespace_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(TEXT.replace("<score-partwise", '<score-partwise xmlns="http://a.b/c"', 1))
    assert notes(read(path)[0]) == [(0, 4, 60)]


def test_a_part_that_a_timewise_measure_lacks(tmp_path: Path) -> None:
    measures = (
        f'<part id="A">{attributes()}{note("C", 8)}</part><part id="B">{attributes()}</part>',
        f'<part id="A">{note("D", 8)}</part>',
        f'<part id="A">{note("E", 8)}</part><part id="B">{note("F", 8)}</part>',
    )
    listed = '<part-list><score-part id="A"/><score-part id="B"/></part-list>'
    body = "".join(f"<measure>{m}</measure>" for m in measures)
    path = tmp_path / "a.xml"
    path.write_text(f"<score-timewise>{listed}{body}</score-timewise>")
    (piece,) = read(path)
    assert notes(piece, 0) == [(0, 4, 60), (4, 4, 62), (8, 4, 64)]
    assert notes(piece, 1) == [(8, 4, 65)]


@READERS
def test_rests_beyond_the_bar_delay_nothing(reader: str, tmp_path: Path) -> None:
    first = [attributes() + note("C", 8), note("D", 8)]
    others = [
        rest(8) + rest(8),
        note("E", 4) + rest(12),
        rest(16),
        "<forward><duration>16</duration></forward>",
    ]
    parts = [first, *([attributes() + other, note("G", 8)] for other in others)]
    piece = read_text(score(*parts), reader, tmp_path)
    assert [notes(piece, k)[-1][0] for k in range(5)] == [4] * 5
    assert piece.meters.tolist() == [[0, 4, 4]]


@READERS
def test_a_bar_longer_than_its_meter_lasts_as_long_as_its_notes(
    reader: str, tmp_path: Path
) -> None:
    parts = (
        [attributes() + note("C", 12), note("D", 8)],
        [attributes() + note("E", 4), note("F", 8)],
    )
    piece = read_text(score(*parts), reader, tmp_path)
    assert [notes(piece, k)[-1][0] for k in range(2)] == [6, 6]


@READERS
def test_a_tie_out_of_a_short_measure_leads_to_the_next(reader: str, tmp_path: Path) -> None:
    short = [attributes() + note("C", 6, '<tie type="start"/>'), note("C", 2, '<tie type="stop"/>')]
    piece = read_text(score(short, [attributes() + note("E", 8), note("F", 8)]), reader, tmp_path)
    assert notes(piece, 0) == [(0, 5, 60)]


@READERS
def test_two_voices_in_unison_are_tied_each_for_itself(reader: str, tmp_path: Path) -> None:
    back = "<backup><duration>8</duration></backup>"
    start, stop = '<tie type="start"/>', '<tie type="stop"/>'
    first = note("C", 8, start) + back + note("C", 8, start)
    second = note("C", 4, stop) + back + note("C", 8, stop)
    piece = read_text(score([attributes() + first, second]), reader, tmp_path)
    assert notes(piece) == [(0, 6, 60), (0, 8, 60)]


@READERS
def test_notes_of_a_chord_have_their_own_durations_or_one_type(reader: str, tmp_path: Path) -> None:
    half, quarter = "<type>half</type>", "<type>quarter</type>"
    chords = (
        note("C", 4, half)
        + note("E", 2, quarter, before="<chord/>")
        + note("D", 4, half)
        + note("F", 3, half, before="<chord/>")
    )
    piece = read_text(score([attributes() + chords]), reader, tmp_path)
    assert notes(piece) == [(0, 2, 60), (0, 1, 64), (2, 2, 62), (2, 2, 65)]


@READERS
def test_a_chord_on_two_staves_and_notes_without_a_staff(reader: str, tmp_path: Path) -> None:
    staves = attributes(f"{FOUR}<staves>2</staves>")
    chord = note("C", 4, "<staff>1</staff>") + note(
        "E", 4, "<staff>2</staff>", before="<chord/>", octave=3
    )
    piece = read_text(score([staves + chord + note("D", 4)]), reader, tmp_path)
    assert notes(piece, 0) == [(0, 2, 60), (2, 2, 62)]
    assert notes(piece, 1) == [(0, 2, 52)]


@READERS
def test_a_silent_note_at_the_foot_of_a_chord(reader: str, tmp_path: Path) -> None:
    chord = note("C", 4, before="<cue/>") + note("E", 2, before="<chord/>")
    piece = read_text(score([attributes() + chord + note("D", 4)]), reader, tmp_path)
    assert notes(piece) == [(0, 1, 64), (2, 2, 62)]


@READERS
def test_lengths_of_types_where_durations_are_missing(reader: str, tmp_path: Path) -> None:
    def typed(kind: str) -> str:
        return note("C", 0, kind).replace("<duration>0</duration>", "")

    triplet = "<time-modification><actual-notes>3</actual-notes><normal-notes>2</normal-notes>"
    kinds = "<type>quarter</type><dot/>", f"<type>eighth</type>{triplet}</time-modification>"
    piece = read_text(score([attributes() + "".join(map(typed, kinds))]), reader, tmp_path)
    assert notes(piece) == [(0, Fraction(3, 2), 60), (Fraction(3, 2), Fraction(1, 3), 60)]


@READERS
def test_transpositions_of_one_staff_and_within_a_measure(reader: str, tmp_path: Path) -> None:
    def transposed(semitones: int, staff: str = "") -> str:
        chromatic = f"<chromatic>{semitones}</chromatic>"
        return f"<attributes><transpose{staff}>{chromatic}</transpose></attributes>"

    upper = note("C", 4, "<staff>1</staff>") + transposed(-2) + note("C", 4, "<staff>1</staff>")
    back = "<backup><duration>8</duration></backup>"
    lower = note("C", 8, "<staff>2</staff>", octave=3)
    staves = attributes(f"{FOUR}<staves>2</staves>") + transposed(3, ' number="2"')
    piece = read_text(
        score([staves + upper + back + lower, transposed(0) + note("C", 8)]), reader, tmp_path
    )
    assert notes(piece, 0) == [(0, 2, 60), (2, 2, 58), (4, 4, 60)]
    assert notes(piece, 1) == [(0, 4, 51)]


@READERS
@pytest.mark.parametrize(
    ("time", "meter"),
    [
        ("<beats>3+2</beats><beat-type>8</beat-type>", [5, 8]),
        (
            "<beats>3</beats><beat-type>8</beat-type><beats>2</beats><beat-type>4</beat-type>",
            [7, 8],
        ),
        ("<senza-misura/>", [4, 4]),
    ],
)
def test_meters(time: str, meter: list[int], reader: str, tmp_path: Path) -> None:
    text = score([attributes(f"<time>{time}</time>") + note("C", meter[0] * 8 // meter[1])] * 2)
    assert read_text(text, reader, tmp_path).meters.tolist() == [[0, *meter]]


@pytest.mark.parametrize(
    ("inside", "tempo"),
    [
        ("<beat-unit>half</beat-unit><per-minute>60</per-minute>", 120),
        ("<beat-unit>quarter</beat-unit><beat-unit-dot/><per-minute>c. 80</per-minute>", 120),
        ("<beat-unit>quarter</beat-unit><beat-unit>half</beat-unit>", 90),
        ("<beat-unit>quarter</beat-unit><per-minute>Allegro</per-minute>", 90),
    ],
)
def test_tempo(inside: str, tempo: float, tmp_path: Path) -> None:
    mark = f"<direction><direction-type><metronome>{inside}</metronome></direction-type>"
    text = score([attributes() + mark + '<sound tempo="90"/></direction>' + note("C", 8)])
    assert read_text(text, "fast", tmp_path).tempo == tempo


def test_keys_of_drums(tmp_path: Path) -> None:
    described = (
        '<midi-instrument id="I1"><midi-unpitched>36</midi-unpitched></midi-instrument>'
        '<midi-instrument id="I2"><midi-unpitched>43</midi-unpitched></midi-instrument>'
    )
    drum = "<note><unpitched/><duration>2</duration>{}</note>"
    used = [drum.format(f'<instrument id="I{k}"/>') for k in (1, 2, 3)]
    text = score([attributes() + "".join(used)], described=described)
    assert read_text(text, "fast", tmp_path).pitch.tolist() == [35, 42, 38]
    alone = score([attributes() + drum.format("")], described=described[: len(described) // 2])
    assert read_text(alone, "fast", tmp_path).pitch.tolist() == [35]


def test_what_a_score_loses_is_counted() -> None:
    measure = (
        note("C", 2, before="<cue/>")
        + note("D", 2)
        + "<note><grace/><pitch><step>E</step><octave>4</octave></pitch></note>"
        + "<note><unpitched/><duration>2</duration></note>" * 2
    )
    lost = Score(etree.fromstring(score([attributes() + measure]).encode())).lost
    assert lost == {"cue": 1, "grace": 1}


@st.composite
def parts(draw: st.DrawFn) -> list[list[list[tuple[str, int, bool]]]]:
    """Parts of measures of (step, duration, whether a rest)."""
    event = st.tuples(st.sampled_from("CDEFGAB"), st.integers(1, 6), st.booleans())
    n_measures = draw(st.integers(1, 4))
    measure = st.lists(event, max_size=4)
    return draw(
        st.lists(
            st.lists(measure, min_size=n_measures, max_size=n_measures), min_size=1, max_size=3
        )
    )


@given(parts())
@settings(max_examples=60, deadline=None)
def test_in_any_score_all_notes_are_in_step_with_their_measures(
    given_parts: list[list[list[tuple[str, int, bool]]]],
) -> None:
    text = score(
        *(
            [
                attributes() * (not k)
                + "".join(rest(d) if r else note(s, d) for s, d, r in measure)
                for k, measure in enumerate(part)
            ]
            for part in given_parts
        )
    )
    found = Score(etree.fromstring(text.encode()))
    piece = found.piece(24, "a")
    quarters = [Fraction(s, found.resolution) for s in found.starts]
    expected = []
    for part in given_parts:
        for start, end, measure in zip(quarters, quarters[1:], part, strict=False):
            onset = start
            for _, duration, is_rest in measure:
                if not is_rest:
                    expected.append((onset, Fraction(duration, 2)))
                    assert onset + Fraction(duration, 2) <= end
                onset += Fraction(duration, 2)
    assert sorted(zip(piece.onset, piece.duration, strict=True)) == sorted(
        (o * 24, d * 24) for o, d in expected
    )


_ELEMENTS = (
    *(note("C", 3), note("C", 2), note("C", 3, before="<chord/>"), note("E", 2, before="<chord/>")),
    *(note("C", 3, '<tie type="start"/>'), note("C", 3, '<tie type="stop"/>')),
    note("C", 2, '<tie type="stop"/><tie type="start"/>', before="<chord/>"),
    *(note("D", 2, before="<cue/>"), note("D", 1, before="<cue/><chord/>")),
    "<note><grace/><pitch><step>E</step><octave>4</octave></pitch></note>",
    *(rest(3), "<note><unpitched/><duration>2</duration></note>"),
    *(
        f"<{move}><duration>{k}</duration></{move}>"
        for move in ("backup", "forward")
        for k in (2, 5)
    ),
    *(attributes("", divisions=k) for k in (1, 3)),
)


_GRACE = _ELEMENTS[9]


@example([[_GRACE], [_GRACE]])
@given(st.lists(st.lists(st.sampled_from(_ELEMENTS), max_size=8), min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_music21_reads_the_same_notes_of_any_elements(measures: list[list[str]]) -> None:
    text = score([attributes() + "".join(measures[0]), *map("".join, measures[1:])])
    root = etree.fromstring(text.encode())
    own, other = Score(root), Score(root)
    with_notes_of_music21(other.parts, root, other.resolution)
    assert own.piece(24, "a").notes() == other.piece(24, "a").notes()
