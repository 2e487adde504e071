from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import pytest

from gan_music.data.read_report import write_rejects
from gan_music.system.csv_cells import escape_formula
from gan_music.training.callbacks.sample_logger import write_real
from gan_music.training.loggers import build_loggers
from tests.conftest import make_piece


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"),
        ("+1", "'+1"),
        ("-1.mid", "'-1.mid"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", r"\t=1"),
        ("\r=1", r"\r=1"),
        (" \u3000=1", " \u3000'=1"),
        ("\uff1d1", "'\uff1d1"),  # a full-width equals sign
        ("\ufeff=1\x85=2\u200b=3\udcff", r"\ufeff=1\x85=2\u200b=3\udcff"),
        ("a;=1;b;;-2", "a;'=1;b;;'-2"),
        ('a;"=1', "a;\"'=1"),
        ('a; " =1', "a; \" '=1"),
        ("a\t=1\n=2", r"a\t=1\n=2"),
    ],
)
def test_formulas_are_escaped(text: str, cell: str) -> None:
    assert escape_formula(text) == cell


def test_other_cells_are_unchanged() -> None:
    others = ("", "bwv66.6", "a=b", "'tis", "../a", "a - b, -1; c", "Für Elise", "月\u3000光")
    assert [escape_formula(t) for t in others] == list(others)


HOSTILE = (
    *("=1+1", "a;=1", "a;;=1", 'a";=1', 'a";"=1', 'a;"=1";b', '";=1', '"";=1', '""";"";=1'),
    *(";=1", "\t=1", "a\t=1", 'a\t"=1', "a\n=1", "a\r\n=1", "a\r;=1", "\n=1", "a,=1", "a,b;=1"),
    *('a,b";=1', 'a,"b"\t=1', '",";=1', "; =1", ";\u3000+1", ";\xa0-1", ";\x00@1", "\x0b=1"),
    *("\u2028=1", "\ufeff=1", "'=1", ";'=1", "a;\uff0b1", '" =1', '; " @1', "\\;=1", 'a;"";=1'),
    *('a;"\t=1', "-1", "a;-1", "+", "@", "a\x1c=1", "a|=1"),
)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_cell_of_a_table_is_a_formula_whatever_separates_them(
    separator: str, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    write_real([replace(make_piece(0, 4), name=name) for name in HOSTILE], run)
    write_rejects({name: name for name in HOSTILE}, run / "rejects.csv")
    values = dict.fromkeys(HOSTILE, -0.5)
    for logger in build_loggers(
        {"csv": {"_target_": "lightning.pytorch.loggers.CSVLogger", "name": "", "version": "csv"}},
        run,
        at_most=10,
        n_batches=lambda: 10,
    ):
        logger.log_metrics(values, 3)
        logger.finalize("success")
    n = len(HOSTILE)
    n_rows = {"pieces.csv": n, "rejects.csv": n + 1, "scalars.csv": n - 1, "csv/metrics.csv": 2}
    for table, number in n_rows.items():
        with (run / table).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter=separator))
        # by other separators, a quote may join lines; one of the names is another's escaped
        assert len(rows) == number if separator == "," else rows
        cells = {cell for row in rows for cell in row}
        formulas = {c for c in cells if re.match(r"[\s\"]*[-=+@\uff1d\uff0b\uff0d\uff20]", c)}
        assert all(re.fullmatch(r"[-\d.,]+", c) for c in formulas), formulas  # of numbers alone
    assert (run / "scalars.csv").read_text(encoding="utf-8").startswith("3,'=1+1,-0.5\n")


def test_names_of_pieces_are_neither_formulas_nor_paths(tmp_path: Path) -> None:
    names = ["=HYPERLINK(1)", "../../outside", "a,b\n=1+1", "<script>"]
    folder = tmp_path / "below" / "real"
    write_real([replace(make_piece(i), name=n) for i, n in enumerate(names)], folder)
    write_rejects(dict.fromkeys(names, "=why"), folder.parent / "rejects.csv")
    with (folder / "pieces.csv").open(newline="") as file:
        cells = [row[1] for row in csv.reader(file)]
    with (folder.parent / "rejects.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert cells == ["'=HYPERLINK(1)", "../../outside", r"a,b\n=1+1", "<script>"]
    assert rows == [[name, "'=why"] for name in cells]
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    midi = {f"below/real/real_{i}.mid" for i in range(1, 5)}
    assert found == midi | {"below/real/pieces.csv", "below/rejects.csv"}
