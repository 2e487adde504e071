"""Sources -> pieces, through the cache, in parallel; and a report of all that did not make it."""

from __future__ import annotations

import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from gan_music.data.cache import NoteCache
from gan_music.data.sources import Source
from gan_music.errors import UserError
from gan_music.files import replacing
from gan_music.io.read import ReadError, read
from gan_music.notes import Piece


@dataclass
class Extraction:
    """What a data set's files gave: pieces in the order of the sources, and refusals by name."""

    pieces: list[Piece] = field(default_factory=list)
    rejects: dict[str, str] = field(default_factory=dict)
    n_cached: int = 0

    @property
    def n_notes(self) -> int:
        return sum(map(len, self.pieces))

    def summary(self) -> str:
        """One sentence, and a line for each reason of refusal with its count and an example."""
        lines = [
            f"{len(self.pieces)} pieces with {self.n_notes:,} notes "
            f"({self.n_cached} files from the cache); {len(self.rejects)} files refused"
        ]
        examples = {reason: name for name, reason in self.rejects.items()}
        for reason, count in Counter(self.rejects.values()).most_common():
            lines.append(f"  refused {count}: {reason} (for instance {examples[reason]})")
        return "\n".join(lines)

    def write_rejects(self, path: Path) -> None:
        """A table of (file, reason), one line a refused file."""
        with (
            replacing(path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(("file", "reason"))
            writer.writerows(self.rejects.items())


def extract(
    sources: Sequence[Source],
    cache: NoteCache,
    *,
    min_notes: int,
    n_workers: int | None = None,
) -> Extraction:
    """Read every source, from the cache where it is there, and fill the cache with the rest.

    Parameters
    ----------
    min_notes : a piece with fewer is refused.
    n_workers : processes that read; None takes one for each processor.

    Raises
    ------
    UserError
        If not one piece is left.
    """
    result = Extraction()
    outcomes: dict[int, list[Piece] | str | None] = {}
    missing: list[tuple[int, str]] = []
    for number, source in enumerate(sources):
        try:
            key = cache.key(source.path)
        except OSError as error:
            result.rejects[source.name] = f"cannot be opened: {error.strerror}"
            continue
        outcomes[number] = cache.load(key, source.name)
        if outcomes[number] is None:
            missing.append((number, key))
        else:
            result.n_cached += 1
    outcomes |= _read_all(sources, missing, cache, n_workers)
    for number, outcome in sorted(outcomes.items()):
        if isinstance(outcome, str):
            result.rejects[sources[number].name] = outcome
            continue
        for piece in outcome or ():
            if len(piece) < min_notes:
                result.rejects[piece.name] = f"fewer notes than data.min_notes={min_notes}"
            else:
                result.pieces.append(piece)
    if not result.pieces:
        raise UserError(
            f"none of {len(sources)} files could be used; for instance "
            + "; ".join(f"{name}: {reason}" for name, reason in list(result.rejects.items())[:3])
            + ". Name a folder with whole MIDI files or scores."
        )
    return result


def _read_all(
    sources: Sequence[Source],
    missing: Sequence[tuple[int, str]],
    cache: NoteCache,
    n_workers: int | None,
) -> Iterator[tuple[int, list[Piece] | str]]:
    if not missing:
        return
    n_workers = min(n_workers or os.cpu_count() or 1, len(missing))
    job = partial(_read_and_store, cache=cache)
    # spawned, not forked: torch's threads do not survive a fork
    pool = ProcessPoolExecutor(n_workers, mp_context=get_context("spawn"))
    with (
        pool,
        tqdm(
            total=len(missing), desc="reading", unit="file", disable=not sys.stderr.isatty()
        ) as bar,
    ):
        jobs = {pool.submit(job, sources[number], key): number for number, key in missing}
        for done in as_completed(jobs):
            bar.update()
            yield jobs[done], done.result()


def _read_and_store(source: Source, key: str, cache: NoteCache) -> list[Piece] | str:
    pieces: list[Piece] | str
    try:
        pieces = read(source.path, grid=cache.grid, name=source.name, reader=cache.reader)
    except ReadError as error:
        pieces = str(error)
    cache.store(key, pieces)
    return pieces
