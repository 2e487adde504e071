"""A file that ``torch.save`` wrote -> its plain values and tensors: no code runs, no size is
believed.

Such a file is a zip of ``data.pkl``, a pickle of the plain values and the tensors' shapes, and a
member with the numbers of each tensor. Python's unpickler, and torch's, follow whatever a pickle
says: a few bytes can request terabytes, a number of megabytes, or lists within lists without end.
:class:`Table` reads only what ``torch.save`` writes of plain values, tensors and ``OrderedDict``:

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

import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch

from gan_music.checkpoints.archive import Archive
from gan_music.system.zip_sizes import ArchiveError

_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_MAX_DIMENSIONS = 8
_MAX_EMPTY = 2**20  # of a dimension of a tensor without numbers
_MAX_VALUES, _MAX_DEPTH, _MAX_CHARACTERS = 100_000, 32, 4_000_000
_MAX_STEPS = 4 * _MAX_VALUES  # of the pickle
_SLACK = 2**20  # bytes
_U1, _U2, _U4, _I4, _F8 = map(struct.Struct, ("<B", "<H", "<I", "<i", ">d"))


@dataclass(frozen=True)
class Shape:
    """The shape and the storage type of a tensor that is not read, and where it lies."""

    size: tuple[int, ...]
    storage: str
    member: str = field(default="", compare=False)
    offset: int = field(default=0, compare=False)
    stride: tuple[int, ...] = field(default=(), compare=False)

    @property
    def dtype(self) -> torch.dtype:
        return _DTYPES[self.storage]

    @property
    def n_bytes(self) -> int:
        n = self.dtype.itemsize
        for length in self.size:  # few, and bounded
            n *= length
        return n


class _Name(NamedTuple):
    module: str
    name: str


class _Numbers(NamedTuple):
    storage: str
    member: str
    n: int


_ORDERED = _Name("collections", "OrderedDict")
_REBUILD = _Name("torch._utils", "_rebuild_tensor_v2")


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
        found = Table(archive.read("data.pkl"), archive.sizes).load()
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
        if isinstance(value, _Name | _Numbers):
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


class Table:
    """The pickle machine, protocol 2, of the opcodes that ``torch.save`` writes."""

    def __init__(self, data: bytes, members: dict[str, int]) -> None:
        self.data, self.members = data, members
        self.at = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def load(self) -> Any:
        if self._take(2) != b"\x80\x02":
            raise ArchiveError("its table is no pickle of protocol 2")
        for _ in range(_MAX_STEPS):
            code = self._take(1)
            if code == b".":
                break
            step = _STEPS.get(code)
            if step is None:
                raise ArchiveError("its table has a step that torch does not write")
            step(self)
        if self.at != len(self.data) or len(self.stack) != 1 or self.marks:
            raise ArchiveError("its table has no end")
        return self.stack[0]

    def _take(self, n: int) -> bytes:
        taken = self.data[self.at : self.at + n]
        if len(taken) != n:
            raise ArchiveError("its table is cut off")
        self.at += n
        return taken

    def _pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ArchiveError("its table takes what is not there")
        return self.stack.pop()

    def _since_mark(self) -> list[Any]:
        if not self.marks:
            raise ArchiveError("its table takes what is not there")
        mark = self.marks.pop()
        taken = self.stack[mark:]
        del self.stack[mark:]
        return taken

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self) -> None:
        self.marks.append(len(self.stack))

    def number(self, form: struct.Struct) -> Any:
        return form.unpack(self._take(form.size))[0]

    def long(self) -> None:
        n = self.number(_U1)
        if n > 8:
            raise ArchiveError("it holds a whole number of more than 64 bits")
        self.push(int.from_bytes(self._take(n), "little", signed=True))

    def text(self) -> None:
        self.push(self._take(self.number(_U4)).decode("utf-8", "surrogatepass"))

    def name(self) -> None:
        parts = []
        for _ in range(2):
            end = self.data.find(b"\n", self.at, self.at + 100)
            if end < 0:
                raise ArchiveError("it names what is no tensor")
            parts.append(self._take(end + 1 - self.at)[:-1].decode("ascii"))
        name = _Name(*parts)
        if name not in (_ORDERED, _REBUILD) and not (name[0] == "torch" and name[1] in _DTYPES):
            raise ArchiveError(f"it names {'.'.join(name)!a}")
        self.push(name)

    def put(self, form: struct.Struct) -> None:
        if not self.stack:
            raise ArchiveError("its table takes what is not there")
        number = self.number(form)
        if number > len(self.memo):
            raise ArchiveError("a reference has a number that is too high")
        self.memo[number] = self.stack[-1]

    def get(self, form: struct.Struct) -> None:
        self.push(self.memo[self.number(form)])

    def tuple_of(self, n: int) -> None:
        self.push(tuple([self._pop() for _ in range(n)][::-1]))

    def append(self, values: list[Any]) -> None:
        target = self._top(list)
        target += values

    def set_items(self, values: list[Any]) -> None:
        target = self._top(dict)
        if len(values) % 2:
            raise ArchiveError("a dictionary has a key without a value")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(key) not in (str, int):
                raise ArchiveError("a dictionary has a key that is neither text nor whole number")
            target[key] = value

    def _top(self, kind: type) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ArchiveError("its table takes what is not there")
        if not isinstance(self.stack[-1], kind):
            raise ArchiveError("its table adds to what is no list or dictionary")
        return self.stack[-1]

    def storage(self) -> None:
        pid = self._pop()
        kind, name, key, _, count = pid if type(pid) is tuple and len(pid) == 5 else (None,) * 5
        if kind != "storage" or not isinstance(name, _Name) or name[1] not in _DTYPES:
            raise ArchiveError("a tensor has an unknown dtype")
        if not isinstance(key, str) or type(count) is not int:
            raise ArchiveError("a tensor has no storage")
        size = self.members.get(member := f"data/{key[:10]}")
        if not 0 <= count < 2**48 or count * _DTYPES[name[1]].itemsize != size:
            raise ArchiveError("a tensor claims other bytes than its member has")
        self.push(_Numbers(name[1], member, count))

    def call(self) -> None:
        arguments, function = self._pop(), self._pop()
        if function == _ORDERED and arguments == ():
            self.push(OrderedDict())
        elif function == _REBUILD and type(arguments) is tuple and len(arguments) >= 4:
            self.push(_shape(*arguments[:4]))
        else:
            raise ArchiveError("it calls a function")

    def build(self) -> None:
        """The attributes of a module's state are versions, which none of our modules reads."""
        self._pop()
        self._top(OrderedDict)


