from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.music.piece import Piece
from gan_music.networks.features.style_vector import (
    N_CLASSES,
    SCALARS,
    STYLE_SIZE,
    StyleMixture,
    StylePrior,
    style_vector,
)
from gan_music.networks.note_space import PADDING
from gan_music.representations.note_events import NoteEvents

codec = NoteEvents(24)
space = note_space(codec)
C4 = 60 - 21  # the lowest pitch of a piano has the id 0


def encoded(*notes: tuple[int, int, int]) -> Tensor:
    """(onset, duration, pitch) in 24 steps a quarter -> ids ``[1, T, C + 2]``."""
    onset, duration, pitch = zip(*notes, strict=True)
    piece = Piece.from_arrays(onset, duration, pitch, grid=24)
    return torch.from_numpy(codec.encode(piece))[None]


def scalars(found: Tensor) -> dict[str, float]:
    return dict(zip(SCALARS, found[0, N_CLASSES:].tolist(), strict=True))


def any_events(n: int, length: int, seed: int = 0) -> Tensor:
    torch.manual_seed(seed)
    sizes = (*space.sizes, space.n_positions, len(space.bars))
    return torch.stack([torch.randint(0, size, (n, length)) for size in sizes], -1)


def test_a_style_vector_by_hand() -> None:
    # a third held for a quarter, then a repeated eighth, then a triplet eighth off the sixteenths
    found = style_vector(
        space, encoded((0, 24, 60), (0, 24, 64), (24, 12, 60), (36, 12, 60), (56, 4, 62))
    )
    shares = dict(enumerate(found[0, :N_CLASSES].tolist()))
    assert {(k + 21) % 12: x for k, x in shares.items() if x} == pytest.approx(
        {0: 0.6, 2: 0.2, 4: 0.2}
    )
    figures = scalars(found)
    assert figures["pitch_mean"] == pytest.approx(C4 + 6 / 5)
    assert figures["pitch_deviation"] == pytest.approx(math.sqrt(12.8) / math.sqrt(5))
    logs = [math.log1p(x) for x in (0, 24, 12, 20)]
    assert figures["offset_mean"] == pytest.approx(sum(logs) / 4)
    logs = [math.log(x) for x in (24, 24, 12, 12, 4)]
    assert figures["duration_mean"] == pytest.approx(sum(logs) / 5, rel=1e-5)
    for name, wanted in {
        "chord_rate": 1 / 4,
        "overlap_rate": 1 / 4,
        "beat_rate": 3 / 5,
        "half_beat_rate": 4 / 5,
        "quarter_beat_rate": 4 / 5,
        "triplet_rate": 1 / 5,
        "repeated_pitch_rate": 1 / 4,
        "step_rate": 2 / 4,
        "interval_mean": (4 + 4 + 0 + 2) / 4,
        "offset_change_rate": 3 / 3,
        "distinct_pitches": 3 / 5,
        "distinct_offsets": 4 / 4,
        "distinct_pitch_2grams": 4 / 4,
        "distinct_pitch_4grams": 2 / 2,
        "distinct_interval_2grams": 3 / 3,
        "distinct_rhythms": 3 / 3,
    }.items():
        assert figures[name] == pytest.approx(wanted), name


def test_repetitions_are_not_distinct() -> None:
    figures = scalars(
        style_vector(space, encoded(*[(24 * i, 24, 60 + 2 * (i % 2)) for i in range(12)]))
    )
    assert figures["distinct_pitches"] == pytest.approx(2 / 12)
    assert figures["distinct_pitch_2grams"] == pytest.approx(2 / 11)
    assert figures["distinct_pitch_4grams"] == pytest.approx(2 / 9)
    assert figures["distinct_interval_2grams"] == pytest.approx(2 / 10)
    assert figures["distinct_rhythms"] == pytest.approx(1 / 10)
    assert figures["offset_change_rate"] == 0


@settings(deadline=None, max_examples=30)
@given(length=st.integers(1, 30), padding=st.integers(0, 8), seed=st.integers(0, 100))
def test_padding_does_not_count(length: int, padding: int, seed: int) -> None:
    events = any_events(3, length, seed)
    padded = torch.cat([events, torch.full((3, padding, 5), PADDING)], 1)
    found = style_vector(space, padded)
    assert found.isfinite().all()
    assert torch.allclose(found, style_vector(space, events), atol=1e-4)


def test_a_transposition_rotates_the_classes_and_shifts_the_register() -> None:
    events = any_events(4, 40)
    events[..., 1] = events[..., 1].clamp(10, 70)
    higher = events.clone()
    higher[..., 1] += 5
    a, b = style_vector(space, events), style_vector(space, higher)
    assert torch.allclose(a[:, :N_CLASSES].roll(5, 1), b[:, :N_CLASSES])
    moved = [SCALARS.index(x) for x in ("pitch_mean", "pitch_low", "pitch_high")]
    change = (b - a)[:, N_CLASSES:]
    wanted = torch.zeros(len(SCALARS))
    wanted[moved] = 5.0
    assert torch.allclose(change, wanted.expand(4, -1), atol=1e-4)


