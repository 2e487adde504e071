"""What more music costs: seconds and bytes of a piece, a note and a window.

    python benchmarks/scale.py [N_PIECES ...]

For each number of pieces (1,000 and 10,000 by default), a pack of random pieces of 500 notes is
written and read as in a run. MiB are the peak of the process's memory above its start (Linux's
VmData, which leaves mapped files out). Reading files and searching for copies are timed on fewer.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import common
from common import random_piece

from gan_music.config.validate import compose_run
from gan_music.data.cache import NoteCache
from gan_music.data.datamodule import MusicDataModule
from gan_music.data.extraction import extract
from gan_music.data.pack import write_pack
from gan_music.data.sources import find_sources
from gan_music.io.write import write_midi
from gan_music.metrics.sets.originality import longest_matches
from gan_music.music.piece import Piece

N_NOTES = 500
N_FILES = 400


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("sizes", type=common.count, nargs="*", metavar="N_PIECES")
    sizes = parser.parse_args().sizes or [1_000, 10_000]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in sizes:
            served(n, folder / str(n))
        files(folder / "files")
    copies()


def served(n: int, folder: Path) -> None:
    """Write a pack, open it, and draw an epoch of windows."""
    pack = folder / "pack"
    steps = {
        "pack written": lambda: write_pack(
            (random_piece(i, N_NOTES) for i in range(n)), pack, grid=24
        ),
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
    music = (f"data.root={pack}", f"data.cache_dir={cache}")
    return common.read_data(compose_run("data=midi", *music, "data.transpose=5"))


def draw(data: MusicDataModule) -> None:
    next(iter(data.train_dataloader().batch_sampler))  # type: ignore[arg-type]


def files(folder: Path) -> None:
    """List MIDI files, read them into the cache, and read them from it."""
    folder.mkdir()
    for number in range(N_FILES):
        write_midi(random_piece(number, N_NOTES), folder / f"{number}.mid")
    cache = NoteCache(folder / "cache", 24)
    print(f"{N_FILES:,} files, one process")
    for what in ("read", "found in the cache"):

        def step() -> None:
            extract(find_sources(folder, ""), cache, min_notes=64, n_workers=1)

        print(f"  {what:34}{timed(step, N_FILES, 'file')}")
    listed = timed(lambda: find_sources(folder, ""), N_FILES, "file")
    print(f"  {'listed':34}{listed}")


def copies() -> None:
    """Search training music of two sizes for runs of notes that samples copy."""
    queries = [random_piece(number, 400) for number in range(64)]
    print("search for copies of 64 pieces of 400 notes")
    for n in (500_000, 1_000_000):
        training = [random_piece(number, 50_000) for number in range(n // 50_000)]

        def step(training: list[Piece] = training) -> None:
            longest_matches(queries, training)

        print(f"  {f'in {n:,} notes':34}{timed(step, n, 'note')}")


def timed(step: Callable[[], object], n: int, unit: str) -> str:
    """Seconds and peak MiB of a step, in all and for each unit."""
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
    """MiB of the process's own memory."""
    lines: Iterator[str] = iter(Path("/proc/self/status").read_text().splitlines())
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith("VmData"))


if __name__ == "__main__":
    common.command(main)
