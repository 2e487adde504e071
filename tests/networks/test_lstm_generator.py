from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gan_music.decoding.event_decoding import EventDecoding
from gan_music.losses import adversarial, likelihood
from gan_music.models.event_model import note_space
from gan_music.networks.lstm_discriminator import LSTMDiscriminator
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.networks.note_space import PADDING, NoteSpace, Starts
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents

codec = NoteEvents(24)
rollout = EventDecoding().rollout


def make_space(codec: NoteEvents = codec) -> NoteSpace:
    return note_space(codec)


def any_events(*shape: int) -> Tensor:
    """Ids below 20, in 4/4."""
    return torch.cat(
        [torch.randint(0, 20, (*shape, 4)), torch.full((*shape, 1), meter_id(4, 4))], -1
    )


def starts(n: int) -> Starts:
    """Beats of 3/4 bars."""
    position = torch.randint(0, 3, (n,)) * 24
    return make_space().beginning(position, torch.full((n,), meter_id(3, 4)))


def make_generator(**changes: float) -> LSTMGenerator:
    torch.manual_seed(0)
    settings = {
        "noise_size": 5,
        "hidden_size": 16,
        "n_layers": 2,
        "embedding_size": 4,
        "dropout": 0.0,
        "n_intervals": 4,
    } | changes
    return LSTMGenerator(make_space(), **settings)  # type: ignore[arg-type]


def make_discriminator() -> LSTMDiscriminator:
    torch.manual_seed(1)
    return LSTMDiscriminator(
        make_space(), hidden_size=16, n_layers=1, embedding_size=4, dropout=0.0
    )


def test_one_hot_has_a_one_in_each_part() -> None:
    space = make_space()
    hot = space.one_hot(torch.tensor([[[2, 3, 5, 0, 0]]]))
    assert hot.shape == (1, 1, 45 + 88 + 29)
    assert hot[0, 0].nonzero().flatten().tolist() == [2, 45 + 3, 45 + 88 + 5]


def test_positions_follow_the_offsets_round_the_bar() -> None:
    space = make_space()
    meter = torch.tensor([meter_id(3, 4), meter_id(4, 4)])
    offset = torch.tensor([24, 6])  # below 25 an id is its number of steps
    assert space.advance(torch.tensor([60, 90]), offset, meter).tolist() == [12, 0]


def test_where_a_window_begins() -> None:
    # an eighth note into the third beat of 3/4, and on the first of 4/4
    events = torch.tensor([[[12, 0, 0, 60, meter_id(3, 4)]], [[0, 0, 0, 0, meter_id(4, 4)]]])
    position, meter, _ = make_space().starts(events)
    assert position.tolist() == [48, 0]
    assert meter.tolist() == [meter_id(3, 4), meter_id(4, 4)]


def with_spans(spans: tuple[int, int, int]) -> LSTMGenerator:
    """Of its attention, of lookback and of active notes."""
    attention, lookback, active_notes = spans
    return make_generator(
        attention_span=attention, lookback_span=lookback, active_notes_span=active_notes
    )


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("attention_span", [0, 5, 50])
@pytest.mark.parametrize(
    ("n_intervals", "n_style_components", "lookback_span", "active_notes_span"),
    [(0, 0, 0, 0), (3, 0, 12, 0), (3, 2, 0, 6), (0, 2, 30, 40)],
)
def test_decoding_and_teacher_forcing_agree(
    n_layers: int,
    temperature: float,
    attention_span: int,
    n_intervals: int,
    n_style_components: int,
    lookback_span: int,
    active_notes_span: int,
) -> None:
    generator = make_generator(
        n_layers=n_layers,
        attention_span=attention_span,
        n_intervals=n_intervals,
        n_style_components=n_style_components,
        lookback_span=lookback_span,
        active_notes_span=active_notes_span,
    )
    if generator.attention is not None:
        for parameter in generator.attention.parameters():  # zeros would hide an error
            torch.nn.init.normal_(parameter, std=0.5)
    z, gumbel = generator.prior(6), generator.gumbel(6, 20)
    begin = starts(6)
    events = rollout(generator, z, gumbel, begin, temperature=temperature)
    assert [x.tolist() for x in generator.space.starts(events)] == [x.tolist() for x in begin]
    noise = gumbel.split(generator.space.sizes, -1)
    for i, logits in enumerate(generator.logits(events, z)):
        score = logits / temperature + noise[i]
        # the choice is the argmax of the teacher-forced scores, too, up to rounding
        chosen = score.gather(-1, events[..., i : i + 1])[..., 0]
        assert torch.all(score.amax(-1) - chosen < 1e-5)


