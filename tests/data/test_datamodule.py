"""The data module: what a run is served."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gan_music.data.batch import Batch
from gan_music.data.datamodule import MusicDataModule
from gan_music.data.samplers import DistributedBatchSampler
from gan_music.representations.base import Representation
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.note_quadruples import NoteQuadruples
from gan_music.representations.note_triples import NoteTriples
from gan_music.system.errors import UserError

REPRESENTATIONS = (NoteEvents(24), NoteTriples(24), NoteQuadruples(24))


def make_module(
    root: Path, cache: Path, representation: Representation | None = None, **changes: object
) -> MusicDataModule:
    settings = {
        "root": root,
        "query": "",
        "cache_dir": cache,
        "reader": "music21",
        "window": 16,
        "stride": 8,
        "batch_size": 4,
        "val_rate": 0.2,
        "test_rate": 0.2,
        "transpose": 2,
        "time_scales": [1.0],
        "jitter": False,
        "short": "refuse",
        "movement": None,
        "min_notes": 16,
        "n_workers": 1,
        "timeout_s": 120,
        "memory_mb": 2048,
        "max_held_out": 2048,
        "on_device": None,
        "seed": 0,
    } | changes
    return MusicDataModule(representation or NoteEvents(24), **settings)  # type: ignore[arg-type]


def test_the_module_serves_windows_of_training_pieces(midi_folder: Path, tmp_path: Path) -> None:
    module = make_module(midi_folder, tmp_path, transpose=0)
    module.prepare_data()
    module.setup()
    assert module.pieces is not None
    n = sum(-((len(p) - 16) // -8) + 1 for p in module.pieces.train)
    batches = list(module.train_dataloader())
    assert [len(b.x) for b in batches] == [4] * (n // 4) + [n % 4] * (n % 4 > 0)
    assert all(b.x.shape[1:] == (16, 5) for b in batches)
    pitch = [p.pitch.tolist() for p in module.pieces.train]
    for x, _, _, pieces in batches:
        for window, piece in zip((x[..., 1] + 21).tolist(), pieces.tolist(), strict=True):
            assert window in [pitch[piece][i : i + 16] for i in range(len(pitch[piece]))]
    assert sum(len(b.x) for b in module.val_dataloader()) == len(module.val_set)


@pytest.mark.parametrize(
    ("representation", "short", "words"),
    [(NoteEvents, "refuse", ""), (NoteQuadruples, "pad", r".*smaller window\.$")],
)
def test_a_window_longer_than_any_piece(
    midi_folder: Path, tmp_path: Path, representation: type[Representation], short: str, words: str
) -> None:
    module = make_module(midi_folder, tmp_path, representation(24), window=5000, short=short)
    module.prepare_data()
    with pytest.raises(UserError, match=r"data\.window=5000" + words):
        module.setup()


def test_quadruples_are_standardised(midi_folder: Path, tmp_path: Path) -> None:
    module = make_module(midi_folder, tmp_path, NoteQuadruples(24), transpose=0)
    module.prepare_data()
    module.setup()
    batches = torch.cat([b.x for b in module.train_dataloader()])
    assert batches.shape[1:] == (16, 4)
    mean, deviation = batches.mean((0, 1)), batches.std((0, 1))
    assert mean.tolist() == pytest.approx([0] * 4, abs=0.1)
    assert deviation[[0, 1, 3]].tolist() == pytest.approx([1] * 3, abs=0.1)


@pytest.mark.parametrize("representation", REPRESENTATIONS, ids=lambda r: r.name)
def test_every_representation_is_cut_on_a_device(
    midi_folder: Path, tmp_path: Path, representation: Representation
) -> None:
    kept: list[list[Batch]] = []
    for on_device in (None, True):
        module = make_module(midi_folder, tmp_path, representation, on_device=on_device)
        module.trainer = SimpleNamespace(  # type: ignore[assignment]
            global_rank=0, world_size=1, strategy=SimpleNamespace(root_device=torch.device("cpu"))
        )
        module.prepare_data()
        module.setup()
        loader = module.train_dataloader()
        assert isinstance(loader.batch_sampler, DistributedBatchSampler)
        assert (loader.batch_sampler.device is not None) == bool(on_device)
        kept.append(list(loader))
    for ours, theirs in zip(*kept, strict=True):
        assert torch.equal(ours.x, theirs.x)
        assert torch.equal(ours.piece, theirs.piece)


def test_a_batch_counts_windows_or_notes(midi_folder: Path, tmp_path: Path) -> None:
    units = []
    for representation in REPRESENTATIONS:
        module = make_module(midi_folder, tmp_path, representation)
        module.prepare_data()
        module.setup()
        units.append(module.unit)
    assert units == ["windows", "notes", "windows"]
