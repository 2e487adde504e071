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
from gan_music.networks.features.lag_alignment import N_TRUSTS
from gan_music.networks.features.lookback import (
    ECHO_SPANS,
    N_ECHOES,
    N_KINDS,
    N_LIKE,
    SAME_INTERVALS,
    SAME_PITCHES,
    LookbackState,
)
from gan_music.networks.features.lookback import lookback as recalled
from gan_music.networks.note_space import PADDING
from gan_music.representations.note_events import NoteEvents, meter_id

space = note_space(NoteEvents(24))
OFFSET, PITCH, DURATION = range(3)
CERTAIN = math.log1p(1 / 0.01)


def lookback(*arguments: Any, span: int) -> list[Tensor]:
    return recalled(*arguments, span=span).scores


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


def scored(found: Tensor, step: int, kind: int) -> dict[int, float]:
    """The choices with a score, at one step."""
    return {i: x for i, x in enumerate(found[0, step, kind].tolist()) if x}


def test_what_followed_the_same_two_pitches() -> None:
    found = lookback(space, e := events([40, 42, 47, 50, 40, 42, 47]), e, span=50)
    assert [x.shape for x in found] == [(1, 7, N_KINDS, n) for n in space.sizes]
    assert scored(found[PITCH], 6, 0) == pytest.approx({47: CERTAIN})
    assert scored(found[OFFSET], 6, 0) == pytest.approx({6: CERTAIN})
    assert scored(found[DURATION], 6, 0) == pytest.approx({3: CERTAIN})
    # one pitch alone is no likeness, nor are two where four are asked for
    assert scored(found[PITCH], 5, 0) == {}
    assert scored(found[PITCH], 6, 1) == {}


@pytest.mark.parametrize(("kind", "n"), list(enumerate(SAME_PITCHES)))
def test_a_kind_of_likeness_is_so_many_pitches(kind: int, n: int) -> None:
    motif = list(range(30, 30 + n))
    found = lookback(space, e := events([*motif, 70, 10, *motif, 5]), e, span=50)[PITCH]
    assert [scored(found, t, kind) for t in range(2 * n + 2)] == [{}] * (2 * n + 2)
    assert scored(found, 2 * n + 2, kind) == pytest.approx({70: CERTAIN})


def test_what_followed_the_same_intervals_goes_on_by_the_same() -> None:
    (n,) = SAME_INTERVALS
    motif = [40, 45, 43, 50, 41, 44]
    found = lookback(space, e := events([*motif, 80, *(p + 7 for p in motif)]), e, span=50)[PITCH]
    kind = len(SAME_PITCHES)
    step = len(motif) + 1 + n + 1
    assert scored(found, step, kind) == pytest.approx({51: CERTAIN})
    assert [scored(found, step, k) for k in range(kind)] == [{}] * kind
    found = lookback(space, e := events([*motif, 0, *(p + 37 for p in motif)]), e, span=50)[PITCH]
    assert scored(found, step, kind) == pytest.approx({81: CERTAIN})
    # off the keyboard there is nothing to go on with
    high = [p + 38 for p in [40, 45, 43, 44, 41, 50]]
    found = lookback(space, e := events([40, 45, 43, 44, 41, 50, 3, *high[:5]]), e, span=50)[PITCH]
    assert scored(found, 11, kind) == {}


def test_later_places_count_more() -> None:
    found = lookback(space, e := events([1, 2, 10, 1, 2, 20, 1, 2, 10]), e, span=50)[PITCH]
    early, late = math.exp(-6 / 128), math.exp(-3 / 128)
    shares = {10: early / (early + late), 20: late / (early + late)}
    wanted = {p: math.log1p(x / 0.01) for p, x in shares.items()}
    assert scored(found, 8, 0) == pytest.approx(wanted, rel=1e-5)


def test_a_pitch_is_held_against_places_with_its_offset() -> None:
    pitches = [1, 2, 10, 1, 2, 20, 1, 2, 30]
    found = lookback(space, e := events(pitches, [6, 6, 6, 6, 6, 12, 6, 6, 6]), e, span=50)
    assert set(scored(found[OFFSET], 8, 0)) == {6, 12}
    assert scored(found[PITCH], 8, 0) == pytest.approx({10: CERTAIN})
    # no place had this offset and this pitch
    assert scored(found[DURATION], 8, 0) == {}


def test_what_lies_too_far_back_is_forgotten() -> None:
    pitches = [1, 2, 10, *range(50, 60), 1, 2, 10]
    here = len(pitches) - 1
    near, far = (lookback(space, e := events(pitches), e, span=s)[PITCH] for s in (13, 12))
    assert set(scored(near, here, 0)) == {10}
    assert scored(far, here, 0) == {}


def test_padding_is_like_nothing() -> None:
    whole = events([1, 2, 10, 1, 2, 10, 1, 2])
    padded = torch.cat([whole, torch.full((1, 6, 5), PADDING)], 1)
    for a, b in zip(
        lookback(space, whole, whole, span=50),
        lookback(space, padded, padded, span=50),
        strict=True,
    ):
        assert torch.equal(a, b[:, :8])
        assert torch.all(b[:, 9:] == 0)  # before the first of it there is still a note


def test_places_are_found_as_they_were_heard() -> None:
    truth, heard = events([1, 2, 10, 1, 2, 10]), events([1, 2, 11, 1, 2, 10])
    assert set(scored(lookback(space, truth, heard, span=50)[PITCH], 5, 0)) == {11}
    # the truth is held against what was heard
    assert scored(lookback(space, truth, heard, span=50)[DURATION], 5, 0) == {}


def test_echoes_are_the_share_of_the_last_events_that_were_heard_before() -> None:
    e = events([1, 2, 10, 20, 1, 2, 10, 30, 31])
    found = recalled(space, e, e, span=50).echoes[0, :, :-N_TRUSTS]
    echoes = found.unflatten(-1, (len(ECHO_SPANS), N_LIKE))
    # two pitches as before stand before the events 6 and 7 alone
    like = [0.0] * 6 + [1.0, 1.0, 0.0]
    for s, span in enumerate(ECHO_SPANS):
        for t in range(9):
            weights = [(1 - 1 / span) ** (t - u) for u in range(t + 1)]
            share = sum(w * x for w, x in zip(weights, like, strict=False)) / sum(weights)
            assert float(echoes[t, s, 0]) == pytest.approx(share, abs=1e-6)
    assert not echoes[..., 1:].any()  # nor are there four pitches, or four intervals


@settings(deadline=None, max_examples=25)
@given(
    length=st.integers(1, 40),
    span=st.integers(1, 50),
    n_pitches=st.integers(1, 6),
    seed=st.integers(0, 100),
)
def test_step_by_step_is_the_same(length: int, span: int, n_pitches: int, seed: int) -> None:
    torch.manual_seed(seed)
    columns = [torch.randint(0, n, (3, length)) for n in (2, n_pitches, 2, 24)]
    meters = torch.arange(3)
    notes = torch.stack([*columns, meters[:, None].expand(-1, length)], -1)
    notes[..., PITCH] += 60
    found, echoes = recalled(space, notes, notes, span=span)
    assert echoes.shape == (3, length, N_ECHOES)
    recollection = LookbackState(space, meters, span=span)
    for t in range(length):
        assert torch.allclose(recollection.echoes(), echoes[:, t], atol=1e-5)
        for i in range(3):
            assert torch.allclose(recollection.scores(i), found[i][:, t], atol=1e-5)
            recollection.chose(i, notes[:, t, i])
        recollection.after(notes[:, t, :3])
