from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features import active_notes
from gan_music.networks.features.active_notes import (
    MAX_INTERVAL,
    N_HARMONY,
    ActiveNotes,
    ActiveNotesValues,
    RecentNotes,
)
from gan_music.networks.features.feature_set import FeatureSet
from gan_music.networks.features.history import History, history_sequence
from gan_music.networks.layers.chained_heads import ChainedHeads
from gan_music.networks.note_space import PADDING
from gan_music.representations.note_events import NoteEvents
from tests.networks.features.test_history import consistent_events

space = note_space(NoteEvents(24))
OFFSETS, DURATIONS = space.offset_bins.tolist(), space.duration_bins.tolist()
n_pitches = space.sizes[1]


def event(offset: int, pitch: int, duration: int) -> list[int]:
    """Of steps; where it lies in the bar has no part in this."""
    return [OFFSETS.index(offset), pitch, DURATIONS.index(duration), 0, 0]


# C, then E and G half a beat later, of which the E is short; then, two beats in, a C above
CHORD = torch.tensor([[event(0, 40, 48), event(12, 44, 12), event(0, 47, 36), event(36, 52, 24)]])


def histories(events: Tensor) -> History:
    return history_sequence(space, events, events, n_intervals=0)


def recent_notes(events: Tensor, span: int = 8) -> RecentNotes:
    return active_notes.recent_notes(space, events[:, :-1], span=span)


def before(number: int) -> RecentNotes:
    """The notes before one of the chord's events."""
    return RecentNotes(*(x[:, number] for x in recent_notes(CHORD)))


def test_the_last_notes_from_the_last_onset() -> None:
    found = before(3)
    assert [x[0, -3:].tolist() for x in found] == [[40, 44, 47], [-12, 0, 0], [36, 12, 36]]
    assert (found.pitch[0, :-3] == n_pitches).all()
    assert (found.ends[0, :-3] < -1000).all()


def test_offsets_at_which_held_notes_end() -> None:
    coincides, longer, rests = active_notes.offset_scores(space, before(3))[0].tolist()
    assert {OFFSETS[i] for i, x in enumerate(coincides) if x} == {12, 36}
    for steps, share, rest in zip(OFFSETS, longer, rests, strict=True):
        assert share == pytest.approx(1 if steps < 12 else 2 / 3 if steps < 36 else 0)
        assert rest == (steps > 36)


def test_durations_that_end_with_held_notes() -> None:
    # a note with the G: 36 steps to the end of it and of the C, 12 to that of the E
    then = before(3).shifted(torch.tensor([0]))
    coincides, longer, outlasts = active_notes.duration_scores(space, then)[0].tolist()
    assert {DURATIONS[i] for i, x in enumerate(coincides) if x} == {12, 36}
    assert [o for o, d in zip(outlasts, DURATIONS, strict=True) if d <= 36] == [0] * sum(
        d <= 36 for d in DURATIONS
    )
    assert longer[DURATIONS.index(12)] == pytest.approx(2 / 3)
    # once all have ended
    then = before(3).shifted(torch.tensor([36]))
    assert active_notes.duration_scores(space, then)[0].sum(1).tolist() == [0, 0, len(DURATIONS)]


def harmony_after(steps: int, *, position: int) -> active_notes.Harmony:
    then = before(3).shifted(torch.tensor([steps]))
    return active_notes.harmony(
        space, then, torch.tensor([position]), histories(CHORD).pitch_history[:, 3]
    )


def test_the_harmony_of_the_beat_and_of_the_one_before() -> None:
    def sets(steps: int, position: int) -> list[set[int]]:
        relative = active_notes.relative_harmony(
            harmony_after(steps, position=position), torch.tensor([47])
        )[0]
        return [{k for k, x in enumerate(row.tolist()) if x} for row in relative[24:48].view(2, 12)]

    # the C began half a beat before E and G: they are of one beat, or two
    assert sets(0, 60) == [{0, 3, 7}, set()]
    assert sets(0, 48) == [{0, 3}, {7}]
    assert sets(12, 72) == [set(), {0, 3, 7}]
    assert sets(36, 96) == [set(), set()]


def test_the_harmony_relative_to_a_pitch() -> None:
    # G a second time, at the same onset: C is held into it, E and G begin with it
    found = harmony_after(0, position=60)
    relative = active_notes.relative_harmony(found, torch.tensor([47]))[0]
    new, held, *_ = relative[: -2 * (2 * MAX_INTERVAL + 1)].view(-1, 12)
    assert {k: x for k, x in enumerate(new.tolist()) if x} == {0: 1, 3: 1}
    assert {k: x for k, x in enumerate(held.tolist()) if x} == {7: 1}
    new_at, held_at = relative[-2 * (2 * MAX_INTERVAL + 1) :].view(2, -1)
    assert {k - MAX_INTERVAL: x for k, x in enumerate(new_at.tolist()) if x} == {0: 1, 3: 1}
    assert {k - MAX_INTERVAL: x for k, x in enumerate(held_at.tolist()) if x} == {7: 1}
    # half a beat later the E has just ended, and nothing begins yet
    found = harmony_after(12, position=72)
    new, held, *_ = active_notes.relative_harmony(found, torch.tensor([47]))[0, :72].view(-1, 12)
    assert new.sum() == 0
    assert {k: x for k, x in enumerate(held.tolist()) if x} == {0: 1, 7: 1}


