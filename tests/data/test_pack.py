"""Packs serve the same batches as the folder that they were made from."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gan_music.data.cache import NoteCache
from gan_music.data.datamodule import MusicDataModule
from gan_music.data.extraction import extract, extract_root
from gan_music.data.pack import open_pack, write_pack
from gan_music.data.sources import find_sources
from gan_music.io.write import write_midi
from gan_music.metrics.sets.originality import longest_matches
from gan_music.music.piece import Losses, Piece, windows
from gan_music.representations.base import Representation
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.note_quadruples import NoteQuadruples
from gan_music.representations.note_triples import NoteTriples
from gan_music.system.errors import UserError
from tests.conftest import make_piece
from tests.data.test_datamodule import make_module

CUT = {"window": 40, "stride": 9, "short": "pad", "time_scales": [0.5, 1.0, 2.0], "jitter": True}


def served(module: MusicDataModule) -> dict[str, object]:
    """All that a run reads from its data module."""
    module.prepare_data()
    module.setup()
    assert module.pieces is not None
    loader = module.train_dataloader()
    return {
        "epochs": [
            (batch.x.tolist(), batch.mask.tolist(), batch.piece.tolist())
            for epoch in range(2)
            if loader.batch_sampler.sampler.set_epoch(epoch) is None  # type: ignore[union-attr]
            for batch in loader
        ],
        "validation": [batch.x.tolist() for batch in module.val_dataloader()],
        "fitted": [(b.x.tolist(), b.piece.tolist()) for b in module.unaugmented_batches()],
        "pieces": [(p.name, p.notes(), p.meters.tolist()) for side in module.pieces for p in side],
        "excerpts": [w.notes() for w in windows(module.pieces.train, 16, 7)],
        "representation": module.representation.state(),
        "tempo": module.median_tempo,
        "described": module.train_set.describe(),
    }


@pytest.mark.parametrize("representation", [NoteEvents, NoteTriples, NoteQuadruples])
def test_a_pack_is_the_folder_it_was_made_of(
    midi_folder: Path, tmp_path: Path, representation: Callable[[int], Representation]
) -> None:
    music = tmp_path / "music"
    shutil.copytree(midi_folder, music)
    write_midi(make_piece(90, 24), music / "short.mid")
    write_midi(
        Piece.from_arrays(np.arange(50) * 30, [5] * 50, np.arange(50) * 2 + 10, grid=24),
        music / "below.mid",
    )
    (music / "page.mid").write_text("<html>")
    cache = NoteCache(tmp_path / "cache", 24, "music21")
    packed = extract(find_sources(music, ""), cache, min_notes=16, pack=tmp_path / "pack")
    read = extract(find_sources(music, ""), cache, min_notes=16)
    assert packed.rejects == read.rejects
    assert packed.table() == read.table()
    of_folder = served(make_module(music, tmp_path / "cache", representation(24), **CUT))
    for _ in range(2):  # the second time from the encoded rows on disk
        module = make_module(tmp_path / "pack", tmp_path / "cache", representation(24), **CUT)
        assert served(module) == of_folder
    assert len(list((tmp_path / "cache" / "encoded").glob("*.npy"))) == 3
    n_entries = cache.size()[0]
    cache.clear()
    assert n_entries > 3
    assert cache.size() == (0, 0)


def test_a_pack_keeps_what_its_files_lost(tmp_path: Path) -> None:
    piece = replace(make_piece(0), losses=Losses(5, 7, 9))
    (again,) = write_pack([piece], tmp_path / "pack", grid=24)
    assert again.losses == (5, 7, 9)


def test_errors_of_packs(tmp_path: Path) -> None:
    pack = tmp_path / "pack"
    write_pack([make_piece(0), make_piece(1)], pack, grid=24)
    with pytest.raises(UserError, match="exists already"):
        write_pack([], pack, grid=24)
    with pytest.raises(UserError, match=r"data\.grid=12"):
        extract_root(pack, "", NoteCache(tmp_path / "cache", 12), min_notes=1)
    with pytest.raises(UserError, match=r"data\.min_notes=500"):
        extract_root(pack, "", NoteCache(tmp_path / "cache", 24), min_notes=500)
    (pack / "notes").write_bytes((pack / "notes").read_bytes()[:-16])
    with pytest.raises(UserError, match="damaged pack"):
        open_pack(pack)


def test_a_failed_pack_leaves_no_files(tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "page.mid").write_text("<html>")
    sources, cache = find_sources(tmp_path / "music", ""), NoteCache(tmp_path / "cache", 24)
    with pytest.raises(UserError, match="none of 1 files"):
        extract(sources, cache, min_notes=1, pack=tmp_path / "pack")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "music"]


def test_a_pack_is_built_by_one_command_at_a_time(tmp_path: Path) -> None:
    folder, leftover = tmp_path / "pack", tmp_path / ".pack.tmp"
    leftover.mkdir()
    (leftover / "notes").write_bytes(b"left by a killed process")

    def pieces() -> Iterator[Piece]:
        yield make_piece(0)
        with pytest.raises(UserError, match="is being written by another command"):
            write_pack([make_piece(2)], folder, grid=24)
        yield make_piece(1)

    pack = write_pack(pieces(), folder, grid=24)
    assert [p.pitch.tolist() for p in pack] == [make_piece(i).pitch.tolist() for i in (0, 1)]
    assert [p.name for p in tmp_path.iterdir()] == ["pack"]


def test_held_out_pieces_are_limited(midi_folder: Path, tmp_path: Path) -> None:
    sides = []
    for most in (2048, 2):
        module = make_module(midi_folder, tmp_path, max_held_out=most, val_rate=0.4)
        module.prepare_data()
        module.setup()
        assert module.pieces is not None
        sides.append([[p.name for p in side] for side in module.pieces])
    (train, val, test), few = sides
    assert few[0] == train
    assert len(val) > 2
    assert [len(side) for side in few[1:]] == [2, min(2, len(test))]
    assert set(few[1]) < set(val)


def test_copies_are_found_in_blocks_of_pieces() -> None:
    training = [make_piece(seed, 60) for seed in range(9)]
    ours = [make_piece(3, 40), make_piece(50, 40), training[7].cut(20, 50)]
    at_once = longest_matches(ours, training)
    assert max(at_once[2]) == 29
    for n in (1, 100, 300):
        in_parts = longest_matches(ours, training, batch_notes=n)
        assert [m.tolist() for m in in_parts] == [m.tolist() for m in at_once]
