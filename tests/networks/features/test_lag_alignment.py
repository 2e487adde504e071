from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features.lag_alignment import BACK, BARS, N_TRUSTS, TRUST_SPANS
from gan_music.networks.features.lookback import N_LIKE, LookbackState, lookback
from gan_music.networks.note_space import PADDING
from gan_music.representations.note_events import NoteEvents, meter_id

space = note_space(NoteEvents(24))
OFFSET, PITCH, DURATION = range(3)
FIRST, FAR = N_LIKE, N_LIKE + 1  # kinds
MOTIF = [40, 45, 43, 50, 41, 44, 47, 52]


def events(notes: Sequence[tuple[int, int]]) -> Tensor:
    """One sequence of (steps since the last onset, pitch), ``[1, T, C + 2]``; duration 3."""
    rows = torch.zeros(1, len(notes), 5, dtype=torch.int64)
    steps = torch.tensor([s for s, _ in notes])
    rows[0, :, OFFSET] = torch.searchsorted(space.offset_bins, steps)
    assert torch.equal(space.offset_bins[rows[0, :, OFFSET]], steps)
    rows[0, :, PITCH] = torch.tensor([p for _, p in notes])
    rows[0, :, DURATION] = 3
    rows[0, :, -1] = meter_id(4, 4)
    return rows


def said(found: list[Tensor], step: int, thread: int = FIRST) -> tuple[set[int], set[int]]:
    """The offsets and the pitches that a thread has a score for."""
    scores = [found[i][0, step, thread] for i in (OFFSET, PITCH)]
    return tuple({i for i, x in enumerate(row.tolist()) if x} for row in scores)  # type: ignore[return-value]


def test_a_note_that_differs_does_not_end_a_thread() -> None:
    # the motif of eight, three other notes, the motif with its sixth note another
    again = [*MOTIF[:5], 80, *MOTIF[6:]]
    e = events([(6, p) for p in [*MOTIF, 70, 71, 72, *again]])
    found = lookback(space, e, e, span=50).scores
    # four pitches make it one; and from the first event that it was right about it has a score
    assert said(found, 15) == (set(), set())
    assert said(found, 16) == ({6}, {MOTIF[5]})
    # the note that differs is over, and it goes on; by the last notes alone nothing is like this
    assert said(found, 17) == ({6}, {MOTIF[6]})
    assert said(found, 18) == ({6}, {MOTIF[7]})
    assert not found[PITCH][0, 17, :N_LIKE].any()


def test_it_finds_its_place_by_time() -> None:
    # the same music, with a note more before the beat that comes next
    e = events([*((6, p) for p in MOTIF), *((6, p) for p in MOTIF[:5]), (3, 60), (3, MOTIF[5])])
    found = lookback(space, e, e, span=50).scores
    # three steps after the note in between
    assert said(found, 14)[OFFSET] == {3}
    assert said(found, 14)[PITCH] == {MOTIF[5]}
    # an onset that it did not name has no pitch of its
    other = e.clone()
    other[0, 14, OFFSET] = 5
    found = lookback(space, other, other, span=50).scores
    assert said(found, 14) == ({3}, set())


def test_its_score_is_as_high_as_it_has_been_right_of_late() -> None:
    e = events([(6, p) for p in [*MOTIF, *MOTIF]])
    found = lookback(space, e, e, span=50)
    # it is there from the event 12 on; before 14 it was right twice
    trust = [1 - (1 - 1 / span) ** 2 for span in TRUST_SPANS]
    score = math.log1p(trust[0] / 0.01)
    assert float(found.scores[OFFSET][0, 14, FIRST, 6]) == pytest.approx(score, rel=1e-5)
    assert float(found.scores[DURATION][0, 14, FIRST, 3]) == pytest.approx(score, rel=1e-5)
    told = found.echoes[0, 14, -N_TRUSTS:].view(len(TRUST_SPANS), 2, -1)
    assert told[..., 0].tolist() == [pytest.approx([x, x], rel=1e-5) for x in trust]
    assert not told[..., 1].any()  # nothing was so far back


