"""Sources -> pieces, through the cache, in parallel; and a report of all that did not make it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gan_music.data import report
from gan_music.data.cache import NoteCache
from gan_music.data.pool import Failure, Pool
from gan_music.data.sources import Source
from gan_music.errors import UserError
from gan_music.io.limits import check_file
from gan_music.io.read import ReadError, read
from gan_music.notes import Piece


@dataclass
class Extraction:
    """What a data set's files gave: pieces in the order of the sources, and refusals by name."""

    pieces: list[Piece] = field(default_factory=list)
    rejects: dict[str, str] = field(default_factory=dict)
    n_files: int = 0
    n_cached: int = 0

    @property
    def n_notes(self) -> int:
        return sum(map(len, self.pieces))

    def summary(self) -> str:
        """One sentence, and a line for each reason of refusal with its count and an example."""
        line = (
            f"{len(self.pieces)} pieces with {self.n_notes:,} notes "
            f"({self.n_cached} files from the cache); {len(self.rejects)} files refused"
        )
        return "\n".join([line, *report.refusal_lines(self.rejects)])

    def table(self) -> str:
        """A line for each quantity, and one for each reason of refusal."""
        return report.table(self.pieces, self.rejects, n_files=self.n_files)

    def write_rejects(self, path: Path) -> None:
        """A table of (file, reason), one line a refused file."""
        report.write_rejects(self.rejects, path)


class NothingReadError(UserError):
    """Not one piece could be used; ``extraction`` has the reasons."""

    def __init__(self, extraction: Extraction) -> None:
        reasons = report.refusals(extraction.rejects)[:3]
        super().__init__(
            f"none of {extraction.n_files} files could be used: "
            + "; ".join(f"{reason} ({n}, for instance {name})" for reason, n, name in reasons)
            + ". Name a folder with whole MIDI files or scores."
        )
        self.extraction = extraction


def extract(
    sources: Sequence[Source],
    cache: NoteCache,
    *,
    min_notes: int,
    n_workers: int | None = None,
    timeout_s: float = 120.0,
    memory_mb: int = 2048,
) -> Extraction:
    """Read every source, from the cache where it is there, and fill the cache with the rest.

    Every source gives pieces or is refused with a reason, whatever reading it does to the process
    that reads it. What fell to a limit is not kept in the cache: another time it may be read.

    Parameters
    ----------
    min_notes : a piece with fewer is refused.
    n_workers : processes that read; None takes one for each processor.
    timeout_s, memory_mb : limits for each file, as in :class:`gan_music.data.pool.Pool`.

    Raises
    ------
    NothingReadError
        If not one piece is left.
    UserError
        If the cache cannot be written.
    """
    result = Extraction(n_files=len(sources))
    outcomes: dict[int, list[Piece] | str] = {}
    missing: list[tuple[int, str]] = []
    for number, source in enumerate(sources):
        try:
            key = _key(source, cache)
        except ReadError as error:
            outcomes[number] = str(error)
            continue
        cached = cache.load(key, source.name)
        if cached is None:
            missing.append((number, key))
        else:
            outcomes[number] = cached
            result.n_cached += 1
    if missing:
        cache.remove_leftovers()
    n_workers = n_workers or os.cpu_count() or 1
    pool = Pool(
        partial(read_and_store, cache=cache),
        n_workers=n_workers,
        timeout_s=timeout_s,
        memory_mb=memory_mb,
    )
    outcomes |= _read_all(sources, missing, pool)
    for number, source in enumerate(sources):
        outcome = outcomes[number]
        if isinstance(outcome, str):
            result.rejects[source.name] = report.one_line(outcome)
            continue
        for piece in outcome:
            if len(piece) < min_notes:
                result.rejects[piece.name] = f"fewer notes than data.min_notes={min_notes}"
            else:
                result.pieces.append(piece)
    if not result.pieces:
        raise NothingReadError(result)
    return result


def _key(source: Source, cache: NoteCache) -> str:
    if source.problem:
        raise ReadError(source.problem)
    check_file(source.path)
    try:
        return cache.key(source.path)
    except OSError as error:
        raise ReadError(f"cannot be opened: {error.strerror}") from error


def _read_all(
    sources: Sequence[Source],
    missing: Sequence[tuple[int, str]],
    pool: Pool[tuple[Source, str], list[Piece] | str],
) -> Iterator[tuple[int, list[Piece] | str]]:
    from tqdm import tqdm  # here, since the processes that read import this module and need none

    done = pool.run([(sources[number], key) for number, key in missing])
    hidden = not missing or not sys.stderr.isatty()
    for i, outcome in tqdm(done, "reading", len(missing), unit="file", disable=hidden):
        yield missing[i][0], outcome.reason if isinstance(outcome, Failure) else outcome


def read_and_store(item: tuple[Source, str], cache: NoteCache) -> list[Piece] | str:
    """What a worker does with a source and its key: the pieces, or why there are none."""
    source, key = item
    try:
        content: list[Piece] | str
        try:
            content = read(source.path, grid=cache.grid, name=source.name, reader=cache.reader)
        except ReadError as error:
            content = str(error)
            if isinstance(error.__cause__, OSError):
                return content  # not the bytes that the key stands for are to blame
        cache.store(key, content)
        return content
    except (UserError, MemoryError):
        raise
    except Exception as error:  # values that no reader ought to yield
        return f"{type(error).__name__}: {error}"
