"""Mutations of checkpoints: of their content, of the pickle in them, and of the file's bytes."""

from __future__ import annotations

import copy
import io
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mutations import cut_out, flip_bits, insert_noise, repeat, truncate

HUGE = (10**9, 2**31 - 1, 2**63 - 1, 10**30, -1, 0, 1e308, float("nan"), float("inf"))
OTHERS: tuple[Any, ...] = (*HUGE, None, True, "", "x" * 10000, "${oc.env:HOME}", [], {}, [[]], ())
MARK = "gan_music_was_here"


class Code:
    """Unpickled, it creates a file, which shows that code ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return Path.touch, (self.folder / MARK,)


def places(content: Any, seen: set[int] | None = None) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in nested dictionaries and lists, each container once."""
    seen = set() if seen is None else seen
    seen.add(id(content))
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(items):
        yield content, key
        if isinstance(value, tuple):  # of random states: in a list, which can be edited
            content[key] = value = list(value)
        if isinstance(value, dict | list) and id(value) not in seen:
            yield from places(value, seen)


def edited(content: Any, rng: np.random.Generator, folder: Path, *, tensors: bool = True) -> Any:
    """Remove, add, swap or replace one key, in any part of the content as often as in another."""
    part = list(content)[rng.integers(len(content))] if isinstance(content, dict) else None
    inside = content[part] if rng.random() < 0.8 and part is not None else content
    is_deep = isinstance(inside, dict | list) and len(inside) > 0
    found = list(places(inside if is_deep else content))
    # weights are many and settings few: most mutations are made in settings
    settings = [(h, k) for h, k in found if not isinstance(h[k], torch.Tensor)]
    choices = settings if rng.random() < 0.7 and settings else found
    holder, key = choices[rng.integers(len(choices))]
    kind = rng.integers(8)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        other, name = choices[rng.integers(len(choices))]
        if other is holder:
            holder[key], other[name] = other[name], holder[key]
    elif kind == 2 and isinstance(holder, dict):
        holder[f"{key}_more" if rng.random() < 0.5 else "_target_"] = "os.system"
    elif kind == 3:
        deep: Any = []
        for _ in range(int(rng.choice([5, 20, 100]))):
            deep = [deep] if rng.random() < 0.5 or not tensors else {"a": deep}
        holder[key] = deep
    elif kind == 4 and tensors:
        laughs: Any = ["ha"]
        for _ in range(40):
            laughs = [laughs] * 10
        holder[key] = laughs
    elif kind == 5 and tensors:
        holder[key] = Code(folder) if rng.random() < 0.5 else torch.zeros(1).expand(10**9)
    elif kind == 6 and tensors and isinstance(holder[key], torch.Tensor):
        value = holder[key]
        holder[key] = value.flatten()[:1] if rng.random() < 0.5 else value * float("nan")
    else:
        others = (*OTHERS, 10**4400) if tensors else OTHERS  # which is no YAML
        holder[key] = copy.deepcopy(others[rng.integers(len(others))])
    return content


def members(data: bytes, change: Callable[[dict[str, bytes]], None], *, packed: bool) -> bytes:
    """The zip archive with changed members."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = {i.filename: archive.read(i) for i in archive.infolist()}
    change(found)
    file = io.BytesIO()
    kind = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    with zipfile.ZipFile(file, "w", kind) as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return file.getvalue()


def pickled(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage the pickle: flip bytes, enlarge numbers, or insert calls."""

    def change(found: dict[str, bytes]) -> None:
        name = next(n for n in found if n.endswith("data.pkl"))
        table = bytearray(found[name])
        kind = rng.integers(3)
        if kind == 0:
            found[name] = flip_bits(bytes(table), rng)
        elif kind == 1:  # a one-byte number becomes 2**31 - 1, or terabytes
            at = [i for i in range(len(table) - 1) if table[i : i + 1] == b"K"]
            i = at[rng.integers(len(at))]
            number = b"J" + struct.pack("<i", 2**31 - 1)
            table[i : i + 2] = number if rng.random() < 0.5 else b"\x8a\x06" + b"\xff" * 5 + b"\x0f"
            found[name] = bytes(table)
        else:
            words = (b"cos\nsystem\n", b"cbuiltins\nbytearray\n", b"cbuiltins\neval\n")
            # the call of a function with a large number, before the rest
            call = words[rng.integers(3)] + b"J" + struct.pack("<i", 2**30) + b"\x85R0]r"
            call += struct.pack("<I", 2**31 - 1) * int(rng.random() < 0.5)
            found[name] = table[:2] + call + table[2:]

    return members(data, change, packed=False)


def bombed(data: bytes, rng: np.random.Generator) -> bytes:
    """Replace a member by a zip bomb, or remove it."""

    def change(found: dict[str, bytes]) -> None:
        names = [n for n in found if "/data/" in n] or list(found)
        name = names[rng.integers(len(names))]
        if rng.random() < 0.2:
            del found[name]
        else:
            found[name] = bytes(int(rng.choice([10**5, 2 * 10**7])))

    return members(data, change, packed=bool(rng.random() < 0.7))


def stored(data: bytes, rng: np.random.Generator) -> bytes:
    """Damage the bytes of one member, mostly the pickle; its checksum is that of the damage."""

    def change(found: dict[str, bytes]) -> None:
        names = list(found)
        if rng.random() < 0.8:
            names = [n for n in names if n.endswith("data.pkl")]
        name = names[rng.integers(len(names))]
        mutation = (flip_bits, flip_bits, truncate, repeat, cut_out, insert_noise)[rng.integers(6)]
        found[name] = mutation(found[name], rng)

    return members(data, change, packed=False)


def mutated(
    n: int, seed: int, folder: Path, whole: list[dict[str, Any]]
) -> Iterator[tuple[str, bytes]]:
    """(mutations, bytes) of n checkpoints, each made of one of these contents."""
    rng = np.random.default_rng(seed)
    changes = (stored, stored, pickled, flip_bits, truncate, repeat, bombed)
    for number in range(n):
        content = copy.deepcopy(whole[number % len(whole)])
        names = []
        if rng.random() < 0.6:
            for _ in range(int(rng.integers(1, 4))):
                content = edited(content, rng, folder)
            names.append("edited")
        file = io.BytesIO()
        torch.save(content, file)
        data = file.getvalue()
        if not names or rng.random() < 0.15:
            change = changes[rng.integers(len(changes))]
            data, names = change(data, rng), [*names, change.__name__]
        yield " ".join(names), data
