from __future__ import annotations

import numpy as np
import pytest

from gan_music.metrics.sets.originality import longest_matches
from gan_music.music.piece import Piece


@pytest.mark.parametrize("seed", range(4))
def test_longest_matches_are_brute_force(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def walk(n: int) -> Piece:
        return Piece.from_arrays(
            np.cumsum(rng.integers(0, 2, n)) * 6,
            rng.integers(1, 3, n) * 6,
            60 + np.cumsum(rng.integers(0, 2, n)) % 40,
            grid=24,
        )

    def words(p: Piece) -> list[tuple[int, int, int]]:
        return list(zip(np.diff(p.pitch), np.diff(p.onset), p.duration[1:], strict=True))

    queries, training = [walk(25), walk(1), walk(3)], [walk(60), walk(2), walk(40)]
    found = longest_matches(queries, training)
    for query, match in zip(queries, found, strict=True):
        w = words(query)
        expected = []
        for i in range(len(w)):
            best = 0
            for t in map(words, training):
                for j in range(len(t)):
                    n = 0
                    while i + n < len(w) and j + n < len(t) and w[i + n] == t[j + n]:
                        n += 1
                    best = max(best, n)
            expected.append(best)
        assert match.tolist() == expected
