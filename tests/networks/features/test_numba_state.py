"""Compiled loops say what the tensors' way says, to rounding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features import numba_state as compiled
from gan_music.networks.features.numba_state import NumbaState
from gan_music.networks.features.tensor_state import TensorState
from gan_music.networks.lstm_decoder import LSTMDecoder
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.representations.note_events import NoteEvents, meter_id
from tests.networks.test_lstm_generator import make_generator, starts


def any_generator(*, velocity: bool = False, **changes: int) -> LSTMGenerator:
    torch.manual_seed(0)
    spans = {
        "n_intervals": 3,
        "n_style_components": 2,
        "lookback_span": 40,
        "active_notes_span": 12,
    } | changes
    return LSTMGenerator(
        note_space(NoteEvents(24, velocity=velocity)),
        noise_size=5,
        hidden_size=8,
        n_layers=1,
        embedding_size=4,
        dropout=0.0,
        **spans,
    )


def both(generator: LSTMGenerator, n: int) -> tuple[TensorState, NumbaState]:
    """Of sequences that begin anywhere in bars of several meters."""
    meter = torch.tensor([meter_id(*m) for m in ((4, 4), (3, 4), (6, 8), (2, 4))])[
        torch.randint(0, 4, (n,))
    ]
    position = torch.randint(0, 1000, (n,)) % generator.space.bars[meter]
    z = generator.noise(n)
    begin = position, meter
    return TensorState(generator, z, begin), NumbaState(generator, z, begin)


def music(generator: LSTMGenerator, n: int, length: int, period: int) -> Tensor:
    """Ids ``[n, length, C]`` of chords and runs that come back, with some notes changed."""
    tops = torch.tensor([8, 40, 10, *[3] * 9][: generator.space.n_categories])
    ids = (torch.rand(n, length, len(tops)) * tops).long()
    ids[..., 0] *= torch.rand(n, length) < 0.6  # chords
    ids[..., 1] += 30
    for t in range(period, length):
        again = torch.rand(n) < 0.9
        ids[:, t] = ids[:, t - period].where(again[:, None], ids[:, t])
        # a semitone off, now and then, or far away
        ids[:, t, 1] += (torch.rand(n) < 0.1).long()
        ids[:, t, 1] = ids[:, t, 1].where(torch.rand(n) < 0.97, 87)
    return ids.clamp_max(87)


def agree(plain: TensorState, loops: NumbaState, event: Tensor) -> None:
    """Both say the same before an event, ids ``[B, C]``, and of its choices; then it comes."""
    assert torch.equal(plain.known(), loops.known())
    assert torch.equal(plain.event(), loops.event())
    assert torch.equal(plain.position, loops.position)
    told, ours = plain.told(), loops.told()
    assert (told is None) == (ours is None)
    if told is not None and ours is not None:
        torch.testing.assert_close(ours, told, atol=1e-5, rtol=1e-5)
    for i, out in enumerate(plain.heads.out):
        scores = torch.randn(len(event), out.weight.shape[0])
        torch.testing.assert_close(
            loops.logits(i, scores), plain.logits(i, scores), atol=2e-3, rtol=1e-4
        )
        for past in (plain, loops):
            past.chose(i, event[:, i])
    for past in (plain, loops):
        past.after(event)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"velocity": True},
        {"n_intervals": 0},
        {"n_style_components": 0},
        {"lookback_span": 0},
        {"lookback_span": 1},
        {"active_notes_span": 0},
        {"n_intervals": 0, "n_style_components": 0, "active_notes_span": 5},
    ],
)
@torch.no_grad()
def test_loops_say_what_tensors_say(changes: dict[str, Any]) -> None:
    generator = any_generator(**changes)
    plain, loops = both(generator, 5)
    for event in music(generator, 5, 90, period=17).unbind(1):
        agree(plain, loops, event)


@given(
    period=st.integers(1, 60),
    lookback_span=st.integers(1, 50),
    active_notes_span=st.integers(1, 20),
    more=st.integers(1, 30),
    seed=st.integers(0, 1 << 30),
)
@settings(max_examples=10, deadline=None, derandomize=True)
@torch.no_grad()
def test_whatever_comes_back_and_however_little_is_kept(
    period: int, lookback_span: int, active_notes_span: int, more: int, seed: int
) -> None:
    # a small "more" lets the last events move to the front again and again
    generator = any_generator(lookback_span=lookback_span, active_notes_span=active_notes_span)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "_MORE", more)
        torch.manual_seed(seed)
        plain, loops = both(generator, 3)
        for event in music(generator, 3, 120, period).unbind(1):
            agree(plain, loops, event)


@torch.no_grad()
def test_rows_are_kept_and_places_given_alike() -> None:
    generator = any_generator()
    plain, loops = both(generator, 4)
    events = music(generator, 4, 60, period=9)
    for t in range(30):
        agree(plain, loops, events[:, t])
    rows = torch.tensor([2, 2, 0])
    position = torch.tensor([5, 0, 47])
    for past in (plain, loops):
        past.keep(rows)
        past.place(position)
    for t in range(30, 60):
        agree(plain, loops, events[rows, t])
    # the copies are their own
    twice = events[:3, 0].clone()
    twice[1, 1] += 1
    agree(plain, loops, twice)


def test_long_silence_of_a_pitch_is_no_slower() -> None:
    # what was heard once fades to zero, not to numbers that a processor is slow with
    generator = any_generator()
    _, loops = both(generator, 2)
    low, high = torch.tensor([[3, 10, 3]] * 2), torch.tensor([[3, 50, 3]] * 2)
    for event in (low, *[high] * 1300):
        loops.after(event)
    heard = loops.state.heard
    assert heard[:, 0, 10].tolist() == [0.0, 0.0]
    assert (heard[:, 1, 10] > 1e-6).all()


def test_loops_write_what_tensors_write() -> None:
    generator = make_generator(lookback_span=30, active_notes_span=10, attention_span=9)
    z, gumbel, begin = generator.noise(6), generator.gumbel(6, 80), starts(6)
    rollout = LSTMDecoder(generator, z, begin)
    assert isinstance(rollout.past, NumbaState)
    plain = LSTMDecoder(generator, z, begin)
    plain.past = TensorState(generator, z, begin)
    assert torch.equal(rollout.write(gumbel), plain.write(gumbel))


def test_nothing_is_compiled_where_nothing_is_told() -> None:
    generator = make_generator(n_intervals=0)
    assert isinstance(LSTMDecoder(generator, generator.noise(2), starts(2)).past, TensorState)
