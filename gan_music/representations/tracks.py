"""The tracks of a piece as ids, and what they usually are in some pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gan_music.music.piece import IntArray, Piece, Track

MAX_TRACKS = 8
_LONGEST_NAME = 100  # characters
_N_LOOKED_AT = 1000  # pieces


def track_ids(piece: Piece, n_tracks: int) -> IntArray:
    """The track of each note, below ``n_tracks``, ``[N]``.

    Tracks keep the order of the file (of hands, right and left; of voices, from the highest). If
    there are more, they are ordered by their mean pitch, from the highest, and neighbours whose
    means are nearest to each other become one.
    """
    if len(piece.tracks) <= n_tracks:
        return piece.track
    used = np.unique(piece.track)
    means = np.array([piece.pitch[piece.track == k].mean() for k in used])
    order = used[np.argsort(-means, kind="stable")]
    ids = np.zeros(len(piece.tracks), np.int64)
    if len(used) > n_tracks:
        gaps = -np.diff(np.sort(means)[::-1])
        # the widest gaps between neighbours part the groups
        borders = np.sort(np.argsort(-gaps, kind="stable")[: n_tracks - 1])
        ids[order] = np.searchsorted(borders, np.arange(len(order)))
    else:
        ids[used] = np.arange(len(used))
    return ids[piece.track]


def default_tracks(n: int) -> tuple[Track, ...]:
    """Tracks of pianos."""
    return tuple(Track() for _ in range(n))


def tracks_from(saved: Any, n: int) -> tuple[Track, ...]:
    """Tracks from pairs of a name and a program.

    Raises
    ------
    ValueError
        If they are none.
    """
    if saved is None:
        return default_tracks(n)
    tracks = tuple(Track(name, program) for name, program in saved)
    for track in tracks:
        if not isinstance(track.name, str) or len(track.name) > _LONGEST_NAME:
            raise ValueError(f"a track is named {track.name!r:.200}")
        if type(track.program) is not int or not 0 <= track.program <= 127:
            raise ValueError(f"a track has the program {track.program!r}")
    if len(tracks) != n:
        raise ValueError(f"{len(tracks)} tracks instead of {n}")
    return tracks


def usual_number(pieces: Sequence[Piece]) -> int:
    """The median number of tracks that have notes, at most :data:`MAX_TRACKS`."""
    numbers = sorted(len(np.unique(p.track)) for p in _some(pieces))
    return min(MAX_TRACKS, numbers[len(numbers) // 2]) if numbers else 1


def usual_tracks(pieces: Sequence[Piece], n: int) -> tuple[Track, ...]:
    """The most frequent name and program of each track, over the pieces that have ``n`` of them."""
    if n == 1:
        return default_tracks(1)
    found: list[Counter[Track]] = [Counter() for _ in range(n)]
    for piece in _some(pieces):
        if len(piece.tracks) == n:
            for counter, track in zip(found, piece.tracks, strict=True):
                counter[Track(track.name[:_LONGEST_NAME], track.program)] += 1
    return tuple(c.most_common(1)[0][0] if c else Track() for c in found)


def velocity_varies(pieces: Sequence[Piece]) -> bool:
    """Whether the notes of most pieces have several velocities."""
    varies = [len(np.unique(p.velocity)) > 1 for p in _some(pieces)]
    return sum(varies) > len(varies) / 2


def _some(pieces: Sequence[Piece]) -> Iterable[Piece]:
    """Pieces evenly spread over all, since each of a pack is read from disk."""
    chosen = np.unique(np.linspace(0, len(pieces) - 1, min(len(pieces), _N_LOOKED_AT)).astype(int))
    return (pieces[int(i)] for i in chosen)
