"""Pickles that torch does not write, as the bytes of their steps."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def table_text(value: str) -> bytes:
    """The step that pushes a text."""
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def _storage(key: str, n: bytes) -> bytes:
    return (
        b"("
        + table_text("storage")
        + b"ctorch\nFloatStorage\n"
        + table_text(key)
        + table_text("cpu")
        + n
        + b"tQ"
    )


def _tensor(size: bytes, stride: bytes, offset: bytes = b"K\0", n: bytes = b"K\4") -> bytes:
    empty = b"ccollections\nOrderedDict\n)R"
    call = b"ctorch._utils\n_rebuild_tensor_v2\n("
    return call + _storage("0", n) + offset + size + stride + b"\x89" + empty + b"tR"


def _long(n: int) -> bytes:
    data = n.to_bytes((n.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8b" + struct.pack("<i", len(data)) + data


def tables() -> Iterator[tuple[str, bytes]]:
    """What is wrong with each, and its bytes, after the protocol and before the end."""
    huge, big = _long(2 ** (8 * 10**6)), b"\x8a\x08" + b"\xff" * 7 + b"\x7f"
    for name, number in (("8,000,000 bits", huge), ("2**63", big)):
        many = b"q\0" + b"h\0" * 5000
        yield f"a size of {name} 5,000 times", _tensor(b"(" + number + many + b"t", b")")
        yield f"sizes of {name}", _tensor(b"(" + number * 1 + b"K\1t", b"(K\1K\1t")
        yield f"strides of {name}", _tensor(b"(K\2K\2t", b"(" + number + many + b"t")
        yield f"a stride of {name}", _tensor(b"(K\2K\2t", b"(K\1" + number + b"t")
        yield f"an offset of {name}", _tensor(b"(K\2t", b"(K\1t", offset=number)
        yield f"a count of {name}", _tensor(b"(K\2t", b"(K\1t", n=number)
    yield "nine dimensions", _tensor(b"(" + b"K\1" * 9 + b"t", b"(" + b"K\1" * 9 + b"t")
    yield "a negative stride", _tensor(b"(K\2t", b"(J\xff\xff\xff\xfft")
    yield "a negative size", _tensor(b"(J\xff\xff\xff\xfft", b"(K\1t")
    yield "outside its storage", _tensor(b"(K\2t", b"(K\1t", offset=b"K\3")
    yield "a size that is a list", _tensor(b"](K\2e", b"](K\1e")
    wide = b"J\0\0\x10\0"
    yield "nothing, very often", _tensor(b"(K\0" + wide * 7 + b"t", b"(" + wide * 8 + b"t")
    yield "ten thousand digits", b"L" + b"9" * 10_000 + b"L\n"
    yield "an int of text", b"I" + b"9" * 10_000 + b"\n"
    yield "a float of text", b"F1e99999\n"
    yield "duplicates", b"]" + b"2" * 10**6 + b"0" * 10**6
    yield "duplicated marks", b"(" * 10**6
    yield "references without end", b"]q\0" + b"h\0" * 10**6
    yield "a tower of tuples", b")" + b"\x86".join(b"q\0h\0" for _ in range(10**5)) + b"\x86"
    yield (
        "exponential tuples",
        b"K\0" + b"".join(b"q" + bytes([i]) + b"h" + bytes([i]) + b"\x86" for i in range(200)),
    )
    yield "exponential keys", b"}K\0" + b"q\0h\0\x86" * 100 + b"K\0s"
    yield "a list nested a million times", b"]" * 10**6 + b"a" * (10**6 - 1)
    yield "a tuple nested a million times", b")" + b"\x85" * 10**6
    yield "a dictionary within its key", b"}q\0h\0K\1s"
    yield (
        "keys of one hash",
        b"}("
        + b"".join(b"\x8a\x08" + struct.pack("<q", i << 40) + b"K\0" for i in range(1, 10**5))
        + b"u",
    )
    yield (
        "keys beyond 64 bits",
        b"}(" + b"".join(_long(i * (2**61 - 1)) + b"K\0" for i in range(1, 20_000)) + b"u",
    )
    yield "marks that copy the stack", b"K\0" * 300_000 + b"(t" * 300_000
    yield "a reference too high", b"}r\xff\xff\xff\x7f"
    yield "a reference to nothing", b"h\7"
    yield "a text beyond the end", b"X\xff\xff\xff\xffa"
    yield "a text of half characters", table_text("a")[:-1] + b"\xff"
    yield "eight megabytes of text", table_text("x" * 2**23)
    yield (
        "an attribute of a dictionary",
        b"ccollections\nOrderedDict\n)R}" + table_text("items") + b"K\1sb",
    )
    yield "a state of a list", b"]}b"
    yield "a dictionary from a call", b"ccollections\nOrderedDict\n(]tR"
    yield "a call of a call", b"ccollections\nOrderedDict\n)R)R"
    yield "a part of a tensor", _storage("0", b"K\4")
    yield "a name alone", b"ctorch\nFloatStorage\n"
    yield "code", b"cos\nsystem\n" + table_text("touch gan_music_was_here") + b"\x85R"
    yield "code, by an extension", b"\x82\x01"
    yield (
        "code, on the stack",
        table_text("os") + table_text("system") + b"\x93" + table_text("true") + b"\x85R",
    )
    yield "a long name", b"c" + b"x" * 10**6 + b"\ny\n"
    yield "nothing", b""
    yield "two values", b"K\1K\2"
