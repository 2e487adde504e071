from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor

from gan_music.decoding.event_decoding import EventDecoding
from gan_music.decoding.particle_filter import ParticleFilter
from gan_music.models.event_model import note_space
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.networks.note_space import Starts
from gan_music.networks.step_discriminator import StepDiscriminator
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents

space = note_space(NoteEvents(24))
PITCH = 1


class PitchCritic:
    """A critic whose logit rises with each note by a reward of its pitch, ``[P]``."""

    def __init__(self, rewards: Tensor) -> None:
        self.rewards = rewards
        self.lengths: list[int] = []

    def eval(self) -> None:
        pass

    def features(self, events: Tensor, z: Tensor) -> None:
        pass

    def __call__(self, events: Tensor, features: None) -> Tensor:
        self.lengths.append(events.shape[1])
        return self.rewards[events[..., PITCH]].cumsum(1)


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


def starts(n: int) -> Starts:
    return space.beginning(torch.zeros(n, dtype=torch.int64), torch.full((n,), meter_id(4, 4)))


def chosen(generator: LSTMGenerator, critic: PitchCritic, *, n: int, k: int, length: int) -> Tensor:
    z = generator.prior(1).expand(n * k, -1)
    return filtered(generator, critic, z, k=k, resample_every=3, length=length)


def filtered(
    generator: LSTMGenerator,
    critic: PitchCritic,
    z: Tensor,
    *,
    k: int,
    resample_every: int,
    length: int,
) -> Tensor:
    particles = ParticleFilter(cast(StepDiscriminator, critic), k, resample_every)
    rng, n = torch.Generator().manual_seed(1), len(z)
    nothing = torch.zeros(n, 0, 5, dtype=torch.int64)
    decoder = generator.decoder(z, starts(n))
    return particles.generate(generator, decoder, nothing, length, rng, decoding=EventDecoding())


def test_the_first_event_has_the_reweighted_distribution() -> None:
    generator, n = make_generator(), 3000
    rewards = torch.zeros(88).index_fill(0, torch.arange(20, 60), 1.5)
    torch.manual_seed(3)
    events = chosen(generator, PitchCritic(rewards), n=n, k=32, length=1)
    torch.manual_seed(3)
    z = generator.prior(1)
    # the marginal distribution of the pitch, from many plain samples
    gumbel = generator.gumbel(60000, 1)
    samples = generator.decoder(z.expand(60000, -1), starts(60000)).generate(gumbel)
    plain = torch.bincount(samples[:, 0, PITCH], minlength=88) / 60000
    wanted = plain * rewards.exp()
    wanted /= wanted.sum()
    found = torch.bincount(events[:, 0, PITCH], minlength=88) / n
    assert wanted[20:60].sum() - plain[20:60].sum() > 0.15  # the reward matters
    assert found[20:60].sum().item() == pytest.approx(wanted[20:60].sum().item(), abs=0.03)


def test_resampling_is_systematic() -> None:
    particles = ParticleFilter(cast(StepDiscriminator, None), n_particles=5, resample_every=3)
    torch.manual_seed(0)
    log_weights = torch.randn(400 * 5)
    rng = torch.Generator().manual_seed(2)
    rows = particles._resample(log_weights, rng).view(400, 5) - 5 * torch.arange(400)[:, None]
    times = torch.nn.functional.one_hot(rows, 5).sum(1)
    expected = 5 * log_weights.view(400, 5).softmax(1)
    assert torch.all((times - expected).abs() < 1)
    assert times.float().mean(0).tolist() == pytest.approx(expected.mean(0).tolist(), abs=0.05)
    assert torch.equal(particles._resample(torch.zeros(10), rng), torch.arange(10))


def test_a_random_particle_is_returned() -> None:
    generator = make_generator()
    z, critic = generator.prior(800), PitchCritic(torch.zeros(88))
    events = filtered(generator, critic, z, k=4, resample_every=5, length=5)
    gumbel = generator.gumbel(800, 5, torch.Generator().manual_seed(1))
    every = generator.decoder(z, starts(800)).generate(gumbel)
    where = (every.view(200, 4, 5, 5) == events[:, None]).flatten(2).all(-1)
    assert where.any(1).all()
    assert torch.all(where.float().mean(0) > 0.15)


def test_long_sequences_continue_the_resampled_ones() -> None:
    generator = make_generator(attention_span=6, lookback_span=8)
    critic = PitchCritic(torch.linspace(-1, 1, 88))
    torch.manual_seed(3)
    events = chosen(generator, critic, n=4, k=5, length=20)
    assert events.shape == (4, 20, 5)
    # positions in the bar follow the offsets, whichever particle an event is from
    offsets = space.offset_bins[events[..., 0]]
    assert torch.equal(events[..., -2], offsets.cumsum(1) % 96)
    assert critic.lengths == [3, 6, 9, 12, 15, 18, 20]
    torch.manual_seed(3)
    plain = chosen(generator, PitchCritic(torch.zeros(88)), n=4, k=5, length=20)
    assert events[..., PITCH].float().mean() > plain[..., PITCH].float().mean() + 5


@pytest.mark.parametrize(("attention_span", "lookback_span"), [(0, 0), (5, 9)])
def test_reordered_sequences_continue_as_if_alone(attention_span: int, lookback_span: int) -> None:
    generator = make_generator(
        attention_span=attention_span, lookback_span=lookback_span, n_style_components=2, n_layers=2
    )
    z, gumbel = generator.prior(3), generator.gumbel(3, 20)
    whole = generator.decoder(z, starts(3)).generate(gumbel)
    decoder = generator.decoder(z, starts(3))
    first = decoder.generate(gumbel[:, :12])
    rows = torch.tensor([2, 0, 2, 1])
    decoder.reorder(rows)
    second = decoder.generate(gumbel[rows, 12:])
    assert torch.equal(torch.cat([first[rows], second], 1), whole[rows])
