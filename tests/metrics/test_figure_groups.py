from __future__ import annotations

import math

import numpy as np
import pytest

from gan_music.metrics import figure_groups
from gan_music.metrics.excerpts import Excerpts
from gan_music.metrics.reference_sets import prepare
from gan_music.music.piece import Piece
from tests.metrics.music import noise, walks


def with_second_half_shuffled(p: Piece, seed: int) -> Piece:
    pitch = p.pitch.copy()
    half = len(pitch) // 2
    pitch[half:] = np.random.default_rng(seed).permutation(pitch[half:])
    return Piece.from_arrays(p.onset, p.duration, pitch, grid=p.grid)


def mgeval(generated: list[Piece], reference: list[Piece]) -> figure_groups.FigureGroup:
    excerpts = Excerpts(generated, reference, 400, (generated, reference))
    return figure_groups.mgeval_group(
        prepare(excerpts, window=64, long_window=256, n_draws=24, seed=0)
    )


def test_a_shuffled_second_half_is_drift_and_real_music_has_none() -> None:
    ours, theirs = walks(0), walks(16)
    real = mgeval(ours, theirs)
    drifting = mgeval([with_second_half_shuffled(p, 0) for p in ours], theirs)
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
    figures = mgeval(
        [noise(s, n_notes) for s in range(6)], [noise(s, n_notes) for s in range(6, 12)]
    )
    for name in ("oa_opening", "oa_ending"):
        f = figures[name]
        for value in (f.generated.value, f.reference.value, f.shuffled, f.one_note):
            assert math.isnan(value) != defined, name
    assert not math.isnan(figures["oa_mean"].generated.value)