@pytest.mark.parametrize("spans", [(0, 0, 0), (5, 0, 0), (0, 9, 0), (0, 0, 7)])
def test_generation_in_parts_is_generation_at_once(spans: tuple[int, int, int]) -> None:
    generator = with_spans(spans)
    z, gumbel, begin = generator.prior(3), generator.gumbel(3, 20), starts(3)
    whole = rollout(generator, z, gumbel, begin)
    decoder = generator.decoder(z, begin)
    parts = [decoder.generate(part) for part in gumbel.split([1, 11, 8], 1)]
    assert torch.equal(torch.cat(parts, 1), whole)


@pytest.mark.parametrize("n_layers", [1, 2])
def test_recurrent_dropout_acts_in_training_alone(n_layers: int) -> None:
    plain = make_generator(n_layers=n_layers)
    dropping = make_generator(n_layers=n_layers, recurrent_dropout=0.5)
    events, z = any_events(3, 9), plain.prior(3)

    def first(generator: LSTMGenerator) -> Tensor:
        return generator.logits(events, z)[0]

    assert torch.equal(first(plain.eval()), first(dropping.eval()))
    dropping.train()
    assert not torch.allclose(first(dropping), first(plain), atol=1e-4)
    # otherwise the same function
    dropping.recurrent_dropout = 1e-9
    assert torch.allclose(first(dropping), first(plain), atol=1e-5)
    first(dropping).sum().backward()
    assert all(p.grad is not None for p in dropping.lstm.parameters())


def test_gumbel_noise_has_the_moments_of_its_distribution() -> None:
    noise = make_generator().gumbel(100, 20)
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01)  # Euler's constant
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.02)


@pytest.mark.parametrize("spans", [(0, 0, 0), (3, 0, 0), (0, 8, 0), (0, 0, 7)])
def test_logits_of_an_event_do_not_depend_on_itself_or_later_ones(
    spans: tuple[int, int, int],
) -> None:
    generator = with_spans(spans)
    z = generator.prior(1)
    a = any_events(1, 8)
    a[:, 3:5] = a[:, :2]  # a repetition
    b = a.clone()
    b[:, 5:, :4] = (b[:, 5:, :4] + 1) % 20
    for i, (x, y) in enumerate(zip(generator.logits(a, z), generator.logits(b, z), strict=True)):
        assert torch.equal(x[:, :5], y[:, :5])
        # the first head at 5 reads earlier events alone; later heads read its choice
        assert torch.equal(x[:, 5], y[:, 5]) == (i == 0)


def test_relaxed_is_hard_forward_and_has_a_gradient_for_every_weight() -> None:
    generator, discriminator = make_generator(), make_discriminator()
    z, gumbel = generator.prior(3), generator.gumbel(3, 12)
    events = rollout(generator, z, gumbel, starts(3))
    relaxed = generator.relaxed(events, z, gumbel, temperature=1.0)
    assert torch.allclose(relaxed, generator.space.one_hot(events), atol=1e-6)
    adversarial.generator_bce(discriminator(events, relaxed)).backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_position_and_meter_are_read() -> None:
    generator, discriminator = make_generator(), make_discriminator()
    z, events = generator.prior(1), any_events(1, 6)
    moved, other = events.clone(), events.clone()
    moved[:, 2, -2] += 24  # a beat later
    other[..., -1] = meter_id(6, 4)
    for changed, first in ((moved, 3), (other, 0)):
        a, b = generator.logits(events, z)[0], generator.logits(changed, z)[0]
        assert torch.equal(a[:, :first], b[:, :first])
        assert not torch.allclose(a[:, first], b[:, first])
        assert not torch.allclose(discriminator(events), discriminator(changed))


