"""Notes on disk: one .npz of plain arrays for each file that was read, or was refused.

An entry's key is a hash of the file's bytes, its kind, the grid, the reader and the extractor's
version, so a changed file, setting or program never meets an old entry. Entries are written to a
temporary file and renamed: jobs that share the cache see whole entries or none. Nothing in it is a
pickle.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from gan_music.errors import UserError
from gan_music.files import replacing
from gan_music.notes import Piece

# Raise it whenever the same bytes would be read as other notes.
EXTRACTOR_VERSION = 1

_ARRAYS = ("onset", "duration", "pitch", "velocity")


def default_cache_dir() -> Path:
    """``gan_music`` under ``$XDG_CACHE_HOME``, or ``~/.cache``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gan_music"


class NoteCache:
    """Pieces by key, below a folder that is made when the first is stored."""

    def __init__(self, root: Path, grid: int, reader: str = "music21") -> None:
        self.root = root
        self.grid = grid
        self.reader = reader

    def key(self, path: Path) -> str:
        """The key of a file as it is now."""
        digest = hashlib.sha256(path.read_bytes())
        digest.update(
            f"|{path.suffix.lower()}|{self.grid}|{self.reader}|{EXTRACTOR_VERSION}".encode()
        )
        digest.update(f"|{version('music21')}".encode())
        return digest.hexdigest()

    def load(self, key: str, name: str) -> list[Piece] | str | None:
        """What is stored under a key: pieces, called ``name``; the reason why there are none; or
        None where nothing is stored, or it is damaged.
        """
        try:
            # opened here: numpy leaves a damaged archive open
            with self._path(key).open("rb") as file, np.load(file, allow_pickle=False) as entry:
                if "reason" in entry:
                    return str(entry["reason"])
                lengths, tempos = entry["lengths"], entry["tempos"]
                bounds = np.cumsum(lengths)[:-1]
                columns = [np.split(entry[a].astype(np.int64), bounds) for a in _ARRAYS]
            names = [f"{name}#{i + 1}" for i in range(len(lengths))] if len(lengths) > 1 else [name]
            return [
                Piece.from_arrays(
                    onset, duration, pitch, velocity=velocity, grid=self.grid, tempo=tempo, name=n
                )
                for onset, duration, pitch, velocity, tempo, n in zip(
                    *columns, tempos.tolist(), names, strict=True
                )
            ]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
            return None

    def store(self, key: str, content: Sequence[Piece] | str) -> None:
        """Keep the pieces of a file, or the reason why it has none.

        Raises
        ------
        UserError
            If the folder cannot be written.
        """
        if isinstance(content, str):
            self._write(key, reason=np.array(content))
            return
        columns = {a: np.concatenate([getattr(p, a) for p in content]) for a in _ARRAYS}
        self._write(
            key,
            lengths=np.array([len(p) for p in content]),
            tempos=np.array([p.tempo for p in content]),
            onset=columns["onset"].astype(np.uint32),
            duration=columns["duration"].astype(np.uint32),
            pitch=columns["pitch"].astype(np.uint8),
            velocity=columns["velocity"].astype(np.uint8),
        )

    def _write(self, key: str, **arrays: np.ndarray) -> None:
        path = self._path(key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary, temporary.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub has a keyword there
        except OSError as error:
            raise UserError(
                f"data.cache_dir={self.root} cannot be written ({error.strerror}): "
                "name a folder that can."
            ) from error

    def _path(self, key: str) -> Path:
        return self.root / key[:2] / f"{key}.npz"
