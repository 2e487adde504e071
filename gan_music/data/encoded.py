"""Pieces as ids, a row a note, in one array of small integers: in memory, or mapped from disk."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_music.data.pack import PackedPieces
from gan_music.music.piece import IntArray, Piece, lengths
from gan_music.representations.note_events import NoteEvents
from gan_music.system.atomic_files import atomic_write
from gan_music.system.errors import UserError

# the largest id is a position: 8 quarters of at most 960 steps
_ID = np.dtype("<i2")


def encoded(
    pieces: Sequence[Piece], codec: NoteEvents, scale: float, folder: Path
) -> tuple[Tensor, IntArray]:
    """Ids of all notes with times multiplied by ``scale``, int16 ``[N, C + 2]``, and the row where
    each piece begins, ``[P]``.

    Of a pack, the rows are those of all its pieces, in a file below ``folder``: whoever comes first
    writes it, and others map it. It is never written to again, unless it is not what was written.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    if not isinstance(pieces, PackedPieces):
        width = len(codec.names) + 2
        ids = np.concatenate([np.empty((0, width), _ID), *_ids(pieces, codec, scale)])
        sizes = lengths(pieces)
        return torch.from_numpy(ids), np.cumsum(sizes) - sizes
    path = folder / f"{_key(pieces, codec, scale)}.npy"
    whole = PackedPieces(pieces.folder, pieces.about)
    shape = (int(whole.lengths.sum()), len(codec.names) + 2)
    if (mapped := _mapped(path, shape)) is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(whole, codec, scale, path, shape)
        except OSError as error:
            raise UserError(
                f"data.cache_dir={folder.parent} cannot be written ({error.strerror}): "
                "name a folder that can."
            ) from error
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    with warnings.catch_warnings():  # nobody writes to it
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(mapped), pieces.begins


def _mapped(path: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """The array in a file, or None where there is none of this shape."""
    try:
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # not there, or whatever a damaged header makes numpy raise
        return None
    return ids if isinstance(ids, np.ndarray) and (ids.shape, ids.dtype) == (shape, _ID) else None


def _ids(pieces: Sequence[Piece], codec: NoteEvents, scale: float) -> Iterator[np.ndarray]:
    for piece in pieces:
        yield codec.encode(piece.scaled(scale)).astype(_ID)


def _key(pieces: PackedPieces, codec: NoteEvents, scale: float) -> str:
    """Of the notes, and of the table that makes ids of them."""
    table = {name: value for name, value in codec.state().items() if name != "starts"}
    text = json.dumps([pieces.digest, table, scale], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _write(
    pieces: PackedPieces, codec: NoteEvents, scale: float, path: Path, shape: tuple[int, int]
) -> None:
    header = {"descr": _ID.str, "fortran_order": False, "shape": shape}
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for ids in _ids(pieces, codec, scale):
            file.write(ids.tobytes())
