"""The runs of the protocol: their plan, their state, and how to start or resume them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from gan_music.config.invocation import quoted
from gan_music.config.targets import conf_dir

NEW, INTERRUPTED, FINISHED = "new", "interrupted", "finished"
EVERY = "all"  # in --with: every experiment
# placeholders in overrides: the run's seed, and the folder of all runs
SEED, OUT = "{seed}", "{out}"


@dataclass(frozen=True)
class Run:
    """One experiment with one seed, in a folder of its own.

    ``overrides`` are Hydra's, ``KEY=VALUE``, beside experiment, seed and folder. ``file`` is the
    name in conf/experiment where it differs.
    """

    experiment: str
    seed: int
    folder: Path
    overrides: tuple[str, ...]
    file: str | None = None

    @property
    def name(self) -> str:
        return f"{self.experiment}, seed {self.seed}"


def plan(
    experiments: Sequence[str],
    seeds: Sequence[int],
    extra: Mapping[str, Sequence[str]],
    midi: Path,
    out: Path,
) -> list[Run]:
    """All runs in their order: every experiment once before the next seed.

    An experiment is a file of conf/experiment, or ``NAME=FILE`` for a file under another name.
    ``extra`` holds overrides by experiment, and for :data:`EVERY`. An experiment's own override
    those of all, which override :func:`standing_overrides`. :data:`SEED` and :data:`OUT` are
    replaced by the run's seed and by the folder.
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
    """Overrides that the protocol makes by default.

    ``paper`` trains for one epoch, since its 100 epochs take days, and its pieces are split by
    work, as those of the others.
    """
    movement = OmegaConf.load(conf_dir() / "data" / "base.yaml").movement
    return {"paper": ["trainer.max_epochs=1", f"data.movement={quoted(movement)}"]}


def merged(*overrides: Sequence[str]) -> list[str]:
    """Overrides in one list: the last one of each key."""
    by_key = {o.partition("=")[0]: o for one in overrides for o in one}
    return list(by_key.values())


def state(folder: Path) -> str:
    """The state of the run in a folder: :data:`NEW`, :data:`INTERRUPTED` or :data:`FINISHED`."""
    if (folder / "metrics.json").is_file():
        return FINISHED
    return INTERRUPTED if _last(folder).is_file() else NEW


def command(run: Run) -> list[str]:
    train = [sys.executable, "-m", "gan_music.train"]
    if state(run.folder) == INTERRUPTED:  # its settings are in the checkpoint
        return [*train, f"resume={quoted(str(_last(run.folder)))}"]
    return [
        *train,
        f"experiment={run.file or run.experiment}",
        f"seed={run.seed}",
        f"hydra.run.dir={quoted(str(run.folder))}",
        *run.overrides,
    ]


def carry_out(run: Run) -> str | None:
    """Run it to its end unless it is finished; return the reason of a failure, or None."""
    if state(run.folder) == FINISHED:
        return None
    arguments = command(run)
    if state(run.folder) == NEW:
        # killed in its first epoch: there is no checkpoint to resume
        (run.folder / "config.yaml").unlink(missing_ok=True)
        shutil.rmtree(run.folder / "tensorboard", ignore_errors=True)
    with subprocess.Popen(
        arguments, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            _, errors = process.communicate()
        except KeyboardInterrupt:  # the run receives it, too, and writes its checkpoint
            process.wait()
            raise
    if process.returncode == 0 and state(run.folder) == FINISHED:
        return None
    if process.returncode < 0:
        return f"ended by signal {-process.returncode}"
    lines = errors.strip().splitlines()
    return lines[-1] if lines else f"ended with code {process.returncode}"


def differences(run: Run) -> list[str]:
    """Sentences on settings of a run that differ from those of this command.

    Groups such as ``trainer=cpu`` are not compared.
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
            continue  # the training command refuses it with a reason
        key, asked = parsed.key_or_group, parsed.value()
        has = OmegaConf.select(config, key)
        # the place of the music changes nothing, and a record does not contain it
        if isinstance(has, DictConfig) or key.startswith("hydra.") or key == "data.root":
            continue
        if OmegaConf.is_config(has):
            has = OmegaConf.to_container(has)
        out = str(run.folder.parents[1])  # which a record does not contain
        if has not in (asked, str(asked).replace(out, OUT)):
            found.append(f"{run.name}, was run with {key}={has}, not with {asked}.")
    return found


def _last(folder: Path) -> Path:
    return folder / "checkpoints" / "last.ckpt"
