from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.events import EventCodec, meter_id
from gan_music.models.events import event_space
from gan_music.networks.context import (
    MEMORIES,
    N_INTERVALS,
    IntervalEmbedding,
    contexts,
    first_context,
)
from gan_music.networks.events import PADDING

space = event_space(EventCodec(24))


def playable(n: int, length: int, seed: int) -> Tensor:
    """Events whose positions follow from their offsets, in 3/4."""
    torch.manual_seed(seed)
    meter = torch.full((n,), meter_id(3, 4))
    position = torch.randint(0, 72, (n,))
    rows = []
    for _ in range(length):
        chosen = torch.stack([torch.randint(0, size, (n,)) for size in space.sizes], 1)
        position = space.advance(position, chosen[:, 0], meter)
        rows.append(torch.cat([chosen, position[:, None], meter[:, None]], 1))
    return torch.stack(rows, 1)


@settings(deadline=None, max_examples=20)
@given(length=st.integers(1, 40), seed=st.integers(0, 100))
def test_whole_windows_and_single_steps_know_the_same(length: int, seed: int) -> None:
    events = playable(3, length, seed)
    whole = contexts(space, events)
    step = first_context(space, *space.starts(events))
    for t in range(length):
        for field, one, all_ in zip(step._fields, step, whole, strict=True):
            assert torch.allclose(one, all_[:, t], rtol=1e-5, atol=1e-6), field
        step = step.after(space, events[:, t, :3])


def test_what_a_context_says() -> None:
    meter = meter_id(4, 4)
    # pitches 40, 44, 47 a crotchet apart, from the second beat on
    events = torch.tensor(
        [[[24, 40, 0, 24, meter], [24, 44, 0, 48, meter], [24, 47, 0, 72, meter]]]
    )
    context = contexts(space, events)
    assert context.position.tolist() == [[0, 24, 48]]
    assert context.pitches[0, :, :3].tolist() == [[88, 88, 88], [40, 88, 88], [44, 40, 88]]
    assert context.intervals()[0].tolist() == [
        [0] * N_INTERVALS,
        [0] * N_INTERVALS,
        [88 + 4] + [0] * (N_INTERVALS - 1),
    ]
    for m, memory in enumerate(MEMORIES):
        heard = context.heard[0, 2, m]
        assert heard[44].item() == 1
        assert heard[40].item() == pytest.approx(math.exp(-1 / memory))
        assert heard.sum().item() == pytest.approx(1 + math.exp(-1 / memory))
    assert context.heard[0, 0].sum() == 0


def test_a_transposed_window_has_the_same_intervals() -> None:
    events = playable(2, 10, 0)
    events[..., 1] = events[..., 1] % 70
    higher = events.clone()
    higher[..., 1] += 7
    embed = IntervalEmbedding(space, 4)
    assert torch.equal(embed(contexts(space, events)), embed(contexts(space, higher)))


def test_padding_is_no_error() -> None:
    events = torch.cat([playable(2, 5, 0), torch.full((2, 3, 5), PADDING)], 1)
    whole, padded = contexts(space, events[:, :5]), contexts(space, events)
    for a, b in zip(whole, padded, strict=True):
        assert torch.allclose(a, b[:, :5])
        assert torch.isfinite(b).all()
