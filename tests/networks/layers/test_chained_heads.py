from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features.history import MEMORIES, History, histories, initial_history
from gan_music.networks.layers.chained_heads import Heads
from gan_music.representations.note_events import NoteEvents, meter_id

N_INTERVALS = 4

space = note_space(NoteEvents(24))
n_offsets, n_pitches, n_durations = space.sizes


def make_heads() -> Heads:
    torch.manual_seed(0)
    return Heads(space, hidden_size=8, embedding_size=4, n_intervals=N_INTERVALS)


def at(position: int, meter: tuple[int, int], pitches: tuple[int, ...] = ()) -> History:
    """Before an event at a position in a bar, once pitches were heard."""
    context = initial_history(
        space, torch.tensor([position]), torch.tensor([meter_id(*meter)]), n_intervals=N_INTERVALS
    )
    for pitch in pitches:
        context = context.after(space, torch.tensor([[0, pitch, 0]]))
    return context


def scores(category: int, **chosen: float) -> Tensor:
    """The output of a head that is 0 but at the places that are named ``at_<place>``."""
    raw = torch.zeros(1, make_heads().out[category].out_features)  # type: ignore[arg-type]
    for name, value in chosen.items():
        raw[0, int(name.removeprefix("at_"))] = value
    return raw


def test_an_offset_is_scored_by_where_it_leads() -> None:
    # the wish to land on a beat (place 0 in it), six steps before the next one
    raw = scores(0, **{f"at_{n_offsets}": 1.0})
    logits = make_heads().logits(0, raw, at(18, (3, 4)), torch.zeros(1))
    wanted = {i for i, steps in enumerate(space.offset_bins.tolist()) if (18 + steps) % 24 == 0}
    assert {i for i, x in enumerate(logits[0].tolist()) if x == 1.0} == wanted
    assert 6 in wanted


def test_an_offset_is_scored_by_its_beat_of_the_bar() -> None:
    # the wish to land in the first beat of 3/4, from the last
    raw = scores(0, **{f"at_{n_offsets + 24}": 1.0})
    logits = make_heads().logits(0, raw, at(60, (3, 4)), torch.zeros(1))
    for i, steps in enumerate(space.offset_bins.tolist()):
        assert logits[0, i] == float((60 + steps) % 72 < 24)


def test_a_duration_is_scored_by_where_the_note_ends() -> None:
    # the wish to end on the second beat, for a note that begins 12 steps into the first
    raw = scores(2, **{f"at_{n_durations}": 1.0, f"at_{n_durations + 24 + 1}": 1.0})
    logits = make_heads().logits(2, raw, at(0, (4, 4)), torch.tensor([12]))
    best = {i for i, x in enumerate(logits[0].tolist()) if x == 2.0}
    assert {int(space.duration_bins[i]) for i in best} == {12}


@pytest.mark.parametrize("back", range(N_INTERVALS))
def test_a_pitch_is_scored_by_its_interval_to_each_of_the_last(back: int) -> None:
    pitches = (30, 41, 52, 63)
    # the wish for a fifth above the pitch that lies so far back
    first = n_pitches + back * (2 * n_pitches - 1)
    raw = scores(1, **{f"at_{first + n_pitches - 1 + 7}": 1.0})
    logits = make_heads().logits(1, raw, at(0, (4, 4), pitches), torch.zeros(1))
    assert logits[0].nonzero().flatten().tolist() == [pitches[-1 - back] + 7]


def test_a_pitch_is_scored_by_how_familiar_it_is() -> None:
    context = at(0, (4, 4), (40,))
    first = n_pitches + N_INTERVALS * (2 * n_pitches - 1)
    itself, its_class, nearby = (
        make_heads().logits(1, scores(1, **{f"at_{first + i}": 1.0}), context, torch.zeros(1))[0]
        for i in range(3)
    )
    unheard, heard = math.log(0.01), math.log(1.01)
    assert itself[40].item() == pytest.approx(heard)
    assert itself[[39, 41, 52]].tolist() == pytest.approx([unheard] * 3)
    assert its_class[[28, 40, 52]].tolist() == pytest.approx([heard] * 3)
    assert its_class[41].item() == pytest.approx(unheard)
    assert nearby[40] > nearby[42] > nearby[48]
    assert nearby[44].item() == pytest.approx(math.log(math.exp(-0.5) + 0.01), rel=1e-5)


def test_a_memory_fades() -> None:
    context = at(0, (4, 4), (40, *[41] * 32))
    first = n_pitches + N_INTERVALS * (2 * n_pitches - 1)
    short, long = (
        make_heads().logits(1, scores(1, **{f"at_{first + 3 * m}": 1.0}), context, torch.zeros(1))[
            0, 40
        ]
        for m in range(len(MEMORIES))
    )
    assert short < long


def test_a_pitch_is_scored_by_what_is_expected() -> None:
    heads = Heads(space, hidden_size=8, embedding_size=4, n_intervals=N_INTERVALS, n_expected=2)
    expected = torch.zeros(1, 2, n_pitches)
    expected[0, 0, 40], expected[0, 1, 41] = 1.0, 10.0
    context = at(0, (4, 4))._replace(expected=expected)
    raw = torch.zeros(1, heads.out[1].out_features)  # type: ignore[arg-type]
    raw[0, -2:] = torch.tensor([3.0, 0.5])
    logits = heads.logits(1, raw, context, torch.zeros(1))
    assert {i: x for i, x in enumerate(logits[0].tolist()) if x} == {40: 3.0, 41: 5.0}


@pytest.mark.parametrize("category", [0, 1, 2])
@pytest.mark.parametrize("n_intervals", [0, N_INTERVALS])
def test_a_choice_is_scored_by_what_is_recalled(category: int, n_intervals: int) -> None:
    heads = Heads(space, hidden_size=8, embedding_size=4, n_intervals=n_intervals, n_recalled=2)
    recalled = torch.zeros(1, 2, space.sizes[category])
    recalled[0, 0, 4], recalled[0, 1, 6] = 1.0, 10.0
    raw = torch.zeros(1, heads.out[category].out_features)  # type: ignore[arg-type]
    raw[0, -2:] = torch.tensor([3.0, 0.5])
    logits = heads.logits(category, raw, at(0, (4, 4)), torch.zeros(1).long(), recalled)
    assert {i: x for i, x in enumerate(logits[0].tolist()) if x} == {4: 3.0, 6: 5.0}


def test_weights_pass_a_gradient() -> None:
    heads = make_heads()
    events = torch.randint(0, 20, (2, 6, 5))
    events[..., -1] = meter_id(4, 4)
    hidden = torch.randn(2, 6, 8)
    for logits in heads(hidden, histories(space, events, n_intervals=N_INTERVALS), events):
        (logits.log_softmax(-1)[..., 0]).sum().backward(retain_graph=True)
    for name, parameter in heads.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