def _shape(storage: Any, offset: Any, size: Any, stride: Any) -> Shape:
    if not isinstance(storage, _Numbers) or type(size) is not tuple or type(stride) is not tuple:
        raise ArchiveError("a tensor has no shape")
    if len(size) != len(stride) or len(size) > _MAX_DIMENSIONS:
        raise ArchiveError("a tensor has too many dimensions")
    most = max(storage.n, _MAX_EMPTY)
    if not all(type(n) is int and 0 <= n <= most for n in (offset, *size, *stride)):
        raise ArchiveError("a tensor has a size or a stride beyond its storage")
    n, last = 1, offset
    for length, step in zip(size, stride, strict=True):
        n *= length
        last += (length - 1) * step
    if n > storage.n or offset > storage.n:
        raise ArchiveError("a tensor has more numbers than its storage")
    if n and last >= storage.n:
        raise ArchiveError("a tensor lies outside its storage")
    return Shape(size, storage.storage, storage.member, offset, stride)


_STEPS: dict[bytes, Callable[[Table], None]] = {
    b"N": lambda t: t.push(None),
    b"\x88": lambda t: t.push(True),
    b"\x89": lambda t: t.push(False),
    b"K": lambda t: t.push(t.number(_U1)),
    b"M": lambda t: t.push(t.number(_U2)),
    b"J": lambda t: t.push(t.number(_I4)),
    b"G": lambda t: t.push(t.number(_F8)),
    b"\x8a": Table.long,
    b"X": Table.text,
    b"(": Table.mark,
    b")": lambda t: t.push(()),
    b"]": lambda t: t.push([]),
    b"}": lambda t: t.push({}),
    b"\x85": lambda t: t.tuple_of(1),
    b"\x86": lambda t: t.tuple_of(2),
    b"\x87": lambda t: t.tuple_of(3),
    b"t": lambda t: t.push(tuple(t._since_mark())),
    b"a": lambda t: t.append([t._pop()]),
    b"e": lambda t: t.append(t._since_mark()),
    b"s": lambda t: t.set_items([t._pop(), t._pop()][::-1]),
    b"u": lambda t: t.set_items(t._since_mark()),
    b"q": lambda t: t.put(_U1),
    b"r": lambda t: t.put(_U4),
    b"h": lambda t: t.get(_U1),
    b"j": lambda t: t.get(_U4),
    b"c": Table.name,
    b"Q": Table.storage,
    b"R": Table.call,
    b"b": Table.build,
}
