from __future__ import annotations

import pytest
import torch

from gan_music import losses
from gan_music.events import EventCodec
from gan_music.networks.discriminator import LSTMDiscriminator
from gan_music.networks.events import EventSpace
from gan_music.networks.generator import LSTMGenerator

codec = EventCodec(24)


def make_space() -> EventSpace:
    return EventSpace(codec.sizes, codec.offset_bins.tolist(), codec.grid)


def make_generator(**changes: float) -> LSTMGenerator:
    torch.manual_seed(0)
    settings = {
        "noise_size": 5,
        "hidden_size": 16,
        "n_layers": 2,
        "embedding_size": 4,
        "dropout": 0.0,
    } | changes
    return LSTMGenerator(make_space(), **settings)  # type: ignore[arg-type]


def make_discriminator() -> LSTMDiscriminator:
    torch.manual_seed(1)
    return LSTMDiscriminator(
        make_space(), hidden_size=16, n_layers=1, embedding_size=4, dropout=0.0
    )


def test_one_hot_has_a_one_in_each_part() -> None:
    space = make_space()
    hot = space.one_hot(torch.tensor([[[2, 3, 5]]]))
    assert hot.shape == (1, 1, 42 + 88 + 29)
    assert hot[0, 0].nonzero().flatten().tolist() == [2, 42 + 3, 42 + 88 + 5]


def test_positions_follow_the_offsets_round_the_beat() -> None:
    ids = torch.zeros(1, 4, 3, dtype=torch.int64)
    ids[0, :, 0] = torch.tensor([6, 12, 0, 12])  # below 25 an id is its number of steps
    assert make_space().positions(ids).tolist() == [[6, 18, 18, 6]]


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_both_passes_of_the_generator_agree(n_layers: int, temperature: float) -> None:
    generator = make_generator(n_layers=n_layers)
    z, gumbel = generator.noise(6), generator.gumbel(6, 20)
    events = generator.rollout(z, gumbel, temperature=temperature)
    noise = gumbel.split(generator.space.sizes, -1)
    for i, logits in enumerate(generator.logits(events, z)):
        score = logits / temperature + noise[i]
        # the choice is the best of the second pass's scores as well, up to rounding
        chosen = score.gather(-1, events[..., i : i + 1])[..., 0]
        assert torch.all(score.amax(-1) - chosen < 1e-5)


def test_logits_of_an_event_do_not_depend_on_itself_or_later_ones() -> None:
    generator = make_generator()
    z = generator.noise(1)
    a = torch.randint(0, 20, (1, 8, 3))
    b = a.clone()
    b[:, 5:] = (b[:, 5:] + 1) % 20
    for i, (x, y) in enumerate(zip(generator.logits(a, z), generator.logits(b, z), strict=True)):
        assert torch.equal(x[:, :5], y[:, :5])
        # the first head at 5 has seen only what lies before; later heads see its choice
        assert torch.equal(x[:, 5], y[:, 5]) == (i == 0)


def test_relaxed_is_hard_forward_and_passes_a_gradient_to_every_weight() -> None:
    generator, discriminator = make_generator(), make_discriminator()
    z, gumbel = generator.noise(3), generator.gumbel(3, 12)
    events = generator.rollout(z, gumbel)
    relaxed = generator.relaxed(events, z, gumbel, temperature=1.0)
    assert torch.allclose(relaxed, generator.space.one_hot(events), atol=1e-6)
    losses.generator_bce(discriminator(relaxed)).backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_choices_follow_the_softmax_of_the_logits() -> None:
    generator = make_generator()
    z = generator.noise(1).expand(20000, -1)
    torch.manual_seed(2)
    events = generator.rollout(z, generator.gumbel(20000, 1))
    expected = generator.logits(events[:1], z[:1])[0][0, 0].softmax(-1)
    found = torch.bincount(events[:, 0, 0], minlength=42) / 20000
    assert (found - expected).abs().max() < 0.01


def test_the_noise_matters_from_the_first_event_on() -> None:
    generator = make_generator()
    events = torch.zeros(2, 3, 3, dtype=torch.int64)
    first, second = generator.logits(events, generator.noise(2))[0][:, 0]
    assert not torch.allclose(first, second)


def test_the_discriminator_gives_a_logit_a_window() -> None:
    discriminator = make_discriminator()
    events = torch.randint(0, 20, (5, 12, 3))
    scores = discriminator(make_space().one_hot(events))
    assert scores.shape == (5,)
    assert torch.isfinite(discriminator(make_space().one_hot(events[:1]))).all()


def test_the_discriminator_sees_the_order_of_events() -> None:
    discriminator = make_discriminator()
    events = torch.randint(0, 20, (4, 12, 3))
    space = make_space()
    a, b = discriminator(space.one_hot(events)), discriminator(space.one_hot(events.flip(1)))
    assert not torch.allclose(a, b)
