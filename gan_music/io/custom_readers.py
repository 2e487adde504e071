"""Readers of further formats, which the group ``readers`` names by ``_target_`` and ``suffixes``.

A reader is a function ``(path, grid, name) -> pieces``. It may raise anything: the file is refused
then, with the reason. It runs in the processes that read files.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gan_music.config.targets import target_and_values
from gan_music.io.read import CustomReader
from gan_music.system.errors import UserError

SUFFIXES = "suffixes"


def build_readers(chosen: Mapping[str, Mapping[str, Any]]) -> dict[str, CustomReader]:
    """The readers by the suffix of their files, which they read instead of the package's own.

    Raises
    ------
    UserError
        If a reader has no suffixes, or cannot be built of its settings.
    """
    readers: dict[str, CustomReader] = {}
    for name, settings in chosen.items():
        key = f"readers.{name}"
        suffixes = settings.get(SUFFIXES)
        if not isinstance(suffixes, list) or not all(_is_suffix(s) for s in suffixes):
            raise UserError(f"{key}.suffixes={suffixes} must be a list, as in [.abx].")
        values = {k: v for k, v in settings.items() if k != SUFFIXES}
        function, options = target_and_values(key, values, Path(), 24, "")
        identity = json.dumps([settings, _source_hash(function)], sort_keys=True)
        reader = CustomReader(identity, partial(function, **options))
        readers |= {suffix.lower(): reader for suffix in suffixes}
    return readers


def _is_suffix(suffix: Any) -> bool:
    return isinstance(suffix, str) and re.fullmatch(r"\.[^./]+", suffix) is not None


def _source_hash(function: Any) -> str:
    """A hash of the module of a function, so that a changed reader reads its files again."""
    try:
        source = inspect.getsource(inspect.getmodule(function))  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()
