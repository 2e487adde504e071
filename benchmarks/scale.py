"""What more music costs: bytes and seconds a piece, a note and a window, from packs of some sizes.

    python benchmarks/scale.py [N_PIECES ...]

For each number of pieces (1,000 and 10,000 without any) a pack of generated pieces of 500 notes is
written and served as in a run; MiB are what the process holds beyond its start (Linux's VmData:
mapped files do not count), at most. Then, on fewer, what reading files costs, and the search for
copies.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from gan_music.config.validate import compose_run
from gan_music.data.cache import NoteCache
from gan_music.data.datamodule import MusicDataModule
from gan_music.data.extraction import extract
from gan_music.data.pack import write_pack
from gan_music.data.sources import find_sources
from gan_music.io.write import write_midi
from gan_music.metrics.sets.originality import longest_matches
from gan_music.music.piece import Piece
from gan_music.training.factory import build_data

N_NOTES = 500
N_FILES = 400


def main() -> None:
    """Measure and print."""
    sizes = [int(n) for n in sys.argv[1:]] or [1_000, 10_000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in sizes:
            served(n, folder / str(n))
        files(folder / "files")
    copies()


def piece(number: int, n_notes: int = N_NOTES) -> Piece:
    """A piece of random notes."""
    rng = np.random.default_rng(number)
    return Piece.from_arrays(
        rng.integers(0, 13, n_notes).cumsum(),
        rng.integers(1, 24, n_notes),
        rng.integers(36, 84, n_notes),
        grid=24,
        name=f"{number % 1000:03}/{number}.mid",
    )


def served(n: int, folder: Path) -> None:
    """A pack written, opened, and an epoch of it."""
    pack = folder / "pack"
    steps = {
        "pack written": lambda: write_pack(map(piece, range(n)), pack, grid=24),
        "first start (events are encoded)": lambda: start(pack, folder / "cache"),
        "next start": lambda: start(pack, folder / "cache"),
    }
    print(f"{n:,} pieces of {N_NOTES} notes")
    for what, step in steps.items():
        print(f"  {what:34}{timed(step, n, 'piece')}")
    data = start(pack, folder / "cache")
    n_windows = len(data.train_set)
    print(f"  {'an epoch drawn':34}{timed(lambda: draw(data), n_windows, 'window')}")
    batches = iter(data.train_dataloader())
    n_batches = min(len(data.train_dataloader()), 500)
    cut = timed(lambda: [next(batches) for _ in range(n_batches)], n_batches * 32, "window")
    print(f"  {'windows of 64 cut':34}{cut}")
    for what, path in (("pack", pack), ("events", folder / "cache")):
        size = sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
        print(f"  {what + ' on disk':34}{size / n / N_NOTES:8.1f} bytes a note")


def start(pack: Path, cache: Path) -> MusicDataModule:
    """What a run does before its first batch."""
    config = compose_run(
        "data=midi", f"data.root={pack}", f"data.cache_dir={cache}", "data.transpose=5"
    )
    data = build_data(config.data, config.representation, seed=0)
    data.prepare_data()
    data.setup()
    return data


def draw(data: MusicDataModule) -> None:
    """The order of an epoch, up to its first batch."""
    next(iter(data.train_dataloader().batch_sampler))  # type: ignore[arg-type]


def files(folder: Path) -> None:
    """MIDI files found, read into the cache, and found again."""
    folder.mkdir()
    for number in range(N_FILES):
        write_midi(piece(number), folder / f"{number}.mid")
    cache = NoteCache(folder / "cache", 24)
    print(f"{N_FILES:,} files, one process that reads")
    for what in ("read", "found in the cache"):

        def step() -> None:
            extract(find_sources(folder, ""), cache, min_notes=64, n_workers=1)

        print(f"  {what:34}{timed(step, N_FILES, 'file')}")
    listed = timed(lambda: find_sources(folder, ""), N_FILES, "file")
    print(f"  {'listed':34}{listed}")


def copies() -> None:
    """The search for what samples copy, in more and more training music."""
    queries = [piece(number, 400) for number in range(64)]
    print("search for copies of 64 pieces of 400 notes")
    for n in (500_000, 1_000_000):
        training = [piece(number, 50_000) for number in range(n // 50_000)]

        def step(training: list[Piece] = training) -> None:
            longest_matches(queries, training)

        print(f"  {f'in {n:,} notes':34}{timed(step, n, 'note')}")


def timed(step: Callable[[], object], n: int, unit: str) -> str:
    """Seconds and the most MiB that a step takes, in all and a unit."""
    before, most, done = _heap(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.005):
            most[0] = max(most[0], _heap() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin = time.perf_counter()
    kept = step()
    seconds = time.perf_counter() - begin
    most[0] = max(most[0], _heap() - before)
    done.set()
    watcher.join()
    del kept
    return (
        f"{seconds:8.2f} s {1e6 * seconds / n:8.1f} us a {unit:7}"
        f"{most[0]:8.0f} MiB {most[0] * 2**20 / n:8.0f} bytes a {unit}"
    )


def _heap() -> float:
    """MiB of the process's own data."""
    lines: Iterator[str] = iter(Path("/proc/self/status").read_text().splitlines())
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmData"))


if __name__ == "__main__":
    main()
