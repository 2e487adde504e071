"""A composed config, held against the schema. Light to import: no torch, no music21.

The values are in ``conf/``; Hydra composes them, and :func:`checked` holds the result against the
schema, so that a key nobody reads, a wrong type or a value out of range is refused in one sentence.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from dataclasses import MISSING
from pathlib import Path
from typing import Any, TypeVar

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
)

from gan_music.config.schema import MODELS, REPRESENTATIONS, TrainConfig
from gan_music.system.errors import UserError


def conf_dir() -> Path:
    """Where the configuration lives: beside the package in a clone, inside it once installed."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


T = TypeVar("T")
# groups whose settings depend on their ``name``
_BY_NAME: dict[str, typing.Mapping[str, Any]] = {
    "model": MODELS,
    "representation": REPRESENTATIONS,
}


def compose_run(*overrides: str) -> TrainConfig:
    """The settings of ``python -m gan_music.train OVERRIDES``, for use from Python.

    A name other than ``python`` for the run is an override, ``name=...``.
    """
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        return checked(TrainConfig, compose("train", ["name=python", *overrides]))


def checked(schema: type[T], config: DictConfig, prefix: str = "") -> T:
    """The composed config as an instance of its schema; its keys are named after ``prefix``.

    Raises
    ------
    UserError
        Naming the key, what is wrong with it, and what would do.
    """
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key} has no value: give one, {error.full_key}=...") from error
    except (InterpolationResolutionError, ConfigKeyError) as error:
        raise UserError(f"{error.full_key} cannot be resolved: {first_line(error)}.") from error
    assert isinstance(values, dict)
    return _instance(schema, {str(k): v for k, v in values.items()}, prefix)


def plain(values: Any) -> bool:
    """Whether this is a dictionary of plain values that mean themselves: from a stranger's file,
    nothing that OmegaConf would look up (``${...}``), and no more than settings have.
    """
    found, left = 0, [(values, 0)]
    while left and found < 100_000:
        value, depth = left.pop()
        found += 1
        if isinstance(value, dict):
            left += [(v, depth + 1) for v in value.values()]
            good = depth < 8 and all(isinstance(k, str) and "${" not in k for k in value)
        elif isinstance(value, list):
            left += [(v, depth + 1) for v in value]
            good = depth < 8
        elif isinstance(value, str):
            good = "${" not in value and value != "???"
        else:
            good = value is None or isinstance(value, bool | int | float)
        if not good:
            return False
    return not left and isinstance(values, dict)


def known_keys(schema: type, prefix: str = "") -> list[str]:
    """All dotted keys of a schema; a model's and a representation's are those of all of them."""
    keys = []
    for f in dataclasses.fields(schema):
        name = prefix + f.name
        keys.append(name)
        nested = _types(schema)[f.name]
        if name in _BY_NAME:
            for entry in _BY_NAME[name].values():
                keys += known_keys(entry.settings, f"{name}.")
        elif dataclasses.is_dataclass(nested):
            keys += known_keys(typing.cast(type, nested), name + ".")
    return keys


def unknown_key(schema: type, key: str) -> UserError:
    """The sentence for a key that does not exist, with the nearest that does."""
    keys = known_keys(schema)
    if key in keys:
        group = key.partition(".")[0]
        return UserError(f"the key {key} is another {group}'s: --cfg job shows all of this one's.")
    if key == "experiment":
        return UserError("the experiment's file must begin with the line '# @package _global_'.")
    last = key.rsplit(".", 1)[-1]
    by_last = [k for k in keys if k.rsplit(".", 1)[-1] == last and k != key]
    near = by_last or difflib.get_close_matches(key, keys, 1, 0.6)
    hint = f"did you mean {near[0]}?" if near else "see --help, or --cfg job for all keys."
    return UserError(f"the key {key} does not exist: {hint}")


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted keys; lists stay lists."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        found |= flat(value, name + ".") if isinstance(value, dict) else {name: value}
    return found


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without a closing full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _instance(schema: type[T], values: dict[str, Any], prefix: str) -> T:
    fields = {f.name: f for f in dataclasses.fields(schema)}  # type: ignore[arg-type]
    hints = _types(schema)
    for key in values:
        if key not in fields:
            if "." in key:  # only a file can have it so
                nested = key.replace(".", ": {") + ": ..." + "}" * key.count(".")
                raise UserError(f"{prefix}{key} is a key with a dot in it: write {nested}.")
            raise unknown_key(TrainConfig if prefix else schema, prefix + str(key))
    arguments: dict[str, Any] = {}
    for name, f in fields.items():
        key = prefix + name
        if name not in values:
            if f.default is MISSING and f.default_factory is MISSING:
                raise UserError(f"{key} has no value: give one, {key}=...")
            continue
        value = values[name]
        if name in _BY_NAME:
            arguments[name] = _by_name(name, value)
        elif dataclasses.is_dataclass(hints[name]):
            if not isinstance(value, dict):
                raise UserError(f"{key}={value} is a single value, but {key} is a group of keys.")
            arguments[name] = _instance(typing.cast(type, hints[name]), value, key + ".")
        else:
            arguments[name] = _value(hints[name], value, key, f.metadata)
    return schema(**arguments)


def _by_name(key: str, value: Any) -> Any:
    entries = _BY_NAME[key]
    name = value.get("name") if isinstance(value, dict) else value
    if not isinstance(value, dict) or not isinstance(name, str) or name not in entries:
        raise UserError(f"{key}.name={name} is no {key}: choose one of {', '.join(entries)}.")
    return _instance(entries[name].settings, value, f"{key}.")


def _value(hint: Any, value: Any, key: str, bounds: typing.Mapping[str, Any]) -> Any:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if value is None and type(None) in kinds:
        return None
    kinds = tuple(k for k in kinds if k is not type(None))
    lists = [k for k in kinds if typing.get_origin(k) is list]
    one = [k for k in kinds if k not in lists]
    kind = lists[0] if lists and (isinstance(value, list) or not one) else one[0]
    if typing.get_origin(kind) is list:
        if not isinstance(value, list):
            raise UserError(f"{key}={value} must be a list, as in {key}=[0.5,0.99].")
        if bounds.get("pair") and len(value) != 2:
            raise UserError(f"{key}={value} must be two numbers, as in {key}=[0.5,0.99].")
        (item,) = typing.get_args(kind)
        return [_value(item, v, key, bounds) for v in value]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # a folder called 2024, say
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
        raise UserError(f"{key}={value} must be {words[kind]}{' or a list' if lists else ''}.")
    if kind in (int, float):
        low, high = bounds.get("low"), bounds.get("high")
        if low is not None and high is not None and not low <= value <= high:  # nor is NaN
            raise UserError(f"{key}={value} must be from {low} to {high}.")
    choices = bounds.get("choices")
    if choices and value not in choices:
        raise UserError(
            f"{key}={value} does not exist: choose one of {', '.join(map(str, choices))}."
        )
    return value


def _types(schema: type) -> dict[str, Any]:
    return typing.get_type_hints(schema)
