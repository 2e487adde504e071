"""The direction of imports: data flows one way, and heavy things stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "gan_music"
COMMANDS = ("train", "generate", "extract", "evaluate", "export", "report")
# what a processor does beside the networks
COMPILED = ("networks/compiled.py", "networks/loops.py")
MODULES = {p.relative_to(PACKAGE.parent).as_posix(): p for p in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Names of modules that a file imports, those inside functions too."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{a.name}" for a in node.names}
    return found


def ours(path: Path) -> set[str]:
    return {i for i in imports(path) if i.startswith("gan_music.")}


def test_notes_imports_nothing_of_ours() -> None:
    assert ours(PACKAGE / "notes.py") == set()


def test_only_io_knows_music21() -> None:
    # data/sources asks music21 where its corpus lies, and reads no music with it
    allowed = {m for m in MODULES if m.startswith("gan_music/io/")} | {"gan_music/data/sources.py"}
    found = {m for m, p in MODULES.items() if any(i.split(".")[0] == "music21" for i in imports(p))}
    assert found <= allowed


@pytest.mark.parametrize(
    "module",
    ["losses.py", *(p.relative_to(PACKAGE).as_posix() for p in PACKAGE.glob("networks/*.py"))],
)
def test_networks_and_losses_import_only_torch(module: str) -> None:
    allowed = {"torch", "collections", "typing", "__future__", "gan_music"}
    if module in COMPILED:
        allowed |= {"numba", "numpy"}
    outside = {i.split(".")[0] for i in imports(PACKAGE / module)}
    assert outside <= allowed
    assert all(i.startswith("gan_music.networks") for i in ours(PACKAGE / module))


def test_nothing_imports_the_commands() -> None:
    commands = {f"gan_music.{c}" for c in COMMANDS}
    for module, path in MODULES.items():
        assert not ours(path) & commands, module


def test_data_flows_one_way() -> None:
    layers = [
        {
            "notes",
            "errors",
            "files",
            "interrupts",
            "stdout",
            "bars",
            "processes",
            "archive",
            "strangers",
            "quotes",
        },
        {
            "io",
            "schema",
            "events",
            "primer",
            "triples",
            "quadruples",
            "metrics",
            "config",
            "run_folder",
        },
        {"data", "networks", "losses", "jobs", "page", "provenance"},
        {"ranking", "sweeps"},
        {"search", "devices", "cli"},
        {"sampling"},
        {"models"},
        {"checkpoints", "callbacks", "precision", "saving", "scalars"},
        {"gallery", "progress", "resuming"},
        {"build"},
        {"finish"},
        {"run"},
        set(COMMANDS),
    ]
    rank = {name: number for number, names in enumerate(layers) for name in names}
    for module, path in MODULES.items():
        here = Path(module).with_suffix("").parts[1]
        if here == "__init__":
            continue
        for other in {i.split(".")[1] for i in ours(path)} - {"__version__"}:
            assert rank[other] <= rank[here], f"{module} imports {other}"


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_light_to_import(command: str) -> None:
    code = f"import sys, gan_music.{command}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "lightning", "music21", "symusic", "numpy"} & set(loaded)
