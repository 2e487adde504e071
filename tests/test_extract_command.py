"""``python -m gan_music.extract``: its table, its files, and Ctrl-C."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import default_signals, run_command, sentence, succeed
from tests.data.test_extraction import many_notes


def group_members(group: int) -> list[int]:
    """Process ids of a process group, from /proc, without zombies."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            members.append(int(stat.parent.name))
    return members


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    for i in range(4):
        (tmp_path / "music" / f"{i}.mid").write_bytes(many_notes(500_000 + i))
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "gan_music.extract", "data=midi", "data.root=music"),
            *("data.cache_dir=kept", "data.n_workers=2", "data.reader=music21"),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=default_signals,
    ) as process:
        deadline = time.monotonic() + 60
        while len(group_members(process.pid)) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        assert len(group_members(process.pid)) == 3
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        output = process.stdout.read()
        assert process.wait() == 130
    assert output == "interrupted; give the same command again\n"
    assert group_members(process.pid) == []


def test_extract_shows_what_was_read_and_fills_the_cache(tmp_path: Path, midi_folder: Path) -> None:
    (tmp_path / "music").mkdir()
    shutil.copytree(midi_folder, tmp_path / "music" / "a")
    (tmp_path / "music" / "page.mid").write_text("<html>")
    music = ("data=midi", "data.root=music", "data.cache_dir=kept")
    first = succeed(run_command("extract", *music, "picture=true", "out=shown", cwd=tmp_path))
    rows = [" ".join(line.split()) for line in first.stdout.splitlines()[:12]]
    assert rows == [
        *("files 17", "refused files 1", "pieces 16", "refused pieces 0", "notes 1,920"),
        *("folders 2", "hours of music 0.2", "median tempo 120"),
        *("grace notes 0", "cue notes 0", "unended notes 0", "drum notes 0"),
    ]
    assert "(page.mid)" in first.stdout.splitlines()[12]
    assert "page.mid" in (tmp_path / "kept" / "rejects.csv").read_text()
    assert (tmp_path / "shown" / "data.png").read_bytes().startswith(b"\x89PNG")
    # the refusal is an entry, too
    assert "(0 of these files were in it; 17 entries" in first.stdout
    assert len(list((tmp_path / "kept").rglob("*.npz"))) == 17
    second = succeed(run_command("extract", *music, cwd=tmp_path))
    assert "(17 of these files were in it; 17 entries" in second.stdout
    assert second.stdout.splitlines()[:13] == first.stdout.splitlines()[:13]
    cleared = succeed(run_command("extract", *music, "clear=true", cwd=tmp_path))
    assert "is empty now (17 entries" in cleared.stdout
    assert not list((tmp_path / "kept").rglob("*.npz"))


def test_the_files_of_plain_commands_lie_in_their_run_dir(
    tmp_path: Path, midi_folder: Path
) -> None:
    music = ("data=midi", f"data.root={midi_folder}", "data.cache_dir=kept", "data.min_notes=121")
    done = run_command("extract", *music, "hydra.run.dir=mine", cwd=tmp_path)
    assert "none of 16 files could be used" in sentence(done)
    assert "walk00.mid" in (tmp_path / "mine" / "rejects.csv").read_text()
    music = (*music[:-1], "data.min_notes=16", "picture=true")
    succeed(run_command("extract", *music, "hydra.run.dir=a/b", cwd=tmp_path))
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir()) == [
        *("data.png", "losses.csv", "rejects.csv")
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "kept", "mine"]
    assert not (tmp_path / "kept" / "rejects.csv").exists()
    short = ("n_pieces=1", "n_notes=4", "out=here", "hydra.run.dir=a")
    done = succeed(run_command("generate", *short, cwd=tmp_path))
    assert done.stdout.startswith("a/here/sample_01.mid (4 notes")
    assert (tmp_path / "a" / "here" / "sample_01.mid").is_file()


def test_extract_shows_why_nothing_was_read(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "page.mid").write_text("<html>")
    music = ("data=midi", "data.root=music", "data.cache_dir=kept")
    done = run_command("extract", *music, cwd=tmp_path)
    assert sentence(done).startswith("error: none of 1 files could be used")
    assert "refused files            1" in done.stdout
    assert len((tmp_path / "kept" / "rejects.csv").read_text().splitlines()) == 2
