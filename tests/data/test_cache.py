"""The cache: damaged entries, concurrent and killed writers."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gan_music.data.cache import NoteCache, default_cache_dir
from gan_music.data.extraction import extract
from gan_music.data.sources import find_sources
from gan_music.io.errors import Refused
from gan_music.music.piece import Losses, Piece, Rounding
from tests.conftest import make_piece

KEY = "ab" * 32


def test_everything_of_a_piece_comes_back(tmp_path: Path) -> None:
    cache = NoteCache(tmp_path, 24)
    first = Piece.from_arrays(
        [0, 30],
        [5, 2**20],
        [0, 127],
        velocity=[1, 127],
        grid=24,
        meters=[(-24, 3, 4), (48, 6, 8)],
        tempo=93.5,
        rounding=Rounding(0.01, 0.02, 0.03, 0.5),
        losses=Losses(3, 4, 5),
    )
    cache.store(KEY, [Refused("x#1", "a misprint"), first, make_piece(0), Refused("x#4", "é")])
    before, again, other, after = cache.load(KEY, "x")  # type: ignore[misc]
    assert (before, after) == (("x#1", "a misprint"), ("x#4", "é"))
    assert isinstance(again, Piece)
    assert (again.notes(), again.velocity.tolist()) == (first.notes(), [1, 127])
    assert again.meters.tolist() == first.meters.tolist()
    assert (again.tempo, again.rounding, again.name) == (93.5, first.rounding, "x#2")
    assert again.losses == (3, 4, 5)
    assert isinstance(other, Piece)
    assert other.same_notes(make_piece(0))


def test_damage_is_detected(tmp_path: Path) -> None:
    cache = NoteCache(tmp_path, 24)
    piece = make_piece(3)
    cache.store(KEY, [piece])
    (entry,) = tmp_path.rglob("*.npz")
    whole = entry.read_bytes()
    rng = random.Random(0)
    for _ in range(400):
        damaged = bytearray(whole)
        if rng.random() < 0.3:
            del damaged[rng.randrange(len(damaged)) :]
        else:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        entry.write_bytes(damaged)
        found = cache.load(KEY, piece.name)
        # a flipped bit without meaning, in a date for example, is harmless
        if found is not None:
            assert isinstance(found, list)
            assert found[0].same_notes(piece)
            assert found[0].velocity.tolist() == piece.velocity.tolist()


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    cache = NoteCache(tmp_path, 24)
    (tmp_path / "ab").mkdir()
    with (tmp_path / "ab" / f"{KEY}.npz").open("wb") as file:
        np.savez(file, reason=np.array([{"a": 1}], dtype=object))  # type: ignore[arg-type]
    assert cache.load(KEY, "x") is None


def test_a_compressed_entry_is_not_opened(tmp_path: Path) -> None:
    cache = NoteCache(tmp_path, 24)
    (tmp_path / "ab").mkdir()
    for save, found in ((np.savez, "long"), (np.savez_compressed, None)):
        with (tmp_path / "ab" / f"{KEY}.npz").open("wb") as file:
            save(file, reason=np.array("long"), more=np.zeros(10**6))  # type: ignore[operator]
        assert cache.load(KEY, "x") == found


def test_size_and_clear(tmp_path: Path) -> None:
    cache = NoteCache(tmp_path / "cache", 24)
    assert cache.size() == (0, 0)
    cache.store(KEY, [make_piece(0)])
    cache.store("cd" * 32, "no notes in it")
    left_by_a_killed_writer = tmp_path / "cache" / "ab" / f".{KEY}.npz.0123.tmp"
    left_by_a_killed_writer.write_bytes(b"x" * 10)
    (tmp_path / "cache" / "mine.txt").write_text("not of the cache")
    n_entries, n_bytes = cache.size()
    assert n_entries == 3
    assert n_bytes > 1000
    cache.clear()
    assert cache.size() == (0, 0)
    assert (tmp_path / "cache" / "mine.txt").exists()


FILL = """
import sys
from pathlib import Path
from gan_music.data.cache import NoteCache
from gan_music.data.extraction import extract
from gan_music.data.sources import find_sources
sources, cache = find_sources(Path(sys.argv[1]), ""), NoteCache(Path(sys.argv[2]), 24)
result = extract(sources, cache, min_notes=1, n_workers=1)
print(len(result.pieces), result.n_notes)
"""


def filling(music: Path, cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", FILL, str(music), str(cache)], text=True, stdout=subprocess.PIPE
    )


def test_four_processes_fill_it_at_once(tmp_path: Path, midi_folder: Path) -> None:
    processes = [filling(midi_folder, tmp_path / "a") for _ in range(4)]
    outputs = {p.communicate(timeout=120)[0] for p in processes}
    alone = extract(find_sources(midi_folder, ""), NoteCache(tmp_path / "b", 24), min_notes=1)
    assert outputs == {f"16 {alone.n_notes}\n"}
    cache = NoteCache(tmp_path / "a", 24)
    assert cache.size()[0] == 16
    assert extract(find_sources(midi_folder, ""), cache, min_notes=1).n_cached == 16


@pytest.mark.parametrize("seconds", [0.0, 0.3, 0.6, 0.9])
def test_a_killed_writer_leaves_complete_entries(
    tmp_path: Path, midi_folder: Path, seconds: float
) -> None:
    process = filling(midi_folder, tmp_path)
    while process.poll() is None and not list(tmp_path.rglob("*.npz")):
        time.sleep(0.01)
    time.sleep(seconds / 20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    cache = NoteCache(tmp_path, 24)
    entries = list(tmp_path.rglob("*.npz"))
    assert entries
    assert all(cache.load(e.stem, "x") is not None for e in entries)
    assert len(extract(find_sources(midi_folder, ""), cache, min_notes=1).pieces) == 16


def test_the_key_follows_bytes_grid_and_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(b"one")
    key = NoteCache(tmp_path, 24).key(path)
    assert NoteCache(tmp_path, 12).key(path) != key
    readers = {NoteCache(tmp_path, 24, r).key(path) for r in ("music21", "published")}
    assert len(readers) == 2
    path.write_bytes(b"two")
    assert NoteCache(tmp_path, 24).key(path) != key


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"not an archive at all"])
def test_a_damaged_file_is_extracted_again(
    tmp_path: Path, midi_folder: Path, damage: bytes
) -> None:
    cache = NoteCache(tmp_path, 24)
    sources = find_sources(midi_folder, "")[:3]
    first = extract(sources, cache, min_notes=1, n_workers=1)
    entry = next(tmp_path.rglob("*.npz"))
    entry.write_bytes(damage)
    second = extract(sources, cache, min_notes=1, n_workers=1)
    assert (first.n_cached, second.n_cached) == (0, 2)
    assert [p.notes() for p in first.pieces] == [p.notes() for p in second.pieces]
    assert entry.stat().st_size > 100


def test_the_default_cache_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_cache_dir() == Path("/x/gan_music")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_cache_dir() == Path("/home/somebody/.cache/gan_music")
