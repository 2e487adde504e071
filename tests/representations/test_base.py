"""What every representation keeps."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from gan_music.representations.base import Representation
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.note_quadruples import NoteQuadruples
from gan_music.representations.note_triples import NoteTriples
from tests.conftest import make_piece

ALL = (
    NoteEvents(24),
    NoteEvents(24, velocity=True),
    NoteTriples(24, use_offsets=True),
    NoteQuadruples(24),
    NoteQuadruples(24, hertz=False),
)


@pytest.mark.parametrize("representation", ALL, ids=lambda r: f"{r.name}{len(r.names)}")
def test_it_encodes_decodes_and_comes_back_from_its_state(representation: Representation) -> None:
    pieces = [make_piece(0), make_piece(1)]
    representation.fit(pieces)
    state = json.loads(json.dumps(representation.state()))
    again = type(representation).from_state(state)
    assert again.state() == state
    assert again.table() == representation.table()
    for piece in pieces:
        x = representation.encode(piece)
        assert np.array_equal(again.encode(piece), x)
        decoded = again.decode(x, tempo=77.0, name="again")
        assert decoded.piece.same_notes(piece)
        assert (decoded.n_clipped, decoded.piece.tempo) == (0, 77.0)
        assert decoded.piece.name == "again"


@pytest.mark.parametrize("representation", ALL, ids=lambda r: f"{r.name}{len(r.names)}")
def test_rows_without_augmentation_are_what_encode_gives(representation: Representation) -> None:
    piece = make_piece(0)
    representation.fit([piece])
    rows = representation.rows(piece)
    assert rows.dtype == representation.row_dtype
    assert rows.shape == (len(piece), *representation.row_shape)
    single = isinstance(representation, NoteTriples)
    batch = torch.from_numpy(rows) if single else torch.from_numpy(rows)[None]
    mask = torch.ones(batch.shape[:-1], dtype=torch.bool)
    x = representation.augment(batch, mask, torch.zeros(len(batch), dtype=torch.int64))
    assert np.array_equal(x.view(len(piece), -1).numpy(), representation.encode(piece))
