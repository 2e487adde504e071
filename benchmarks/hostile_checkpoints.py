"""Checkpoints made by hand: every kind of hostile value in every place, pickles that torch does not
write, and files that are two things at once.
"""

from __future__ import annotations

import copy
import io
import pickle
import struct
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from checkpoint_mutations import Code, members
from hostile_tables import table_text, tables

Content = dict[str, Any]
Hostile = tuple[str, Callable[[], bytes]]  # what is wrong, and what makes the file


class Calls:
    """Pickled, the call of a function, which unpickling would make."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.made = function, arguments

    def __reduce__(self) -> Any:
        return self.made


def _deep(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def _laughs() -> Any:
    value: Any = ["ha"]
    for _ in range(40):
        value = [value] * 10
    return value


def _cycle() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


# kind -> the value that takes a place
VALUES: dict[str, Callable[[], Any]] = {
    "4,400 digits": lambda: 10**4400,
    "-4,400 digits": lambda: -(10**4400),
    "2**63": lambda: 2**63,
    "2**62": lambda: 2**62,
    "-1": lambda: -1,
    "1e308": lambda: 1e308,
    "nan": lambda: float("nan"),
    "-inf": lambda: float("-inf"),
    "None": lambda: None,
    "True": lambda: True,
    "a text": lambda: "x",
    "a long text": lambda: "\x1b[31m" + "x" * 2_000_000,
    "an interpolation": lambda: "${oc.env:HOME}",
    "a list": lambda: [],
    "a dictionary": lambda: {},
    "a dictionary of wrong keys": lambda: {None: 1, 2.5: 2, (1, 2): 3},
    "a deep list": lambda: _deep(20),
    "a very deep list": lambda: _deep(400),
    "laughs": _laughs,
    "a cycle": _cycle,
    "no numbers": lambda: torch.zeros(0),
    "a wide view": lambda: torch.zeros(1).expand(10**9),
    "eight dimensions": lambda: torch.zeros(1).expand(*[2**7] * 8),
    "nan numbers": lambda: torch.full((3,), float("nan")),
    "long rows of nothing": lambda: torch.zeros(0).expand(2**18, 0),
    "complex numbers": lambda: torch.zeros(2, dtype=torch.complex64),
    "a sparse tensor": lambda: torch.zeros(2).to_sparse(),
    "a range of 2**40": lambda: Calls(range, 2**40),
}

# where; each key stands for the first that there is: a name, a number, or None for the first key
PLACES: tuple[tuple[Any, ...], ...] = (
    ("epoch",),
    ("global_step",),
    ("pytorch-lightning_version",),
    ("state_dict",),
    ("state_dict", None),
    ("gan_music", "schema"),
    ("gan_music", "version"),
    ("gan_music", "n_rollbacks"),
    ("gan_music", "copy_filter"),
    ("gan_music", "config", "name"),
    ("gan_music", "config", "model", "hidden_size"),
    ("gan_music", "config", "trainer", "max_epochs"),
    ("gan_music", "config", "seed"),
    ("gan_music", "representation", "grid"),
    ("gan_music", "representation", "offset_bins"),
    ("gan_music", "representation", "starts", 0, 2),
    ("gan_music", "rng", "cpu"),
    ("gan_music", "rng", "cuda"),
    ("gan_music", "rng", "numpy", 1),
    ("gan_music", "rng", "numpy", 2),
    ("gan_music", "rng", "python", 1),
    ("gan_music", "rng", "python", 1, 624),
    ("gan_music", "replay", "real"),
    ("optimizer_states",),
    ("optimizer_states", 0, "state"),
    ("optimizer_states", 0, "state", 0, "exp_avg"),
    ("optimizer_states", 0, "state", 0, "step"),
    ("optimizer_states", 0, "param_groups", 0, "lr"),
    ("optimizer_states", 0, "param_groups", 0, "betas"),
    ("optimizer_states", 0, "param_groups", 0, "params"),
    ("optimizer_states", 0, "param_groups", 0, "capturable"),
    ("lr_schedulers",),
    ("loops",),
    ("loops", "fit_loop", "epoch_progress", "current", "processed"),
    ("loops", "fit_loop", "epoch_loop.batch_progress", "total", "ready"),
    ("loops", "fit_loop", "epoch_loop.batch_progress", "is_last_batch"),
    ("loops", "fit_loop", "epoch_loop.state_dict"),
    ("loops", "fit_loop", "state_dict", "combined_loader"),
    ("loops", "fit_loop", "state_dict", "combined_loader", 0, "n_given"),
    ("callbacks",),
    ("callbacks", "EpochLog", "seconds"),
    ("callbacks", "CollapseAlarm", "verdict"),
    ("callbacks", "CollapseAlarm", "first_collapse"),
    ("callbacks", "LastCheckpoint", "has_ended"),
    ("callbacks", "ModelCheckpoint", "best_model_score"),
    ("callbacks", "ModelCheckpoint", "best_k_models"),
    ("callbacks", "EarlyStopping", "stopping_reason"),
)


def _put(content: Content, place: tuple[Any, ...], value: Any) -> bool:
    """Put a value into its place, as lists where there are tuples; False if there is none."""
    holder: Any = content
    for number, key in enumerate(place):
        if isinstance(holder, dict):
            found = next((k for k in holder if key is None or str(k).startswith(str(key))), key)
        elif isinstance(holder, list) and len(holder) > key:
            found = key
        else:
            return False
        if number == len(place) - 1:
            holder[found] = value
            return True
        inside = holder.get(found) if isinstance(holder, dict) else holder[found]
        if isinstance(inside, tuple):
            inside = list(inside)
            holder[found] = inside
        holder = inside
    return False


def saved(content: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _values(whole: list[Content]) -> Iterator[Hostile]:
    for n, place in enumerate(PLACES):
        # of the models that have the place, one after the other
        having = [c for c in whole if _put(copy.deepcopy(c), place, None)]
        for m, (kind, made) in enumerate(VALUES.items()):
            content = having[(n + m) % len(having)]
            yield f"{kind} at {'.'.join(map(str, place))}", partial(_with, content, place, made)


def _with(content: Content, place: tuple[Any, ...], made: Callable[[], Any]) -> bytes:
    content = copy.deepcopy(content)
    _put(content, place, made())
    return saved(content)


def _removed(whole: list[Content]) -> Iterator[Hostile]:
    """Without an entry, or with that of another model."""
    for n, content in enumerate(whole):
        other = whole[(n + 1) % len(whole)]
        for key in content:
            yield f"without {key}", partial(saved, {k: v for k, v in content.items() if k != key})
            yield f"another model's {key}", partial(saved, content | {key: other[key]})
        for key in content["gan_music"]:
            rest = {k: v for k, v in content["gan_music"].items() if k != key}
            yield f"without gan_music.{key}", partial(saved, content | {"gan_music": rest})


def _settings(whole: list[Content]) -> Iterator[Hostile]:
    """Settings at the ends of their bounds, beside weights that are too few for them."""
    model = ("gan_music", "config", "model")
    for content in whole:
        for key, value in content["gan_music"]["config"]["model"].items():
            for most in (2**31 - 1, 65536, 16384, 4096, 1024, 16, 0):
                if type(value) in (int, float):
                    made = partial(_with, content, (*model, key), partial(int, most))
                    yield f"model.{key}={most}", made
    sizes = {"hidden_size": 4, "embedding_size": 2, "dropout": 0.0, "n_layers": 1}
    for values in (
        {"_target_": "gan_music.networks.lstm_generator.LSTMGenerator", "n_layers": 10**9},
        {"_target_": "gan_music.networks.lstm_generator.LSTMGenerator", "n_layers": 60000},
        {"_target_": "gan_music.networks.lstm_generator.nn"},
        {"_target_": "gan_music.networks.event_generator.torch.ones", "a": 10**9},
    ):
        made = partial(_with, whole[0], (*model, "generator"), partial(dict, sizes | values))
        yield f"model.generator={values}", made
    for name in ("offset_bins", "duration_bins"):
        for last in (2**24, 2**24 - 1, 2**31, 1000):
            place = ("gan_music", "representation", name, -1)
            yield f"{name} to {last}", partial(_with, whole[0], place, partial(int, last))


def _weights(whole: list[Content]) -> Iterator[Hostile]:
    """Weights that are extreme, or that share one memory."""
    for content in whole:
        weights = content["state_dict"]
        for number in (1e38, -1e38, 0.0, -1.0):
            other = OrderedDict(
                (k, torch.full_like(v, number) if v.is_floating_point() else v)
                for k, v in weights.items()
            )
            yield f"weights of {number:g}", partial(saved, content | {"state_dict": other})
        whole_numbers = OrderedDict(
            (k, torch.full_like(v, 2**31 - 1) if v.dtype in (torch.int32, torch.int64) else v)
            for k, v in weights.items()
        )
        yield "counts of 2**31", partial(saved, content | {"state_dict": whole_numbers})
        more = weights | {f"generator.{i}": torch.zeros(10**4) for i in range(300)}
        yield "weights that no network has", partial(saved, content | {"state_dict": more})
        one = torch.zeros(2**20)
        views = weights | {f"generator.{i}": one[i:] for i in range(2000)}
        yield "2,000 views of 4 MiB", partial(saved, content | {"state_dict": views})
        small = OrderedDict((k, v.to(torch.int8)) for k, v in weights.items())
        yield "weights of a byte", partial(saved, content | {"state_dict": small})


def _pickles(content: Content) -> Iterator[Hostile]:
    tensor = saved({"state_dict": torch.zeros(4)})
    whole = saved(content)
    for name, body in tables():
        entries = b"}(" + table_text("a") + body + b"u."  # within what a checkpoint is
        for what, table in (("", b"\x80\x02" + body + b"."), (" inside", b"\x80\x02" + entries)):

            def change(found: dict[str, bytes], table: bytes = table) -> None:
                found[next(n for n in found if n.endswith("data.pkl"))] = table

            yield name + what, partial(members, tensor, change, packed=False)

    def prepended(found: dict[str, bytes]) -> None:
        name = next(n for n in found if n.endswith("data.pkl"))
        found[name] = found[name] + found[name]

    yield "two tables in one", partial(members, whole, prepended, packed=False)


def _joined(content: Content, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Files that are two things at once, or a part of one."""
    whole, other = saved(content), saved({"state_dict": {"a": torch.zeros(10)}})
    legacy, tar = io.BytesIO(), io.BytesIO()
    torch.save(content | {"epoch": 7}, legacy, _use_new_zipfile_serialization=False)
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"), io.BytesIO())
    code = pickle.dumps({"a": Code(folder)})
    for name, data in (("a legacy pickle", legacy.getvalue()), ("a tar", tar.getvalue())):
        yield f"{name} before", data + whole
        yield f"{name} behind", whole + data
        yield f"{name} alone", data
    for name, data in (("a checkpoint", other), ("code", code), ("a byte", b"\0"), ("", b"PK\3\4")):
        yield f"{name} before", data + whole
        yield f"{name} behind", whole + data
    yield "a comment", whole[:-2] + b"\4\0abcd"
    yield "a comment of another end", whole[:-2] + struct.pack("<H", len(other)) + other
    yield "half", whole[: len(whole) // 2]
    yield "a file of zeros", bytes(10**6)
    yield "empty", b""


def _archives(content: Content, folder: Path) -> Iterator[Hostile]:
    """Archives whose directory is not what it seems."""
    whole, code = saved(content), pickle.dumps({"a": Code(folder)})
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        found = {i.filename: archive.read(i) for i in archive.infolist()}
    top = next(iter(found)).split("/")[0]
    more = {
        "a second table": {f"{top}/data.pkl": found[f"{top}/data.pkl"]},
        "a table in capitals": {f"{top}/DATA.PKL": code},
        "a table with a NUL": {f"{top}/data.pkl!": code},
        "a table with a backslash": {f"{top}\\data.pkl": code},
        "a table in another folder": {"another/data.pkl": code},
        "a table above": {f"{top}/../{top}/data.pkl": code},
        "constants of TorchScript": {f"{top}/constants.pkl": code},
        "code of TorchScript": {f"{top}/code/__torch__.py": b"import os"},
        "another byte order": {f"{top}/byteorder": b"big"},
        "a long byte order": {f"{top}/byteorder": b"little" * 10**6},
        "60,000 members": {f"{top}/data/{10**6 + i}": b"" for i in range(60_000)},
    }
    for name, extra in more.items():
        parts = list((found | extra).items())
        if name == "a second table":
            parts = [*found.items(), *extra.items()]
        for packed in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield f"{name}{' (packed)' * (packed > 0)}", partial(_zipped, parts, packed)
    for name, at in (("flags", 8), ("method", 10), ("checksum", 16), ("sizes", 20), ("offset", 42)):
        start = whole.index(b"PK\1\2")
        for number in (0, 1, 2**16 - 1):
            data = bytearray(whole)
            data[start + at : start + at + 2] = struct.pack("<H", number)
            yield f"a directory with {name} {number}", partial(bytes, data)


def _zipped(parts: list[tuple[str, bytes]], packed: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", packed) as archive:
        for member, data in parts:
            archive.writestr(zipfile.ZipInfo(member), data, packed)
    return file.getvalue().replace(b"data.pkl!", b"data.pkl\0")


def handmade(whole: list[Content], folder: Path) -> Iterator[Hostile]:
    """What is wrong with each, and what makes it of small checkpoints of every model.

    Code that ran would leave a file in ``folder``.
    """
    for name, data in _joined(whole[0], folder):
        yield name, partial(bytes, data)
    yield from _archives(whole[0], folder)
    yield from _pickles(whole[0])
    yield from _weights(whole)
    yield from _settings(whole)
    yield from _removed(whole)
    yield from _values(whole)
