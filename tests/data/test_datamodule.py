from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from gan_music.config.validate import conf_dir
from gan_music.data.cache import NoteCache, default_cache_dir
from gan_music.data.datamodule import Codec, MusicDataModule
from gan_music.data.datasets import Item, ToneDataset, WindowDataset, WindowSampler
from gan_music.data.extract import extract
from gan_music.data.sources import find_sources
from gan_music.data.split import split_pieces, work_of
from gan_music.io.write import write_midi
from gan_music.music.piece import Piece
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.note_quadruples import NoteQuadruples
from gan_music.system.errors import UserError
from tests.conftest import make_piece

codec = NoteEvents(24)


def test_sources_are_found_below_and_named_by_their_path(midi_folder: Path) -> None:
    names = [s.name for s in find_sources(midi_folder, "")]
    assert len(names) == 16
    assert {"below/walk00.mid", "walk01.mid"} <= set(names)


def test_the_corpus_has_about_400_chorales() -> None:
    sources = find_sources(None, "bach")
    assert 380 < len(sources) < 450
    assert all(s.name.startswith("bach/") for s in sources)


def test_sources_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        find_sources(tmp_path / "missing", "")
    (tmp_path / "notes.txt").write_text("no music")
    with pytest.raises(UserError, match="holds no music"):
        find_sources(tmp_path, "")
    with pytest.raises(UserError, match="is a file"):
        find_sources(tmp_path / "notes.txt", "")
    with pytest.raises(UserError, match="nobody"):
        find_sources(None, "nobody")


def test_links_to_folders_in_a_loop_end(tmp_path: Path) -> None:
    write_midi(make_piece(0), tmp_path / "a.mid")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert [s.name for s in find_sources(tmp_path, "")] == ["a.mid"]


def test_the_cache_gives_back_what_it_was_given(tmp_path: Path) -> None:
    cache = NoteCache(tmp_path / "cache", 24)
    pieces = [make_piece(0), make_piece(1)]
    assert cache.load("ab" * 32, "x") is None
    cache.store("ab" * 32, pieces)
    again = cache.load("ab" * 32, "x")
    assert again is not None
    assert [p.notes() for p in again] == [p.notes() for p in pieces]
    assert [p.name for p in again] == ["x#1", "x#2"]
    assert again[0].tempo == pieces[0].tempo
    assert [f.suffix for f in (tmp_path / "cache" / "ab").iterdir()] == [".npz"]


def test_the_key_follows_bytes_and_grid(tmp_path: Path) -> None:
    path = tmp_path / "a.mid"
    path.write_bytes(b"one")
    key = NoteCache(tmp_path, 24).key(path)
    assert NoteCache(tmp_path, 12).key(path) != key
    path.write_bytes(b"two")
    assert NoteCache(tmp_path, 24).key(path) != key


def test_a_refusal_is_remembered(tmp_path: Path, midi_folder: Path) -> None:
    (tmp_path / "page.mid").write_text("<html>")
    write_midi(make_piece(0), tmp_path / "a.mid")
    cache = NoteCache(tmp_path / "c", 24)
    first, second = (
        extract(find_sources(tmp_path, ""), cache, min_notes=1, n_workers=1) for _ in range(2)
    )
    assert (first.n_cached, second.n_cached) == (0, 2)
    assert first.rejects == second.rejects
    assert list(first.rejects) == ["page.mid"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"not an archive at all"])
def test_a_damaged_entry_is_read_anew(tmp_path: Path, midi_folder: Path, damage: bytes) -> None:
    cache = NoteCache(tmp_path, 24)
    sources = find_sources(midi_folder, "")[:3]
    first = extract(sources, cache, min_notes=1, n_workers=1)
    entry = next(tmp_path.rglob("*.npz"))
    entry.write_bytes(damage)
    second = extract(sources, cache, min_notes=1, n_workers=1)
    assert (first.n_cached, second.n_cached) == (0, 2)
    assert [p.notes() for p in first.pieces] == [p.notes() for p in second.pieces]
    assert entry.stat().st_size > 100


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
    result.write_rejects(tmp_path / "rejects.csv")
    assert (tmp_path / "rejects.csv").read_text().splitlines()[0] == "file,reason"
    assert "page.mid" in result.summary()


def test_only_broken_files(tmp_path: Path) -> None:
    (tmp_path / "page.mid").write_text("<html>")
    with pytest.raises(UserError, match=r"page\.mid"):
        extract(find_sources(tmp_path, ""), NoteCache(tmp_path / "c", 24), min_notes=1)


def pieces_named(names: list[str]) -> list[Piece]:
    return [Piece.from_arrays([0], [1], [60], grid=24, name=n) for n in names]


