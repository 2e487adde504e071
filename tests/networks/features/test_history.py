from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features.history import (
    TIME_CONSTANTS,
    History,
    IntervalEmbedding,
    add_input_noise,
    history_sequence,
    initial_history,
)
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.networks.note_space import PADDING
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents

N_INTERVALS = 4

space = note_space(NoteEvents(24))


def histories(events: Tensor, **options: Tensor) -> History:
    return history_sequence(space, events, events, n_intervals=N_INTERVALS, **options)


def consistent_events(n: int, length: int, seed: int) -> Tensor:
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
def test_sequences_and_single_steps_agree(length: int, seed: int) -> None:
    events = consistent_events(3, length, seed)
    prior = torch.randn(3, 2, space.sizes[1])
    whole = histories(events, pitch_prior=prior)
    step = initial_history(space, space.starts(events), n_intervals=N_INTERVALS, pitch_prior=prior)
    for t in range(length):
        for field in ("position", "meter", "pitches", "pitch_history"):
            one, all_ = getattr(step, field), getattr(whole, field)
            assert torch.allclose(one, all_[:, t], rtol=1e-5, atol=1e-6), field
        # of the whole sequence, and so the same at all steps
        assert step.pitch_prior is whole.pitch_prior is prior
        assert step.offset is step.onset is None
        step = step.choose(space, 0, events[:, t, 0])
        assert whole.offset is not None
        assert whole.onset is not None
        assert torch.equal(step.offset, whole.offset[:, t])  # type: ignore[arg-type]
        assert torch.equal(step.onset, whole.onset[:, t])  # type: ignore[arg-type]
        step = step.observe(space, events[:, t, :3])


def test_a_history_by_hand() -> None:
    meter = meter_id(4, 4)
    # pitches 40, 44, 47 a quarter note apart, from the second beat on
    events = torch.tensor(
        [[[24, 40, 0, 24, meter], [24, 44, 0, 48, meter], [24, 47, 0, 72, meter]]]
    )
    history = histories(events)
    assert history.position.tolist() == [[0, 24, 48]]
    assert history.pitches[0, :, :3].tolist() == [[88, 88, 88], [40, 88, 88], [44, 40, 88]]
    assert history.intervals()[0].tolist() == [
        [0] * N_INTERVALS,
        [0] * N_INTERVALS,
        [88 + 4] + [0] * (N_INTERVALS - 1),
    ]
    for m, constant in enumerate(TIME_CONSTANTS):
        counts = history.pitch_history[0, 2, m]
        assert counts[44].item() == 1
        assert counts[40].item() == pytest.approx(math.exp(-1 / constant))
        assert counts.sum().item() == pytest.approx(1 + math.exp(-1 / constant))
    assert history.pitch_history[0, 0].sum() == 0


def test_a_transposed_window_has_the_same_intervals() -> None:
    events = consistent_events(2, 10, 0)
    events[..., 1] = events[..., 1] % 70
    higher = events.clone()
    higher[..., 1] += 7
    embed = IntervalEmbedding(space, 4, n_intervals=N_INTERVALS)
    assert torch.equal(embed(histories(events).intervals()), embed(histories(higher).intervals()))


def test_padding_is_no_error() -> None:
    events = torch.cat([consistent_events(2, 5, 0), torch.full((2, 3, 5), PADDING)], 1)
    for a, b in zip(histories(events[:, :5]), histories(events), strict=True):
        if a is not None or b is not None:
            assert torch.allclose(a, b[:, :5])
            assert torch.isfinite(b).all()


def test_input_noise_moves_pitches_a_little_and_nothing_else() -> None:
    events = torch.cat([consistent_events(20, 100, 0), torch.full((20, 5, 5), PADDING)], 1)
    events[:, :100, 1] = events[:, :100, 1] % 80 + 3  # no move is clamped
    torch.manual_seed(0)
    inputs = add_input_noise(space, events, 0.2)
    moves = inputs[..., 1] - events[..., 1]
    assert set(moves.unique().tolist()) == {-3, -2, -1, 0, 1, 2, 3}
    assert (moves[:, :100] != 0).float().mean().item() == pytest.approx(0.2, abs=0.03)
    inputs[..., 1] = events[..., 1]
    assert torch.equal(inputs, events)
    assert torch.equal(add_input_noise(space, events, 0.0), events)


def test_a_generator_reads_noisy_inputs_alone() -> None:
    generator = LSTMGenerator(
        space,
        noise_size=1,
        hidden_size=8,
        n_layers=1,
        embedding_size=4,
        dropout=0.0,
        n_intervals=N_INTERVALS,
    )
    events, z = consistent_events(2, 12, 0), torch.zeros(2, 1)
    inputs = add_input_noise(space, events, 1.0)
    noisy, own = generator.logits(events, z, inputs=inputs), generator.logits(inputs, z)
    for i, (a, b) in enumerate(zip(noisy, own, strict=True)):
        # the head of the duration reads the true pitch
        assert torch.equal(a, b) == (i < 2)
