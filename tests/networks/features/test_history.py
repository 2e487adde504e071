from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features.history import (
    MEMORIES,
    IntervalEmbedding,
    add_input_noise,
    histories,
    initial_history,
)
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.networks.note_space import PADDING
from gan_music.representations.note_events import NoteEvents, meter_id

N_INTERVALS = 4

space = note_space(NoteEvents(24))


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
    expected = torch.randn(3, 2, space.sizes[1])
    whole = histories(space, events, n_intervals=N_INTERVALS, expected=expected)
    step = initial_history(space, *space.starts(events), n_intervals=N_INTERVALS, expected=expected)
    for t in range(length):
        for field in ("position", "meter", "pitches", "heard"):
            one, all_ = getattr(step, field), getattr(whole, field)
            assert torch.allclose(one, all_[:, t], rtol=1e-5, atol=1e-6), field
        # of the whole sequence, and so the same at all steps
        assert step.expected is whole.expected is expected
        step = step.after(space, events[:, t, :3])


def test_what_a_context_says() -> None:
    meter = meter_id(4, 4)
    # pitches 40, 44, 47 a crotchet apart, from the second beat on
    events = torch.tensor(
        [[[24, 40, 0, 24, meter], [24, 44, 0, 48, meter], [24, 47, 0, 72, meter]]]
    )
    context = histories(space, events, n_intervals=N_INTERVALS)
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
    embed = IntervalEmbedding(space, 4, n_intervals=N_INTERVALS)
    assert torch.equal(
        embed(histories(space, events, n_intervals=N_INTERVALS).intervals()),
        embed(histories(space, higher, n_intervals=N_INTERVALS).intervals()),
    )


def test_padding_is_no_error() -> None:
    events = torch.cat([playable(2, 5, 0), torch.full((2, 3, 5), PADDING)], 1)
    whole, padded = (
        histories(space, events[:, :5], n_intervals=N_INTERVALS, active_notes_span=3),
        histories(space, events, n_intervals=N_INTERVALS, active_notes_span=3),
    )
    fields = zip((*whole[:-1], *whole.sounding), (*padded[:-1], *padded.sounding), strict=True)
    for a, b in fields:
        assert torch.allclose(a, b[:, :5])
        assert torch.isfinite(b).all()


def test_misheard_pitches_are_a_little_off_and_nothing_else_is() -> None:
    events = torch.cat([playable(20, 100, 0), torch.full((20, 5, 5), PADDING)], 1)
    events[:, :100, 1] = events[:, :100, 1] % 80 + 3  # no move runs into an end of the keyboard
    torch.manual_seed(0)
    heard = add_input_noise(space, events, 0.2)
    moves = heard[..., 1] - events[..., 1]
    assert set(moves.unique().tolist()) == {-3, -2, -1, 0, 1, 2, 3}
    assert (moves[:, :100] != 0).float().mean().item() == pytest.approx(0.2, abs=0.03)
    heard[..., 1] = events[..., 1]
    assert torch.equal(heard, events)
    assert torch.equal(add_input_noise(space, events, 0.0), events)


def test_what_was_misheard_is_all_that_a_generator_knows_of_the_past() -> None:
    generator = LSTMGenerator(
        space,
        noise_size=1,
        hidden_size=8,
        n_layers=1,
        embedding_size=4,
        dropout=0.0,
        n_intervals=N_INTERVALS,
    )
    events, z = playable(2, 12, 0), torch.zeros(2, 1)
    heard = add_input_noise(space, events, 1.0)
    for i, (a, b) in enumerate(
        zip(generator.logits(events, z, heard=heard), generator.logits(heard, z), strict=True)
    ):
        # the duration is told the pitch that was chosen in truth
        assert torch.equal(a, b) == (i < 2)
