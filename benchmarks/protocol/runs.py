"""The runs of the protocol: which there are, how far each has come, what carries it on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from gan_music.config.validate import conf_dir

NEW, CUT_OFF, FINISHED = "new", "cut off", "finished"
EVERY = "all"  # stands for every experiment where overrides are given
# in an override, stand for the run's seed and for the folder of all runs
SEED, OUT = "{seed}", "{out}"


@dataclass(frozen=True)
class Run:
    """One experiment with one seed, in a folder of its own.

    ``overrides`` are Hydra's, ``KEY=VALUE``, beside experiment, seed and folder. ``file`` is the
    one of conf/experiment, if that has another name.
    """

    experiment: str
    seed: int
    folder: Path
    overrides: tuple[str, ...]
    file: str | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.experiment}, seed {self.seed}"


def plan(
    experiments: Sequence[str],
    seeds: Sequence[int],
    extra: Mapping[str, Sequence[str]],
    midi: Path,
    out: Path,
) -> list[Run]:
    """All runs, in the order in which they are run: every experiment once before the next seed.

    An experiment is a file of conf/experiment, or ``NAME=FILE``: that file under a name of its own.
    ``extra`` has overrides by experiment, and those of :data:`EVERY`. They go before
    :func:`standing_overrides`, and an experiment's own before those of all. :data:`SEED` in one is
    the run's seed, and :data:`OUT` the folder.
    """
    runs = []
    for seed in dict.fromkeys(seeds):
        for given in dict.fromkeys(experiments):
            experiment, _, file = given.partition("=")
            overrides = merged(
                standing_overrides().get(file or experiment, ()),
                [f"data.root={quoted(str(midi))}"],
                extra.get(EVERY, ()),
                extra.get(experiment, ()),
            )
            overrides = [o.replace(SEED, str(seed)).replace(OUT, str(out)) for o in overrides]
            folder = out / experiment / f"seed_{seed}"
            runs.append(Run(experiment, seed, folder, tuple(overrides), file or None))
    return runs


def standing_overrides() -> dict[str, list[str]]:
    """What the protocol changes of an experiment unless it is told otherwise.

    The paper's model sees every note once, since its 100 epochs take days; and its pieces are split
    by work, as everybody's are.
    """
    movement = OmegaConf.load(conf_dir() / "data" / "base.yaml").movement
    return {"paper": ["trainer.max_epochs=1", f"data.movement={quoted(movement)}"]}


def merged(*overrides: Sequence[str]) -> list[str]:
    """Overrides in one list; of those with the same key, the last."""
    by_key = {o.partition("=")[0]: o for one in overrides for o in one}
    return list(by_key.values())


def quoted(text: str) -> str:
    """A text as a value on Hydra's command line, whatever characters are in it."""
    # backslashes mean themselves, except before a quote
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"


def state(folder: Path) -> str:
    """How far the run in a folder has come: :data:`NEW`, :data:`CUT_OFF` or :data:`FINISHED`."""
    if (folder / "metrics.json").is_file():
        return FINISHED
    return CUT_OFF if _last(folder).is_file() else NEW


def command(run: Run) -> list[str]:
    """What carries a run on from where it stands."""
    train = [sys.executable, "-m", "gan_music.train"]
    if state(run.folder) == CUT_OFF:  # its settings are in the checkpoint
        return [*train, f"resume={quoted(str(_last(run.folder)))}"]
    return [
        *train,
        f"experiment={run.file or run.experiment}",
        f"seed={run.seed}",
        f"hydra.run.dir={quoted(str(run.folder))}",
        *run.overrides,
    ]


def carry_out(run: Run) -> str | None:
    """Run it to its end; what went wrong, or None. A run that was finished is left alone."""
    if state(run.folder) == FINISHED:
        return None
    arguments = command(run)
    if state(run.folder) == NEW:
        # cut off before its first epoch was over: there is nothing to go on from
        (run.folder / "config.yaml").unlink(missing_ok=True)
        shutil.rmtree(run.folder / "tensorboard", ignore_errors=True)
    with subprocess.Popen(
        arguments, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            _, errors = process.communicate()
        except KeyboardInterrupt:  # the run has it, too, and keeps its last epoch
            process.wait()
            raise
    if process.returncode == 0 and state(run.folder) == FINISHED:
        return None
    if process.returncode < 0:
        return f"ended by signal {-process.returncode}"
    lines = errors.strip().splitlines()
    return lines[-1] if lines else f"ended with code {process.returncode}"


def differences(run: Run) -> list[str]:
    """Where the settings that a run has are not those that are asked for now, as sentences.

    Only single settings are compared, not groups such as ``trainer=cpu``.
    """
    path = run.folder / "config.yaml"
    if not path.is_file():
        return []
    config = OmegaConf.load(path)
    found = []
    for override in run.overrides:
        try:
            (parsed,) = OverridesParser.create().parse_overrides([override])
        except HydraException:
            continue  # the training command says what is wrong with it
        key, asked = parsed.key_or_group, parsed.value()
        has = OmegaConf.select(config, key)
        # where the music lies changes nothing, and a record does not say it
        if isinstance(has, DictConfig) or key.startswith("hydra.") or key == "data.root":
            continue
        if OmegaConf.is_config(has):
            has = OmegaConf.to_container(has)
        out = str(run.folder.parents[1])  # a record says no more than that it was there
        if has not in (asked, str(asked).replace(out, OUT)):
            found.append(f"{run.name}, was run with {key}={has}, not with {asked}.")
    return found


def _last(folder: Path) -> Path:
    return folder / "checkpoints" / "last.ckpt"
