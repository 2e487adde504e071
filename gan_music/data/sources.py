"""Which files a data set is made of: a folder of the user's own, or music21's corpus."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gan_music.errors import UserError
from gan_music.io.read import SUFFIXES


@dataclass(frozen=True)
class Source:
    """A file, and the name it goes by: its path relative to the root, with forward slashes."""

    path: Path
    name: str


def find_sources(root: Path | None, query: str) -> list[Source]:
    """The music files below ``root``, or, without one, of a part of music21's corpus.

    Raises
    ------
    UserError
        If the folder does not exist or holds no file of a known kind.
    """
    return _in_folder(root) if root is not None else _in_corpus(query)


def _in_folder(root: Path) -> list[Source]:
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise UserError(f"data.root={root} {what}: name a folder of MIDI files or scores.")
    sources = []
    # os.walk does not follow links to folders, so a loop of links ends
    for folder, folders, files in os.walk(root):
        folders.sort()
        for file in sorted(files):
            path = Path(folder, file)
            if path.suffix.lower() in SUFFIXES:
                sources.append(Source(path, path.relative_to(root).as_posix()))
    if not sources:
        raise UserError(
            f"data.root={root} holds no music: put files there that end in "
            f"{', '.join(sorted(SUFFIXES))}."
        )
    return sources


def _in_corpus(query: str) -> list[Source]:
    from music21 import common, corpus

    base = common.getCorpusFilePath()
    sources = [
        Source(path, path.relative_to(base).as_posix())
        for path in map(Path, corpus.getComposer(query))
        if path.suffix.lower() in SUFFIXES
    ]
    if not sources:
        raise UserError(
            f"data.query={query} matches nothing in music21's corpus: try bach, palestrina, "
            "haydn, mozart, beethoven or ryansMammoth."
        )
    return sorted(sources, key=lambda s: s.name)