def test_split_holds_every_piece_once_and_its_shares() -> None:
    names = [f"{i}.mid" for i in range(1000)]
    split = split_pieces(pieces_named(names), val_rate=0.1, test_rate=0.2)
    assert sorted(p.name for side in split for p in side) == sorted(names)
    assert 60 < len(split.val) < 140
    assert 150 < len(split.test) < 250


def test_further_files_move_no_piece() -> None:
    names = [f"{i}.mid" for i in range(300)]
    few = split_pieces(pieces_named(names[:200]), val_rate=0.1, test_rate=0.1)
    many = split_pieces(pieces_named(names), val_rate=0.1, test_rate=0.1)
    for a, b in zip(few, many, strict=True):
        assert {p.name for p in a} <= {p.name for p in b}


@pytest.mark.parametrize("n", [3, 4, 7])
@pytest.mark.parametrize("rate", [0.001, 0.1, 0.9])
def test_every_side_gets_a_piece(n: int, rate: float) -> None:
    split = split_pieces(pieces_named([f"{i}" for i in range(n)]), val_rate=rate, test_rate=rate)
    assert min(map(len, split)) >= 1
    assert len({p.name for side in split for p in side}) == sum(map(len, split)) == n


def test_a_rate_of_0_holds_nothing_out() -> None:
    pieces = pieces_named([f"{i}" for i in range(40)])
    split = split_pieces(pieces, val_rate=0, test_rate=0)
    assert {p.name for p in split.train} == {p.name for p in pieces}
    assert split.val == split.test == split.train
    split = split_pieces(pieces, val_rate=0, test_rate=0.2)
    assert split.val == split.train
    assert not {p.name for p in split.train} & {p.name for p in split.test}
    assert len(split.train) + len(split.test) == 40


@pytest.fixture(scope="module")
def movement() -> str:
    """The rule that comes with the package."""
    rule: str = OmegaConf.load(conf_dir() / "data" / "base.yaml").movement
    return rule


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("haydn_8_4.mid", "haydn_8"),
        ("pathetique_1.mid", "pathetique"),
        ("clementi_opus36_5_2.MID", "clementi_opus36_5"),
        ("bach/bwv66.6.mxl", "bach/bwv66"),
        ("haydn/opus74no1/movement3.mxl", "haydn/opus74no1"),
        ("Mozart K331 - mvt 2.mid", "Mozart K331 -"),
        ("sonata-iii.mid", "sonata"),
        ("bach/bwv269.mxl", "bach/bwv269"),
        ("bach_847.mid", "bach_847"),
        ("song_012.mid", "song_012"),
        ("walk07.mid", "walk07"),
        ("elise.mid", "elise"),
        ("book.abc#2", "book.abc#2"),
    ],
)
def test_the_work_of_a_name(name: str, work: str, movement: str) -> None:
    assert work_of(name, movement) == work


def test_movements_fall_on_one_side(movement: str) -> None:
    names = [f"op{i}_{m}.mid" for i in range(200) for m in range(1, 5)]
    split = split_pieces(pieces_named(names), val_rate=0.2, test_rate=0.2, movement=movement)
    works = [{work_of(p.name, movement) for p in side} for side in split]
    assert sum(map(len, works)) == len(set.union(*works)) == 200
    assert sum(map(len, split)) == 800
    assert min(map(len, works)) > 20


def test_movements_of_one_work_are_split_all_the_same(movement: str) -> None:
    names = [f"sonata_{i}.mid" for i in range(1, 5)]
    split = split_pieces(pieces_named(names), val_rate=0.1, test_rate=0.1, movement=movement)
    assert [len(side) for side in split] == [2, 1, 1]


def test_two_pieces_are_too_few() -> None:
    with pytest.raises(UserError, match="at least 3"):
        split_pieces(pieces_named(["a", "b"]), val_rate=0.1, test_rate=0.1)


def test_windows_begin_on_the_clock_of_their_beat() -> None:
    piece = Piece.from_arrays(np.arange(6) * 18, [6] * 6, np.arange(60, 66), grid=24)
    data = WindowDataset([piece, piece], codec, length=4, stride=2)
    assert len(data) == 4
    batch = data.__getitems__([(1, 0), (0, 0), (2, 0)])
    assert batch.shape == (3, 4, 5)
    assert batch[0, :, 3].tolist() == [36, 54, 72, 90]
    # note 2 lies at step 36, that is 12 after a beat
    assert batch[0, :, 0].tolist() == [12, 18, 18, 18]
    assert (batch[0, :, 1] + 21).tolist() == [62, 63, 64, 65]
    assert torch.equal(batch[1], batch[2])


