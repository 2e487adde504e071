from __future__ import annotations

import math

import numpy as np
import pytest

from gan_music.metrics.excerpts import stack_windows
from gan_music.metrics.sets.diversity import distinct_n, near_duplicates, self_bleu, support_size
from tests.conftest import make_piece
from tests.metrics.music import noise, piece, transposed


def test_distinct_counts_as_many_as_the_reference_has() -> None:
    a = [piece(*[(24 * i, 24, 60 + i % 2) for i in range(12)])]
    b = [piece(*[(24 * i, 24, 60 + i) for i in range(5)])]
    figures = distinct_n(a, b)(np.array([0]), np.array([0]))
    assert (
        figures["distinct_pitch_2grams"] == 0.5
    )  # of the first four: 60 61, 61 60, and the same again
    assert figures["distinct_interval_4grams"] == 1  # one
    assert math.isnan(figures["distinct_interval_8grams"])


def test_self_bleu_is_brute_force() -> None:
    pieces = [make_piece(s, 30) for s in range(4)]
    words = [list(zip(np.diff(p.pitch), np.diff(p.onset), strict=True)) for p in pieces]

    def bleu(mine: list, others: list[list]) -> float:
        total = 0.0
        for n in range(1, 5):

            def grams(w: list, n: int = n) -> dict:
                counts: dict = {}
                for i in range(len(w) - n + 1):
                    counts[tuple(w[i : i + n])] = counts.get(tuple(w[i : i + n]), 0) + 1
                return counts

            ours = grams(mine)
            clipped = sum(min(c, max(grams(o).get(g, 0) for o in others)) for g, c in ours.items())
            total += math.log(max(clipped, 0.1) / sum(ours.values())) / 4
        return math.exp(total)  # all have the same length: no brevity penalty

    expected = np.mean([bleu(w, [o for o in words if o is not w]) for w in words])
    everyone = np.arange(4)
    assert self_bleu(pieces)(everyone, everyone)["self_bleu"] == pytest.approx(expected)
    assert self_bleu([pieces[0]] * 3)(everyone[:3], everyone[:3])["self_bleu"] == 1
    assert math.isnan(self_bleu(pieces[:1])(everyone[:1], everyone[:1])["self_bleu"])


def test_support_size_by_hand() -> None:
    # ten windows of ten pieces with two duplicate pairs, one of them transposed
    pieces = [noise(s, 32) for s in range(8)]
    windows = stack_windows([*pieces, pieces[0], transposed(pieces[1], 3)], 32)
    assert near_duplicates(windows, 0.5).sum() == 10 + 4
    everyone = np.arange(10)
    assert support_size(windows)(everyone, everyone)["support_size"] == 45 / 2
    assert support_size(stack_windows(pieces, 32))(everyone, everyone)["support_size"] == 28
