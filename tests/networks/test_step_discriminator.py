from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features.lookback import N_SCORES
from gan_music.networks.note_space import PADDING
from gan_music.networks.step_discriminator import StepDiscriminator
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents

space = note_space(NoteEvents(24))
PITCH = 1


def make_critic(**changes: float) -> StepDiscriminator:
    torch.manual_seed(0)
    settings = {
        "hidden_size": 12,
        "embedding_size": 4,
        "dropout": 0.0,
        "n_intervals": 3,
        "lookback_span": 20,
        "active_notes_span": 12,
        "style_size": 2,
    } | changes
    critic = StepDiscriminator(space, **settings)  # type: ignore[arg-type]
    for parameter in critic.parameters():  # zeros would hide an error
        torch.nn.init.normal_(parameter, std=0.5)
    return critic.eval()


def any_events(*shape: int) -> Tensor:
    meter = torch.full((*shape, 1), meter_id(4, 4))
    return torch.cat([torch.randint(0, 20, (*shape, 4)), meter], -1)


def scores_of(critic: StepDiscriminator, events: Tensor, z: Tensor | None = None) -> Tensor:
    z = torch.zeros(len(events), 2) if z is None else z
    return critic(events, critic.features(events, z))


@pytest.mark.parametrize(
    ("n_intervals", "lookback_span", "active_notes_span"),
    [(3, 20, 12), (0, 0, 0), (1, 4, 0), (0, 0, 5)],
)
def test_scores_do_not_depend_on_later_events(
    n_intervals: int, lookback_span: int, active_notes_span: int
) -> None:
    critic = make_critic(
        n_intervals=n_intervals, lookback_span=lookback_span, active_notes_span=active_notes_span
    )
    events = any_events(3, 30)
    later = events.clone()
    later[:, 17:] = any_events(3, 13)
    padded = events.clone()
    padded[:, 17:] = PADDING
    scores = scores_of(critic, events)
    assert scores.shape == (3, 30)
    for other in (later, padded, events[:, :17]):
        assert torch.allclose(scores_of(critic, other)[:, :17], scores[:, :17], atol=1e-5)
    assert not torch.allclose(scores_of(critic, later)[:, 17:], scores[:, 17:], atol=1e-2)


def test_initial_scores_are_zero() -> None:
    critic = StepDiscriminator(
        space,
        hidden_size=8,
        embedding_size=4,
        dropout=0.0,
        n_intervals=2,
        lookback_span=9,
        active_notes_span=5,
    )
    assert scores_of(critic, any_events(2, 5)).eq(0).all()


def test_descriptors_of_a_repetition() -> None:
    critic = make_critic()
    motif = [40, 45, 43, 50]
    events = torch.zeros(1, 8, 5, dtype=torch.int64)
    events[0, :, PITCH] = torch.tensor(motif + motif)
    events[..., -1] = meter_id(4, 4)
    intervals, numbers, _ = critic.features(events, torch.zeros(1, 2))
    # the last pitch less the three before it, plus the number of pitches
    assert intervals[0, -1].tolist() == [88 + 7, 88 + 5, 88 + 10]
    assert intervals[0, 0].tolist() == [0, 0, 0]  # nothing came before
    of_pitch = numbers[..., 6 + N_SCORES : 6 + 2 * N_SCORES]
    certain = math.log1p(1 / 0.01) / 4
    # after the same two pitches came this one
    assert of_pitch[0, 6:, 0].tolist() == pytest.approx([certain, certain])
    assert of_pitch[0, :6, 0].tolist() == [0] * 6
    # the log frequency of the pitch, which was one of four
    frequencies = numbers[0, 4, :2] * 3
    weight = [math.exp(-k / 16) for k in range(4)]
    assert frequencies[0].item() == pytest.approx(
        math.log(weight[3] / sum(weight) + 0.01), rel=1e-4
    )


def test_it_is_conditioned_on_a_style_vector_that_is_noisy_in_training() -> None:
    critic, events = make_critic(), any_events(2, 9)
    z = torch.tensor([[0.0, 0.0], [1.0, -2.0]])
    same = events[:1].expand(2, -1, -1)
    one, other = scores_of(critic, same, z)
    assert not torch.allclose(one, other, atol=1e-2)
    assert torch.equal(scores_of(critic, same, z)[1], other)
    noisy = scores_of(critic.train(), same[:1].expand(500, -1, -1), z[:1].expand(500, -1))
    assert noisy.std(0).min() > 0
    unconditional = make_critic(style_size=0)
    assert torch.equal(*scores_of(unconditional, same, z))
