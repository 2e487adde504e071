"""Numba kernels agree with tensor operations up to rounding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks import lstm_generator
from gan_music.networks.features import numba_state
from gan_music.networks.features.numba_state import NumbaState
from gan_music.networks.features.tensor_state import TensorState
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.voices import Voices
from tests.networks.test_lstm_generator import make_generator, starts


def any_generator(*, representation: NoteEvents | None = None, **changes: int) -> LSTMGenerator:
    torch.manual_seed(0)
    spans = {
        "n_intervals": 3,
        "n_style_components": 2,
        "lookback_span": 40,
        "active_notes_span": 12,
    } | changes
    return LSTMGenerator(
        note_space(representation or NoteEvents(24)),
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
    prior = generator._pitch_prior(generator.prior(n))
    arguments = generator.feature_set, generator.space.beginning(position, meter), prior
    return TensorState(*arguments), NumbaState(*arguments)


def music(generator: LSTMGenerator, n: int, length: int, period: int) -> Tensor:
    """Ids ``[n, length, C]`` of chords and runs that come back, with some notes changed; and with
    ends, rests and ties where there are any.
    """
    space = generator.space
    tops = torch.tensor([8, 40, 10, *space.sizes[3:]]).clamp_max(torch.tensor(10))
    tops[1] = 40
    ids = (torch.rand(n, length, len(tops)) * tops).long()
    ids[..., 0] *= torch.rand(n, length) < 0.6  # chords
    ids[..., 1] += 30
    for t in range(period, length):
        again = torch.rand(n) < 0.9
        ids[:, t] = ids[:, t - period].where(again[:, None], ids[:, t])
        # a semitone off, now and then, or far away
        ids[:, t, 1] += (torch.rand(n) < 0.1).long()
        ids[:, t, 1] = ids[:, t, 1].where(torch.rand(n) < 0.97, 87)
    ids = ids.clamp_max(87)
    if n_specials := space.sizes[1] - space.n_pitches:
        special = 88 + torch.randint(0, n_specials, ids.shape[:2])
        ids[..., 1] = ids[..., 1].where(torch.rand(n, length) < 0.85, special)
    return ids


def compare(tensor: TensorState, numba: NumbaState, event: Tensor) -> None:
    """Before an event, ids ``[B, C]``, and for its choices; then append it. Categories that follow
    from others are replaced.
    """
    space, event = tensor.space, event.clone()
    assert torch.equal(tensor.input_ids(), numba.input_ids())
    assert torch.equal(tensor.position, numba.position)
    wanted, found = tensor.inputs(), numba.inputs()
    assert (wanted is None) == (found is None)
    if wanted is not None and found is not None:
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    for i in space.order:
        if space.is_derived(i):
            event[:, i] = tensor.derived(i)
            assert torch.equal(numba.derived(i), event[:, i])
        outputs = torch.randn(len(event), sum(tensor.feature_set.head_sizes[i]))
        torch.testing.assert_close(
            numba.logits(i, outputs), tensor.logits(i, outputs), atol=2e-3, rtol=1e-4
        )
        for state in (tensor, numba):
            state.choose(i, event[:, i])
    for state in (tensor, numba):
        state.observe(event)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"representation": NoteEvents(24, velocity=True)},
        {"representation": NoteEvents(24, ends=True)},
        {"representation": NoteEvents(24, n_tracks=3, ends=True), "n_style_components": 0},
        {"representation": NoteEvents(24, n_tracks=2, velocity=True), "lookback_span": 0},
        {"representation": Voices(24, max_voices=4)},
        {"representation": Voices(24, max_voices=1), "active_notes_span": 0, "n_intervals": 0},
        {"n_intervals": 0},
        {"n_style_components": 0},
        {"lookback_span": 0},
        {"lookback_span": 1},
        {"active_notes_span": 0},
        {"n_intervals": 0, "n_style_components": 0, "active_notes_span": 5},
    ],
)
@torch.no_grad()
def test_all_kinds_of_features(changes: dict[str, Any]) -> None:
    generator = any_generator(**changes)
    tensor, numba = both(generator, 5)
    for event in music(generator, 5, 90, period=17).unbind(1):
        compare(tensor, numba, event)


@given(
    period=st.integers(1, 60),
    lookback_span=st.integers(1, 50),
    active_notes_span=st.integers(1, 20),
    slack=st.integers(1, 30),
    seed=st.integers(0, 1 << 30),
)
@settings(max_examples=10, deadline=None, derandomize=True)
@torch.no_grad()
def test_any_repetition_and_any_capacity(
    period: int, lookback_span: int, active_notes_span: int, slack: int, seed: int
) -> None:
    # with little slack the last events are moved to the front again and again
    generator = any_generator(lookback_span=lookback_span, active_notes_span=active_notes_span)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numba_state, "_SLACK", slack)
        torch.manual_seed(seed)
        tensor, numba = both(generator, 3)
        for event in music(generator, 3, 120, period).unbind(1):
            compare(tensor, numba, event)


@torch.no_grad()
def test_rows_are_reordered_and_positions_set_alike() -> None:
    generator = any_generator()
    tensor, numba = both(generator, 4)
    events = music(generator, 4, 60, period=9)
    for t in range(30):
        compare(tensor, numba, events[:, t])
    rows = torch.tensor([2, 2, 0])
    position = torch.tensor([5, 0, 47])
    for state in (tensor, numba):
        state.reorder(rows)
        state.set_position(position)
    for t in range(30, 60):
        compare(tensor, numba, events[rows, t])
    # the copies are their own
    twice = events[:3, 0].clone()
    twice[1, 1] += 1
    compare(tensor, numba, twice)


def test_decayed_counts_become_zero_not_subnormal() -> None:
    generator = any_generator()
    _, numba = both(generator, 2)
    low, high = torch.tensor([[3, 10, 3]] * 2), torch.tensor([[3, 50, 3]] * 2)
    for event in (low, *[high] * 1300):
        numba.observe(event)
    counts = numba.events.counts
    assert counts[:, 0, 10].tolist() == [0.0, 0.0]
    assert (counts[:, 1, 10] > 1e-6).all()


def test_decoders_generate_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = make_generator(lookback_span=30, active_notes_span=10, attention_span=9)
    z, gumbel, begin = generator.prior(6), generator.gumbel(6, 80), starts(6)
    decoder = generator.decoder(z, begin)
    assert isinstance(decoder.state, NumbaState)
    monkeypatch.setattr(lstm_generator, "_step_state", TensorState)
    other = generator.decoder(z, begin)
    assert isinstance(other.state, TensorState)
    assert torch.equal(decoder.generate(gumbel), other.generate(gumbel))


def test_numba_is_left_out_where_no_feature_needs_it() -> None:
    generator = make_generator(n_intervals=0)
    assert isinstance(generator.decoder(generator.prior(2), starts(2)).state, TensorState)
