from __future__ import annotations

import muspy
import pytest

from gan_music.metrics.piece.tonality import (
    out_of_key_rate,
    pitch_class_entropy,
    pitch_range,
    scale_consistency,
)
from tests.metrics.music import as_muspy, noise, piece


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_muspys(seed: int) -> None:
    p = noise(seed)
    music = as_muspy(p)
    assert scale_consistency(p) == pytest.approx(muspy.scale_consistency(music))
    assert pitch_class_entropy(p) == pytest.approx(muspy.pitch_class_entropy(music))
    assert pitch_range(p) == muspy.pitch_range(music)


def test_out_of_key_by_hand() -> None:
    c_major = [60, 62, 64, 65, 67, 69, 71, 72, 67, 64, 60]
    p = piece(*[(24 * i, 24, k) for i, k in enumerate(c_major)])
    assert out_of_key_rate(p) == 0
    foreign = piece(*p.notes(), (300, 2, 61))
    assert out_of_key_rate(foreign) == pytest.approx(1 / 12)
    # A minor with both G and G sharp
    a_minor = [57, 59, 60, 62, 64, 65, 67, 68, 69, 64, 57, 60, 57]
    assert out_of_key_rate(piece(*[(24 * i, 24, k) for i, k in enumerate(a_minor)])) == 0
