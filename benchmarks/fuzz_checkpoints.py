"""Fuzzing of untrusted checkpoints and configs: each must load, or be refused in one sentence.

    python benchmarks/fuzz_checkpoints.py [N] [--seed SEED]

Makes N (1,000 by default) checkpoints and half as many config files by one to three mutations each,
the same for the same seed: bytes flipped, cut off or repeated; keys removed, added or swapped;
values of other types, huge, NaN, deeply nested or shared without end; wrong sizes; zip bombs; names
of functions that create a file. A checkpoint is read as ``gan_music.generate`` and ``resume=`` read
it, and restored to a model; a config is composed and validated as ``--config-dir`` does. Prints the
outcomes. Exit code 1 if one gives neither a model nor a sentence, if code ran, if one took more
than SECONDS, or if the process grew by more than MEGABYTES.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import io
import resource
import struct
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import common
import numpy as np
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from lightning.pytorch import seed_everything
from mutations import flip_bits, repeat, truncate

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.config.explain import explain
from gan_music.config.schema import TrainConfig
from gan_music.config.targets import conf_dir
from gan_music.config.untrusted_files import read_untrusted
from gan_music.config.validate import checked, compose_run
from gan_music.training.factory import restore_model

SECONDS = 20.0  # of any one
MEGABYTES = 400  # that the process may grow by, in all
MODELS = ("gumbel_gan", "lstm_lm", "neo_saleem", "crnn_gan", "ngram")
HUGE = (10**9, 2**31 - 1, 2**63 - 1, 10**30, -1, 0, 1e308, float("nan"), float("inf"))
OTHERS: tuple[Any, ...] = (*HUGE, None, True, "", "x" * 10000, "${oc.env:HOME}", [], {}, [[]], ())
MARK = "gan_music_was_here"


class Code:
    """Unpickled, it creates a file, which shows that code ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return Path.touch, (self.folder / MARK,)


def contents() -> list[dict[str, Any]]:
    """A small checkpoint of each model, as a run writes it."""
    seed_everything(0, verbose=False)
    found = []
    small = {"hidden_size": 4, "embedding_size": 2, "noise_size": 2, "n_style_components": 0}
    for name in MODELS:
        run = compose_run(f"model={name}", "data.root=music", "trainer=cpu")
        for key, value in small.items():
            if hasattr(run.model, key):
                setattr(run.model, key, value)
        model = common.build_untrained(run)
        content: dict[str, Any] = {"epoch": 1, "state_dict": dict(model.state_dict())}
        model.on_save_checkpoint(content)
        found.append(content)
    return found


