from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features import active_notes
from gan_music.networks.features.active_notes import NEAR, ActiveNotes
from gan_music.networks.features.history import MEMORIES, History, histories
from gan_music.networks.layers.chained_heads import Heads
from gan_music.representations.note_events import NoteEvents
from tests.networks.features.test_history import playable

space = note_space(NoteEvents(24))
OFFSETS, DURATIONS = space.offset_bins.tolist(), space.duration_bins.tolist()
n_pitches = space.sizes[1]


def event(offset: int, pitch: int, duration: int) -> list[int]:
    """Of steps; where it lies in the bar has no part in this."""
    return [OFFSETS.index(offset), pitch, DURATIONS.index(duration), 0, 0]


# C, then E and G half a beat later, of which the E is short; then, two beats in, a C above
CHORD = torch.tensor([[event(0, 40, 48), event(12, 44, 12), event(0, 47, 36), event(36, 52, 24)]])


def before(number: int, events: Tensor = CHORD, span: int = 8) -> History:
    """The context of one of the events, of a batch of one."""
    whole = histories(space, events, n_intervals=0, active_notes_span=span)
    *fields, last = whole
    return History(
        *(x[:, number] if x.ndim > 1 else x for x in fields[:-1]),
        fields[-1],
        ActiveNotes(*(x[:, number] for x in last)),
    )


def test_the_last_notes_from_the_last_onset() -> None:
    found = before(3).sounding
    assert [x[0, -3:].tolist() for x in found] == [[40, 44, 47], [-12, 0, 0], [36, 12, 36]]
    assert (found.pitch[0, :-3] == n_pitches).all()
    assert (found.ends[0, :-3] < -1000).all()


def test_offsets_are_told_which_held_notes_they_meet() -> None:
    meets, goes_on, rests = active_notes.offsets(space, before(3).sounding)[0].tolist()
    assert {OFFSETS[i] for i, x in enumerate(meets) if x} == {12, 36}
    for steps, share, rest in zip(OFFSETS, goes_on, rests, strict=True):
        assert share == pytest.approx(1 if steps < 12 else 2 / 3 if steps < 36 else 0)
        assert rest == (steps > 36)


def test_durations_are_told_which_held_notes_they_end_with() -> None:
    # a note with the G: 36 steps to the end of it and of the C, 12 to that of the E
    then = before(3).sounding.moved(torch.tensor([0]))
    meets, goes_on, outlasts = active_notes.durations(space, then)[0].tolist()
    assert {DURATIONS[i] for i, x in enumerate(meets) if x} == {12, 36}
    assert [o for o, d in zip(outlasts, DURATIONS, strict=True) if d <= 36] == [0] * sum(
        d <= 36 for d in DURATIONS
    )
    assert goes_on[DURATIONS.index(12)] == pytest.approx(2 / 3)
    # once all have ended
    then = before(3).sounding.moved(torch.tensor([36]))
    assert active_notes.durations(space, then)[0].sum(1).tolist() == [0, 0, len(DURATIONS)]


def joined_after(steps: int, *, position: int) -> active_notes.Harmony:
    then = before(3).sounding.moved(torch.tensor([steps]))
    return active_notes.harmony(space, then, torch.tensor([position]), before(3).heard)


def test_the_harmony_of_the_beat_and_of_the_one_before() -> None:
    def sets(steps: int, position: int) -> list[set[int]]:
        told = active_notes.around(joined_after(steps, position=position), torch.tensor([47]))[0]
        return [{k for k, x in enumerate(row.tolist()) if x} for row in told[24:48].view(2, 12)]

    # the C began half a beat before E and G: they are of one beat, or two
    assert sets(0, 60) == [{0, 3, 7}, set()]
    assert sets(0, 48) == [{0, 3}, {7}]
    assert sets(12, 72) == [set(), {0, 3, 7}]
    assert sets(36, 96) == [set(), set()]


def test_the_harmony_as_a_pitch_hears_it() -> None:
    # G a second time, at the same onset: C is held into it, E and G begin with it
    found = joined_after(0, position=60)
    told = active_notes.around(found, torch.tensor([47]))[0]
    new, held, *_ = told[: -2 * (2 * NEAR + 1)].view(-1, 12)
    assert {k: x for k, x in enumerate(new.tolist()) if x} == {0: 1, 3: 1}
    assert {k: x for k, x in enumerate(held.tolist()) if x} == {7: 1}
    near_new, near_held = told[-2 * (2 * NEAR + 1) :].view(2, -1)
    assert {k - NEAR: x for k, x in enumerate(near_new.tolist()) if x} == {0: 1, 3: 1}
    assert {k - NEAR: x for k, x in enumerate(near_held.tolist()) if x} == {7: 1}
    # half a beat later the E has just ended, and nothing begins yet
    found = joined_after(12, position=72)
    new, held, *_ = active_notes.around(found, torch.tensor([47]))[0, :72].view(-1, 12)
    assert new.sum() == 0
    assert {k: x for k, x in enumerate(held.tolist()) if x} == {0: 1, 7: 1}