def test_a_transposition_stays_on_the_keyboard() -> None:
    piece = Piece.from_arrays([0, 24], [6, 6], [105, 60], grid=24)
    data = WindowDataset([piece], codec, length=2, stride=1)
    assert (data[0, 5][:, 1] + 21).tolist() == [108, 63]
    assert (data[0, -5][:, 1] + 21).tolist() == [100, 55]
    assert (data[0, 0][:, 1] + 21).tolist() == [105, 60]


def test_the_last_note_of_a_piece_is_seen() -> None:
    piece = Piece.from_arrays(np.arange(9) * 24, [6] * 9, np.arange(60, 69), grid=24)
    data = WindowDataset([piece], codec, length=4, stride=4)
    assert [(data[i,][:, 1] + 21).tolist() for i in range(len(data))] == [
        [60, 61, 62, 63],
        [64, 65, 66, 67],
        [65, 66, 67, 68],
    ]


def test_short_pieces_are_padded_if_asked_for() -> None:
    short = Piece.from_arrays([0, 24], [6, 6], [100, 60], grid=24)
    data = WindowDataset([short, make_piece(0)], codec, length=5, stride=5, pad_short=True)
    window = data[0, 12]
    assert (window[:, 1] + 21).tolist() == [108, 68, 20, 20, 20]
    assert (window[2:] == -1).all()
    assert (data[1,] >= 0).all()
    assert len(WindowDataset([short], codec, length=5, stride=5)) == 0


def test_time_scales_stretch_notes_and_bars() -> None:
    piece = Piece.from_arrays([12, 36, 60, 84], [6, 6, 12, 48], [60] * 4, grid=24)
    data = WindowDataset([piece], codec, length=4, stride=4, time_scales=[0.5, 1.0, 2.0])
    for scale, factor in enumerate((0.5, 1, 2)):
        decoded = codec.decode(data[0, 0, scale].numpy())
        assert decoded.onset.tolist() == [12 * factor, 36 * factor, 60 * factor, 84 * factor]
        assert decoded.duration.tolist() == [6 * factor, 6 * factor, 12 * factor, 48 * factor]
        assert decoded.meters.tolist() == [[0, 4, {0.5: 8, 1: 4, 2: 2}[factor]]]


def test_short_pieces_are_counted() -> None:
    data = WindowDataset([make_piece(0), make_piece(1, n_notes=4)], codec, length=50, stride=50)
    assert data.n_short == 1


def tones(pieces: list[Piece], **settings: object) -> ToneDataset:
    values = {"length": 4, "stride": 2} | settings
    return ToneDataset(pieces, NoteQuadruples(24, hertz=False), **values)  # type: ignore[arg-type]


def test_windows_of_tones_are_cut_where_windows_of_events_are() -> None:
    pieces = [make_piece(0, 8), make_piece(1, 3), make_piece(2, 9)]
    found = tones(pieces, length=5)
    events = WindowDataset(pieces, codec, length=5, stride=2)
    assert found.n_short == events.n_short == 1
    assert "1 pieces are shorter and left out" in found.describe()
    everything = torch.arange(len(events))
    ours, theirs = (torch.stack(x.cuts.at(everything, 0 * everything)) for x in (found, events))
    assert ours.tolist() == theirs.tolist()
    batch = found.__getitems__([Item(i) for i in range(len(found))])
    assert batch.dtype == torch.float32
    assert batch.shape == (len(events), 5, 4)
    pitch = events.__getitems__([Item(i) for i in range(len(events))])[..., 1]
    assert torch.equal(batch[..., 1], (pitch + codec.lowest_pitch).float())


def test_windows_of_tones_begin_on_the_clock_of_their_beat() -> None:
    onset = [6, 40, 64, 70, 100]
    piece = Piece.from_arrays(onset, [12] * 5, [60, 61, 62, 63, 64], grid=24)
    batch = tones([piece], stride=1).__getitems__([Item(0), Item(1)])
    assert batch[0, :, 3].tolist() == pytest.approx([6 / 24, 34 / 24, 1, 6 / 24])
    assert batch[1, :, 3].tolist() == pytest.approx([16 / 24, 1, 6 / 24, 30 / 24])