def test_the_longer_likeness_is_followed_and_of_the_same_the_earlier() -> None:
    start = MOTIF[:4]
    # twice four notes that are the same, which go on as 60 and as 61
    e = events([(6, p) for p in [*start, 60, *start, 61, *start, 60]])
    assert said(lookback(space, e, e, span=50).scores, 14) == ({6}, {60})
    # of the second, eight notes before are the same
    long = [1, 2, 3, 4, *start]
    e = events([(6, p) for p in [*start, 60, *long, 61, *long, 61]])
    assert said(lookback(space, e, e, span=50).scores, 22) == ({6}, {61})


@pytest.mark.parametrize(("between", "far"), [(BACK[1] - 8, True), (BACK[1] - 9, False)])
def test_a_far_thread_begins_so_many_events_back(between: int, far: bool) -> None:
    filler = [60 + i % 3 + 3 * (i // 3 % 7) for i in range(between)]
    e = events([(6, p) for p in [*MOTIF, *filler, *MOTIF]])
    found = lookback(space, e, e, span=100).scores
    step = len(MOTIF) + between + 6
    assert said(found, step)[PITCH] == {MOTIF[6]}
    assert said(found, step, FAR)[PITCH] == ({MOTIF[6]} if far else set())


def test_chords_are_followed_note_by_note() -> None:
    bar = [(12, 40), (0, 52), (12, 47), (0, 55), (0, 59)]
    e = events([*bar, *bar, *bar])
    found = lookback(space, e, e, span=50).scores
    assert [said(found, t) for t in (11, 12, 13, 14)] == [
        ({0}, {52}),
        ({space.offset_bins.tolist().index(12)}, {47}),
        ({0}, {55}),
        ({0}, {59}),
    ]


# kinds of likeness: a beat, a bar, two bars ago
BEAT_AGO, BAR_AGO, TWO_BARS_AGO = (N_LIKE + len(BACK) + i for i in range(3))


def test_what_was_a_bar_ago_is_always_known() -> None:
    # three bars of one rhythm, on other notes each; the third has a chord less
    bars = [[(24, 40), (24, 52), (0, 55), (36, 50), (12, 47)] for _ in range(3)]
    bars[1] = [(s, p + 5) for s, p in bars[1]]
    bars[2] = [(24, 60), (24, 64), (36, 62)]
    e = events([note for bar in bars for note in bar])
    found = lookback(space, e, e, span=50).scores
    steps = space.offset_bins.tolist()

    def known(step: int, kind: int) -> tuple[set[int], set[int]]:
        offsets, pitches = said(found, step, kind)
        return {steps[i] for i in offsets}, pitches

    # in the second bar the rhythm is right, and no pitch is; trust comes with the first event
    assert [known(t, BAR_AGO)[0] for t in (5, 6, 7, 8, 9)] == [set(), {24}, {0}, {36}, {12}]
    assert [known(t, BAR_AGO)[1] for t in (5, 6, 7, 8, 9)] == [set()] * 5
    # in the third, after the single note where two began a bar ago, the second is what is next
    assert known(12, BAR_AGO)[0] == {0}
    # two bars ago there is nothing to be right about before it
    assert known(10, TWO_BARS_AGO) == (set(), set())
    assert known(11, TWO_BARS_AGO) == ({24}, set())


def test_a_figure_that_is_played_again_a_beat_later_is_known_note_by_note() -> None:
    figure = [(6, 40), (6, 52), (6, 47), (6, 52)]
    e = events([*figure, *figure, *figure])
    found = lookback(space, e, e, span=50).scores
    for t in range(5, 12):
        assert said(found, t, BEAT_AGO) == ({6}, {figure[t % 4][1]})


def test_a_figure_in_another_harmony_is_about_the_same() -> None:
    # a beat; the same a fifth higher; and again, with a third that is minor
    figure = [40, 44, 47, 44]
    e = events([(6, p) for p in [*figure, *(p + 7 for p in figure), 40, 43, 47, 43]])
    found = lookback(space, e, e, span=50)
    about = BEAT_AGO + len(BARS)
    # the way it goes on, from the last pitch: 51, 54, 51 after 47
    for t, pitch in ((6, 54), (7, 51), (9, 44), (10, 46), (11, 44)):
        scores = found.scores[PITCH][0, t, about]
        assert int(scores.argmax()) == pitch
        # a bell: a semitone off is almost as good
        assert float(scores[pitch + 1] / scores[pitch]) == pytest.approx(math.exp(-0.5 / 1.5**2))
    # the minor third is near enough, and how long it lasts is known; the same notes, it has not
    assert float(found.scores[DURATION][0, 9, about, 3]) > 0
    assert not found.scores[DURATION][0, 9, BEAT_AGO].any()
    assert int(found.scores[OFFSET][0, 9, about].argmax()) == 6
    # trust in the onsets and in the way, of the last eight events: all but the first of a figure
    first, later = found.echoes[0, 11, -N_TRUSTS:].view(len(TRUST_SPANS), 2, -1)[
        0, :, about - N_LIKE
    ]
    n = TRUST_SPANS[0]
    right = list(range(5, 11))
    assert float(first) == pytest.approx(sum((1 - 1 / n) ** (10 - t) / n for t in right))
    right.remove(8)
    assert float(later) == pytest.approx(sum((1 - 1 / n) ** (10 - t) / n for t in right))


def test_threads_follow_their_meter() -> None:
    # in 3/4 a bar ago is 72 steps
    e = events([(24, p) for p in (40, 41, 42, 40, 41, 42)])
    e[..., -1] = meter_id(3, 4)
    found = lookback(space, e, e, span=50).scores
    assert said(found, 4, BAR_AGO)[PITCH] == {41}
    e[..., -1] = meter_id(4, 4)
    found = lookback(space, e, e, span=50).scores
    assert said(found, 5, BAR_AGO)[PITCH] == set()


def test_padding_follows_nothing() -> None:
    e = events([(6, p) for p in [*MOTIF, *MOTIF]])
    padded = torch.cat([e, torch.full((1, 3, 5), PADDING)], 1)
    for a, b in zip(
        lookback(space, e, e, span=50).scores,
        lookback(space, padded, padded, span=50).scores,
        strict=True,
    ):
        assert torch.equal(a, b[:, :16])
        assert not b[:, 16:, FIRST:].any()


def test_what_is_known_is_known_in_full_precision() -> None:
    e = events([(6, p) for p in [*MOTIF, *MOTIF, *MOTIF]])
    plain = lookback(space, e, e, span=50)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = lookback(space, e, e, span=50)
    for a, b in zip([*plain.scores, plain.echoes], [*mixed.scores, mixed.echoes], strict=True):
        assert torch.equal(a, b)


@settings(deadline=None, max_examples=15)
@given(
    passage=st.integers(5, 60),
    between=st.integers(0, 40),
    span=st.integers(8, 160),
    rate=st.sampled_from([0.0, 0.05, 0.3]),
    seed=st.integers(0, 100),
)
def test_step_by_step_is_the_same(
    passage: int, between: int, span: int, rate: float, seed: int
) -> None:
    torch.manual_seed(seed)
    meters = torch.tensor([meter_id(*m) for m in ((2, 4), (3, 8), (1, 8))])

    # a passage, something else, and the passage with some notes changed, for three sequences
    def drawn(n: int) -> Tensor:
        columns = [torch.randint(0, k, (3, n)) for k in (8, 12, 3, 24)]
        return torch.stack([*columns, meters[:, None].expand(-1, n)], -1)

    first = drawn(passage)
    again = first.where(torch.rand(3, passage, 1) >= rate, drawn(passage))
    notes = torch.cat([first, drawn(between), again, again], 1)
    found, echoes = lookback(space, notes, notes, span=span)
    recollection = LookbackState(space, meters, span=span)
    order = torch.arange(3)
    for t in range(notes.shape[1]):
        assert torch.allclose(recollection.echoes(), echoes[order, t], atol=1e-5)
        for i in range(3):
            assert torch.allclose(recollection.scores(i), found[i][order, t], atol=1e-5)
            recollection.chose(i, notes[order, t, i])
        recollection.after(notes[order, t, :3])
        if t == passage:
            order = torch.tensor([2, 0, 0])
            recollection.keep(order)
