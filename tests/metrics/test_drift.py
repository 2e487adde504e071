"""Whether music drifts as it goes on: the likeness of openings and of endings."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gan_music.metrics import figure_groups
from gan_music.metrics.excerpts import Excerpts, opening_and_ending, stack_windows
from gan_music.metrics.reference_sets import prepare
from gan_music.metrics.sets.mgeval import distances, mgeval, mgeval_features, overlap_and_divergence
from gan_music.music.piece import Piece
from tests.conftest import make_piece
from tests.metrics.music import noise, piece


def walks(first: int, n_pieces: int = 16) -> list[Piece]:
    return [make_piece(seed, 320).cut(0, 400) for seed in range(first, first + n_pieces)]


def with_second_half_shuffled(p: Piece, seed: int) -> Piece:
    pitch = p.pitch.copy()
    half = len(pitch) // 2
    pitch[half:] = np.random.default_rng(seed).permutation(pitch[half:])
    return Piece.from_arrays(p.onset, p.duration, pitch, grid=p.grid)


def likeness(generated: list[Piece], reference: list[Piece]) -> figure_groups.FigureGroup:
    sampled = Excerpts(generated, reference, 400)
    return figure_groups.mgeval_group(
        prepare(sampled, window=64, long_window=256, n_draws=24, seed=0)
    )


def test_openings_and_endings_by_hand() -> None:
    # eleven quavers from C upwards; seven; a piece that begins on the third beat
    ten = [piece(*[(12 * i, 12, 60 + i) for i in range(n)]) for n in (11, 7)]
    late = piece(*[(12 * i, 12, 40 + i) for i in range(8)], meters=((-48, 4, 4),))
    opening, ending = opening_and_ending([*ten, late], 4, 2)
    assert opening.pitch.tolist() == [[60, 61], [62, 63], [40, 41], [42, 43]]
    assert ending.pitch.tolist() == [[67, 68], [69, 70], [44, 45], [46, 47]]
    assert opening.piece.tolist() == ending.piece.tolist() == [0, 0, 2, 2]
    assert opening.position.tolist() == [[0, 12], [24, 36], [48, 60], [72, 84]]
    assert ending.position.tolist() == [[84, 0], [12, 24], [0, 12], [24, 36]]


def test_windows_that_do_not_fill_a_part_are_left_out() -> None:
    opening, ending = opening_and_ending([noise(0, 400)], 128, 48)
    assert opening.pitch.tolist() == noise(0, 400).pitch[:96].reshape(2, 48).tolist()
    assert ending.pitch.tolist() == noise(0, 400).pitch[272:368].reshape(2, 48).tolist()
    assert len(opening_and_ending([noise(0, 400)], 128, 192)[0]) == 0


def test_a_part_is_measured_as_a_set_of_its_own() -> None:
    ours, theirs = walks(0), walks(16)
    reference = stack_windows(theirs, 64)
    opening, _ = opening_and_ending(ours, 128, 64)
    everyone = np.arange(16)
    found = mgeval(stack_windows(ours, 64), reference, {"opening": opening})(everyone, everyone)
    other = reference.piece[:, None] < reference.piece
    areas = []
    for mine, real in zip(
        mgeval_features(opening).values(), mgeval_features(reference).values(), strict=True
    ):
        areas.append(overlap_and_divergence(distances(real, real)[other], distances(mine, real))[0])
    # the grids differ by what of the candidate lies furthest off
    assert found["oa_opening"] == pytest.approx(np.mean(areas), abs=0.01)
    without = mgeval(stack_windows(ours, 64), reference)(everyone, everyone)
    assert without == {k: v for k, v in found.items() if k != "oa_opening"}


def test_a_part_far_from_all_else_does_not_overlap() -> None:
    same = stack_windows([piece(*[(24 * i, 24, 60) for i in range(16)])] * 4, 16)
    far = stack_windows([noise(s, 16) for s in range(4)], 16)
    everyone = np.arange(4)
    figures = mgeval(same, same, {"same": same, "far": far})(everyone, everyone)
    assert figures["oa_mean"] == figures["oa_same"] == pytest.approx(1)
    assert figures["oa_far"] < 0.1


def test_a_shuffled_second_half_is_a_drift_and_real_music_has_none() -> None:
    ours, theirs = walks(0), walks(16)
    real = likeness(ours, theirs)
    drifting = likeness([with_second_half_shuffled(p, 0) for p in ours], theirs)
    for figures, name in ((real, "oa_opening"), (real, "oa_ending"), (drifting, "oa_opening")):
        assert figures[name].generated.value > figures[name].reference.low, name
    assert real["oa_opening"].generated.value == pytest.approx(
        real["oa_ending"].generated.value, abs=0.02
    )
    assert drifting["oa_opening"].generated.value == pytest.approx(
        real["oa_opening"].generated.value, abs=0.02
    )
    assert drifting["oa_ending"].generated.high < drifting["oa_opening"].generated.low


@pytest.mark.parametrize(("n_notes", "defined"), [(255, False), (256, True)])
def test_pieces_too_short_for_two_parts(n_notes: int, defined: bool) -> None:
    figures = likeness(
        [noise(s, n_notes) for s in range(6)], [noise(s, n_notes) for s in range(6, 12)]
    )
    for name in ("oa_opening", "oa_ending"):
        f = figures[name]
        for value in (f.generated.value, f.reference.value, f.shuffled, f.one_note):
            assert math.isnan(value) != defined, name
    assert not math.isnan(figures["oa_mean"].generated.value)
