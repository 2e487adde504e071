"""Fuzzing of untrusted checkpoints and configs: each must load, or be refused in one sentence.

    python benchmarks/fuzz_checkpoints.py [N] [--seed SEED]

Makes N (1,000 by default) checkpoints and half as many config files by one to three mutations each,
the same for the same seed, and the checkpoints of ``hostile_checkpoints.py``, which are made by
hand: all of them, or at least N. A checkpoint is read in a process of its own as
``gan_music.generate`` and :func:`gan_music.load`, ``gan_music.export``, ``model.warm_start_from=``
and ``resume=`` read it, the last through the first batch of training. A config is composed and
validated as ``--config-dir`` does. Prints the outcomes, and the most time and memory that each
reader took. Exit code 1 if one gives neither a result nor a sentence, if a sentence has other
output before it, if code ran, or if a reader takes more than 5 s of CPU or 500 MiB beyond the
file's size.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import common
import numpy as np
import yaml
from checkpoint_mutations import MARK, edited, mutated
from checkpoint_readers import MODELS, Run, generate, read_by_all
from hostile_checkpoints import handmade, saved
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from mutations import flip_bits, repeat, truncate

from gan_music.config.explain import explain
from gan_music.config.schema import TrainConfig
from gan_music.config.targets import conf_dir
from gan_music.config.untrusted_files import read_untrusted
from gan_music.config.validate import checked, compose_run
from gan_music.training.run import quiet_lightning

SECONDS = 20.0  # of a config


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
    """What to print, and the failures."""
    lines, wrong = fuzz_configs(n // 2, seed, folder)
    with common.random_music(6, 200) as music:
        runs = [Run(model, music, folder / model) for model in MODELS]
        found = [run.content() for run in runs]
        for model, content in zip(MODELS, found, strict=True):
            (folder / "a.ckpt").write_bytes(saved(content))
            generate(folder / "a.ckpt")  # here, so that no process compiles it again
            for outcome in read_by_all(saved(content), folder / "a.ckpt", runs):
                if outcome.kind != "loaded" and outcome.reader != "warm_start_from":
                    wrong.append(f"{model} as it was saved, {outcome.reader}: {outcome}")
        hostile = list(handmade(found, folder))
        step = max(1, len(hostile) // n)
        some = hostile[seed % step :: step]
        for what, files in (
            ("mutated", mutated(n, seed, folder, found)),
            ("made by hand", ((name, make()) for name, make in some)),
        ):
            more, faults = fuzz_checkpoints(what, files, folder / "a.ckpt", runs)
            lines, wrong = lines + more, wrong + faults
    if list(folder.rglob(MARK)) or Path(MARK).exists():
        wrong.append("code ran")
    return lines, wrong


def fuzz_checkpoints(
    what: str, files: Iterator[tuple[str, bytes]], path: Path, runs: list[Run]
) -> tuple[list[str], list[str]]:
    counts: collections.Counter[str] = collections.Counter()
    slowest: dict[str, float] = collections.defaultdict(float)
    largest: dict[str, float] = collections.defaultdict(float)
    wrong, start, number = [], time.monotonic(), 0
    for number, (kind, data) in enumerate(files, 1):
        for outcome in read_by_all(data, path, runs):
            reader = outcome.reader
            counts[f"{reader}: {outcome.kind}"] += 1
            slowest[reader] = max(slowest[reader], outcome.seconds)
            largest[reader] = max(largest[reader], outcome.megabytes)
            if outcome.fault:
                wrong.append(f"{what} {number} ({kind}), {reader}: {outcome.fault}")
                print(wrong[-1], file=sys.stderr, flush=True)
        if number % 100 == 0:
            print(f"{what}: {number}", file=sys.stderr, flush=True)
    lines = [f"checkpoints, {what}: {number} in {time.monotonic() - start:.0f} s"]
    lines += [f"  {kind} {count}" for kind, count in sorted(counts.items())]
    lines += [
        f"  {reader}: at most {slowest[reader]:.1f} s and {largest[reader]:.0f} MiB beyond the file"
        for reader in slowest
    ]
    return lines, wrong


def fuzz_configs(n: int, seed: int, folder: Path) -> tuple[list[str], list[str]]:
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    wrong, start, longest = [], time.monotonic(), 0.0
    for number, (names, data) in enumerate(configs(n, seed)):
        began = time.monotonic()
        kind, fault = outcome(read_config, data, folder / "conf")
        seconds = time.monotonic() - began
        longest = max(longest, seconds)
        counts[names, kind] += 1
        if fault or seconds > SECONDS:
            wrong.append(f"configs {number} ({names}): {fault or f'{seconds:.0f} s'}")
    lines = [f"configs: {sum(counts.values())} in {time.monotonic() - start:.0f} s"]
    lines += [f"  {names}: {kind} {c}" for (names, kind), c in sorted(counts.items())]
    return [*lines, f"  the longest took {longest:.1f} s"], wrong


def main() -> int:
    parser = common.Parser(__doc__)
    parser.add_argument("n", nargs="?", type=common.count, default=1000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    quiet_lightning()
    with tempfile.TemporaryDirectory() as scratch:
        lines, wrong = fuzz(arguments.n, arguments.seed, Path(scratch))
    print("\n".join([*lines, f"failures: {len(wrong)}", *(f"  {w}" for w in wrong[:20])]))
    return int(bool(wrong))


if __name__ == "__main__":
    common.command(main)
