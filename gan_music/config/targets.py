"""``_target_``: the class or function that a group of settings names. Light to import.

A target that a file in ``conf/GROUP/`` names is the package's choice, and so is any of its networks
in the settings of a model. Every other target is code from outside, and is imported only if the
command itself has ``trust_code=true``; a config file cannot give that.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gan_music.system.errors import UserError

TARGET = "_target_"
_NAMED = re.compile(rf"^\s*{TARGET}:\s*([\w.]+)", re.M)
_NETWORKS = "gan_music.networks."  # model.generator may be any of them
_trusted = False  # of this process


class UntrustedCodeError(UserError):
    """Settings name code that the command does not trust."""


def trust_code(trusted: bool) -> None:
    """Allow code from outside the package in this process, or forbid it again."""
    global _trusted
    _trusted = trusted


@contextlib.contextmanager
def trusting_code() -> Iterator[None]:
    """Allow code from outside the package within this context."""
    before = _trusted
    trust_code(True)
    try:
        yield
    finally:
        trust_code(before)


def conf_dir() -> Path:
    """The folder ``conf``: beside the package in a clone, inside it once installed."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


@functools.cache
def shipped(group: str) -> frozenset[str | None]:
    """The targets that the files of ``conf/GROUP/`` name."""
    texts = [path.read_text(encoding="utf-8") for path in (conf_dir() / group).glob("*.yaml")]
    return frozenset(None if t == "null" else t for text in texts for t in _NAMED.findall(text))


def targets_in(values: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every target in nested settings, with its dotted key."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            inside = f"{key}.{name}" if key else str(name)
            if name == TARGET:
                yield inside, value
            yield from targets_in(value, inside)
    elif isinstance(values, list):
        for number, value in enumerate(values):
            yield from targets_in(value, f"{key}[{number}]")


def check_targets(values: Mapping[str, Any], *, source: str = "") -> None:
    """Refuse targets from outside the package, unless the command trusts them.

    Parameters
    ----------
    values : settings, nested.
    source : precedes the keys in errors, as in ``checkpoint a.ckpt: ``.

    Raises
    ------
    UserError
        Naming the key and what would have run.
    """
    for key, target in targets_in(values):
        _check(key, target, source)


def _check(key: str, target: Any, source: str = "") -> None:
    group = key.partition(".")[0]
    is_network = group == "model" and str(target).startswith(_NETWORKS)
    if _trusted or is_network or target in shipped(group):
        return
    what = "code from outside gan_music"
    if str(target).startswith("gan_music."):
        what = f"named by no file in conf/{group}"
    raise UntrustedCodeError(
        f"{source}{key}={str(target)[:200]} is {what}: if you trust it, add trust_code=true to the "
        "command."
    )


def load_target(key: str, target: str) -> Any:
    """Import what the setting ``key`` names: ``package.module.Name``.

    Raises
    ------
    UserError
        If it is from outside and not trusted, or does not exist.
    """
    _check(f"{key}.{TARGET}", target)
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, ValueError, AttributeError) as error:
        raise UserError(
            f"{key}.{TARGET}={target} cannot be imported ({error}): give package.module.Name, with "
            "the module beside the folder of --config-dir, or in PYTHONPATH."
        ) from error


def _missing(key: str, target: str, error: ModuleNotFoundError) -> UserError:
    extra = _EXTRAS.get(target.rpartition(".")[2])
    if extra is None:
        return UserError(f"{key}.{TARGET}={target} needs a library that is missing: {error}.")
    return UserError(
        f"{key}.{TARGET}={target} needs a library that is missing: pip install "
        f"'gan_music[{extra}]'."
    )


# what a target of the package needs beyond an install without extras
_EXTRAS: dict[str, str] = {"WandbLogger": "wandb", "MLFlowLogger": "mlflow"}


def target_of(key: str, settings: Mapping[str, Any]) -> str:
    """The target of a group of settings, not imported.

    Raises
    ------
    UserError
        If there is none.
    """
    if TARGET not in settings:
        group, _, option = key.rpartition(".")
        raise UserError(f"{key} has no {TARGET}: choose {group}={option}, or list it there.")
    return str(settings[TARGET])


def build_target(key: str, settings: Mapping[str, Any], *given: Any, **named: Any) -> Any:
    """Call a target with the settings beside it, after arguments that are ``given`` by the run.

    Raises
    ------
    UserError
        If a setting is not a parameter of the target, or one is missing.
    """
    function, values = target_and_values(key, settings, *given, **named)
    try:
        return function(*given, **named, **values)
    except ModuleNotFoundError as error:
        raise _missing(key, str(settings[TARGET]), error) from error


def target_and_values(
    key: str, settings: Mapping[str, Any], *given: Any, **named: Any
) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The target and the settings beside it, once they are known to fit its signature."""
    function = load_target(key, target_of(key, settings))
    values = {str(k): v for k, v in settings.items() if k != TARGET}
    for name in values:
        if name in named:
            raise UserError(f"{key}.{name} is set by the run itself: leave it out.")
    try:
        inspect.signature(function).bind(*given, **named, **values)
    except TypeError as error:
        name = str(settings[TARGET]).rpartition(".")[2]
        raise UserError(
            f"{key}: {name} cannot be built of these settings ({error}): its parameters are "
            f"{', '.join(_parameters(function, *named))}."
        ) from error
    return function, values


def _parameters(function: Callable[..., Any], *excluded: str) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind in kinds and p.name not in excluded]
