"""Voice leading: how the voices of a piece move against each other.

The rules are those of four-part writing (Aldwell & Schachter 2003, chapters 5 and 6; Huron 2001,
"Tone and voice"). A *move* leads from one onset to the next at which a voice takes another pitch,
while two voices or more sound at both. Undefined figures are NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gan_music.metrics.piece.voice_separation import slices
from gan_music.music.piece import IntArray, Piece

_SILENT = -1
_PERFECT = (0, 7)  # unison or octave, fifth: semitones modulo 12
_FIFTH, _OCTAVE = 7, 12


def voice_leading(piece: Piece) -> dict[str, float]:
    """All figures of this module."""
    pitch = pitches(piece)
    before, after = moves(pitch)
    return {
        "parallel_rate": parallel_rate(before, after),
        "top_leap_rate": top_leap_rate(before, after),
        "overlap_rate": overlap_rate(before, after),
        "crossing_rate": crossing_rate(pitch),
        "wide_spacing_rate": wide_spacing_rate(pitch),
        "unresolved_seventh_rate": unresolved_rate(pitch, degree=10, steps=(-1, -2)),
        # an inner voice may leave the leading note for the fifth of the next chord
        "unresolved_leading_note_rate": unresolved_rate(
            pitch, degree=4, steps=(1,), only_highest=True
        ),
    }


def pitches(piece: Piece) -> IntArray:
    """What each voice sounds at each onset, from the highest voice, ``[S, V]``; -1 in rests."""
    note = slices(piece).note
    return np.where(note >= 0, piece.pitch[note], _SILENT) if len(piece) else note


def moves(pitch: IntArray) -> tuple[IntArray, IntArray]:
    """The pitches before and after each move, ``[M, V]`` both."""
    before, after = pitch[:-1], pitch[1:]
    here = (before >= 0) & (after >= 0)
    chosen = (here.sum(1) >= 2) & (here & (before != after)).any(1)
    return before[chosen], after[chosen]


def parallel_rate(before: IntArray, after: IntArray) -> float:
    """Share of moves with parallel unisons, fifths or octaves: two voices move in one direction,
    from one perfect consonance to another of the same kind.
    """
    here = (before >= 0) & (after >= 0)
    motion = np.sign(after - before) * here
    found = np.zeros(len(before), bool)
    for i in range(before.shape[1]):
        for j in range(i + 1, before.shape[1]):
            similar = (motion[:, i] != 0) & (motion[:, i] == motion[:, j])
            first, second = (np.abs(x[:, i] - x[:, j]) % 12 for x in (before, after))
            found |= similar & (first == second) & np.isin(first, _PERFECT)
    return _share(found)


def top_leap_rate(before: IntArray, after: IntArray) -> float:
    """Share of leaps beyond a fifth among the motions of the highest voice."""
    top = (before[:, :1] >= 0) & (after[:, :1] >= 0)
    steps = np.abs(after[:, :1] - before[:, :1])[top]
    return _share(steps[steps > 0] > _FIFTH)


def overlap_rate(before: IntArray, after: IntArray) -> float:
    """Share of moves in which a voice moves beyond where its neighbour has been."""
    upper, lower = slice(None, -1), slice(1, None)
    known = (before >= 0) & (after >= 0)
    both = known[:, upper] & known[:, lower]
    beyond = (after[:, lower] > before[:, upper]) | (after[:, upper] < before[:, lower])
    return _share((both & beyond).any(1))


def crossing_rate(pitch: IntArray) -> float:
    """Share of onsets of several voices at which a voice lies above a higher one."""
    pitch = pitch[(pitch >= 0).sum(1) >= 2]
    # what the voices above reach down to
    floor = np.minimum.accumulate(np.where(pitch >= 0, pitch, np.iinfo(np.int64).max), 1)
    return _share((pitch[:, 1:] > floor[:, :-1]).any(1))


def wide_spacing_rate(pitch: IntArray) -> float:
    """Share of onsets of three voices or more at which two neighbours above the lowest voice are
    more than an octave apart.
    """
    rows = [np.sort(row[row >= 0])[1:] for row in pitch]
    return _share([(np.diff(r) > _OCTAVE).any() for r in rows if len(r) >= 2])


def unresolved_rate(
    pitch: IntArray, *, degree: int, steps: tuple[int, ...], only_highest: bool = False
) -> float:
    """Of dominant sevenths whose bass then is a fourth above their root, or a second (a deceptive
    cadence), the share in which a voice on this degree above the root neither moves by one of
    these steps nor stays; of all voices, or of the highest.

    A dominant seventh has a root, a major third, a minor seventh and perhaps a fifth.
    """
    found = []
    roots = [_dominant_root(row) for row in pitch]
    for k in range(len(pitch) - 1):
        root = roots[k]
        if root is None or roots[k + 1] == root:
            continue
        following = pitch[k + 1][pitch[k + 1] >= 0]
        if not len(following) or (following.min() - root) % 12 not in (5, 1, 2):
            continue
        own = np.flatnonzero((pitch[k] >= 0) & ((pitch[k] - root) % 12 == degree))
        for voice in own[own == 0] if only_highest else own:
            step = pitch[k + 1, voice] - pitch[k, voice]
            found.append(pitch[k + 1, voice] < 0 or (step != 0 and step not in steps))
    return _share(found)


def _dominant_root(row: IntArray) -> int | None:
    classes = set((row[row >= 0] % 12).tolist())
    for root in classes:
        above = {(c - root) % 12 for c in classes}
        if {0, 4, 10} <= above <= {0, 4, 7, 10}:
            return int(root)
    return None


def _share(found: ArrayLike) -> float:
    found = np.asarray(found, bool)
    return float(found.mean()) if len(found) else float("nan")
