"""Mutations of music files: each takes bytes and a random generator, and returns other bytes.

``MUTATIONS`` has them by the suffix of the file. Some break the header, where any reader stops;
others keep a file valid enough that the damage reaches the parsers behind the first checks.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]


def truncate(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: int(rng.integers(len(content) + 1))]


def flip_bits(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 20)) if changed else 0):
        changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def cut_out(content: bytes, rng: np.random.Generator) -> bytes:
    a, b = sorted(rng.integers(0, len(content) + 1, 2))
    return content[:a] + content[b:]


def repeat(content: bytes, rng: np.random.Generator) -> bytes:
    """Repeat a stretch, up to eight times."""
    a, b = sorted(rng.integers(0, len(content) + 1, 2))
    return content[:b] + content[a:b] * int(rng.integers(1, 8)) + content[b:]


def swap_parts(content: bytes, rng: np.random.Generator) -> bytes:
    """Exchange two chunks, measures, lines, or stretches."""
    mark = next((m for m in (b"MTrk", b"<measure", b"\n") if content.count(m) > 1), b"")
    parts = content.split(mark) if mark else [content]
    if len(parts) < 3:
        a, b, c = sorted(rng.integers(0, len(content) + 1, 3))
        return content[:a] + content[b:c] + content[a:b] + content[c:]
    i, j = rng.integers(1, len(parts), 2)
    parts[i], parts[j] = parts[j], parts[i]
    return mark.join(parts)


def insert_noise(content: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(content) + 1))
    return content[:at] + rng.bytes(int(rng.integers(1, 200))) + content[at:]


def insert(*pieces: bytes) -> Mutation:
    """A mutation that inserts one of the pieces, up to 300 times in a row."""

    def mutation(content: bytes, rng: np.random.Generator) -> bytes:
        at = int(rng.integers(len(content) + 1))
        count = int(rng.choice([1, 1, 1, 2, 300]))
        return content[:at] + pieces[int(rng.integers(len(pieces)))] * count + content[at:]

    return mutation


def instead(*contents: bytes) -> Mutation:
    """A mutation that replaces the whole file."""
    return lambda content, rng: contents[int(rng.integers(len(contents)))]


def wrong_header(content: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite the format, number of tracks or division: 0, the largest, or SMPTE frames."""
    at = int(rng.choice([4, 6, 8, 10, 12]))
    return content[:at] + bytes.fromhex(rng.choice(["0000", "ffff", "e728", "0001"])) + content[14:]


def wrong_length(content: bytes, rng: np.random.Generator) -> bytes:
    tracks = [match.end() for match in re.finditer(b"MTrk", content)]
    if not tracks:
        return content
    at = int(rng.choice(tracks))
    length = int(rng.choice([0, 1, 100, 2**31 - 1, 2**32 - 1]))
    return content[:at] + length.to_bytes(4, "big") + content[at + 4 :]


def correct_lengths(content: bytes) -> bytes:
    """Set the length of every track, so that its events are read, however damaged."""
    head, *tracks = content.split(b"MTrk")
    return head + b"".join(b"MTrk" + len(t[4:]).to_bytes(4, "big") + t[4:] for t in tracks)


def many_at_once(content: bytes, rng: np.random.Generator) -> bytes:
    """Append a track with thousands of notes at one onset."""
    n = int(rng.integers(1000, 20_000))
    on = b"".join(bytes([0, 0x90, int(p), 64]) for p in rng.integers(0, 128, n))
    track = on + b"\x60" + on.replace(b"\x90", b"\x80")[1:] + bytes.fromhex("00ff2f00")
    return content + b"MTrk" + len(track).to_bytes(4, "big") + track


