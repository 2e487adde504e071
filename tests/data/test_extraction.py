"""Extraction from folders of damaged, unreadable and huge files."""

from __future__ import annotations

import csv
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from gan_music.data.cache import NoteCache
from gan_music.data.extraction import Extraction, NothingReadError, extract
from gan_music.data.sources import find_sources
from gan_music.io.write import write_midi
from gan_music.system.errors import UserError
from tests.conftest import make_piece, run_python, succeed
from tests.io import scores


def run(root: Path, cache: Path | None = None, **options: float) -> Extraction:
    """Extract a folder with one process; each source gives pieces or a reason."""
    sources = find_sources(root, "")
    with tempfile.TemporaryDirectory() as folder:
        result = extract(
            sources,
            NoteCache(cache or Path(folder), 24, "music21"),
            min_notes=1,
            n_workers=1,
            **options,  # type: ignore[arg-type]
        )
    assert {p.name for p in result.pieces} | result.rejects.keys() == {s.name for s in sources}
    return result


def many_notes(n: int) -> bytes:
    """A sequence of notes; music21 reads 10,000 to 20,000 of them a second."""
    pairs = (b"\x00\x90" + bytes([i % 128, 64, 16, 0x80, i % 128, 0]) for i in range(n))
    return scores.midi_bytes(b"".join(pairs) + scores.END)


def test_a_folder_of_everything(tmp_path: Path) -> None:
    root = tmp_path / "music"
    (root / "folder.mid").mkdir(parents=True)
    printed = {
        "a.mid": "a.mid",
        "folder.mid/inside.mid": "folder.mid/inside.mid",
        "comma, \"quotes\" and 'more'.mid": "comma, \"quotes\" and 'more'.mid",
        "two\nlines.mid": r"two\nlines.mid",
        "\x1b[31mred.mid": r"\x1b[31mred.mid",
        "ünïcödé 音楽.mid": "ünïcödé 音楽.mid",
        "back\\slash.MID": r"back\\slash.MID",
    }
    for name in printed:
        write_midi(make_piece(0), root / name)
    bad = os.fsencode(root) + b"/caf\xe9"
    shutil.copy(root / "a.mid", bad + b".mid")
    with open(bad + b"2.mid", "wb") as file:
        file.write(b"<html>")
    (root / "html\n.mid").write_text("<html>")
    (root / "empty.mid").touch()
    (root / "text.xml").write_text("no XML")
    (root / "unknown.txt").write_text("not looked at")
    os.mkfifo(root / "pipe.mid")
    (root / "zero.mid").symlink_to("/dev/zero")
    (root / "here.mid").symlink_to(root / "there.mid")
    (root / "there.mid").symlink_to(root / "here.mid")
    (root / "gone.mid").symlink_to(root / "nowhere.mid")
    result = run(root)
    assert {p.name for p in result.pieces} == {*printed.values(), r"caf\udce9.mid"}
    assert result.rejects["empty.mid"] == "is empty"
    assert result.rejects["pipe.mid"] == "is a pipe, a socket or a device, not a file"
    assert result.rejects["here.mid"] == "cannot be opened: Too many levels of symbolic links"
    assert result.rejects["gone.mid"] == "cannot be opened: No such file or directory"
    assert "no MIDI file" in result.rejects[r"caf\udce92.mid"]

    result.write_rejects(tmp_path / "rejects.csv")
    text = (tmp_path / "rejects.csv").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 1 + len(result.rejects) == 10
    header, *rows = csv.reader(text.splitlines())
    assert header == ["file", "reason"]
    assert dict(rows) == result.rejects  # type: ignore[arg-type]
    result.summary().encode()
    result.table().encode()


_NOTES = "CDEF|GABc|" * 3
BOOK = f"""X:1
K:C
{_NOTES}

X:2
K:C
{_NOTES}C 3A2 c|

X:3
K:C
{{CD}}{_NOTES}

X:4
K:C
C|
"""


def test_files_and_pieces_that_are_read_and_refused_add_up(tmp_path: Path) -> None:
    music = tmp_path / "music"
    music.mkdir()
    (music / "book.abc").write_text(BOOK)
    (music / "misprints.abc").write_text(BOOK.replace("CDEF", "C 3DEF"))
    (music / "one.krn").write_text("**kern\n" + "4c\n" * 20 + "qd\n4d\n*-\n")
    (music / "page.mid").write_text("<html>")
    for _ in range(2):  # read, and from the cache
        found = extract(
            find_sources(music, ""), NoteCache(tmp_path / "cache", 24), min_notes=20, n_workers=1
        )
        assert [p.name for p in found.pieces] == ["book.abc#1", "book.abc#3", "one.krn"]
        assert [p.losses for p in found.pieces] == [(0, 0, 0), (2, 0, 0), (1, 0, 0)]
        assert list(found.rejects) == ["book.abc#2", "book.abc#4", "misprints.abc", "page.mid"]
        assert "3A" in found.rejects["book.abc#2"]
        assert found.rejects["book.abc#4"] == "fewer notes with a pitch than data.min_notes=20"
        assert found.rejects["misprints.abc"].startswith("tune 1 (X:1)")
        table = found.table().splitlines()
        assert table[:4] == [
            *("files                    4", "refused files            2"),
            *("pieces                   3", "refused pieces           2"),
        ]
        assert "grace notes              3" in table
        assert "2 files refused, and 2 pieces of other files" in found.summary()
    found.write_losses(tmp_path / "losses.csv")
    assert (tmp_path / "losses.csv").read_text().splitlines() == [
        "piece,grace_notes,cue_notes,unended_notes,drum_notes",
        "book.abc#3,2,0,0,0",
        "one.krn,1,0,0,0",
    ]


