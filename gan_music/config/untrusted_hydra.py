"""Hydra's own settings, composed with config files from others. Light to import.

Hydra constructs launchers, sweepers and callbacks, configures logging and sets the environment
before a run's settings are judged (:mod:`gan_music.config.targets`). So a config file from others
may change only a few of these settings (:data:`_FREE`); all others must be as they are composed
without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gan_music.system.errors import UserError

# settings that a file may change, and what their values look like
_TEXT = re.compile(r"[^\x00-\x1f\x7f]*")
_PLAIN = re.compile(r"[\w.,:@+-]*")
_OVERRIDE = re.compile(r"[^\x00-\x1f\x7f$]*")
_LAUNCHER = (
    *("timeout_min", "cpus_per_task", "cpus_per_gpu", "gpus_per_node", "gpus_per_task"),
    *("tasks_per_node", "nodes", "mem_gb", "mem_per_gpu", "mem_per_cpu", "partition", "qos"),
    *("account", "constraint", "exclude", "gres", "signal_delay_s", "max_num_timeout"),
    *("array_parallelism", "n_jobs", "batch_size", "verbose"),
)
_SWEEPER = ("n_trials", "n_jobs", "prune", "n_startup_trials", "n_warmup_epochs", "seed")
_FREE = {
    **dict.fromkeys(("run.dir", "sweep.dir", "sweep.subdir"), _TEXT),
    **dict.fromkeys((f"launcher.{key}" for key in _LAUNCHER), _PLAIN),
    **dict.fromkeys((f"sweeper.{key}" for key in _SWEEPER), _PLAIN),
}
_PARAMS = ("sweeper", "params")
# what Hydra itself writes when it composes
_WRITTEN = ("runtime", "job.override_dirname", "job.config_name")
# the sweepers that check each job: Hydra's own composes them unseen
_SWEEPERS = "hydra_plugins.gan_music_sweepers."


def check_hydra(
    settings: Mapping[str, Any], trusted: Mapping[str, Any], given: Sequence[str] = ()
) -> None:
    """Refuse settings of Hydra that a config file from others must not change.

    Parameters
    ----------
    settings : the composed content of ``hydra``, nested and not resolved.
    trusted : the same, composed without the files from others.
    given : the overrides of the command, which may set any key.

    Raises
    ------
    UserError
        Naming the key and its value.
    """
    ours = dict(_leaves(trusted))
    for path, value in _leaves(settings):
        key = ".".join(path)
        if path[0] == "overrides":  # Hydra appends those of the command to those of a file
            value = [v for v in value or () if v not in (*ours.get(path, ()), *given)]
            is_good = not value
        else:
            is_ours = path in ours and type(ours[path]) is type(value) and ours[path] == value
            is_written = any(key == p or key.startswith(f"{p}.") for p in _WRITTEN)
            is_good = is_ours or is_written or _is_given(key, given) or _is_free(path, value)
        if is_good:
            continue
        raise UserError(
            f"hydra.{key}={' '.join(str(value).split())[:80]} comes from a config file and could "
            "run code: if you trust its folder, add trust_code=true to the command."
        )


def check_sweeper(settings: Mapping[str, Any]) -> None:
    """Refuse a sweeper that does not check each job as :func:`check_hydra` does.

    Raises
    ------
    UserError
        Naming it.
    """
    target = str(settings["sweeper"]["_target_"])
    if not target.startswith(_SWEEPERS):
        raise UserError(
            f"the sweeper {target} composes jobs without checking the config files: if you trust "
            "their folder, add trust_code=true to the command."
        )


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and value:
        for name, inside in value.items():
            yield from _leaves(inside, (*path, str(name)))
    else:
        yield path, value


def _is_given(key: str, given: Sequence[str]) -> bool:
    """Whether the command sets this very key: a group that it sets may have keys of a file, too."""
    return f"hydra.{key}" in [a.lstrip("+~").partition("=")[0].strip() for a in given]


def _is_free(path: tuple[str, ...], value: Any) -> bool:
    if value in (None, [], {}):  # nothing to construct
        return True
    if path[:-1] == _PARAMS:
        # overrides of each job: of the run's settings, and no key that Hydra would instantiate
        name = path[-1].lstrip("+~")
        is_setting = _PLAIN.fullmatch(name) and not name.startswith(("_", "hydra"))
        return bool(is_setting) and _fits(value, _OVERRIDE)
    pattern = _FREE.get(".".join(path))
    return pattern is not None and _fits(value, pattern)


def _fits(value: Any, pattern: re.Pattern[str]) -> bool:
    is_number = isinstance(value, bool | int | float)
    return is_number or (isinstance(value, str) and pattern.fullmatch(value) is not None)
