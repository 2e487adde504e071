"""Config files from others (``--config-dir``): Hydra reads them through a source that checks each.

A file is parsed once, checked, and handed to Hydra as it was checked, whatever path or link leads
to it. It may hold plain values and references to keys, nothing by which Hydra would read further
folders, set the environment or configure logging before a run's settings can be judged
(:mod:`gan_music.config.untrusted_hydra`). Light to import.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigLoadError, ConfigResult
from omegaconf import OmegaConf
from omegaconf._utils import get_yaml_loader

from gan_music.system.errors import UserError

# keys by which Hydra or logging would construct objects, read files or change the process
_REFUSED = {
    *("()", "class", "handlers", "formatters", "filters", "loggers"),
    *("searchpath", "env_set", "env_copy"),
}
_REFERENCE = re.compile(r"\$\{([\w.\[\]-]+|(oc\.env|hydra|gan_music\.\w+):[^{}$]*)\}")
_PLAIN = (str, bool, int, float, type(None))
_MAX_BYTES = 2**20
_MAX_VALUES = 20_000
_MAX_DEPTH = 64
_MAX_INT = 2**63


SCHEME = "untrusted"


class UntrustedFiles(FileConfigSource):
    """A folder whose config files are checked as Hydra reads them: ``untrusted://FOLDER``."""

    @staticmethod
    def scheme() -> str:
        return SCHEME

    def load_config(self, config_path: str) -> ConfigResult:
        name = self._normalize_file_name(config_path)
        path = Path(os.path.realpath(os.path.join(self.path, name)))
        if not path.is_file():
            raise ConfigLoadError(f"Config not found : {path}")
        text, content = read_untrusted(path)
        return ConfigResult(
            config=OmegaConf.create(content),
            path=self.full_path(),
            provider=self.provider,
            header=self._get_header_dict(text[:512]),
        )


def register() -> None:
    """Let Hydra know the source."""
    SourcesRegistry.instance().register(UntrustedFiles)


def read_untrusted(path: Path) -> tuple[str, dict[str, Any]]:
    """(text, content) of a config file that sets values and does nothing else.

    Raises
    ------
    UserError
        Naming the file, and the line or the key.
    """
    text, content = read_yaml(path)
    for key, value in _values(content, path):
        if key in _REFUSED:
            raise UserError(
                f"{path}: {key} is not a setting: remove it, config files set nothing else."
            )
        if isinstance(value, str) and value.count("${") != len(_REFERENCE.findall(value)):
            raise UserError(
                f"{path}: {value[:80]} may refer only to a key or to oc.env: write out the value."
            )
    return text, content


def read_yaml(path: Path) -> tuple[str, dict[str, Any]]:
    """(text, content) of a YAML file of plain values, parsed as OmegaConf parses it.

    Raises
    ------
    UserError
        If it is too large, not YAML, or not a mapping of plain values.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise UserError(f"{path} has more than 1 MiB, more than any settings: remove it.")
        text = data.decode("utf-8-sig")
        content = yaml.load(text, Loader=get_yaml_loader())
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): remove it.") from error
    except RecursionError as error:
        raise UserError(f"{path} is nested too deep for settings: remove it.") from error
    except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
        raise UserError(f"{path} is not text: correct it, or remove it.") from error
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f", line {error.problem_mark.line + 1}"
        raise UserError(
            f"{path}{line}: {error.problem}; this is not valid YAML: correct it there."
        ) from error
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise UserError(
            f"{path} is not valid YAML ({str(error)[:80]}): correct it, or remove it."
        ) from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no settings, KEY: VALUE: correct that file.")
    for _, value in _values(content, path):
        if not isinstance(value, (*_PLAIN, list, dict)):
            raise UserError(
                f"{path}: {type(value).__name__} is no kind of value for a setting: write a "
                "number, text, list or mapping."
            )
        if isinstance(value, int) and abs(value) >= _MAX_INT:
            raise UserError(f"{path} holds a number beyond 64 bits: correct it.")
    return text, content


def _values(content: Any, path: Path) -> Iterator[tuple[Any, Any]]:
    """Every (key, value) at any depth; an alias counts at each of its uses."""
    left, count = [("", content, 0)], 0
    while left:
        key, value, depth = left.pop()
        count += 1
        if count > _MAX_VALUES or depth > _MAX_DEPTH:
            raise UserError(f"{path} holds more values than any settings: remove it.")
        yield key, value
        if isinstance(value, dict):
            left += [(k, v, depth + 1) for k, v in value.items()]
            left += [("", k, depth + 1) for k in value]  # OmegaConf resolves keys, too
        elif isinstance(value, list):
            left += [("", v, depth + 1) for v in value]
