"""A model whose samples are given."""

from __future__ import annotations

from typing import Any

from gan_music.decoding.request import SampleRequest
from gan_music.models.base import MusicModel
from gan_music.music.piece import Piece
from gan_music.representations.note_events import NoteEvents
from tests.conftest import make_piece

REAL = [make_piece(seed, n_notes=48).cut(0, 48) for seed in range(8)]


class FakeModel(MusicModel):
    """Samples the first of ``pieces``, and records requests and logged values."""

    phase = ""
    keeps_last = False

    def __init__(self, *, phase: str = "", keeps_last: bool = False) -> None:
        super().__init__(None, representation=NoteEvents(24))
        self.pieces = REAL
        self.phase, self.keeps_last = phase, keeps_last

    def log_dict(self, values: Any, **arguments: Any) -> None:
        self.logged = values

    def _sample(self, request: SampleRequest) -> list[Piece]:
        self.request = request
        return self.pieces[: request.n_pieces]
