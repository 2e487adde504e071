"""Batches of windows in each representation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from gan_music.data.batch import Batch
from gan_music.data.datasets import MusicDataset
from gan_music.data.samplers import Item
from gan_music.music.piece import Piece
from gan_music.representations.base import PADDING, Representation
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.note_quadruples import NoteQuadruples
from gan_music.representations.note_triples import NoteTriples
from gan_music.representations.windows import WindowSpec
from tests.conftest import make_piece

events = NoteEvents(24)
midi_numbers = NoteQuadruples(24, hertz=False)


def dataset(
    pieces: list[Piece],
    representation: Representation = events,
    *,
    length: int = 4,
    stride: int = 2,
    pad_short: bool = False,
    **options: Any,
) -> MusicDataset:
    return MusicDataset(pieces, representation, WindowSpec(length, stride, pad_short), **options)


def batch(data: MusicDataset, *items: Item) -> Batch:
    return data.__getitems__(items or [Item(i) for i in range(len(data))])


def pitches(data: MusicDataset, *items: Item) -> list[list[int]]:
    """MIDI numbers of windows of events; 20 stands for padding."""
    found: list[list[int]] = (batch(data, *items).x[..., 1] + 21).tolist()
    return found


def test_windows_of_events_begin_at_their_position_in_the_beat() -> None:
    piece = Piece.from_arrays(np.arange(6) * 18, [6] * 6, np.arange(60, 66), grid=24)
    data = dataset([piece, piece])
    assert len(data) == 4
    x, mask, labels, pieces = batch(data, Item(1), Item(0), Item(2), Item(0, shift=1))
    assert x.shape == (4, 4, 5)
    assert x.dtype == pieces.dtype == torch.int64
    assert x[0, :, 3].tolist() == [36, 54, 72, 90]
    # note 2 lies at step 36, 12 steps after a beat
    assert x[0, :, 0].tolist() == [12, 18, 18, 18]
    assert (x[0, :, 1] + 21).tolist() == [62, 63, 64, 65]
    assert torch.equal(x[1], x[2])
    assert x[3, :, 0].tolist() == [18, 18, 18, 18]
    assert mask.shape == (4, 4)
    assert mask.all()
    assert (labels, pieces.tolist()) == ({}, [0, 0, 1, 0])


def test_a_transposition_stays_on_the_keyboard() -> None:
    piece = Piece.from_arrays([0, 24], [6, 6], [105, 60], grid=24)
    data = dataset([piece], length=2, stride=1)
    assert pitches(data, Item(0, 5), Item(0, -5), Item(0, 0)) == [[108, 63], [100, 55], [105, 60]]


def test_short_pieces_are_padded_or_left_out() -> None:
    short = Piece.from_arrays([0, 24], [6, 6], [100, 60], grid=24)
    data = dataset([short, make_piece(0)], length=5, stride=5, pad_short=True)
    x, mask, _, _ = batch(data, Item(0, 12), Item(1))
    assert (x[0, :, 1] + 21).tolist() == [108, 68, 20, 20, 20]
    assert (x[0, 2:] == PADDING).all()
    assert mask.tolist() == [[True, True, False, False, False], [True] * 5]
    assert data.windows.has_padding
    assert "; 1 pieces are shorter and padded" in data.describe()
    data = dataset([short], length=5)
    assert len(data) == 0
    assert not data.windows.has_padding
    assert "; 1 pieces are shorter and left out" in data.describe()


def test_time_scales_multiply_notes_and_bars() -> None:
    piece = Piece.from_arrays([12, 36, 60, 84], [6, 6, 12, 48], [60] * 4, grid=24)
    data = dataset([piece], time_scales=[0.5, 1.0, 2.0])
    found = batch(data, *(Item(0, scale=i) for i in range(3))).x.numpy()
    for ids, factor in zip(found, (0.5, 1, 2), strict=True):
        decoded = events.decode(ids).piece
        assert decoded.onset.tolist() == [12 * factor, 36 * factor, 60 * factor, 84 * factor]
        assert decoded.duration.tolist() == [6 * factor, 6 * factor, 12 * factor, 48 * factor]
        assert decoded.meters.tolist() == [[0, 4, {0.5: 8, 1: 4, 2: 2}[factor]]]


def test_notes_off_the_keyboard_are_counted() -> None:
    piece = Piece.from_arrays([0] * 5, [24] * 5, [0, 20, 21, 108, 109], grid=24)
    assert "; 3 notes off the keyboard moved in by octaves" in dataset([piece]).describe()
    assert "keyboard" not in dataset([piece], midi_numbers).describe()


def test_quadruples_are_cut_like_events_without_padding() -> None:
    pieces = [make_piece(0, 8), make_piece(1, 3), make_piece(2, 9)]
    data = dataset(pieces, midi_numbers, length=5, pad_short=True)
    others = dataset(pieces, length=5)
    assert data.windows.n_short == others.windows.n_short == 1
    assert "1 pieces are shorter and left out" in data.describe()
    found, expected = batch(data), batch(others)
    assert found.x.dtype == torch.float32
    assert found.x.shape == (len(others), 5, 4)
    assert torch.equal(found.x[..., 1], (expected.x[..., 1] + 21).float())
    assert torch.equal(found.piece, expected.piece)
    assert found.mask.all()


def test_windows_of_quadruples_begin_at_their_position_in_the_beat() -> None:
    piece = Piece.from_arrays([6, 40, 64, 70, 100], [12] * 5, [60, 61, 62, 63, 64], grid=24)
    x = batch(dataset([piece], midi_numbers, stride=1)).x
    assert x[0, :, 3].tolist() == pytest.approx([6 / 24, 34 / 24, 1, 6 / 24])
    assert x[1, :, 3].tolist() == pytest.approx([16 / 24, 1, 6 / 24, 30 / 24])


def test_quadruples_are_transposed_within_midi_and_scaled_in_time() -> None:
    piece = Piece.from_arrays([0, 24, 48, 72], [12] * 4, [60, 62, 64, 125], grid=24)
    data = dataset([piece], midi_numbers, time_scales=[1.0, 2.0])
    plain, up, down, slow = batch(data, Item(0), Item(0, 5), Item(0, -5), Item(0, scale=1)).x
    assert up[:, 1].tolist() == [62, 64, 66, 127]
    assert down[:, 1].tolist() == [55, 57, 59, 120]
    assert plain[:, 0].tolist() == [0.5] * 4
    assert slow[:, 0].tolist() == [1] * 4
    assert slow[:, 3].tolist() == [0, 2, 2, 2]


def test_triples_are_single_notes() -> None:
    pieces = [
        Piece.from_arrays([0, 24, 36], [12] * 3, [60, 62, 64], grid=24),
        Piece.from_arrays([6], [24], [70], grid=24),
    ]
    data = dataset(pieces, NoteTriples(24), length=64, pad_short=True, time_scales=[1.0, 0.5])
    assert data.describe() == "4 training notes, each alone"
    items = Item(2), Item(0, 5), Item(3, scale=1), Item(1, -2)
    x, mask, labels, piece = batch(data, *items)
    assert x.tolist() == [[64, 0.5, 0.5], [65, 0.5, 0], [70, 0.5, 0.125], [60, 0.5, 1]]
    assert (mask.tolist(), labels, piece.tolist()) == ([True] * 4, {}, [0, 0, 1, 0])
