"""What ``--help`` prints: every setting and option, with the comments of the config files.

The head is the first comment of ``conf/COMMAND.yaml``, the settings are that file's own keys, and
the options of a group are its files, each with the first comment in it. Those of a folder that
``--config-dir`` names are listed, too.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from gan_music.config.targets import conf_dir

_WIDTH = 100
_LONGEST_NAME = 34
_MAX_HEAD = 2**16  # bytes
_EVERY_GROUP = ("train",)  # commands whose defaults may be overridden by an option of any group
_ALL = """
A path is taken as it is typed between the shell's quotes, whatever is in it, and ~ is your home:
  "data.root=~/Música/Für Elise (1)"
Two kinds have a meaning of their own, unless a file or folder is called so: ${...} refers to
another key or, as ${oc.env:NAME}, to the environment; with -m, a,b is two values.

--cfg job shows all settings, --config-dir DIR reads config files of yours, --version tells the
version, and debug=true shows the traceback of an error.
"""


def help_text(command: str, user: Path | None = None) -> str:
    """The help of a command; ``user`` is a folder of further config files."""
    text = (conf_dir() / f"{command}.yaml").read_text(encoding="utf-8")
    chosen = _chosen(yaml.safe_load(text)["defaults"])
    folders = [conf_dir(), *([user] if user else [])]
    groups = list(chosen)
    if command in _EVERY_GROUP:
        groups = sorted(_groups(folders), key=lambda group: (group != "experiment", group))
    groups = [group for group in groups if options(group, folders)]
    lines = [first_comment(text, wrapped=False), "", "Settings, with their defaults:"]
    lines += _table(_settings(text))
    for group in groups:
        lines += ["", f"{group}=OPTION, where OPTION is one of"]
        rows = {}
        for name, path in sorted(options(group, folders).items()):
            default = "(the default) " if name in _names(chosen.get(group)) else ""
            rows[name] = default + first_comment(_head(path))
        lines += _table(rows)
    return "\n".join(lines) + "\n" + _ALL


def _names(option: Any) -> list[Any]:
    """The options of a group, of which some take several."""
    return option if isinstance(option, list) else [option]


def options(group: str, folders: list[Path]) -> dict[str, Path]:
    """The config files of a group by the names of its options; later folders take precedence."""
    files = [path for folder in folders for path in (folder / group).glob("*.yaml")]
    return {path.stem: path for path in files if path.is_file()}


def _head(path: Path) -> str:
    """The beginning of a config file, which may be from others."""
    with path.open("rb") as file:
        text = file.read(_MAX_HEAD).decode("utf-8", "replace")
    return "".join(c for c in text if c.isprintable() or c == "\n")


def first_comment(text: str, *, wrapped: bool = True) -> str:
    """The comment that a config file begins with; ``wrapped`` as one line."""
    lines = [line for line in text.splitlines() if not line.startswith("# @package")]
    found = re.match(r"(?:#.*\n)*", "\n".join(lines) + "\n")
    assert found is not None
    comment = [line.removeprefix("#").removeprefix(" ") for line in found[0].splitlines()]
    return " ".join(comment) if wrapped else "\n".join(comment)


def _groups(folders: list[Path]) -> set[str]:
    """All groups but Hydra's own."""
    files = [path.relative_to(folder) for folder in folders for path in folder.rglob("*.yaml")]
    return {f.parent.as_posix() for f in files if len(f.parts) > 1 and f.parts[0] != "hydra"}


def _chosen(defaults: list[Any]) -> dict[str, Any]:
    """The groups of a defaults list, and the option of each."""
    items = [item for default in defaults if isinstance(default, dict) for item in default.items()]
    return {
        group.removeprefix("optional ").partition("@")[0].lstrip("/"): option
        for group, option in items
        if not group.startswith("override ")
    }


def _settings(text: str) -> dict[str, str]:
    """A config file's own keys, dotted, with their values, and the comment of each."""
    _, _, own = text.partition("\n\n")  # after the defaults list
    prefix, rows, pending = "", {}, []
    for line in own.partition("\nhydra:")[0].splitlines():
        found = re.fullmatch(r"( *)(\w+): *([^#]*?)(?: *# (.*))?", line)
        if found is None:
            pending += [line.strip(" #")] if line else []
            continue
        indent, key, value, comment = found.groups()
        prefix = prefix if indent else ""
        pending += [comment] if comment else []
        if value:
            shown = "..." if "${" in value else value
            rows[f"{prefix}{key}={shown}"] = " ".join(pending)
        else:
            prefix = f"{key}."
            rows[f"{prefix}*"] = " ".join(pending)
        pending = []
    return rows


def _table(rows: dict[str, str]) -> Iterator[str]:
    """A line or more for each name with its comment."""
    indent = 4 + min(_LONGEST_NAME, max(map(len, rows), default=0))
    for name, comment in rows.items():
        head = f"  {name}  ".ljust(indent)
        yield from textwrap.wrap(
            comment,
            _WIDTH,
            initial_indent=head,
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [head.rstrip()]
