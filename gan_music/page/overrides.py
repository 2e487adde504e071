"""The overrides of a run: settings that differ from the defaults, and the command to repeat it."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from gan_music.config.invocation import quoted
from gan_music.config.targets import TARGET, conf_dir, shipped
from gan_music.config.validate import flatten

_SEVERAL = ("logger", "callbacks", "metrics", "readers")
_IGNORED = ("name", "resume", "debug", "trust_code")  # without effect on training


def differences(config: dict[str, Any]) -> tuple[list[str], dict[str, tuple[Any, Any]]]:
    """The overrides from the default settings to a run's.

    Returns config group choices (``model=neo_saleem``), and by key the pairs (value of the run,
    default under these choices) that differ. The choices are those with the fewest differences.
    """
    settings = flatten(config)
    best: tuple[list[str], dict[str, tuple[Any, Any]]] | None = None
    model = settings.get("model.name")
    targets = _chosen_targets(settings, [group for group in _SEVERAL if group in config])
    for data in ("corpus", "midi") if settings.get("data.root") else ("corpus",):
        for option in _options("model"):
            choices = [f"data={data}"] * (data != "corpus") + targets
            choices += [f"model={option}"] * (option != "gumbel_gan")
            defaults = _defaults(*choices)
            if option != "gumbel_gan" and defaults.get("model.name") != model:
                continue
            changed = {
                key: (value, defaults.get(key))
                for key, value in settings.items()
                if key not in _IGNORED and (key not in defaults or defaults[key] != value)
            }
            if best is None or len(changed) < len(best[1]):
                best = choices, changed
    assert best is not None  # data=corpus, model=gumbel_gan is always a candidate
    return best


def command(config: dict[str, Any]) -> str:
    """The shell command that repeats a run with these settings, from the same directory."""
    choices, changed = differences(config)
    words = choices + [f"{key}={_hydra(value)}" for key, (value, _) in changed.items()]
    outside = (
        value
        for key, value in flatten(config).items()
        if key.endswith(f".{TARGET}") and value not in shipped(key.partition(".")[0])
    )
    words += ["trust_code=true"] * any(outside)
    return shlex.join(["python", "-m", "gan_music.train", *words])


def command_from_folder(folder: Path) -> str:
    """The shell command that repeats a run from its folder."""
    words = ["--config-dir", str(folder), "--config-name", "config"]
    return shlex.join(["python", "-m", "gan_music.train", *words])


def varying(configs: Iterable[dict[str, Any]]) -> list[str]:
    """The keys of settings in which runs differ."""
    sets = [flatten(c) for c in configs]
    keys = dict.fromkeys(key for s in sets for key in s if key not in _IGNORED)
    return [k for k in keys if len({repr(s.get(k)) for s in sets}) > 1]


def _chosen_targets(settings: dict[str, Any], groups: Iterable[str]) -> list[str]:
    """The options of groups that choose a ``_target_``, where they are not the default ones.

    An option of a group of several is called as its target is; one that the package does not have
    is left to the differences. ``groups`` are those that the run has.
    """
    found, defaults = [], _defaults()
    for group in groups:
        chosen, usual = (_named_targets(group, values) for values in (settings, defaults))
        ours = [name for name in chosen if name in _options(group)]
        if ours != usual:
            found.append(f"{group}=[{','.join(ours)}]")
    for key, target in settings.items():
        group, _, last = key.rpartition(".")
        if last == TARGET and defaults.get(key) != target and "." not in group:
            options = (o for o in _options(group) if _defaults(f"{group}={o}").get(key) == target)
            found += [f"{group}={option}" for option in options][:1]
    return found


def _named_targets(group: str, settings: dict[str, Any]) -> list[str]:
    pattern = re.compile(rf"{group}\.(\w+)\.{TARGET}")
    return [found[1] for found in map(pattern.fullmatch, settings) if found]


@functools.cache
def _defaults(*choices: str) -> dict[str, Any]:
    # within a run Hydra is already initialised, with --config-dir if given
    running = GlobalHydra.instance().is_initialized()
    setup = nullcontext() if running else initialize_config_dir(str(conf_dir()), version_base="1.3")
    with setup:
        config = compose("train", ["name=report", *choices])
    values = OmegaConf.to_container(config, throw_on_missing=False)
    assert isinstance(values, dict)
    return flatten({str(k): v for k, v in values.items()})


def _options(group: str) -> list[str]:
    return sorted(p.stem for p in (conf_dir() / group).glob("*.yaml"))


def _hydra(value: Any) -> str:
    """A value in the grammar of Hydra's overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(map(_hydra, value)) + "]"
    is_word = re.fullmatch(r"(?!(null|true|false|nan|inf)$)[a-z/_][\w./-]*", str(value), re.I)
    return quoted(value) if isinstance(value, str) and not is_word else str(value)
