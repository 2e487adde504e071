from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features.history import History, initial_history
from gan_music.networks.features.lag_alignment import N_ACCURACIES
from gan_music.networks.features.lookback import (
    INTERVAL_MATCHES,
    N_MATCHES,
    N_RATES,
    N_SCORES,
    PITCH_MATCHES,
    RATE_SPANS,
    Lookback,
    LookbackSequence,
    LookbackState,
)
from gan_music.networks.note_space import PADDING
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents

space = note_space(NoteEvents(24))
OFFSET, PITCH, DURATION = range(3)
CERTAIN = math.log1p(1 / 0.01)


def history_of(events: Tensor) -> History:
    return initial_history(space, space.starts(events), n_intervals=0)


def lookback(events: Tensor, inputs: Tensor | None = None, *, span: int) -> LookbackSequence:
    inputs = events if inputs is None else inputs
    return Lookback(space, span=span).sequence(events, inputs, history_of(events))


def scores(*arguments: Any, span: int) -> list[Tensor]:
    return list(lookback(*arguments, span=span).scores)


def events(
    pitches: Sequence[int], offsets: Sequence[int] | None = None, durations: Sequence[int] = ()
) -> Tensor:
    """One sequence, ``[1, T, C + 2]``; offset 6 and duration 3 where none is given."""
    rows = torch.zeros(1, len(pitches), 5, dtype=torch.int64)
    rows[0, :, PITCH] = torch.tensor(pitches)
    rows[0, :, OFFSET] = torch.tensor(offsets or [6] * len(pitches))
    rows[0, :, DURATION] = torch.tensor(durations or [3] * len(pitches))
    rows[0, :, -1] = meter_id(4, 4)
    return rows


def nonzero(found: Tensor, step: int, kind: int) -> dict[int, float]:
    """The choices with a score, at one step."""
    return {i: x for i, x in enumerate(found[0, step, kind].tolist()) if x}


def test_what_followed_the_same_two_pitches() -> None:
    found = scores(events([40, 42, 47, 50, 40, 42, 47]), span=50)
    assert [x.shape for x in found] == [(1, 7, N_SCORES, n) for n in space.sizes]
    assert nonzero(found[PITCH], 6, 0) == pytest.approx({47: CERTAIN})
    assert nonzero(found[OFFSET], 6, 0) == pytest.approx({6: CERTAIN})
    assert nonzero(found[DURATION], 6, 0) == pytest.approx({3: CERTAIN})
    # one pitch alone is no match, nor are two where four are needed
    assert nonzero(found[PITCH], 5, 0) == {}
    assert nonzero(found[PITCH], 6, 1) == {}


@pytest.mark.parametrize(("kind", "n"), list(enumerate(PITCH_MATCHES)))
def test_a_match_is_so_many_pitches(kind: int, n: int) -> None:
    motif = list(range(30, 30 + n))
    found = scores(events([*motif, 70, 10, *motif, 5]), span=50)[PITCH]
    assert [nonzero(found, t, kind) for t in range(2 * n + 2)] == [{}] * (2 * n + 2)
    assert nonzero(found, 2 * n + 2, kind) == pytest.approx({70: CERTAIN})


def test_the_same_intervals_predict_the_next_interval() -> None:
    (n,) = INTERVAL_MATCHES
    motif = [40, 45, 43, 50, 41, 44]
    found = scores(events([*motif, 80, *(p + 7 for p in motif)]), span=50)[PITCH]
    kind = len(PITCH_MATCHES)
    step = len(motif) + 1 + n + 1
    assert nonzero(found, step, kind) == pytest.approx({51: CERTAIN})
    assert [nonzero(found, step, k) for k in range(kind)] == [{}] * kind
    found = scores(events([*motif, 0, *(p + 37 for p in motif)]), span=50)[PITCH]
    assert nonzero(found, step, kind) == pytest.approx({81: CERTAIN})
    # a pitch off the keyboard is not predicted
    high = [p + 38 for p in [40, 45, 43, 44, 41, 50]]
    found = scores(events([40, 45, 43, 44, 41, 50, 3, *high[:5]]), span=50)[PITCH]
    assert nonzero(found, 11, kind) == {}


