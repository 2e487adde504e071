from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features.lag_alignment import (
    ACCURACY_SPANS,
    BAR_LAGS,
    MIN_DISTANCES,
    N_ACCURACIES,
)
from gan_music.networks.features.lookback import N_MATCHES, LookbackState
from gan_music.networks.note_space import PADDING
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents
from tests.networks.features.test_lookback import history_of, lookback

space = note_space(NoteEvents(24))
OFFSET, PITCH, DURATION = range(3)
NEAR, FAR = N_MATCHES, N_MATCHES + 1  # rows of the scores
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


def predicted(
    found: Sequence[Tensor], step: int, alignment: int = NEAR
) -> tuple[set[int], set[int]]:
    """The offsets and the pitches that an alignment scores."""
    scores = [found[i][0, step, alignment] for i in (OFFSET, PITCH)]
    return tuple({i for i, x in enumerate(row.tolist()) if x} for row in scores)  # type: ignore[return-value]


def test_a_note_that_differs_does_not_end_an_alignment() -> None:
    # the motif of eight, three other notes, the motif with its sixth note another
    again = [*MOTIF[:5], 80, *MOTIF[6:]]
    e = events([(6, p) for p in [*MOTIF, 70, 71, 72, *again]])
    found = lookback(e, span=50).scores
    # four pitches make it one, which has a score from its first correct prediction on
    assert predicted(found, 15) == (set(), set())
    assert predicted(found, 16) == ({6}, {MOTIF[5]})
    # it goes on after the note that differs, where no n-gram matches
    assert predicted(found, 17) == ({6}, {MOTIF[6]})
    assert predicted(found, 18) == ({6}, {MOTIF[7]})
    assert not found[PITCH][0, 17, :N_MATCHES].any()


def test_it_follows_time_not_the_number_of_notes() -> None:
    # the same music, with a note more before the beat that comes next
    e = events([*((6, p) for p in MOTIF), *((6, p) for p in MOTIF[:5]), (3, 60), (3, MOTIF[5])])
    found = lookback(e, span=50).scores
    # three steps after the note in between
    assert predicted(found, 14)[OFFSET] == {3}
    assert predicted(found, 14)[PITCH] == {MOTIF[5]}
    # it predicts no pitch at an onset that it did not predict
    other = e.clone()
    other[0, 14, OFFSET] = 5
    found = lookback(other, span=50).scores
    assert predicted(found, 14) == ({3}, set())


def test_its_score_is_its_log_accuracy() -> None:
    e = events([(6, p) for p in [*MOTIF, *MOTIF]])
    found = lookback(e, span=50)
    # it exists from event 12 on; before 14 it was right twice
    accuracy = [1 - (1 - 1 / span) ** 2 for span in ACCURACY_SPANS]
    score = math.log1p(accuracy[0] / 0.01)
    assert float(found.scores[OFFSET][0, 14, NEAR, 6]) == pytest.approx(score, rel=1e-5)
    assert float(found.scores[DURATION][0, 14, NEAR, 3]) == pytest.approx(score, rel=1e-5)
    actual = found.rates[0, 14, -N_ACCURACIES:].view(len(ACCURACY_SPANS), 2, -1)
    assert actual[..., 0].tolist() == [pytest.approx([x, x], rel=1e-5) for x in accuracy]
    assert not actual[..., 1].any()  # no match was so far back


def test_the_longest_match_is_followed_and_of_equal_ones_the_earliest() -> None:
    start = MOTIF[:4]
    # twice four notes that are the same, which go on as 60 and as 61
    e = events([(6, p) for p in [*start, 60, *start, 61, *start, 60]])
    assert predicted(lookback(e, span=50).scores, 14) == ({6}, {60})
    # of the second, eight notes before are the same
    long = [1, 2, 3, 4, *start]
    e = events([(6, p) for p in [*start, 60, *long, 61, *long, 61]])
    assert predicted(lookback(e, span=50).scores, 22) == ({6}, {61})