def places(content: Any, seen: set[int] | None = None) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in nested dictionaries and lists, each container once."""
    seen = set() if seen is None else seen
    seen.add(id(content))
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(items):
        yield content, key
        if isinstance(value, dict | list) and id(value) not in seen:
            yield from places(value, seen)


def edited(content: Any, rng: np.random.Generator, folder: Path, *, tensors: bool = True) -> Any:
    """Remove, add, swap or replace one key."""
    found = list(places(content))
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
        holder[key] = copy.deepcopy(OTHERS[rng.integers(len(OTHERS))])
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


def checkpoints(n: int, seed: int, folder: Path) -> Iterator[tuple[str, bytes]]:
    """(mutations, bytes) of n checkpoints."""
    rng = np.random.default_rng(seed)
    whole = contents()
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
            change = (flip_bits, truncate, repeat, pickled, bombed)[rng.integers(5)]
            data, names = change(data, rng), [*names, change.__name__]
        yield " ".join(names), data


def configs(n: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """(mutations, text) of n experiment files."""
    rng = np.random.default_rng(seed)
    run = dataclasses.asdict(compose_run("data.root=music"))
    hydra: list[dict[str, Any]] = [
        {"hydra": {"callbacks": {"a": {"_target_": "os.system", "command": f"touch {MARK}"}}}},
        {"hydra": {"launcher": {"_target_": "os.system"}}},
        {"hydra": {"job_logging": {"handlers": {"file": {"class": "os.system"}}}}},
        {"hydra": {"run": {"dir": "${oc.env:HOME}"}}},
        {"defaults": [{"override /hydra/launcher": "basic"}]},
    ]
    for _ in range(n):
        content = copy.deepcopy(run)
        for key in list(content):
            if key != "data" and rng.random() < 0.5:
                del content[key]
        for _ in range(int(rng.integers(1, 4))):
            content = edited(content, rng, Path(), tensors=False)
        if rng.random() < 0.2 and isinstance(content, dict):
            content |= hydra[rng.integers(len(hydra))]
        text = ("# @package _global_\n" + yaml.safe_dump(content)).encode()
        names = ["edited"]
        if rng.random() < 0.3:
            change = (flip_bits, truncate, repeat)[rng.integers(3)]
            text, names = change(text, rng), ["edited", change.__name__]
        yield " ".join(names), text


def read_checkpoint(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    restore_model(load_checkpoint(path, to_train=len(data) % 2 == 0), path)


def read_config(data: bytes, path: Path) -> None:
    """As ``--config-dir`` does, with ``experiment=mine``."""
    (path / "experiment").mkdir(parents=True, exist_ok=True)
    (path / "experiment" / "mine.yaml").write_bytes(data)
    read_untrusted(path / "experiment" / "mine.yaml")
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        search = f"hydra.searchpath=[file://{path}]"
        checked(TrainConfig, compose("train", ["name=a", search, "experiment=mine"]))


def outcome(read: Callable[[bytes, Path], None], data: bytes, path: Path) -> tuple[str, str]:
    """Whether it was loaded or refused, and what is wrong with that, if anything."""
    try:
        read(data, path)
    except Exception as error:  # the command explains what Hydra and YAML raise
        sentence = explain(error, TrainConfig)
        is_one = sentence.endswith((".", "?")) and not sentence.startswith("unexpected")
        return "refused", "" if is_one else sentence
    return "loaded", ""


def fuzz(n: int, seed: int, folder: Path) -> tuple[list[str], list[str]]:
    lines, wrong = [], []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for what, files, read, path in (
        ("checkpoints", checkpoints(n, seed, folder), read_checkpoint, folder / "a.ckpt"),
        ("configs", configs(n // 2, seed), read_config, folder / "conf"),
    ):
        counts: collections.Counter[tuple[str, str]] = collections.Counter()
        start, longest = time.monotonic(), 0.0
        for number, (names, data) in enumerate(files):
            began = time.monotonic()
            kind, fault = outcome(read, data, path)
            seconds = time.monotonic() - began
            longest = max(longest, seconds)
            counts[names, kind] += 1
            if fault or seconds > SECONDS:
                wrong.append(f"{what} {number} ({names}): {fault or f'{seconds:.0f} s'}")
        lines.append(f"{what}: {sum(counts.values())} in {time.monotonic() - start:.0f} s")
        lines += [f"  {names}: {kind} {c}" for (names, kind), c in sorted(counts.items())]
        lines.append(f"  the longest took {longest:.1f} s")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    lines.append(f"memory grew by {grown:.0f} MiB")
    if grown > MEGABYTES:
        wrong.append(f"memory grew by {grown:.0f} MiB")
    if list(folder.rglob(MARK)) or Path(MARK).exists():
        wrong.append("code ran")
    return lines, wrong


def main() -> int:
    parser = common.Parser(__doc__)
    parser.add_argument("n", nargs="?", type=common.count, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        lines, wrong = fuzz(arguments.n, arguments.seed, Path(scratch))
    print("\n".join([*lines, f"failures: {len(wrong)}", *(f"  {w}" for w in wrong[:20])]))
    return int(bool(wrong))


if __name__ == "__main__":
    common.command(main)