def other_numbers(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace numbers in a text by extreme ones."""
    digits = np.flatnonzero(np.isin(np.frombuffer(content, np.uint8), list(b"0123456789")))
    values = [b"0", b"-1", b"999999999", b"1e308", b"nan", b"0.0000001", b"9" * 400, b""]
    for at in sorted(rng.choice(digits, min(len(digits), 3), replace=False), reverse=True):
        content = content[:at] + values[int(rng.integers(len(values)))] + content[at + 1 :]
    return content


def nest(content: bytes, rng: np.random.Generator) -> bytes:
    depth, at = int(rng.choice([100, 5_000, 200_000])), content.find(b"<measure")
    tag = [b"note", b"measure", b"x"][int(rng.integers(3))]
    return content[:at] + b"<%s>" % tag * depth + b"</%s>" % tag * depth + content[at:]


def entities(content: bytes, rng: np.random.Generator) -> bytes:
    """Declare entities that expand tenfold nine times, or one that reads another file."""
    bomb = b'<!ENTITY e0 "ha">' + b"".join(
        b'<!ENTITY e%d "%s">' % (i + 1, b"&e%d;" % i * 10) for i in range(9)
    )
    other = b'<!ENTITY e9 SYSTEM "file:///dev/zero">'
    doctype = b"<!DOCTYPE score-partwise [" + (bomb if rng.random() < 0.7 else other) + b"]>"
    start, mark, rest = content.partition(b"<score-partwise")
    rest = rest.replace(b"<part-name>", b"<part-name>&e9;")
    return start.partition(b"<!DOCTYPE")[0] + doctype + mark + rest


def other_elements(content: bytes, rng: np.random.Generator) -> bytes:
    """Remove, repeat or replace elements without children: the XML stays well-formed."""
    leaves = list(re.finditer(rb"<(\w+)[^<>]*>[^<>]*</\1>|<\w[^<>]*/>", content))
    for leaf in sorted(rng.choice(len(leaves), min(len(leaves), 4), replace=False))[::-1]:
        other = leaves[int(rng.integers(len(leaves)))].group()
        new = [b"", leaves[leaf].group() * 2, other, other * 50][int(rng.integers(4))]
        content = content[: leaves[leaf].start()] + new + content[leaves[leaf].end() :]
    return content


def other_encoding(content: bytes, rng: np.random.Generator) -> bytes:
    """Encode a text otherwise than it declares."""
    text = content.decode("utf-8", "replace")
    return text.encode(rng.choice(["utf-16", "utf-16-le", "utf-32", "latin-1"]), "replace")


def repack(content: bytes, rng: np.random.Generator) -> bytes:
    """Pack a mutated member, a zip bomb, an archive in an archive, or nothing."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            name = next((n for n in archive.namelist() if not n.startswith("META-INF")), "")
            inside = archive.read(name) if name else b""
    except Exception:  # whatever zipfile makes of a damaged archive
        return truncate(content, rng)
    method, level, names = zipfile.ZIP_DEFLATED, None, ["a.xml"]
    kind = rng.choice(["xml", "xml", "bomb", "nested", "lzma", "empty", "names"])
    if kind == "xml":
        inside = XML[list(XML)[int(rng.integers(len(XML)))]](inside, rng)
    elif kind == "bomb":
        inside, names, level = bytes(2**22), [f"{i}.xml" for i in range(300)], 1
    elif kind == "nested":
        inside, names = content, ["a.mxl"]
    elif kind == "lzma":
        method, inside = zipfile.ZIP_LZMA, bytes(2**22)
    elif kind == "empty":
        names = []
    elif kind == "names":
        names = ["../../a.xml", "/a.xml", ".xml", "META-INF/container.xml"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method, compresslevel=level) as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), inside, method, level)  # without a date
    return packed.getvalue()


# texts of a wrong length, tempos of 0, meters of x/2**255, endless system exclusives
EVENTS = (
    *("00ff0103616263", "00ff01ffffff7f61", "00ff5103000000", "00ff510107", "00ff580400ff0000"),
    *("00ff580201", "00f0ffffff7f", "00ff2f00", "00903c00"),
)
ANY: dict[str, Mutation] = {
    "truncate": truncate,
    "flip": flip_bits,
    "cut": cut_out,
    "repeat": repeat,
    "swap": swap_parts,
    "noise": insert_noise,
    "instead": instead(b"", b"<html>Not found</html>", bytes(1000), b"\xff" * 1000, b"\n"),
}
MIDI: dict[str, Mutation] = ANY | {
    "header": wrong_header,
    "length": wrong_length,
    "chord": many_at_once,
    "delta": insert(bytes.fromhex("ffffff7f"), bytes.fromhex("ffffffffff7f"), b"\xff" * 9),
    "events": insert(*map(bytes.fromhex, EVENTS)),
}
TEXT: dict[str, Mutation] = ANY | {"numbers": other_numbers, "encoding": other_encoding}
XML: dict[str, Mutation] = TEXT | {
    "elements": other_elements,
    "nest": nest,
    "entities": entities,
    "tags": insert(b"<note>", b"</part>", b"<grace/>", b'<tie type="stop"/>', b"<backup/>", b"<"),
}
SCORE: dict[str, Mutation] = TEXT | {
    "marks": insert(
        b"[", b"|:", b"(3:2:0", b"*^\n", b"{", b"=1\n", b"\t", b"X:1\n", b"K:", b"~" * 99
    )
}
MUTATIONS = {
    ".mid": MIDI,
    ".mxl": ANY | {"repack": repack, "again": repack, "bytes": flip_bits},
    ".xml": XML,
    ".musicxml": XML,
    ".krn": SCORE,
    ".abc": SCORE,
}