def test_a_file_that_takes_too_long(tmp_path: Path) -> None:
    root, cache = tmp_path / "music", tmp_path / "cache"
    root.mkdir()
    write_midi(make_piece(0), root / "a.mid")
    (root / "b.mid").write_bytes(many_notes(400_000))
    write_midi(make_piece(1), root / "c.mid")
    result = run(root, cache, timeout_s=4)
    assert [p.name for p in result.pieces] == ["a.mid", "c.mid"]
    assert result.rejects == {"b.mid": "takes longer to read than data.timeout_s=4"}
    # a timeout is not cached
    assert len(list(cache.rglob("*.npz"))) == 2
    assert not list(cache.rglob("*.tmp"))


def test_a_file_that_takes_too_much_memory(tmp_path: Path) -> None:
    write_midi(make_piece(0), tmp_path / "a.mid")
    text = b"\x00\xff\x01" + bytes.fromhex("8f808000") + bytes(30 * 2**20)
    (tmp_path / "b.mid").write_bytes(scores.midi_bytes(text + scores.END))
    write_midi(make_piece(1), tmp_path / "c.mid")
    result = run(tmp_path, memory_mb=128)
    assert [p.name for p in result.pieces] == ["a.mid", "c.mid"]
    assert result.rejects == {"b.mid": "takes more memory than data.memory_mb=128"}


def test_nothing_is_left(tmp_path: Path) -> None:
    for i in range(7):
        (tmp_path / f"{i}.mid").write_text(f"<html>{i * 1000}")
    with pytest.raises(NothingReadError, match=r"none of 7 files.*\(7, for instance 0\.mid\)") as e:
        run(tmp_path)
    assert len(e.value.extraction.rejects) == 7


def without_privileges(folder: Path, code: str) -> str:
    """The output of Python code, run subject to file permissions.

    As root, the process first drops the capabilities to override them.
    """
    prelude = (
        "import ctypes, os, sys\n"
        "for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH\n"
        "    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP\n"
        "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])\n"
    )
    imports = (
        "from pathlib import Path\n"
        "from gan_music.data.cache import NoteCache\n"
        "from gan_music.data.extraction import extract\n"
        "from gan_music.data.sources import find_sources\n"
    )
    first = prelude if os.geteuid() == 0 else imports + code
    return succeed(run_python("-c", first, imports + code, cwd=folder)).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux where root runs it")
def test_what_cannot_be_opened(tmp_path: Path) -> None:
    music = tmp_path / "music"
    for name in ("a.mid", "b.mid", "closed/c.mid", "unlisted/d.mid"):
        (music / name).parent.mkdir(parents=True, exist_ok=True)
        write_midi(make_piece(0), music / name)
    (music / "b.mid").chmod(0)
    (music / "closed").chmod(0o400)  # can be listed, but not entered
    (music / "unlisted").chmod(0)
    out = without_privileges(
        tmp_path,
        "r = extract(find_sources(Path('music'), ''), NoteCache(Path('cache'), 24), min_notes=1)\n"
        "print([p.name for p in r.pieces], *sorted(r.rejects.items()), sep='\\n')",
    )
    for name in ("closed", "unlisted"):
        (music / name).chmod(0o700)
    assert out.splitlines() == [
        "['a.mid']",
        "('b.mid', 'cannot be opened: Permission denied')",
        "('closed/c.mid', 'cannot be opened: Permission denied')",
        "('unlisted', 'a folder that cannot be listed: Permission denied')",
    ]


def test_a_cache_below_a_file(tmp_path: Path, midi_folder: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"^data\.cache_dir=.* cannot be written"):
        run(midi_folder, tmp_path / "file")


def test_a_broken_file_is_refused_by_name_and_the_rest_is_read(tmp_path: Path) -> None:
    for seed in range(3):
        write_midi(make_piece(seed), tmp_path / f"{seed}.mid")
    (tmp_path / "page.mid").write_text("<html>")
    write_midi(make_piece(9, n_notes=8), tmp_path / "short.mid")
    result = extract(
        find_sources(tmp_path, ""), NoteCache(tmp_path / "c", 24), min_notes=20, n_workers=2
    )
    assert [p.name for p in result.pieces] == ["0.mid", "1.mid", "2.mid"]
    assert set(result.rejects) == {"page.mid", "short.mid"}
    assert "min_notes=20" in result.rejects["short.mid"]
    assert "page.mid" in result.summary()
