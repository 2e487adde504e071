"""Pieces as a representation's rows, in one array: in memory, or memory-mapped from disk."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gan_music.data.pack import PackedPieces
from gan_music.music.piece import IntArray, Piece
from gan_music.representations.base import Representation
from gan_music.system.atomic_files import atomic_write, remove_temporaries
from gan_music.system.errors import UserError


def encoded(
    pieces: Sequence[Piece], representation: Representation, scale: float, folder: Path
) -> tuple[Tensor, IntArray, IntArray]:
    """Rows of all pieces with times multiplied by ``scale``, ``[N, ...]``, each piece's first row,
    ``[P]``, and its number of rows, ``[P]``.

    The rows of a pack are those of all its pieces, in a file below ``folder`` that the first
    process writes and later ones map. A file that is damaged is written again.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    dtype, shape = representation.row_dtype, representation.row_shape
    if not isinstance(pieces, PackedPieces):
        rows = [representation.rows(piece.scaled(scale)) for piece in pieces]
        sizes = np.array([len(x) for x in rows], dtype=np.int64)
        whole = np.concatenate([np.empty((0, *shape), dtype), *rows])
        return torch.from_numpy(whole), np.cumsum(sizes) - sizes, sizes
    pack = pieces.whole()
    sizes = representation.n_rows(pack)
    begins = np.cumsum(sizes) - sizes
    table = {"name": representation.name} | representation.table()
    key = json.dumps([pieces.digest, pieces.with_drums, table, scale], sort_keys=True)
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"
    header = {
        "descr": dtype.str,
        "fortran_order": False,
        "shape": (int(sizes.sum()), *shape),
    }
    if (mapped := _mapped(path, header)) is None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_temporaries(folder, path.name)
            with atomic_write(path) as temporary, temporary.open("wb") as file:
                np.lib.format.write_array_header_1_0(file, header)
                for piece in pack:
                    file.write(representation.rows(piece.scaled(scale)).tobytes())
        except OSError as error:
            raise UserError(
                f"data.cache_dir={folder.parent} cannot be written ({error.strerror}): "
                "name a folder that can."
            ) from error
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(mapped), begins[pieces.numbers], sizes[pieces.numbers]


def _mapped(path: Path, header: dict[str, Any]) -> NDArray[Any] | None:
    """The array in a file, or None without one of this type and shape."""
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # no such file, or whatever numpy raises for a damaged header
        return None
    fits = isinstance(rows, np.ndarray) and (rows.dtype.str, rows.shape) == (
        header["descr"],
        header["shape"],
    )
    return rows if fits else None
