from __future__ import annotations

from pathlib import Path

import pytest

from gan_music.data import read_report
from gan_music.music.piece import NO_LOSSES, Losses, Piece, Rounding


def test_reasons_are_one_but_for_their_particulars() -> None:
    rejects = {
        "a": "badly formed: got b'<html>' at byte 17",
        "b": "badly formed: got b'RIFF\\x00' at byte 3",
        "c": "too short",
        "d": "too short",
        "e": "too short",
        "f": "limit of 64 notes",
    }
    assert read_report.refusals(rejects) == [
        ("too short", 3, "c"),
        ("badly formed: got … at byte …", 2, "a"),
        ("limit of 64 notes", 1, "f"),
    ]


def test_rare_reasons_are_counted_together() -> None:
    rejects = {f"{i}.{c}": f"reason {c}" for c in "abcdefghijklmnop" for i in range(2)}
    lines = read_report.refusal_lines(rejects)
    assert len(lines) == 13
    assert lines[0] == "  refused 2: reason a (0.a)"
    assert lines[-1] == "  refused 8: for 4 further reasons"


def test_a_reason_is_one_printable_line() -> None:
    assert read_report.one_line("a\n b\x1b[0m \udcff\tü") == r"a b\x1b[0m \udcff ü"


def test_the_table() -> None:
    pieces = [
        Piece.from_arrays(
            [0, 12 * (n - 1)],
            [1, 12],
            [60, 62],
            grid=12,
            tempo=tempo,
            name=name,
            losses=Losses(2, 1) if name == "c.mid" else NO_LOSSES,
            rounding=Rounding(n / 36000, n / 10000, n / 18000, n / 7200),
        )
        for n, tempo, name in [(3600, 60, "x/a.mid"), (1800, 120, "x/b.mid"), (900, 90, "c.mid")]
    ]
    assert read_report.minutes(pieces[0]) == 60
    assert read_report.table(
        pieces, {"d.mid": "is empty"}, n_files=1234, n_refused_files=1
    ).splitlines() == [
        "files                1,234",
        "refused files            1",
        "pieces                   3",
        "refused pieces           0",
        "notes                    6",
        "folders                  2",
        "hours of music         1.4",
        "median tempo            90",
        "grace notes              2",
        "cue notes                1",
        "unended notes            0",
        "drum notes               0",
        "  refused 1: is empty (d.mid)",
        # means over all notes, and the largest of all
        "rounding to 12 steps a quarter note moved onsets by 0.0583 quarter notes on average",
        "  (at most 0.3600; 29.2% by more than 1/192) and durations by 0.1167",
        "",
        "track                           instrument                  pieces       notes",
        "(no name)                       Acoustic Grand Piano             3           6",
    ]


def test_the_table_of_nothing() -> None:
    assert "notes" not in read_report.table([], {}, n_files=0, n_refused_files=0)


def test_rejects_are_a_table(tmp_path: Path) -> None:
    read_report.write_rejects({"a, b.mid": 'says "no"'}, tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text() == 'file,reason\n"a, b.mid","says ""no"""\n'
    with pytest.raises(OSError, match="missing"):
        read_report.write_rejects({}, tmp_path / "missing" / "r.csv")
