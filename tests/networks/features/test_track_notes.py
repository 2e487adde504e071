"""What is known of each track before an event; steps and whole sequences agree."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gan_music.models.event_model import note_space
from gan_music.networks.features.feature_set import FeatureSet
from gan_music.networks.features.tensor_state import TensorState
from gan_music.networks.features.track_notes import (
    MAX_INTERVAL,
    N_CLASSES,
    N_INTERVALS,
    N_STEPS,
    initial_tracks,
    next_track,
    parallels,
    track_notes,
)
from gan_music.networks.note_space import NoteSpace
from gan_music.representations.meters import meter_id
from gan_music.representations.note_events import NoteEvents
from gan_music.representations.voices import Voices

hands = note_space(NoteEvents(24, n_tracks=2, ends=True))
voices = note_space(Voices(24, max_voices=2))
REST, TIE, NONE = 89, 90, 88
QUARTER = 24  # an id of a duration in voices


def events(*rows: tuple[int, int, int, int]) -> Tensor:
    """Ids ``[1, T, 6]`` of (offset, pitch, duration, track), in 4/4."""
    x = torch.zeros(1, len(rows), 6, dtype=torch.int64)
    x[0, :, :4] = torch.tensor(rows)
    x[0, :, -1] = meter_id(4, 4)
    x[0, :, -2] = voices.offset_bins[x[0, :, 0]].cumsum(0) % 96
    return x


def bins(space: NoteSpace, steps: int) -> int:
    return int((space.duration_bins == steps).nonzero()[0])


def test_the_last_note_of_each_track() -> None:
    quarter, half = bins(voices, 24), bins(voices, 48)
    x = events(
        (0, 50, quarter, 0), (0, 40, half, 1), (24, 52, quarter, 0), (24, REST, quarter, 0),
        (0, TIE, half, 1), (24, 47, quarter, 0), (0, 30, quarter, 0),
    )  # fmt: skip
    found = track_notes(voices, x)
    assert found.pitch[0].tolist() == [
        [NONE, NONE], [50, NONE], [50, 40], [52, 40], [NONE, 40], [NONE, 40], [47, 40]
    ]  # fmt: skip
    assert found.before[0].tolist() == [
        [NONE, NONE], [NONE, NONE], [NONE, NONE], [50, NONE], [52, NONE], [52, NONE], [NONE, NONE]
    ]  # fmt: skip
    assert found.ends[0].tolist() == [
        [0, 0], [24, 0], [24, 48], [24, 24], [24, 0], [24, 48], [24, 24]
    ]  # fmt: skip
    assert found.begins[0, 3:, 0].tolist() == [0, 0, 0, 0]
    assert found.begins[0, 3:, 1].tolist() == [-24, -48, -48, -72]  # a tie begins no note


def test_a_window_begins_where_each_track_is_free() -> None:
    quarter = bins(voices, 24)
    x = events((0, 40, quarter, 1), (12, 50, quarter, 0), (12, 41, quarter, 1))
    assert voices.starts(x).free.tolist() == [[12, 0]]
    assert hands.starts(events((0, 40, 5, 1))).free.tolist() == [[0, 0]]
    # a track without an event is never free
    assert voices.starts(x[:, :1]).free[0, 0] > 10_000


def test_the_next_event_is_of_the_track_that_is_free_first() -> None:
    free = torch.tensor([[12, 5], [7, 7]])
    assert next_track(initial_tracks(voices, free)).tolist() == [1, 0]
    features = FeatureSet(voices, n_intervals=0, lookback_span=0, active_notes_span=0)
    starts = voices.beginning(torch.zeros(2, dtype=torch.int64), torch.tensor([3, 3]))
    state = TensorState(features, starts._replace(free=free), None)
    assert state.derived(0).tolist() == [5, 7]
    assert state.derived(3).tolist() == [1, 0]


def test_parallel_motion_with_a_track_that_moved_now() -> None:
    quarter = bins(voices, 24)
    # the upper voice has gone from 50 to 52 above 43, a fifth below it
    x = events((0, 50, quarter, 0), (0, 43, quarter, 1), (24, 52, quarter, 0), (0, 45, quarter, 1))
    notes = track_notes(voices, x)
    before_last = type(notes)(*(f[:, 3] for f in notes))
    goal, classes, moves = parallels(voices, before_last, torch.tensor([[43]]))
    assert (goal[0, 0], classes[0, 0], moves[0].tolist()) == (45, 5, [True, False])
    # a voice that stays, or has no note before, moves not at all
    goal, classes, moves = parallels(voices, before_last._replace(before=notes.pitch[:, 3]), goal)
    assert not moves.any()


def scores(space: NoteSpace, x: Tensor, columns: dict[int, float]) -> Tensor:
    """Of the pitch of the last event, ``[n]``, by a head whose outputs are 0 but in these columns
    of the track's weights.
    """
    features = FeatureSet(space, n_intervals=0, lookback_span=0, active_notes_span=0)
    outputs = torch.zeros(1, x.shape[1], sum(features.head_sizes[1]))
    for column, value in columns.items():
        outputs[..., space.sizes[1] + column] = value
    return features.sequence(x).logits(1, outputs)[0, -1]


def test_pitches_are_scored_by_intervals_and_parallel_motion() -> None:
    quarter = bins(voices, 24)
    x = events((0, 50, quarter, 0), (0, 43, quarter, 1), (24, 52, quarter, 0), (0, 45, quarter, 1))
    middle = MAX_INTERVAL
    own, upper = middle + 3, N_INTERVALS + middle - 12
    parallel = 3 * N_INTERVALS + 5
    found = scores(voices, x, {own: 1.0, upper: 2.0, parallel: 4.0})
    assert {i: v for i, v in enumerate(found.tolist()) if v} == {46: 1.0, 40: 2.0, 45: 4.0}
    assert found.shape == (91,)


@pytest.mark.parametrize("space", [hands, voices])
def test_a_known_event_is_described(space: NoteSpace) -> None:
    quarter = bins(space, 24)
    x = events((0, 50, quarter, 0), (0, 43, quarter, 1), (24, 52, quarter, 0), (0, 45, quarter, 1))
    x[..., 4] = torch.tensor([0, 0, 24, 24])
    features = FeatureSet(space, n_intervals=0, lookback_span=0, active_notes_span=0)
    found = features.sequence(x).describe(x)[0, -1, -(N_STEPS + 3 * N_CLASSES) :]
    # up by a tone, a fifth and a tone from the two tracks' last notes, in parallel fifths
    assert found.nonzero().flatten().tolist() == [
        12 + 2, N_STEPS + 5, N_STEPS + N_CLASSES + 2, N_STEPS + 2 * N_CLASSES + 5
    ]  # fmt: skip


@pytest.mark.parametrize("representation", [NoteEvents(24, n_tracks=3, ends=True), Voices(24)])
@torch.no_grad()
def test_steps_and_whole_sequences_agree(representation: NoteEvents) -> None:
    torch.manual_seed(0)
    space = note_space(representation)
    features = FeatureSet(space, n_intervals=2, lookback_span=9, active_notes_span=7)
    starts = space.beginning(torch.tensor([0, 24, 5]), torch.tensor([3, 2, 3]))
    state, rows = TensorState(features, starts, None), []
    inputs, logits, n = [], [], 40
    outputs = [torch.randn(3, n, sum(sizes)) for sizes in features.head_sizes]
    for t in range(n):
        inputs.append(state.inputs())
        event = torch.zeros(3, space.n_categories, dtype=torch.int64)
        for i in space.order:
            if space.is_derived(i):
                event[:, i] = state.derived(i)
            else:
                top = min(space.sizes[i], 6)
                event[:, i] = torch.randint(0, top, (3,)) + (40 if i == 1 else 0)
                if i == 1 and t % 5 == 4:
                    event[:, i] = space.n_pitches + t % (space.sizes[1] - space.n_pitches)
            logits.append(state.logits(i, outputs[i][:, t]))
            state.choose(i, event[:, i])
        state.observe(event)
        rows.append(torch.cat([event, state.position[:, None], starts.meter[:, None]], 1))
    x = torch.stack(rows, 1)
    whole = features.sequence(x)
    found = whole.inputs()
    assert found is not None
    torch.testing.assert_close(torch.stack(inputs, 1), found, atol=1e-5, rtol=1e-5)
    by_category = [whole.logits(i, outputs[i]) for i in space.order]
    for k, of_step in enumerate(logits):
        t, i = divmod(k, len(space.order))
        if not space.is_derived(space.order[i]):
            torch.testing.assert_close(of_step, by_category[i][:, t], atol=1e-4, rtol=1e-4)
