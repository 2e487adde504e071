"""The command line as Hydra reads it: flags before overrides, paths as they were typed.

In Hydra's grammar spaces, commas, brackets and quotes have a meaning, and accents are refused. The
value of a key of type :data:`~gan_music.config.fields.PathText` is therefore quoted, except for
``null``, a value in quotes, ``${...}``, ``choice(a,b)``, and with ``-m`` a sweep ``a,b``. A path
that exists is quoted in any case.
"""

from __future__ import annotations

import os
import typing
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString, ValueType
from hydra.errors import HydraException

from gan_music.config.fields import PATH
from gan_music.config.invocation import in_hydras_grammar, override_key, quoted
from gan_music.config.validate import known_fields

_HYDRA_PATHS = ("hydra.run.dir", "hydra.sweep.dir")
_WITH_VALUE = (
    *("--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp"),
    *("--package", "-p", "--cfg", "-c"),
)


def prepared(words: list[str], schema: type) -> list[str]:
    """The arguments of a command for Hydra, whose parser requires flags before overrides."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in _WITH_VALUE:
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    flags = [word for word in joined if word.startswith("-") or "=" not in word]
    flags.sort(key=lambda flag: flag not in ("-m", "--multirun"))
    overrides = [word for word in joined if word not in flags]
    multirun = bool({"-m", "--multirun"} & set(flags)) or any(
        word.startswith(("sweep=", "+sweep=", "hydra.mode=")) for word in overrides
    )
    paths = path_keys(schema)
    return [
        *map(_with_home, flags),
        *(
            as_typed(w, multirun=multirun) if override_key(w) in paths else in_hydras_grammar(w)
            for w in overrides
        ),
    ]


def path_keys(schema: type) -> set[str]:
    """The keys whose values are paths."""
    return {key for key, hint in known_fields(schema) if _is_path(hint)} | {*_HYDRA_PATHS}


def as_typed(override: str, *, multirun: bool = False) -> str:
    """``key=path`` such that Hydra reads the path as it was typed (module docstring)."""
    key, _, path = override.partition("=")
    if path in ("", "null", "???"):
        return override
    if override_key(override) in _HYDRA_PATHS:
        path = os.path.expanduser(path)
    multirun = multirun and override_key(override) != "hydra.sweep.dir"
    if not _exists(path):
        parts = path.split(",")
        if multirun and len(parts) > 1 and all(map(_exists, parts)):
            return f"{key}={','.join(map(quoted, parts))}"
        try:
            parsed = OverridesParser.create().parse_override(f"key={path}")
        except HydraException:
            if "${" in path:
                return f"{key}={quoted(path, interpolation=True)}"
        else:
            value: Any = parsed.value()
            is_list = parsed.value_type == ValueType.SIMPLE_CHOICE_SWEEP
            is_sweep = parsed.is_sweep_override() and (multirun or not is_list)
            if is_sweep or value == path or isinstance(parsed._value, QuotedString):
                return f"{key}={path}"
    return f"{key}={quoted(path)}"


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(os.path.expanduser(path))
    except ValueError:  # a null character
        return False


def _with_home(flag: str) -> str:
    """``--config-dir=~/conf``, which a shell leaves as it is, with the home folder."""
    name, _, value = flag.partition("=")
    return f"{name}={os.path.expanduser(value)}" if value.startswith("~") else flag


def _is_path(hint: Any) -> bool:
    marks = getattr(hint, "__metadata__", ())
    return PATH in marks or any(map(_is_path, typing.get_args(hint)))