def test_later_places_have_more_weight() -> None:
    found = scores(events([1, 2, 10, 1, 2, 20, 1, 2, 10]), span=50)[PITCH]
    early, late = math.exp(-6 / 128), math.exp(-3 / 128)
    shares = {10: early / (early + late), 20: late / (early + late)}
    wanted = {p: math.log1p(x / 0.01) for p, x in shares.items()}
    assert nonzero(found, 8, 0) == pytest.approx(wanted, rel=1e-5)


def test_a_pitch_is_scored_over_places_with_its_offset() -> None:
    pitches = [1, 2, 10, 1, 2, 20, 1, 2, 30]
    found = scores(events(pitches, [6, 6, 6, 6, 6, 12, 6, 6, 6]), span=50)
    assert set(nonzero(found[OFFSET], 8, 0)) == {6, 12}
    assert nonzero(found[PITCH], 8, 0) == pytest.approx({10: CERTAIN})
    # no place had this offset and this pitch
    assert nonzero(found[DURATION], 8, 0) == {}


def test_places_beyond_the_span_are_not_found() -> None:
    pitches = [1, 2, 10, *range(50, 60), 1, 2, 10]
    here = len(pitches) - 1
    near, far = (scores(events(pitches), span=s)[PITCH] for s in (13, 12))
    assert set(nonzero(near, here, 0)) == {10}
    assert nonzero(far, here, 0) == {}


def test_padding_matches_nothing() -> None:
    whole = events([1, 2, 10, 1, 2, 10, 1, 2])
    padded = torch.cat([whole, torch.full((1, 6, 5), PADDING)], 1)
    for a, b in zip(
        scores(whole, span=50),
        scores(padded, span=50),
        strict=True,
    ):
        assert torch.equal(a, b[:, :8])
        assert torch.all(b[:, 9:] == 0)  # before the first of it there is still a note


def test_places_are_found_among_the_inputs() -> None:
    truth, inputs = events([1, 2, 10, 1, 2, 10]), events([1, 2, 11, 1, 2, 10])
    assert set(nonzero(scores(truth, inputs, span=50)[PITCH], 5, 0)) == {11}
    # later categories compare the true event with the inputs
    assert nonzero(scores(truth, inputs, span=50)[DURATION], 5, 0) == {}


def test_repetition_rates_are_the_share_of_the_last_events_that_matched() -> None:
    e = events([1, 2, 10, 20, 1, 2, 10, 30, 31])
    found = lookback(e, span=50).rates[0, :, :-N_ACCURACIES]
    rates = found.unflatten(-1, (len(RATE_SPANS), N_MATCHES))
    # two pitches as before stand before the events 6 and 7 alone
    matched = [0.0] * 6 + [1.0, 1.0, 0.0]
    for s, span in enumerate(RATE_SPANS):
        for t in range(9):
            weights = [(1 - 1 / span) ** (t - u) for u in range(t + 1)]
            share = sum(w * x for w, x in zip(weights, matched, strict=False)) / sum(weights)
            assert float(rates[t, s, 0]) == pytest.approx(share, abs=1e-6)
    assert not rates[..., 1:].any()  # nor are there four pitches, or four intervals


@settings(deadline=None, max_examples=25)
@given(
    length=st.integers(1, 40),
    span=st.integers(1, 50),
    n_pitches=st.integers(1, 6),
    seed=st.integers(0, 100),
)
def test_sequences_and_single_steps_agree(
    length: int, span: int, n_pitches: int, seed: int
) -> None:
    torch.manual_seed(seed)
    columns = [torch.randint(0, n, (3, length)) for n in (2, n_pitches, 2, 24)]
    meters = torch.arange(3)
    notes = torch.stack([*columns, meters[:, None].expand(-1, length)], -1)
    notes[..., PITCH] += 60
    found = lookback(notes, span=span)
    assert found.rates.shape == (3, length, N_RATES)
    state, history = LookbackState(space, meters, span=span), history_of(notes)
    for t in range(length):
        assert torch.allclose(state.inputs(history), found.rates[:, t], atol=1e-5)
        for i in range(3):
            assert torch.allclose(state.scores(i), found.scores[i][:, t], atol=1e-5)
            state.choose(i, notes[:, t, i])
        state.observe(notes[:, t, :3])