def test_padding_changes_nothing() -> None:
    generator, discriminator = make_generator(), make_discriminator()
    whole = any_events(2, 6)
    padded = torch.cat([whole, torch.full((2, 3, 5), PADDING)], 1)
    z = generator.prior(2)
    for a, b in zip(generator.logits(whole, z), generator.logits(padded, z), strict=True):
        assert torch.allclose(a, b[:, :6], atol=1e-6)
    assert torch.allclose(discriminator(whole), discriminator(padded), atol=1e-5)
    nll = likelihood.negative_log_likelihood
    assert nll(generator.logits(whole, z), whole).item() == pytest.approx(
        nll(generator.logits(padded, z), padded).item(), rel=1e-5
    )


def test_velocity_is_one_more_head() -> None:
    with_velocity = NoteEvents(24, velocity=True)
    generator = LSTMGenerator(
        note_space(with_velocity),
        noise_size=5,
        hidden_size=16,
        n_layers=1,
        embedding_size=4,
        dropout=0.0,
    )
    z, gumbel = generator.prior(3), generator.gumbel(3, 7)
    events = rollout(generator, z, gumbel, starts(3))
    assert events.shape == (3, 7, 6)
    logits = generator.logits(events, z)
    assert [x.shape[-1] for x in logits] == list(with_velocity.sizes)
    scores = logits[3] + gumbel[..., -32:]
    assert torch.equal(scores.argmax(-1), events[..., 3])


def test_choices_follow_the_softmax_of_the_logits() -> None:
    generator = make_generator()
    z = generator.prior(1).expand(20000, -1)
    torch.manual_seed(2)
    meter = torch.tensor([meter_id(4, 4)]).expand(20000)
    begin = make_space().beginning(torch.zeros(20000, dtype=torch.int64), meter)
    events = rollout(generator, z, generator.gumbel(20000, 1), begin)
    expected = generator.logits(events[:1], z[:1])[0][0, 0].softmax(-1)
    found = torch.bincount(events[:, 0, 0], minlength=45) / 20000
    assert (found - expected).abs().max() < 0.01


def test_the_noise_matters_from_the_first_event_on() -> None:
    generator = make_generator()
    events = torch.zeros(2, 3, 5, dtype=torch.int64)
    first, second = generator.logits(events, generator.prior(2))[0][:, 0]
    assert not torch.allclose(first, second)


def test_the_discriminator_gives_a_logit_a_window() -> None:
    discriminator = make_discriminator()
    events = any_events(5, 12)
    assert discriminator(events).shape == (5,)
    assert torch.isfinite(discriminator(events[:1])).all()


def test_the_discriminator_sees_the_order_of_events() -> None:
    discriminator = make_discriminator()
    events = any_events(4, 12)
    assert not torch.allclose(discriminator(events), discriminator(events.flip(1)))


@pytest.mark.parametrize("n_layers", [1, 2])
def test_bfloat16_generates_nearly_the_same(n_layers: int) -> None:
    generator = make_generator(
        n_layers=n_layers, hidden_size=32, attention_span=9, lookback_span=20, active_notes_span=6
    )
    z, gumbel, begin = generator.prior(64), generator.gumbel(64, 20), starts(64)
    whole = rollout(generator, z, gumbel, begin)
    low = EventDecoding(bf16=True).rollout(generator, z, gumbel, begin)
    # one in some hundred choices is close enough to another to change, with all that follows
    same = (low == whole).all(-1).float().mean()
    assert 0.9 < same < 1.0
    # all choices are nearly the argmax of the teacher-forced scores
    noise = gumbel.split(generator.space.sizes, -1)
    for i, logits in enumerate(generator.logits(low, z)):
        score = logits + noise[i]
        chosen = score.gather(-1, low[..., i : i + 1])[..., 0]
        assert torch.all(score.amax(-1) - chosen < 0.05)
