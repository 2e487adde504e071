from __future__ import annotations

from dataclasses import replace

import torch

from gan_music.config.model_settings import NGramConfig
from gan_music.decoding.request import SampleRequest
from gan_music.models.ngram import NGramModel
from gan_music.music.piece import Piece
from gan_music.representations.note_events import NoteEvents
from tests.conftest import make_piece


def make_pieces(n: int, n_movements: int = 1) -> list[Piece]:
    """Works ``a`` and on, each of so many movements."""
    return [
        replace(make_piece(i), name=f"{chr(97 + i // n_movements)}_{i % n_movements}")
        for i in range(n)
    ]


def fitted(pieces: list[Piece]) -> NGramModel:
    representation = NoteEvents(24)
    representation.fit(pieces)
    model = NGramModel(NGramConfig(name="ngram"), representation=representation)
    works = [p.name.partition("_")[0] for p in pieces]
    model.fit_pieces(pieces, works=works, window=16)
    return model


def strengths(model: NGramModel) -> torch.Tensor:
    return torch.cat([backoff.strengths for backoff in model.chain.by_category])


def test_strengths_are_fitted_on_the_tenth_work() -> None:
    pieces = make_pieces(12)
    fitted_strengths = strengths(fitted(pieces))
    assert not torch.equal(fitted_strengths, torch.ones_like(fitted_strengths))
    # they depend on the notes of the tenth work
    pieces[9] = replace(make_piece(50), name=pieces[9].name)
    assert not torch.equal(strengths(fitted(pieces)), fitted_strengths)


def test_movements_of_one_work_are_held_out_together() -> None:
    # twelve pieces, but only four works: none is held out
    assert strengths(fitted(make_pieces(12, n_movements=3))).unique().tolist() == [1]


def test_all_pieces_are_counted_in_the_end() -> None:
    pieces = make_pieces(12)
    model = fitted(pieces)
    n_events = sum(16 * (-(-len(p) // 16)) for p in pieces)
    for backoff in model.chain.by_category:
        assert int(backoff.tables[0].counts.sum()) == n_events


def test_samples_are_pieces_of_their_seed() -> None:
    model = fitted(make_pieces(3))
    state = torch.get_rng_state()
    pieces = model.sample(SampleRequest(n_pieces=3, length=20, seed=5))
    assert torch.equal(torch.get_rng_state(), state)
    assert [len(p) for p in pieces] == [20, 20, 20]
    again = model.sample(SampleRequest(n_pieces=3, length=20, seed=5))
    assert [p.notes() for p in again] == [p.notes() for p in pieces]
    other = model.sample(SampleRequest(n_pieces=3, length=20, seed=6))
    assert [p.notes() for p in other] != [p.notes() for p in pieces]
    for piece in model.sample(SampleRequest(n_pieces=3, length=20, seed=0, meter=(3, 4))):
        assert piece.meters.tolist() == [[0, 3, 4]]
