from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor

from gan_music.decoding.particle_filter import ParticleFilter
from gan_music.models.event_model import note_space
from gan_music.networks.lstm_decoder import LSTMDecoder
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.networks.step_discriminator import StepDiscriminator
from gan_music.representations.note_events import NoteEvents, meter_id

space = note_space(NoteEvents(24))
PITCH = 1


class Likes:
    """A critic whose logit rises by so much with each note of a pitch."""

    def __init__(self, worth: Tensor) -> None:
        self.worth = worth
        self.lengths: list[int] = []

    def eval(self) -> None:
        pass

    def features(self, events: Tensor, z: Tensor) -> None:
        pass

    def __call__(self, events: Tensor, features: None) -> Tensor:
        self.lengths.append(events.shape[1])
        return self.worth[events[..., PITCH]].cumsum(1)


def make_generator(**changes: Any) -> LSTMGenerator:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "noise_size": 5,
        "hidden_size": 16,
        "n_layers": 1,
        "embedding_size": 4,
        "dropout": 0.0,
        "n_intervals": 2,
    } | changes
    return LSTMGenerator(space, **settings).eval()


def starts(n: int) -> tuple[Tensor, Tensor]:
    return torch.zeros(n, dtype=torch.int64), torch.full((n,), meter_id(4, 4))


def nothing(n: int) -> Tensor:
    return torch.zeros(n, 0, 5, dtype=torch.int64)


def chosen(generator: LSTMGenerator, critic: Likes, *, n: int, k: int, length: int) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    rollout = LSTMDecoder(generator, generator.noise(1).expand(n * k, -1), starts(n * k))
    choice = ParticleFilter(cast(StepDiscriminator, critic), n_particles=k, span=3)
    return choice.write(generator, rollout, nothing(n * k), length, rng)


def test_the_first_event_is_drawn_as_the_critic_weighs_it() -> None:
    generator, n = make_generator(), 3000
    worth = torch.zeros(88).index_fill(0, torch.arange(20, 60), 1.5)
    torch.manual_seed(3)
    events = chosen(generator, Likes(worth), n=n, k=32, length=1)
    torch.manual_seed(3)
    z = generator.noise(1)
    # the marginal of the pitch, over offsets, by many plain draws
    drawn = generator.rollout(z.expand(60000, -1), generator.gumbel(60000, 1), starts(60000))
    plain = torch.bincount(drawn[:, 0, PITCH], minlength=88) / 60000
    wanted = plain * worth.exp()
    wanted /= wanted.sum()
    found = torch.bincount(events[:, 0, PITCH], minlength=88) / n
    assert wanted[20:60].sum() - plain[20:60].sum() > 0.15  # it does matter
    assert found[20:60].sum().item() == pytest.approx(wanted[20:60].sum().item(), abs=0.03)


def test_particles_are_drawn_as_often_as_their_weights_say_to_within_one() -> None:
    choice = ParticleFilter(cast(StepDiscriminator, None), n_particles=5, span=3)
    torch.manual_seed(0)
    evidence = torch.randn(400 * 5)
    rng = torch.Generator().manual_seed(2)
    rows = choice._drawn(evidence, rng).view(400, 5) - 5 * torch.arange(400)[:, None]
    times = torch.nn.functional.one_hot(rows, 5).sum(1)
    expected = 5 * evidence.view(400, 5).softmax(1)
    assert torch.all((times - expected).abs() < 1)
    assert times.float().mean(0).tolist() == pytest.approx(expected.mean(0).tolist(), abs=0.05)
    assert torch.equal(choice._drawn(torch.zeros(10), rng), torch.arange(10))


def test_one_of_the_particles_is_taken_by_chance() -> None:
    choice = ParticleFilter(cast(StepDiscriminator, Likes(torch.zeros(88))), n_particles=4, span=5)
    generator = make_generator()
    z = generator.noise(800)
    rng = torch.Generator().manual_seed(1)
    events = choice.write(generator, LSTMDecoder(generator, z, starts(800)), nothing(800), 5, rng)
    rng = torch.Generator().manual_seed(1)
    every = LSTMDecoder(generator, z, starts(800)).write(generator.gumbel(800, 5, rng))
    where = (every.view(200, 4, 5, 5) == events[:, None]).flatten(2).all(-1)
    assert where.any(1).all()
    assert torch.all(where.float().mean(0) > 0.15)


def test_long_sequences_are_whole_and_go_on_from_what_is_kept() -> None:
    generator = make_generator(attention_span=6, lookback_span=8)
    critic = Likes(torch.linspace(-1, 1, 88))
    torch.manual_seed(3)
    events = chosen(generator, critic, n=4, k=5, length=20)
    assert events.shape == (4, 20, 5)
    # positions in the bar follow the offsets, whichever particle an event is from
    offsets = space.offset_bins[events[..., 0]]
    assert torch.equal(events[..., -2], offsets.cumsum(1) % 96)
    assert critic.lengths == [3, 6, 9, 12, 15, 18, 20]
    torch.manual_seed(3)
    plain = chosen(generator, Likes(torch.zeros(88)), n=4, k=5, length=20)
    assert events[..., PITCH].float().mean() > plain[..., PITCH].float().mean() + 5


@pytest.mark.parametrize(("attention_span", "lookback_span"), [(0, 0), (5, 9)])
def test_kept_sequences_go_on_as_if_alone(attention_span: int, lookback_span: int) -> None:
    generator = make_generator(
        attention_span=attention_span, lookback_span=lookback_span, n_style_components=2, n_layers=2
    )
    z, gumbel = generator.noise(3), generator.gumbel(3, 20)
    whole = generator.rollout(z, gumbel, starts(3))
    rollout = LSTMDecoder(generator, z, starts(3))
    first = rollout.write(gumbel[:, :12])
    rows = torch.tensor([2, 0, 2, 1])
    rollout.keep(rows)
    second = rollout.write(gumbel[rows, 12:])
    assert torch.equal(torch.cat([first[rows], second], 1), whole[rows])
