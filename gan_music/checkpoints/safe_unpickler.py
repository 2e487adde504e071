"""The pickle machine that reads the table of values of a checkpoint, and builds nothing else."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from gan_music.checkpoints.tensor_shapes import DTYPES, Storage, shape_of
from gan_music.system.zip_sizes import ArchiveError

_MAX_STEPS = 400_000
_U1, _U2, _U4, _I4, _F8 = map(struct.Struct, ("<B", "<H", "<I", "<i", ">d"))


class Name(NamedTuple):
    """What the table names by a module and a name."""

    module: str
    name: str


_ORDERED = Name("collections", "OrderedDict")
_REBUILD = Name("torch._utils", "_rebuild_tensor_v2")


class Unpickler:
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
        name = Name(*parts)
        if name not in (_ORDERED, _REBUILD) and not (name[0] == "torch" and name[1] in DTYPES):
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
        if kind != "storage" or not isinstance(name, Name) or name[1] not in DTYPES:
            raise ArchiveError("a tensor has an unknown dtype")
        if not isinstance(key, str) or type(count) is not int:
            raise ArchiveError("a tensor has no storage")
        size = self.members.get(member := f"data/{key[:10]}")
        if not 0 <= count < 2**48 or count * DTYPES[name[1]].itemsize != size:
            raise ArchiveError("a tensor claims other bytes than its member has")
        self.push(Storage(name[1], member, count))

    def call(self) -> None:
        arguments, function = self._pop(), self._pop()
        if function == _ORDERED and arguments == ():
            self.push(OrderedDict())
        elif function == _REBUILD and type(arguments) is tuple and len(arguments) >= 4:
            self.push(shape_of(*arguments[:4]))
        else:
            raise ArchiveError("it calls a function")

    def build(self) -> None:
        """The attributes of a module's state are versions, which none of our modules reads."""
        self._pop()
        self._top(OrderedDict)


_STEPS: dict[bytes, Callable[[Unpickler], None]] = {
    b"N": lambda t: t.push(None),
    b"\x88": lambda t: t.push(True),
    b"\x89": lambda t: t.push(False),
    b"K": lambda t: t.push(t.number(_U1)),
    b"M": lambda t: t.push(t.number(_U2)),
    b"J": lambda t: t.push(t.number(_I4)),
    b"G": lambda t: t.push(t.number(_F8)),
    b"\x8a": Unpickler.long,
    b"X": Unpickler.text,
    b"(": Unpickler.mark,
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
    b"c": Unpickler.name,
    b"Q": Unpickler.storage,
    b"R": Unpickler.call,
    b"b": Unpickler.build,
}
