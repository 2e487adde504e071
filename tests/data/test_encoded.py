"""The encoded rows of a pack on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gan_music.data.encoded import encoded
from gan_music.data.pack import write_pack
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.note_quadruples import NoteQuadruples
from gan_music.representations.note_triples import NoteTriples
from tests.conftest import make_piece


def test_a_damaged_file_is_written_again(tmp_path: Path) -> None:
    pack = write_pack([make_piece(0), make_piece(1)], tmp_path / "pack", grid=24)
    events, folder = NoteEvents(24), tmp_path / "encoded"
    ids = encoded(pack, events, 1.0, folder)[0].tolist()
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    np.save(tmp_path / "other.npy", np.zeros((3, 5), np.int16))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    np.savez(tmp_path / "many.npz", a=np.zeros(1))
    others = [(tmp_path / n).read_bytes() for n in ("other.npy", "objects.npy", "many.npz")]
    for damaged in (whole[:-10], whole[:20], b"", b"<html>", *others):
        path.unlink()  # it is still mapped
        path.write_bytes(damaged)
        assert encoded(pack, events, 1.0, folder)[0].tolist() == ids
        assert path.read_bytes() == whole


def test_fitting_encodes_nothing_again(tmp_path: Path) -> None:
    pack = write_pack([make_piece(0), make_piece(1)], tmp_path / "pack", grid=24)
    for number, representation in enumerate((NoteEvents(24), NoteTriples(24), NoteQuadruples(24))):
        encoded(pack, representation, 1.0, tmp_path / "encoded")
        representation.fit(pack)
        encoded(pack, representation, 1.0, tmp_path / "encoded")
        assert len(list((tmp_path / "encoded").iterdir())) == number + 1
