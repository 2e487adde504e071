from __future__ import annotations

import os
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gan_music.io import limits
from gan_music.io.read import ReadError, read
from gan_music.music.piece import Piece
from tests.io import scores

BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE score-partwise [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "&{a};&{a};&{a};&{a};">' for a, b in zip("abcd", "bcde", strict=True))
    + "]>\n<score-partwise><part-list>&e;</part-list></score-partwise>"
)


def archive(path: Path, *members: tuple[str, bytes | str], method: int = zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def test_a_path_that_is_no_regular_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder.mid").mkdir()
    os.mkfifo(tmp_path / "pipe.mid")
    (tmp_path / "empty.mid").touch()
    (tmp_path / "a.mid").symlink_to(tmp_path / "b.mid")
    (tmp_path / "b.mid").symlink_to(tmp_path / "a.mid")
    (tmp_path / "device.mid").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # a socket's path may have 108 bytes
        server.bind("socket.mid")
    for name, reason in (
        ("folder", "is a folder, not a file"),
        ("pipe", "is a pipe, a socket or a device, not a file"),
        ("socket", "is a pipe, a socket or a device, not a file"),
        ("device", "is a pipe, a socket or a device, not a file"),
        ("empty", "is empty"),
        ("a", "cannot be opened: Too many levels of symbolic links"),
        ("missing", "cannot be opened: No such file"),
    ):
        with pytest.raises(ReadError, match=f"^{reason}"):
            read(tmp_path / f"{name}.mid")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    with path.open("wb") as file:
        file.truncate(64 * 2**20)
    limits.check_file(path)
    with path.open("ab") as file:
        file.write(b".")
    with pytest.raises(ReadError, match="is larger than 64 MB"):
        read(path)


def test_an_archive_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.mxl", *((f"{i}.xml", bytes(2**20)) for i in range(65)))
    assert path.stat().st_size < 200_000
    with pytest.raises(ReadError, match="unpacks to more than 64 MB"):
        read(path)


def test_an_archive_with_a_wrong_size(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.mxl", ("a.xml", scores.MUSICXML + " " * 10_000_000))
    size = (len(scores.MUSICXML) + 10_000_000).to_bytes(4, "little")
    content = path.read_bytes()
    assert content.count(size) == 2  # in the local header and in the central directory
    path.write_bytes(content.replace(size, len(scores.MUSICXML).to_bytes(4, "little")))
    with pytest.raises(ReadError, match="archive is damaged"):
        read(path)


def test_an_archive_compressed_by_another_method(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.mxl", ("a.xml", scores.MUSICXML), method=zipfile.ZIP_LZMA)
    with pytest.raises(ReadError, match="another method than deflate"):
        read(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("suffix", [".xml", ".musicxml", ".mxl"])
def test_entities(tmp_path: Path, suffix: str, encoding: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(BILLION_LAUGHS.encode(encoding))
    with pytest.raises(ReadError, match=r"^declares XML entities$"):
        read(path)
    path = archive(tmp_path / "b.mxl", ("a.xml", BILLION_LAUGHS.encode(encoding)))
    with pytest.raises(ReadError, match=r"^declares XML entities$"):
        read(path)


def test_external_entities_are_not_loaded(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("C")
    path = tmp_path / "a.xml"
    path.write_text(
        scores.MUSICXML.replace(
            "<score-partwise", '<!DOCTYPE s [<!ENTITY x SYSTEM "secret">]><score-partwise', 1
        ).replace("<step>C<", "<step>&x;<", 1)
    )
    with pytest.raises(ReadError, match=r"^declares XML entities$"):
        read(path)


def test_a_doctype_without_entities_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    doctype = (
        '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
        '"http://www.musicxml.org/dtds/partwise.dtd"><score-partwise'
    )
    path.write_text(scores.MUSICXML.replace("<score-partwise", doctype, 1))
    assert sorted(read(path)[0].notes()) == sorted(scores.MUSICXML_NOTES)


def test_xml_with_the_suffix_of_an_archive_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mxl"
    path.write_text(scores.MUSICXML)
    assert sorted(read(path)[0].notes()) == sorted(scores.MUSICXML_NOTES)


def test_the_longest_piece() -> None:
    def piece(end: int) -> Piece:
        return Piece.from_arrays([0, end - 1], [1, 1], [60, 60], grid=12)

    limits.check_pieces([piece(1_200_000)])
    with pytest.raises(ReadError, match="longer than 100,000 quarter notes"):
        limits.check_pieces([piece(1_200_001)])


def test_many_notes_at_one_onset(tmp_path: Path) -> None:
    n = 20_000
    on = b"".join(b"\x00\x90" + bytes([i % 128, 64]) for i in range(n))
    off = b"\x60" + b"\x00".join(b"\x80" + bytes([i % 128, 64]) for i in range(n))
    path = tmp_path / "a.mid"
    path.write_bytes(scores.midi_bytes(on + off + scores.END, ticks=96))
    (piece,) = read(path)
    assert len(piece) == n
    assert set(piece.onset.tolist()) == {0}
    assert np.bincount(piece.pitch).tolist() == [157] * 32 + [156] * 96
