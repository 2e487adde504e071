"""How many voices the tracks of a piece need, and which note belongs to which."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np

from gan_music.music.piece import IntArray, Piece

_ENOUGH = 0.95  # of the training pieces, for which voices are provided


def used_tracks(piece: Piece, n_tracks: int) -> list[int]:
    """The tracks of a piece: all if there are so many, or else those that have notes."""
    if len(piece.tracks) == n_tracks:
        return list(range(n_tracks))
    return [int(k) for k in np.unique(piece.track)]


def voices_needed(piece: Piece, n_tracks: int = 0) -> tuple[int, ...]:
    """How many notes or chords overlap in each track."""
    return tuple(
        int(chains(piece, np.flatnonzero(piece.track == k)).max(initial=0)) + 1
        for k in used_tracks(piece, n_tracks)
    )


def chains(piece: Piece, notes: IntArray) -> IntArray:
    """The number of the first chain that has room for each of these notes, ``[n]``, from the
    highest of an onset on: notes of one onset and duration are a chord.
    """
    found = np.zeros(len(notes), np.int64)
    order = np.lexsort((-piece.pitch[notes], piece.onset[notes]))
    spans: list[tuple[int, int]] = []
    for i in order.tolist():
        note = notes[i]
        onset, end = int(piece.onset[note]), int(piece.onset[note] + piece.duration[note])
        free = (k for k, last in enumerate(spans) if last[1] <= onset or last == (onset, end))
        k = next(free, len(spans))
        spans[k : k + 1] = [(onset, end)]
        found[i] = k
    return found


def fits(need: tuple[int, ...], layout: tuple[int, ...]) -> bool:
    """Whether tracks that need so many voices have them."""
    return len(need) == len(layout) and all(n <= m for n, m in zip(need, layout, strict=True))


def choose_layout(needs: Counter[tuple[int, ...]], most: int) -> tuple[int, ...]:
    """The voices of each track that nearly all pieces of the most frequent number of tracks fit."""
    fitting = {n: c for n, c in needs.items() if 1 <= sum(n) <= most}
    if not fitting:
        return (1,) * most
    sizes = Counter[int]()
    for need, count in fitting.items():
        sizes[len(need)] += count
    size = sizes.most_common(1)[0][0]
    same = {n: c for n, c in fitting.items() if len(n) == size}

    def share(layout: tuple[int, ...]) -> float:
        """Of the pieces that fit."""
        return sum(c for n, c in same.items() if fits(n, layout)) / sum(same.values())

    each = range(1, most - size + 2)
    layouts = [x for x in product(each, repeat=size) if sum(x) <= most]  # 1,024 at most
    best = max(map(share, layouts))
    enough = [x for x in layouts if share(x) >= min(best, _ENOUGH)]
    return min(enough, key=lambda x: (sum(x), -share(x)))
