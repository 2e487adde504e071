"""A file that ``torch.save`` wrote -> its plain values and tensors: no code runs, no size is
believed.

Such a file is a zip of ``data.pkl``, a pickle of the plain values and the tensors' shapes, and a
member with the numbers of each tensor. Python's unpickler, and torch's, follow whatever a pickle
says: a few bytes can request terabytes, a number of megabytes, or lists within lists without end.
The project's own unpickler (``safe_unpickler.py``) reads only what ``torch.save`` writes of plain
values, tensors and ``OrderedDict``:

=========================  =========================================================
a number                   at most 64 bits
a key of a dictionary      text or a whole number
a tensor                   at most 8 dimensions, within its storage's numbers
all values                 at most 100,000, 32 levels deep, 4 million characters;
                           one that is referred to twice counts twice
all tensors                at most twice the bytes of the storages that they share
=========================  =========================================================

The outline has a :class:`Shape` for each tensor; :func:`read_tensors` puts tensors in their places,
of the same archive.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gan_music.checkpoints.archive import Archive
from gan_music.checkpoints.safe_unpickler import Name, Unpickler
from gan_music.checkpoints.tensor_shapes import Shape, Storage
from gan_music.system.zip_sizes import ArchiveError

_MAX_VALUES, _MAX_DEPTH, _MAX_CHARACTERS = 100_000, 32, 4_000_000
_SLACK = 2**20  # bytes


def read_shapes(path: Path) -> Any:
    """The outline of a file: what ``torch.load`` would give, with a :class:`Shape` for each tensor.

    Raises
    ------
    ArchiveError
        If the file is no such file, or exceeds a limit.
    """
    with opened(path) as archive:
        return read_outline(archive)


def opened(path: Path) -> Archive:
    """The file as an archive.

    Raises
    ------
    ArchiveError
        If it is none.
    """
    return _guarded(lambda: Archive(path))


def read_outline(archive: Archive) -> Any:
    """The outline of an archive, with a :class:`Shape` for each tensor.

    Raises
    ------
    ArchiveError
        If the pickle is none that ``torch.save`` writes, or exceeds a limit.
    """

    def read() -> Any:
        found = Unpickler(archive.read("data.pkl"), archive.sizes).load()
        _check_size(found, sum(archive.sizes.values()))
        return found

    return _guarded(read)


def read_tensors(outline: Any, archive: Archive) -> Any:
    """A copy of an outline, or of a part of it, with the tensors of its archive; those that shared
    memory do so again.

    Raises
    ------
    ArchiveError
        If the numbers of a tensor are damaged.
    """
    storages: dict[str, torch.UntypedStorage] = {}
    tensors: dict[int, torch.Tensor] = {}

    def made(shape: Shape) -> torch.Tensor:
        if shape.member not in storages:
            storages[shape.member] = archive.storage(shape.member)
        empty = torch.empty(0, dtype=shape.dtype)
        tensor = empty.set_(storages[shape.member], shape.offset, shape.size, shape.stride)
        if shape.dtype == torch.bool and tensor.numel() and tensor.view(torch.uint8).max() > 1:
            raise ArchiveError("a truth value is neither 0 nor 1")
        return tensor

    def filled(value: Any) -> Any:
        if isinstance(value, Shape):
            if id(value) not in tensors:
                tensors[id(value)] = made(value)
            return tensors[id(value)]
        if isinstance(value, dict):
            return type(value)((key, filled(v)) for key, v in value.items())
        if isinstance(value, list | tuple):
            return type(value)(map(filled, value))
        return value

    return _guarded(lambda: filled(outline))


def _guarded(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (ArchiveError, MemoryError, PermissionError, FileNotFoundError):
        raise
    except Exception as error:  # untrusted bytes make zipfile and torch raise anything
        raise ArchiveError(type(error).__name__) from error


def _check_size(outline: Any, n_bytes: int) -> None:
    """Walk the whole outline as a tree, within the limits on values and on tensors."""
    n_values = n_characters = n_tensor_bytes = 0
    left = [(outline, 0)]
    while left:
        value, depth = left.pop()
        n_values += 1
        if isinstance(value, Name | Storage):
            raise ArchiveError("it holds a part of a tensor")
        if isinstance(value, dict):
            left += [(v, depth + 1) for v in value.values()]
            n_characters += sum(len(k) for k in value if isinstance(k, str))
        elif isinstance(value, list | tuple):
            left += [(v, depth + 1) for v in value]
        elif isinstance(value, str):
            n_characters += len(value)
        elif isinstance(value, Shape):
            n_tensor_bytes += value.n_bytes
        if n_values + len(left) > _MAX_VALUES or depth > _MAX_DEPTH:
            raise ArchiveError("its values are too many, or too deep")
        if n_characters > _MAX_CHARACTERS:
            raise ArchiveError("its text is too long")
        if n_tensor_bytes > 2 * n_bytes + _SLACK:
            raise ArchiveError("its tensors have more numbers than the file")
