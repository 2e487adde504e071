"""The second classifier separates music of another kind, and not music of the same kind."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from gan_music.io.write import write_midi
from gan_music.music.piece import Piece
from tests.conftest import make_piece, run_python

COMMAND = Path(__file__).parents[2] / "benchmarks" / "second_classifier.py"
FIGURE = [40, 47, 52, 55, 59, 55, 52, 47]


def loop(seed: int) -> Piece:
    """A figure of eight notes, repeated 20 times."""
    pitch = np.tile(FIGURE, 20) + seed
    return Piece.from_arrays(np.arange(160) * 6, np.full(160, 6), pitch, grid=24)


def test_it_separates_music_of_another_kind(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("midi", "alike", "loops")}
    for folder in folders.values():
        folder.mkdir()
    for seed in range(80):
        write_midi(make_piece(seed, 200), folders["midi"] / f"work{seed:02d}.mid")
    for seed in range(12):
        write_midi(make_piece(100 + seed, 200), folders["alike"] / f"{seed}.mid")
        write_midi(loop(seed), folders["loops"] / f"{seed}.mid")
    done = run_python(str(COMMAND), *map(str, folders.values()), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    every = done.stdout.splitlines()
    lines = [line for line in every if not line.startswith(" ")]
    assert [line.split(":")[0] for line in lines] == [
        "test pieces",
        "training pieces",
        str(folders["alike"]),
        str(folders["loops"]),
    ]
    train, alike, loops = (
        [float(x) for x in re.findall(r"\d\.\d+", line.partition(": ")[2])] for line in lines[1:]
    )
    for accuracy, coverage, precision, *_ in (train, alike):
        assert accuracy < 0.65
        assert coverage > 0.5
        assert precision > 0.5
    assert loops[:3] == [1.0, 0.0, 0.0]
    assert loops[3] < 0.06  # eight 4-grams in 157
    assert lines[3].endswith("loops 1.00 1.00; after none nan, after one 1.00")
    features, certain = every[-2:]
    found = re.findall(r"([a-z][^,(]*?) \S+ \((\S+); \S+\)", features)
    distances = {name: float(distance) for name, distance in found}
    assert len(distances) == 6
    # the walks have many distinct n-grams
    assert any(d < -3 for name, d in distances.items() if name.startswith("distinct"))
    assert re.fullmatch(
        r"  most certain: (piece \d+ from note (0|64) on \(1\.00\)(, )?){3}", certain
    )


def test_files_that_it_refuses(tmp_path: Path) -> None:
    midi, short = tmp_path / "midi", tmp_path / "short"
    for folder in (midi, short):
        folder.mkdir()
    for seed in range(20):
        write_midi(make_piece(seed, 200), midi / f"work{seed:02d}.mid")
    write_midi(make_piece(0, 40), short / "1.mid")

    def refusal(*folders: Path) -> str:
        done = run_python(str(COMMAND), *map(str, folders), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr.strip().splitlines()[-1]

    assert refusal(midi, short) == (
        f"error: {short} has no MIDI file of 64 notes: name a folder of samples, RUN/samples."
    )
    (short / "2.mid").write_bytes(b"MThd")
    assert refusal(midi, short).startswith(f"error: {short / '2.mid'} cannot be read (")
    assert refusal(short, midi).startswith("error: none of ")