@settings(deadline=None, max_examples=20)
@given(length=st.integers(2, 30), seed=st.integers(0, 100), span=st.integers(1, 40))
def test_whole_windows_and_single_steps_hear_the_same(length: int, seed: int, span: int) -> None:
    events = playable(3, length, seed)
    whole = histories(space, events, n_intervals=2, active_notes_span=span)
    step = active_notes.nothing_sounds(space, torch.zeros(3, dtype=torch.int64), span=span)
    for t in range(length):
        for now, of_all in zip(step, whole.sounding, strict=True):
            there = whole.sounding.pitch[:, t] < n_pitches
            assert torch.equal(now.where(there, 0), of_all[:, t].where(there, 0))
        step = step.after(space, events[:, t, :3])


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 100), step=st.integers(0, 19))
def test_harmony_is_what_counting_finds(seed: int, step: int) -> None:
    events = playable(1, 20, seed)
    rows = events[0, : step + 1].tolist()
    onset, notes = 0, []
    for offset, pitch, duration, *_ in rows:
        onset += OFFSETS[offset]
        notes.append((onset, onset + DURATIONS[duration], pitch))
    *past, (now, _, last) = notes
    whole = histories(space, events, n_intervals=0, active_notes_span=64)
    then = ActiveNotes(*(x[:, step] for x in whole.sounding)).moved(
        space.offset_bins[events[:, step, 0]]
    )
    position = rows[-1][-2]
    beat = now - position % 24
    found = active_notes.harmony(space, then, torch.tensor([position]), whole.heard[:, step])
    told = active_notes.around(found, torch.tensor([last]))[0]
    new, held, this, before_it, *shares = told[: -2 * (2 * NEAR + 1)].view(-1, 12).tolist()
    near_new, near_held = told[-2 * (2 * NEAR + 1) :].view(2, -1).tolist()
    for k in range(12):
        assert new[k] == sum(b == now and (last - p) % 12 == k for b, _, p in past)
        assert held[k] == sum(b < now < e and (last - p) % 12 == k for b, e, p in past)
        assert this[k] == sum(b >= beat and (last - p) % 12 == k for b, _, p in past)
        assert before_it[k] == sum(
            beat - 24 <= b < beat and (last - p) % 12 == k for b, _, p in past
        )
    for k in range(-NEAR, NEAR + 1):
        assert near_new[k + NEAR] == sum(b == now and last - p == k for b, _, p in past)
        assert near_held[k + NEAR] == sum(b < now < e and last - p == k for b, e, p in past)
    for share in shares:
        assert sum(share) == pytest.approx(1 if past else 0, abs=1e-5)


def test_all_pitches_are_scored_by_what_each_would_hear() -> None:
    events = playable(2, 12, 0)
    context = histories(space, events, n_intervals=0, active_notes_span=6)
    found = active_notes.harmony(space, context.sounding, context.position, context.heard)
    torch.manual_seed(0)
    weights = torch.randn(2, 12, active_notes.n_around(len(MEMORIES)))
    scores = active_notes.score(found, weights)
    for pitch in range(n_pitches):
        told = active_notes.around(found, torch.full((2, 12), pitch))
        assert torch.allclose(scores[..., pitch], (told * weights).sum(-1), atol=1e-4)


def test_a_transposed_harmony_is_heard_the_same() -> None:
    events = playable(2, 12, 0)
    events[..., 1] = events[..., 1] % 70
    higher = events.clone()
    higher[..., 1] += 7
    a, b = (
        histories(space, e, n_intervals=0, active_notes_span=6).joined(space)
        for e in (events, higher)
    )
    assert torch.allclose(a, b, atol=1e-6)


def test_heads_begin_with_what_they_are_told() -> None:
    torch.manual_seed(0)
    heads = Heads(space, hidden_size=8, embedding_size=4, n_intervals=0, hears_sounding=True)
    events = playable(2, 12, 0)
    context = histories(space, events, n_intervals=0, active_notes_span=6)
    hidden = torch.randn(2, 12, 8)
    logits = heads(hidden, context, events)
    assert [x.shape[-1] for x in logits] == list(space.sizes)
    sum(x.logsumexp(-1).sum() for x in logits).backward()  # type: ignore[union-attr]
    for out, n in zip(heads.out, heads.n_sounding.values(), strict=True):
        assert (out.weight.grad[-n:].abs().sum(1) > 0).float().mean() > 0.5  # type: ignore[index]
