"""A composed config -> settings, or one sentence. Light to import: no torch, no music21.

Hydra composes the values in ``conf/``; :func:`checked` validates the result by the classes of
:mod:`gan_music.config.schema` and translates pydantic's errors into ours.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from typing import Any, TypeVar

import yaml
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, InterpolationResolutionError, MissingMandatoryValue
from pydantic import ValidationError

from gan_music.config.fields import settings
from gan_music.config.invocation import in_hydras_grammar
from gan_music.config.renamed import RENAMED
from gan_music.config.schema import REGISTRIES, Target, Targets, TrainConfig
from gan_music.config.targets import TARGET, conf_dir, load_target
from gan_music.system.errors import UserError

T = TypeVar("T")


def compose_run(*overrides: str) -> TrainConfig:
    """The settings of ``python -m gan_music.train OVERRIDES``, for use from Python.

    The run is called ``python`` unless an override ``name=...`` says otherwise.
    """
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        given = ["name=python", *map(in_hydras_grammar, overrides)]
        return checked(TrainConfig, compose("train", given))


def checked(schema: type[T], config: DictConfig, prefix: str = "") -> T:
    """The composed config as an instance of its schema; ``prefix`` precedes its keys in errors.

    Raises
    ------
    UserError
        Naming the first invalid key, its value, and what to do.
    """
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UserError(f"{error.full_key} has no value: give one, {error.full_key}=...") from error
    except (InterpolationResolutionError, ConfigKeyError) as error:
        raise UserError(f"{error.full_key} cannot be resolved: {first_line(error)}.") from error
    assert isinstance(values, dict)
    return _instance(schema, values, prefix)


def is_plain(values: Any, *, at_most: int = 100_000) -> bool:
    """Whether the content of an untrusted file is a dictionary of ``at_most`` so many plain values.

    Plain values hold nothing that OmegaConf would resolve (``${...}``), and are no deeper than any
    settings.
    """
    found, left = 0, [(values, 0)]
    while left and found + len(left) <= at_most:
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


def known_fields(schema: type, prefix: str = "") -> list[tuple[str, Any]]:
    """All keys of a schema, dotted, and their types; of a group with a registry, of every entry."""
    found = []
    for name, hint in typing.get_type_hints(schema, include_extras=True).items():
        found.append((prefix + name, hint))
        nested = [entry.settings for entry in REGISTRIES.get(name, {}).values()]
        if dataclasses.is_dataclass(hint):
            nested.append(typing.cast(type, hint))
        for group in nested:
            found += known_fields(group, f"{prefix}{name}.")
        if hint in (Target, Targets):
            files = (conf_dir() / name).glob("*.yaml")
            parsed = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in files]
            found += [(f"{prefix}{name}.{key}", Any) for one in parsed for key in flatten(one)]
    return found


# what other programs call a key -> the last part of ours
_SYNONYMS = dict.fromkeys(("path", "dir", "folder", "midi"), "root") | {"ckpt": "checkpoint"}


def unknown_key(schema: type, key: str) -> UserError:
    """The sentence for a key that does not exist, with its new name or the most similar one.

    Only the last parts of keys are compared, since many keys share a prefix.
    """
    keys = [name for name, _ in known_fields(schema)]
    if key in keys:
        group = key.partition(".")[0]
        return UserError(f"the key {key} is another {group}'s: --cfg job shows all of this one's.")
    if key in RENAMED:
        return UserError(f"the key {key} is called {RENAMED[key]} now: give that one.")
    if key == "experiment":
        return UserError("the experiment's file must begin with the line '# @package _global_'.")
    group, _, last = key.rpartition(".")
    by_last: dict[str, list[str]] = {}
    for known in keys:
        by_last.setdefault(known.rpartition(".")[2], []).append(known)
    last = last if _SYNONYMS.get(last) not in by_last else _SYNONYMS[last]
    similar = difflib.get_close_matches(last, by_last, 1, 0.62)
    hint = "see --help, or --cfg job for all keys."
    if similar:
        found = by_last[similar[0]]
        same_group = f"{group}.{similar[0]}"
        hint = f"did you mean {same_group if same_group in found else found[0]}?"
    return UserError(f"the key {key} does not exist: {hint}")


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted keys and values; lists are kept."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        found |= flatten(value, name + ".") if isinstance(value, dict) else {name: value}
    return found


def first_line(error: BaseException) -> str:
    """The first line of an error's text, without a closing full stop."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _instance(schema: type[T], given: dict[Any, Any], prefix: str) -> T:
    known = typing.get_type_hints(schema)
    values = {str(key): value for key, value in given.items()}
    for key in values:
        if key not in known:
            if "." in key:  # only a config file can have such a key
                nested = key.replace(".", ": {") + ": ..." + "}" * key.count(".")
                raise UserError(f"{prefix}{key} is a key with a dot in it: write {nested}.")
            raise unknown_key(TrainConfig if prefix else schema, prefix + key)
    for name, value in values.items():
        if group := _schema_of(name, known[name], value):
            key = prefix + name
            if not isinstance(value, dict):
                raise UserError(f"{key}={value} is a single value, but {key} is a group of keys.")
            values[name] = _instance(group, value, f"{key}.")
    try:
        return schema(**values)
    except ValidationError as error:
        raise UserError(_sentence(error, prefix)) from error