def test_tones_are_transposed_as_far_as_midi_goes_and_scaled_in_time() -> None:
    piece = Piece.from_arrays([0, 24, 48, 72], [12] * 4, [60, 62, 64, 125], grid=24)
    data = tones([piece], time_scales=[1.0, 2.0])
    plain, up, down, slow = data.__getitems__(
        [Item(0), Item(0, 5), Item(0, -5), Item(0, scale=1)]
    ).numpy()
    assert up[:, 1].tolist() == [62, 64, 66, 127]
    assert down[:, 1].tolist() == [55, 57, 59, 120]
    assert plain[:, 0].tolist() == [0.5] * 4
    assert slow[:, 0].tolist() == [1] * 4
    assert slow[:, 3].tolist() == [0, 2, 2, 2]


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    def order(seed: int, epoch: int) -> list:
        sampler = WindowSampler(50, seed=seed, transpose=3)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(0, 1) == order(0, 1)
    assert len({str(order(s, e)) for s in (0, 1) for e in (0, 1)}) == 4
    assert sorted(item.window for item in order(0, 0)) == list(range(50))
    assert {item.transposition for item in order(0, 0)} == {-3, -2, -1, 0, 1, 2, 3}
    assert {item.scale for item in WindowSampler(50, seed=0, n_scales=3)} == {0, 1, 2}
    assert {item.shift for item in WindowSampler(50, seed=0, jitter=2)} == {-2, -1, 0, 1, 2}
    assert {item.shift for item in order(0, 0)} == {0}


def test_a_shifted_window_stays_in_its_piece() -> None:
    pieces = [
        Piece.from_arrays(np.arange(n) * 6, [6] * n, 60 + np.arange(n), grid=24) for n in (7, 5, 2)
    ]
    data = WindowDataset(pieces, NoteEvents(24), length=4, stride=4, pad_short=True)
    # windows at 0 and 3 of the first piece, 0 and 1 of the second, and the third, padded

    def pitches(window: int, shift: int) -> list[int]:
        return (data[Item(window, shift=shift)][:, 1] + 21).tolist()

    assert pitches(0, 0) == [60, 61, 62, 63]
    assert pitches(0, -1) == [60, 61, 62, 63]
    assert pitches(0, 2) == [62, 63, 64, 65]
    assert pitches(1, 2) == [63, 64, 65, 66]
    assert pitches(2, -2) == [60, 61, 62, 63]
    assert pitches(3, 5) == [61, 62, 63, 64]
    assert pitches(4, 1) == pitches(4, -1) == pitches(4, 0) == [60, 61, 20, 20]
    # the clock starts anew on the beat before the shifted window: a semiquaver into it
    shifted = data[Item(0, shift=1)]
    assert shifted[0, [0, 3]].tolist() == [6, 6]


def test_the_default_cache_is_where_the_system_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_cache_dir() == Path("/x/gan_music")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_cache_dir() == Path("/home/somebody/.cache/gan_music")


def make_module(
    root: Path, cache: Path, codec: Codec = codec, **changes: object
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
    return MusicDataModule(codec, **settings)  # type: ignore[arg-type]


def test_the_module_serves_windows_of_training_pieces(midi_folder: Path, tmp_path: Path) -> None:
    module = make_module(midi_folder, tmp_path, transpose=0)
    module.prepare_data()
    module.setup()
    assert module.pieces is not None
    n = sum(-((len(p) - 16) // -8) + 1 for p in module.pieces.train)
    batches = list(module.train_dataloader())
    assert [len(b) for b in batches] == [4] * (n // 4) + [n % 4] * (n % 4 > 0)
    assert all(b.shape[1:] == (16, 5) for b in batches)
    train = {tuple(p.pitch[i : i + 16]) for p in module.pieces.train for i in range(len(p))}
    assert all(tuple(w[:, 1].numpy() + 21) in train for b in batches for w in b)
    assert sum(len(b) for b in module.val_dataloader()) == len(module.val_items)


def test_a_window_longer_than_any_piece(midi_folder: Path, tmp_path: Path) -> None:
    module = make_module(midi_folder, tmp_path, window=5000)
    module.prepare_data()
    with pytest.raises(UserError, match=r"data\.window=5000"):
        module.setup()


def test_a_window_of_tones_longer_than_any_piece(midi_folder: Path, tmp_path: Path) -> None:
    module = make_module(midi_folder, tmp_path, NoteQuadruples(24), window=5000, short="pad")
    module.prepare_data()
    with pytest.raises(UserError, match=r"data\.window=5000.*smaller window\.$"):
        module.setup()


def test_the_module_serves_scaled_tones(midi_folder: Path, tmp_path: Path) -> None:
    module = make_module(midi_folder, tmp_path, NoteQuadruples(24), transpose=0)
    module.prepare_data()
    module.setup()
    batches = torch.cat(list(module.train_dataloader()))
    assert batches.shape[1:] == (16, 4)
    mean, deviation = batches.mean((0, 1)), batches.std((0, 1))
    assert mean.tolist() == pytest.approx([0] * 4, abs=0.1)
    assert deviation[[0, 1, 3]].tolist() == pytest.approx([1] * 3, abs=0.1)
