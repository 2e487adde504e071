"""The notebook: kept without outputs, and run from its first cell to its last by a real kernel."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.io.rendering.sound import sound_available
from gan_music.system.errors import UserError
from tests.conftest import TINY, make_piece

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "walk.ipynb"


def cell(notebook: Any, name: str) -> Any:
    (found,) = (c for c in notebook.cells if c.id == name)
    return found


def text(of: Any) -> str:
    """What a cell has printed."""
    return "".join(o.text for o in of.outputs if o.output_type == "stream")


def shown(of: Any, kind: str) -> list[str]:
    """What a cell displays, of one MIME type."""
    return [o.data[kind] for o in of.outputs if kind in o.get("data", {})]


def test_it_is_kept_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert NOTEBOOK.stat().st_size < 20_000
    for one in notebook.cells:
        if one.cell_type == "code":
            assert (one.outputs, one.execution_count) == ([], None), one.id
    assert notebook.metadata.kernelspec.name == "python3"  # whatever Python Jupyter runs with


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, midi_folder: Path) -> tuple[Any, Path]:
    """The notebook after its last cell, on the small folder, and the folder of its run.

    Its parameters are set as papermill does it: by a cell after the one that is tagged for them.
    """
    root = tmp_path_factory.mktemp("notebook")
    (root / "notebooks").mkdir()
    shutil.copy(NOTEBOOK, root / "notebooks")
    notebook = nbformat.read(root / "notebooks" / NOTEBOOK.name, as_version=4)
    (parameters,) = (
        i for i, c in enumerate(notebook.cells) if "parameters" in c.metadata.get("tags", ())
    )
    tiny = (
        f"MIDI = {str(midi_folder)!r}\nSETTINGS = {[*TINY, 'samples.n_sounds=0', 'report=true']!r}"
    )
    notebook.cells.insert(parameters + 1, nbformat.v4.new_code_cell(tiny))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        patch.setenv("OMP_NUM_THREADS", "1")
        for variable in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR"):
            patch.setenv(variable, str(root / variable.lower()))
        NotebookClient(
            notebook, timeout=120, resources={"metadata": {"path": str(root / "notebooks")}}
        ).execute()
    (run,) = (root / "outputs" / "notebook").iterdir()
    return notebook, run


def test_it_runs_to_its_end(ran: tuple[Any, Path]) -> None:
    notebook, run = ran
    assert all(c.execution_count for c in notebook.cells if c.cell_type == "code")
    read = text(cell(notebook, "read")).splitlines()
    assert ["pieces", "16"] in [line.split() for line in read]
    sides = [int(line.split()[1]) for line in read[-3:]]
    assert [line.split()[0] for line in read[-3:]] == ["train", "val", "test"]
    assert sum(sides) == 16
    # the run is the command's, with the same split
    said = text(cell(notebook, "train"))
    assert f"on {sides[0]} pieces for 2 epochs" in said
    assert len(re.findall(r"epoch [12]/2\b", said)) == 2
    assert json.loads((run / "status.json").read_text())["status"] == "done"
    figures = json.loads((run / "metrics.json").read_text())
    table = text(cell(notebook, "quality")).splitlines()
    in_scale = figures["figures"]["pitch"]["scale_consistency"]["generated"]
    (row,) = (line for line in table if line.startswith("Notes in the best-fitting scale"))
    assert float(row[52:76].split()[0]) == pytest.approx(in_scale, abs=0.001)
    assert table[-1] == f"verdict: {figures['verdict']}"


def test_it_shows_and_plays(ran: tuple[Any, Path]) -> None:
    notebook, run = ran
    # cell, pictures, pieces to hear
    for name, n_pictures, n_pieces in (
        ("overview", 1, 0),
        ("listen", 1, 2),
        ("curves-drawn", 1, 0),
        ("samples-shown", 1, 2 + 2),  # as many samples as the small run writes
        ("continued", 1, 3),
        ("temperature", 1, 3),
    ):
        one = cell(notebook, name)
        assert len(shown(one, "image/png")) == n_pictures, name
        players = [p for p in shown(one, "text/html") if "<audio" in p]
        assert len(players) == (n_pieces if sound_available() else 0), name
        assert all('src="data:audio/mpeg;base64,' in p for p in players), name
    titles = text(cell(notebook, "temperature")).splitlines()
    if sound_available():
        assert titles == ["temperature 0.6", "temperature 1.0", "temperature 1.4"]
    (link,) = shown(cell(notebook, "page"), "text/html")
    assert f"{run.name}/report.html" in link
    assert (run / "report.html").is_file()


def test_it_exports_and_writes_music(ran: tuple[Any, Path]) -> None:
    _, run = ran
    assert load_checkpoint(run / "shared.ckpt").sampler_only
    written = sorted(p.name for p in (run / "music").iterdir())
    assert written == [f"sample_{n:02d}.mid" for n in range(1, 6)]


@pytest.fixture
def tools() -> dict[str, Any]:
    """What the notebook's own functions are, without a kernel."""
    names: dict[str, Any] = {}
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for name in ("parameters", "tools"):
        exec(cell(notebook, name).source, names)
    return names


def test_without_the_extra_one_sentence(
    tools: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    displayed: list[Any] = []
    tools |= {"sound_of": lambda piece: None, "display": displayed.append}
    tools["show"]([("one", make_piece(0)), ("two", make_piece(1))])
    assert len(displayed) == 1  # the rolls
    assert capsys.readouterr().out == (
        "To hear them: pip install 'gan_music[audio]', and restart the kernel.\n"
    )


def test_a_command_that_fails_stops_it(
    tools: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match=r"^python -m gan_music\.train failed: "):
        tools["command"]("train", "data.widow=3")
    assert capsys.readouterr().out.splitlines()[-1].startswith("error: the key data.widow")