@pytest.mark.parametrize(
    ("between", "far"), [(MIN_DISTANCES[1] - 8, True), (MIN_DISTANCES[1] - 9, False)]
)
def test_the_far_alignment_skips_near_matches(between: int, far: bool) -> None:
    filler = [60 + i % 3 + 3 * (i // 3 % 7) for i in range(between)]
    e = events([(6, p) for p in [*MOTIF, *filler, *MOTIF]])
    found = lookback(e, span=100).scores
    step = len(MOTIF) + between + 6
    assert predicted(found, step)[PITCH] == {MOTIF[6]}
    assert predicted(found, step, FAR)[PITCH] == ({MOTIF[6]} if far else set())


def test_chords_are_followed_note_by_note() -> None:
    bar = [(12, 40), (0, 52), (12, 47), (0, 55), (0, 59)]
    e = events([*bar, *bar, *bar])
    found = lookback(e, span=50).scores
    assert [predicted(found, t) for t in (11, 12, 13, 14)] == [
        ({0}, {52}),
        ({space.offset_bins.tolist().index(12)}, {47}),
        ({0}, {55}),
        ({0}, {59}),
    ]


# rows of a beat, a bar and two bars ago
BEAT_AGO, BAR_AGO, TWO_BARS_AGO = (N_MATCHES + len(MIN_DISTANCES) + i for i in range(3))


def test_the_lag_of_a_bar() -> None:
    # three bars of one rhythm, on other notes each; the third has a chord less
    bars = [[(24, 40), (24, 52), (0, 55), (36, 50), (12, 47)] for _ in range(3)]
    bars[1] = [(s, p + 5) for s, p in bars[1]]
    bars[2] = [(24, 60), (24, 64), (36, 62)]
    e = events([note for bar in bars for note in bar])
    found = lookback(e, span=50).scores
    steps = space.offset_bins.tolist()

    def at(step: int, kind: int) -> tuple[set[int], set[int]]:
        offsets, pitches = predicted(found, step, kind)
        return {steps[i] for i in offsets}, pitches

    # in the second bar the rhythm is right and no pitch is; the accuracy rises after one event
    assert [at(t, BAR_AGO)[0] for t in (5, 6, 7, 8, 9)] == [set(), {24}, {0}, {36}, {12}]
    assert [at(t, BAR_AGO)[1] for t in (5, 6, 7, 8, 9)] == [set()] * 5
    # in the third, after the single note where two began a bar ago, the second is what is next
    assert at(12, BAR_AGO)[0] == {0}
    # nothing was two bars ago that it could have predicted before
    assert at(10, TWO_BARS_AGO) == (set(), set())
    assert at(11, TWO_BARS_AGO) == ({24}, set())


def test_the_lag_of_a_beat() -> None:
    figure = [(6, 40), (6, 52), (6, 47), (6, 52)]
    e = events([*figure, *figure, *figure])
    found = lookback(e, span=50).scores
    for t in range(5, 12):
        assert predicted(found, t, BEAT_AGO) == ({6}, {figure[t % 4][1]})


def test_transposed_repetitions() -> None:
    # a beat; the same a fifth higher; and again, with a third that is minor
    figure = [40, 44, 47, 44]
    e = events([(6, p) for p in [*figure, *(p + 7 for p in figure), 40, 43, 47, 43]])
    found = lookback(e, span=50)
    transposed = BEAT_AGO + len(BAR_LAGS)
    # the same intervals from the last pitch: 51, 54, 51 after 47
    for t, pitch in ((6, 54), (7, 51), (9, 44), (10, 46), (11, 44)):
        scores = found.scores[PITCH][0, t, transposed]
        assert int(scores.argmax()) == pitch
        # a semitone off scores almost as high
        assert float(scores[pitch + 1] / scores[pitch]) == pytest.approx(math.exp(-0.5 / 1.5**2))
    # the minor third is within the tolerance, so its duration is predicted, but not exactly
    assert float(found.scores[DURATION][0, 9, transposed, 3]) > 0
    assert not found.scores[DURATION][0, 9, BEAT_AGO].any()
    assert int(found.scores[OFFSET][0, 9, transposed].argmax()) == 6
    # accuracy of onsets and of pitches over the last events: all but the first of a figure
    first, later = found.rates[0, 11, -N_ACCURACIES:].view(len(ACCURACY_SPANS), 2, -1)[
        0, :, transposed - N_MATCHES
    ]
    n = ACCURACY_SPANS[0]
    right = list(range(5, 11))
    assert float(first) == pytest.approx(sum((1 - 1 / n) ** (10 - t) / n for t in right))
    right.remove(8)
    assert float(later) == pytest.approx(sum((1 - 1 / n) ** (10 - t) / n for t in right))


def test_bar_lags_follow_the_meter() -> None:
    # in 3/4 a bar ago is 72 steps
    e = events([(24, p) for p in (40, 41, 42, 40, 41, 42)])
    e[..., -1] = meter_id(3, 4)
    found = lookback(e, span=50).scores
    assert predicted(found, 4, BAR_AGO)[PITCH] == {41}
    e[..., -1] = meter_id(4, 4)
    found = lookback(e, span=50).scores
    assert predicted(found, 5, BAR_AGO)[PITCH] == set()


def test_padding_has_no_alignment() -> None:
    e = events([(6, p) for p in [*MOTIF, *MOTIF]])
    padded = torch.cat([e, torch.full((1, 3, 5), PADDING)], 1)
    for a, b in zip(
        lookback(e, span=50).scores,
        lookback(padded, span=50).scores,
        strict=True,
    ):
        assert torch.equal(a, b[:, :16])
        assert not b[:, 16:, NEAR:].any()


def test_features_keep_full_precision_under_autocast() -> None:
    e = events([(6, p) for p in [*MOTIF, *MOTIF, *MOTIF]])
    plain = lookback(e, span=50)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = lookback(e, span=50)
    for a, b in zip([*plain.scores, plain.rates], [*mixed.scores, mixed.rates], strict=True):
        assert torch.equal(a, b)


@settings(deadline=None, max_examples=15)
@given(
    passage=st.integers(5, 60),
    between=st.integers(0, 40),
    span=st.integers(8, 160),
    rate=st.sampled_from([0.0, 0.05, 0.3]),
    seed=st.integers(0, 100),
)
def test_sequences_and_single_steps_agree(
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
    found = lookback(notes, span=span)
    state, history = LookbackState(space, meters, span=span), history_of(notes)
    order = torch.arange(3)
    for t in range(notes.shape[1]):
        assert torch.allclose(state.inputs(history), found.rates[order, t], atol=1e-5)
        for i in range(3):
            assert torch.allclose(state.scores(i), found.scores[i][order, t], atol=1e-5)
            state.choose(i, notes[order, t, i])
        state.observe(notes[order, t, :3])
        if t == passage:
            order = torch.tensor([2, 0, 0])
            state.reorder(order)
