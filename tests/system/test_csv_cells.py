from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from gan_music.data.read_report import write_rejects
from gan_music.system.csv_cells import escape_formula
from gan_music.training.callbacks.sample_logger import write_real
from tests.conftest import make_piece


@pytest.mark.parametrize("text", ["=cmd|'/C calc'!A0", "+1", "-1.mid", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_escaped(text: str) -> None:
    assert escape_formula(text) == "'" + text


def test_other_cells_are_unchanged() -> None:
    assert [escape_formula(t) for t in ("", "bwv66.6", "a=b", "'tis", "../a")] == [
        *("", "bwv66.6", "a=b", "'tis", "../a")
    ]


def test_names_of_pieces_are_neither_formulas_nor_paths(tmp_path: Path) -> None:
    names = ["=HYPERLINK(1)", "../../outside", "a,b\n=1+1", "<script>"]
    folder = tmp_path / "below" / "real"
    write_real([replace(make_piece(i), name=n) for i, n in enumerate(names)], folder)
    write_rejects(dict.fromkeys(names, "=why"), folder.parent / "rejects.csv")
    with (folder / "pieces.csv").open(newline="") as file:
        cells = [row[1] for row in csv.reader(file)]
    with (folder.parent / "rejects.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert cells == ["'=HYPERLINK(1)", "../../outside", "a,b\n=1+1", "<script>"]
    assert rows == [[name, "'=why"] for name in cells]
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    midi = {f"below/real/real_{i}.mid" for i in range(1, 5)}
    assert found == midi | {"below/real/pieces.csv", "below/rejects.csv"}
