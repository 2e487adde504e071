"""Primers: what the model reads of them, and how samples continue them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_music.config.model_settings import NGramConfig
from gan_music.config.validate import compose_run
from gan_music.decoding.event_decoding import EventDecoding
from gan_music.decoding.primer import Primer
from gan_music.decoding.request import SampleRequest
from gan_music.decoding.sample import sample
from gan_music.models.event_model import EventModel
from gan_music.models.ngram import NGramModel
from gan_music.music.piece import Piece
from gan_music.representations.meters import METERS, meter_id
from gan_music.representations.note_events import NoteEvents
from gan_music.training.factory import build_model
from tests.conftest import make_piece
from tests.networks.test_lstm_generator import make_generator, starts

codec = NoteEvents(24)


@pytest.mark.parametrize("attention_span", [0, 5])
@pytest.mark.parametrize("n_intervals", [0, 3])
@given(n_context=st.integers(1, 19), temperature=st.sampled_from([0.5, 1.0]))
@settings(max_examples=10, deadline=None, derandomize=True)
def test_a_decoder_that_observes_its_own_beginning_continues_as_it_did(
    attention_span: int, n_intervals: int, n_context: int, temperature: float
) -> None:
    generator = make_generator(
        attention_span=attention_span,
        n_intervals=n_intervals,
        lookback_span=2 * n_intervals,
        active_notes_span=3 * n_intervals,
    )
    z, gumbel, begin = generator.prior(3), generator.gumbel(3, 20), starts(3)
    whole = generator.decoder(z, begin, temperature=temperature).generate(gumbel)
    decoder = generator.decoder(z, begin, temperature=temperature)
    decoder.observe(whole[:, :n_context])
    assert torch.equal(decoder.generate(gumbel[:, n_context:]), whole[:, n_context:])


def test_an_n_gram_model_continues_the_last_two_events() -> None:
    # every note is followed by the next in the scale, the time by the last two of three
    onset = np.cumsum([0, 24, 12, 12] * 30)[:-1]
    tune = Piece.from_arrays(onset, [12] * 119, [60 + i % 12 for i in range(119)], grid=24)
    model = NGramModel(NGramConfig(name="ngram"), representation=codec)
    model.fit_pieces([tune], works=["a"], window=119)
    primer = Primer(tune.cut(0, 30))
    (piece,) = model.sample(SampleRequest(1, 20, seed=0, temperature=0.05, primer=primer))
    assert piece.notes() == tune.cut(0, 50).notes()


def test_the_primer_is_encoded_in_its_last_meter() -> None:
    # a bar of 4/4, then 3/4; the second note is on the third beat before the change
    piece = Piece.from_arrays(
        [0, 48, 96, 108, 168],
        [24] * 5,
        [60, 62, 64, 65, 67],
        grid=24,
        meters=[(0, 4, 4), (96, 3, 4)],
    )
    ids = Primer(piece).encode(codec)
    assert ids[:, -1].tolist() == [meter_id(3, 4)] * 5
    # 96 steps before the change are a bar of 72 and its last 24
    assert ids[:, -2].tolist() == [48, 24, 0, 12, 0]
    assert codec.offset_bins[ids[:, 0]].tolist() == [0, 48, 48, 12, 60]
    last = Primer(piece, n_context=2).encode(codec)
    assert last[:, -2].tolist() == [12, 0]
    assert codec.offset_bins[last[:, 0]].tolist() == [12, 60]  # from the beat


def test_the_continuation_is_joined_in_time_and_velocity() -> None:
    piece = Piece.from_arrays(
        [0, 72], [24, 24], [60, 64], grid=24, velocity=[30, 50], meters=[(-72, 4, 4)], tempo=70
    )
    ids = codec.encode(Piece.from_arrays([6, 30, 30], [6, 12, 12], [70, 72, 76], grid=24))
    whole = Primer(piece).continued_by(codec, ids, tempo=70, name="a")
    assert whole.notes() == [*piece.notes(), (78, 6, 70), (102, 12, 72), (102, 12, 76)]
    assert whole.velocity.tolist() == [30, 50, 40, 40, 40]
    assert whole.meters.tolist() == [[-72, 4, 4]]
    assert (whole.tempo, whole.name) == (70, "a")
    rest = Primer(piece, included=False).continued_by(codec, ids, tempo=70, name="a")
    assert rest.notes() == whole.notes()[2:]
    assert rest.bars()[1].tolist() == [54, 78, 78]


@pytest.mark.parametrize(
    ("meter", "velocity"), [*((m, False) for m in METERS), ((4, 4), True), ((9, 16), True)]
)
def test_every_meter_is_continued(
    meter: tuple[int, int], velocity: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    joined = Primer.continued_by

    def watched(primer: Primer, *arguments: Any, **options: Any) -> Piece:
        written.append(arguments[1])
        return joined(primer, *arguments, **options)

    monkeypatch.setattr(Primer, "continued_by", watched)
    representation = NoteEvents(24, velocity=velocity)
    sizes = {"hidden_size": 8, "embedding_size": 4, "attention_span": 4}
    extras = {"n_intervals": 2, "n_style_components": 2, "lookback_span": 6, "active_notes_span": 5}
    overrides = [f"model.{key}={value}" for key, value in (sizes | extras).items()]
    settings = compose_run("model=gumbel_gan", *overrides).model
    model = build_model(settings, representation)
    assert isinstance(model, EventModel)
    bar = 96 * meter[0] // meter[1]
    piece = replace(make_piece(0, 20), meters=np.array([(-(bar // 3), *meter)]), tempo=77.0)
    state = torch.get_rng_state()
    request = SampleRequest(3, 12, seed=4, tempo=77, primer=Primer(piece, n_context=8))
    pieces = model.sample(request)
    assert torch.equal(torch.get_rng_state(), state)
    for again, ids in zip(pieces, written, strict=True):
        assert again.notes()[: len(piece)] == piece.notes()
        assert again.velocity[: len(piece)].tolist() == piece.velocity.tolist()
        assert len(again) == len(piece) + 12
        assert again.onset[len(piece)] > piece.onset[-1]
        assert again.meters.tolist() == piece.meters.tolist()
        # the positions in the bar that the model read
        assert ids[:, -2].tolist() == again.bars()[1][len(piece) :].tolist()
    assert pieces[0].notes() != pieces[1].notes()
    assert [p.notes() for p in model.sample(request)] == [p.notes() for p in pieces]


def test_gumbel_noise_is_drawn_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = make_generator(attention_span=4)
    drawn = []
    gumbel = generator.gumbel

    def watched(n: int, length: int, rng: torch.Generator | None = None) -> torch.Tensor:
        drawn.append(length)
        return gumbel(n, length, rng)

    monkeypatch.setattr(generator, "gumbel", watched)
    request = SampleRequest(1, 1000, seed=0, primer=Primer(make_piece(0)))
    (piece,) = sample(generator, codec, request, decoding=EventDecoding())
    assert len(piece) == len(make_piece(0)) + 1000
    assert sum(drawn) == 1000
    assert max(drawn) <= 256
