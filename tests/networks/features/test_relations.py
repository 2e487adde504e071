from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features.feature_set import FeatureSet
from gan_music.networks.features.history import TIME_CONSTANTS, History, initial_history
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents

N_INTERVALS = 4

space = note_space(NoteEvents(24))
n_offsets, n_pitches, n_durations = space.sizes
features = FeatureSet(space, n_intervals=N_INTERVALS, lookback_span=0, active_notes_span=0)


def at(position: int, meter: tuple[int, int], pitches: tuple[int, ...] = ()) -> History:
    """Before an event at a position in a bar, after these pitches."""
    starts = space.beginning(torch.tensor([position]), torch.tensor([meter_id(*meter)]))
    history = initial_history(space, starts, n_intervals=N_INTERVALS)
    for pitch in pitches:
        history = history.observe(space, torch.tensor([[0, pitch, 0]]))
    return history


def logits(category: int, history: History, outputs: dict[int, float]) -> Tensor:
    """``[n]``, of a head's outputs that are 0 but in these columns."""
    row = torch.zeros(1, sum(features.head_sizes[category]))
    for column, value in outputs.items():
        row[0, column] = value
    values = [
        feature.state(space.beginning(history.position, history.meter)) for feature in features
    ]
    return features.logits(category, row, history, values)[0]


def test_an_offset_is_scored_by_the_position_in_the_beat() -> None:
    # a score for the beat (position 0), from six steps before the next one
    found = logits(0, at(18, (3, 4)), {n_offsets: 1.0})
    wanted = {i for i, steps in enumerate(space.offset_bins.tolist()) if (18 + steps) % 24 == 0}
    assert {i for i, x in enumerate(found.tolist()) if x == 1.0} == wanted
    assert 6 in wanted


def test_an_offset_is_scored_by_its_beat_of_the_bar() -> None:
    # a score for the first beat of 3/4, from the last
    found = logits(0, at(60, (3, 4)), {n_offsets + 24: 1.0})
    for i, steps in enumerate(space.offset_bins.tolist()):
        assert found[i] == float((60 + steps) % 72 < 24)


def test_a_duration_is_scored_by_the_end_of_the_note() -> None:
    # scores for the beat and for the second beat, of a note that begins 12 steps into the first
    history = at(0, (4, 4)).choose(space, 0, torch.tensor([12]))
    found = logits(2, history, {n_durations: 1.0, n_durations + 24 + 1: 1.0})
    best = {i for i, x in enumerate(found.tolist()) if x == 2.0}
    assert {int(space.duration_bins[i]) for i in best} == {12}


@pytest.mark.parametrize("back", range(N_INTERVALS))
def test_a_pitch_is_scored_by_its_interval_to_each_of_the_last(back: int) -> None:
    pitches = (30, 41, 52, 63)
    # a score for a fifth above the pitch that lies so far back
    first = n_pitches + back * (2 * n_pitches - 1)
    found = logits(1, at(0, (4, 4), pitches), {first + n_pitches - 1 + 7: 1.0})
    assert found.nonzero().flatten().tolist() == [pitches[-1 - back] + 7]


FREQUENCIES = n_pitches + N_INTERVALS * (2 * n_pitches - 1)  # their first column


def test_a_pitch_is_scored_by_its_log_frequencies() -> None:
    history = at(0, (4, 4), (40,))
    own, its_class, register = (logits(1, history, {FREQUENCIES + i: 1.0}) for i in range(3))
    unseen, always = math.log(0.01), math.log(1.01)
    assert own[40].item() == pytest.approx(always)
    assert own[[39, 41, 52]].tolist() == pytest.approx([unseen] * 3)
    assert its_class[[28, 40, 52]].tolist() == pytest.approx([always] * 3)
    assert its_class[41].item() == pytest.approx(unseen)
    assert register[40] > register[42] > register[48]
    assert register[44].item() == pytest.approx(math.log(math.exp(-0.5) + 0.01), rel=1e-5)


def test_counts_decay() -> None:
    history = at(0, (4, 4), (40, *[41] * 32))
    short, long = (
        logits(1, history, {FREQUENCIES + 3 * m: 1.0})[40] for m in range(len(TIME_CONSTANTS))
    )
    assert short < long


def test_a_pitch_is_scored_by_a_prior() -> None:
    with_prior = FeatureSet(
        space, n_intervals=N_INTERVALS, lookback_span=0, active_notes_span=0, n_pitch_priors=2
    )
    prior = torch.zeros(1, 2, n_pitches)
    prior[0, 0, 40], prior[0, 1, 41] = 1.0, 10.0
    history = at(0, (4, 4))._replace(pitch_prior=prior)
    row = torch.zeros(1, sum(with_prior.head_sizes[1]))
    row[0, -2:] = torch.tensor([3.0, 0.5])
    values = [
        feature.state(space.beginning(history.position, history.meter)) for feature in with_prior
    ]
    found = with_prior.logits(1, row, history, values)[0]
    assert {i: x for i, x in enumerate(found.tolist()) if x} == {40: 3.0, 41: 5.0}