def mixture(**changes: Tensor) -> StyleMixture:
    return StyleMixture(
        location=torch.zeros(STYLE_SIZE),
        scale=torch.ones(STYLE_SIZE),
        weights=torch.tensor([0.0, 1.0]),
        means=torch.stack([torch.zeros(STYLE_SIZE), torch.arange(STYLE_SIZE).float()]),
        factors=torch.zeros(2, STYLE_SIZE, STYLE_SIZE),
        keys=torch.tensor([0.0] * 3 + [1.0] + [0.0] * 8),
    )._replace(**changes)


def test_samples_are_a_component_transposed_to_a_key() -> None:
    style_prior = StylePrior(space, n_components=2)
    style_prior.set_mixture(mixture())
    z = style_prior.sample(5)
    assert torch.equal(z[:, N_CLASSES:], torch.arange(12.0, STYLE_SIZE).expand(5, -1))
    # the tonic's share, 0, now stands at the fourth class
    assert z[0, :N_CLASSES].tolist() == [9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7, 8]


def test_samples_have_the_covariance_of_their_component() -> None:
    factor = torch.randn(STYLE_SIZE, STYLE_SIZE, generator=torch.Generator().manual_seed(0))
    style_prior = StylePrior(space, n_components=2)
    style_prior.set_mixture(
        mixture(factors=factor.tril().expand(2, -1, -1), keys=torch.eye(N_CLASSES)[0])
    )
    z = style_prior.sample(20_000, torch.Generator().manual_seed(1))
    assert torch.allclose(z.T.cov(), factor.tril() @ factor.tril().T, atol=2.0)


def test_the_same_seed_gives_the_same_sample() -> None:
    style_prior = StylePrior(space, n_components=3)
    a, b = (style_prior.sample(4, torch.Generator().manual_seed(2)) for _ in range(2))
    assert torch.equal(a, b)


def test_known_events_are_encoded_standardised() -> None:
    style_prior = StylePrior(space, n_components=2)
    events = any_events(6, 20)
    found = style_vector(space, events)
    style_prior.set_mixture(mixture(location=found.mean(0), scale=found.std(0) + 0.1))
    z = style_prior.encode(events, noise=0.0)
    assert torch.allclose(z * style_prior.scale + style_prior.location, found, atol=1e-4)
    noise = style_prior.encode(events.repeat(100, 1, 1), noise=0.1) - z.repeat(100, 1)
    assert noise.std().item() == pytest.approx(0.1, rel=0.05)


def test_the_prior_of_each_pitch() -> None:
    found = torch.zeros(1, STYLE_SIZE)
    found[0, 0], found[0, 7] = 0.75, 0.25
    found[0, N_CLASSES : N_CLASSES + 4] = torch.tensor([40.0, 6.0, 30.0, 60.0])
    shares, register, below, above = StylePrior(space, n_components=1).pitch_prior(found)[0]
    assert shares[[0, 12, 84]].tolist() == pytest.approx([math.log(0.76)] * 3)
    assert shares[[7, 79]].tolist() == pytest.approx([math.log(0.26)] * 2)
    assert shares[[1, 80]].tolist() == pytest.approx([math.log(0.01)] * 2)
    assert register[[34, 40, 52]].tolist() == pytest.approx([-0.5, 0.0, -2.0])
    assert below[[24, 30, 31, 80]].tolist() == [2, 0, 0, 0]
    assert above[[10, 60, 63, 66]].tolist() == [0, 0, 1, 2]


def test_continuations_are_sampled_close_to_their_passage() -> None:
    # in C, around the middle, against any key and register
    passage = encoded(*[(6 * i, 6, 60 + (0, 4, 7, 5, 2, 11, 9)[i % 7]) for i in range(14)])
    found = style_vector(space, passage)[0]
    c_major = found[:N_CLASSES].roll(21)  # from the id of A, the lowest, to C
    style_prior = StylePrior(space, n_components=2)
    means = found.repeat(2, 1)
    means[:, :N_CLASSES] = c_major
    means[1, N_CLASSES] += 12
    even = torch.full((12,), 1 / 12)
    style_prior.set_mixture(mixture(weights=torch.tensor([0.5, 0.5]), means=means, keys=even))
    state = torch.get_rng_state()
    z = style_prior.sample_like(passage.expand(3, -1, -1), torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.allclose(z, found.expand(3, -1), atol=1e-5)


@pytest.mark.parametrize("name", ["weights", "keys"])
def test_what_is_no_probability_is_refused(name: str) -> None:
    state = StylePrior(note_space(NoteEvents(24)), n_components=2).state_dict()
    prior = StylePrior(note_space(NoteEvents(24)), n_components=2)
    prior.load_state_dict(state)
    for factor in (-1.0, 0.0, 1e38, float("nan")):
        with pytest.raises(ValueError, match=f"{name} are no probabilities"):
            prior.load_state_dict(state | {name: state[name] * factor})