def _schema_of(name: str, hint: Any, value: Any) -> type | None:
    """The settings class of a group of keys; None for a single value."""
    if name not in REGISTRIES:
        return typing.cast(type, hint) if dataclasses.is_dataclass(hint) else None
    if isinstance(value, dict) and TARGET in value:
        return _settings_of_target(name, value)
    registry = REGISTRIES[name]
    chosen = value.get("name") if isinstance(value, dict) else value
    if not isinstance(value, dict) or not isinstance(chosen, str) or chosen not in registry:
        raise UserError(f"{name}.name={chosen} is no {name}: choose one of {', '.join(registry)}.")
    return registry[chosen].settings


def _settings_of_target(name: str, value: dict[Any, Any]) -> type:
    """The settings class of a class that is named by ``_target_``: its ``Settings`` with that key.

    Without ``Settings``, any values are taken as they are.
    """
    target = str(value[TARGET])
    made = load_target(name, target)
    own = getattr(made, "Settings", None)
    if own is None:
        fields = [(str(key), Any) for key in value]
        return settings(dataclasses.make_dataclass("Settings", fields, kw_only=True))
    return settings(type(own.__name__, (own,), {"__annotations__": {TARGET: str}}))


# pydantic's type of error -> what is wrong and what to do; {...} is from its context
_SENTENCES = {
    "missing": "has no value: give one, {key}=...",
    "int_type": "must be a whole number.",
    "float_type": "must be a number.",
    "finite_number": "must be a finite number.",
    "bool_type": "must be true or false.",
    "string_type": "must be a text.",
    "list_type": "must be a list, as in {key}=[0.5,0.99].",
    "too_short": "must have {min_length} values, as in {key}=[0.5,0.99].",
    "too_long": "must have {max_length} values, as in {key}=[0.5,0.99].",
    "greater_than_equal": "must be at least {ge:.10g}.",
    "less_than_equal": "must be at most {le:.10g}.",
    "literal_error": "does not exist: choose one of {expected}.",
    "value_error": "{error}.",
}


def _sentence(error: ValidationError, prefix: str) -> str:
    """The sentence for the first invalid key."""
    errors = error.errors(include_url=False)
    errors = [e for e in errors if e["loc"][0] == errors[0]["loc"][0]]
    # of a union of a value and a list, the errors of the list come last
    found = errors[-1] if isinstance(errors[0]["input"], list) else errors[0]
    key = f"{prefix}{found['loc'][0]}"
    words = _SENTENCES.get(found["type"], "is refused: {msg}.")
    if len(errors) > 1 and errors[-1]["type"] == "list_type":
        words = f"{words[:-1]} or a list."
    context = {"key": key, "msg": found["msg"]} | found.get("ctx", {})
    if "expected" in context:
        context["expected"] = context["expected"].replace("'", "").replace(" or ", ", ")
    value = "" if found["type"] == "missing" else f"={found['input']}"
    return f"{key}{value} {words.format(**context)}"
