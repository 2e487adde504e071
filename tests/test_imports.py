"""The layout: folders in the order of imports, no circles, heavy libraries where they belong."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import run_python, succeed

ROOT = Path(__file__).parent.parent
COMMANDS = ("train", "generate", "extract", "evaluate", "export", "report")
# a module imports from its own folder and from those before it
ROOMS = (
    *("system", "music", "config", "io", "representations", "metrics", "data", "losses", "optim"),
    *("networks", "decoding", "checkpoints", "models", "runs", "page", "training", "api"),
)
SAME_NAMES = {
    "__init__.py": "a folder's",
    "base.py": "the base class of representations and of models",
    "errors.py": "errors of a user, and of a file of music",
    "musicxml.py": "a format, read and written",
}


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(p): p for p in sorted((ROOT / "gan_music").rglob("*.py"))}


def room(module: str) -> str:
    """``networks`` of ``gan_music.networks.layers.dropout``; nothing at the top level."""
    path = MODULES[module].relative_to(ROOT / "gan_music")
    return path.parts[0] if len(path.parts) > 1 else ""


def imported(module: str) -> set[str]:
    """All that a module imports, in functions and under TYPE_CHECKING too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: write the whole name of what is imported"
            names = {f"{node.module}.{a.name}" for a in node.names}
            found |= {n if n in MODULES else str(node.module) for n in names}
    return found


IMPORTS = {module: imported(module) for module in MODULES}
# importing any module imports the package itself
OURS = {m: {i for i in IMPORTS[m] if i in MODULES and i != "gan_music"} for m in MODULES}


def libraries(module: str) -> set[str]:
    return {i.partition(".")[0] for i in IMPORTS[module]} - {"gan_music"}


def in_rooms(*rooms: str) -> Iterable[str]:
    return [m for m in MODULES if room(m) in rooms]


def test_every_folder_has_its_place_in_the_order() -> None:
    assert {room(m) for m in MODULES} == {"", *ROOMS}


def test_only_commands_are_at_the_top_level() -> None:
    names = {MODULES[m].stem for m in in_rooms("")}
    assert names == {"__init__", "__main__", "cli", *COMMANDS}


@pytest.mark.parametrize("here", ROOMS)
def test_a_folder_imports_only_those_before_it(here: str) -> None:
    allowed = ROOMS[: ROOMS.index(here) + 1]
    wrong = [f"{m} imports {i}" for m in in_rooms(here) for i in OURS[m] if room(i) not in allowed]
    assert not wrong


def test_nothing_imports_a_command() -> None:
    commands = {f"gan_music.{c}" for c in COMMANDS}
    assert not [f"{m} imports a command" for m in MODULES if OURS[m] & commands]


def test_no_modules_import_each_other() -> None:
    graph = {m: OURS[m] for m in MODULES if m != "gan_music"}
    circles = []
    while True:  # each circle, not only the first
        try:
            TopologicalSorter(graph).prepare()
            break
        except CycleError as error:
            circle = error.args[1]
            circles.append(" -> ".join(reversed(circle)))
            graph[circle[1]] = graph[circle[1]] - {circle[0]}
    assert not circles


def test_only_io_imports_music21() -> None:
    found = {m for m in MODULES if "music21" in libraries(m) and room(m) != "io"}
    assert found <= {"gan_music.data.sources"}  # which asks where the corpus lies


@pytest.mark.parametrize(
    ("here", "allowed"), [("losses", {"torch"}), ("networks", {"torch", "numpy", "numba"})]
)
def test_losses_and_networks_need_few_libraries(here: str, allowed: set[str]) -> None:
    found = {m: libraries(m) - sys.stdlib_module_names - allowed for m in in_rooms(here)}
    assert not {m: outside for m, outside in found.items() if outside}


def test_losses_import_nothing_of_ours() -> None:
    assert not {m: OURS[m] for m in in_rooms("losses") if OURS[m]}


def test_no_two_modules_have_one_name() -> None:
    paths = defaultdict(list)
    for path in MODULES.values():
        paths[path.name].append(path.relative_to(ROOT).as_posix())
    twice = {name: found for name, found in paths.items() if len(found) > 1}
    assert not {name: found for name, found in twice.items() if name not in SAME_NAMES}
    assert set(SAME_NAMES) <= set(twice)


def test_commands_are_light_to_import() -> None:
    names = ", ".join(f"gan_music.{c}" for c in ("__main__", *COMMANDS))
    done = succeed(run_python("-c", f"import sys, {names}; print(*sys.modules)", cwd=ROOT))
    heavy = {"torch", "lightning", "music21", "symusic", "numpy", "matplotlib", "numba", "scipy"}
    assert not heavy & set(done.stdout.split())