@settings(deadline=None, max_examples=20)
@given(length=st.integers(2, 30), seed=st.integers(0, 100), span=st.integers(1, 40))
def test_sequences_and_single_steps_agree(length: int, seed: int, span: int) -> None:
    events = consistent_events(3, length, seed)
    whole = recent_notes(events, span)
    step = active_notes.initial_notes(space, torch.zeros(3, dtype=torch.int64), span=span)
    for t in range(length):
        for one, all_ in zip(step, whole, strict=True):
            is_note = whole.pitch[:, t] < n_pitches
            assert torch.equal(one.where(is_note, 0), all_[:, t].where(is_note, 0))
        step = step.observe(space, events[:, t, :3])


def test_padding_is_no_error() -> None:
    events = consistent_events(2, 5, 0)
    padded = torch.cat([events, torch.full((2, 3, 5), PADDING)], 1)
    feature, history = ActiveNotes(space, span=3), histories(padded)
    found = feature.sequence(padded, padded, history).describe(padded, history)
    plain = feature.sequence(events, events, histories(events)).describe(events, histories(events))
    assert torch.allclose(found[:, :5], plain)
    assert torch.isfinite(found).all()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 100), step=st.integers(0, 19))
def test_harmony_is_what_counting_finds(seed: int, step: int) -> None:
    events = consistent_events(1, 20, seed)
    rows = events[0, : step + 1].tolist()
    onset, notes = 0, []
    for offset, pitch, duration, *_ in rows:
        onset += OFFSETS[offset]
        notes.append((onset, onset + DURATIONS[duration], pitch))
    *past, (now, _, last) = notes
    notes = RecentNotes(*(x[:, step] for x in recent_notes(events, 64)))
    then = notes.shifted(space.offset_bins[events[:, step, 0]])
    counts = histories(events).pitch_history[:, step]
    position = rows[-1][-2]
    beat = now - position % 24
    found = active_notes.harmony(space, then, torch.tensor([position]), counts)
    relative = active_notes.relative_harmony(found, torch.tensor([last]))[0]
    new, held, this, before_it, *shares = (
        relative[: -2 * (2 * MAX_INTERVAL + 1)].view(-1, 12).tolist()
    )
    new_at, held_at = relative[-2 * (2 * MAX_INTERVAL + 1) :].view(2, -1).tolist()
    for k in range(12):
        assert new[k] == sum(b == now and (last - p) % 12 == k for b, _, p in past)
        assert held[k] == sum(b < now < e and (last - p) % 12 == k for b, e, p in past)
        assert this[k] == sum(b >= beat and (last - p) % 12 == k for b, _, p in past)
        assert before_it[k] == sum(
            beat - 24 <= b < beat and (last - p) % 12 == k for b, _, p in past
        )
    for k in range(-MAX_INTERVAL, MAX_INTERVAL + 1):
        assert new_at[k + MAX_INTERVAL] == sum(b == now and last - p == k for b, _, p in past)
        assert held_at[k + MAX_INTERVAL] == sum(b < now < e and last - p == k for b, e, p in past)
    for share in shares:
        assert sum(share) == pytest.approx(1 if past else 0, abs=1e-5)


def test_scores_are_weighted_harmonies_relative_to_each_pitch() -> None:
    events = consistent_events(2, 12, 0)
    history, notes = histories(events), recent_notes(events, 6)
    found = active_notes.harmony(space, notes, history.position, history.pitch_history)
    torch.manual_seed(0)
    weights = torch.randn(2, 12, N_HARMONY)
    scores = active_notes.harmony_scores(found, weights)
    for pitch in range(n_pitches):
        relative = active_notes.relative_harmony(found, torch.full((2, 12), pitch))
        assert torch.allclose(scores[..., pitch], (relative * weights).sum(-1), atol=1e-4)


def test_a_transposed_harmony_is_the_same_input() -> None:
    events = consistent_events(2, 12, 0)
    events[..., 1] = events[..., 1] % 70
    higher = events.clone()
    higher[..., 1] += 7
    a, b = (
        ActiveNotesValues(space, recent_notes(e, 6)).inputs(histories(e)) for e in (events, higher)
    )
    assert torch.allclose(a, b, atol=1e-6)


def test_gradients_reach_the_weights_of_the_scores() -> None:
    torch.manual_seed(0)
    features = FeatureSet(space, n_intervals=0, lookback_span=0, active_notes_span=6)
    heads = ChainedHeads(features, hidden_size=8, embedding_size=4)
    events = consistent_events(2, 12, 0)
    logits = heads(torch.randn(2, 12, 8), events, features.sequence(events))
    assert [x.shape[-1] for x in logits] == list(space.sizes)
    sum(x.logsumexp(-1).sum() for x in logits).backward()  # type: ignore[union-attr]
    for out, n in zip(heads.out, ActiveNotes(space, span=6).n_weights, strict=True):
        assert (out.weight.grad[-n:].abs().sum(1) > 0).float().mean() > 0.5  # type: ignore[index]
