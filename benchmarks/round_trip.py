"""What the event codec keeps of real music: notes -> ids -> notes, over a folder.

    python benchmarks/round_trip.py DIR [GRID]

An onset is exact if the decoded piece has it at the same distance from the piece's beginning, long
rests (which are shortened on purpose) aside; so an error that added up would show.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from gan_music.data.cache import NoteCache, default_cache_dir
from gan_music.data.extraction import extract
from gan_music.data.sources import find_sources
from gan_music.music.piece import KEYBOARD, IntArray, Piece
from gan_music.representations.note_events import NoteEvents


def onset_errors(piece: Piece, decoded: IntArray, longest: int) -> IntArray:
    """Steps by which each decoded onset is off, int64 ``[N]``, between long rests."""
    moved = piece.onset - decoded
    stretch = np.concatenate([[0], np.cumsum(np.diff(piece.onset) > longest)])
    # a stretch lies where most of its notes do
    for number in range(int(stretch[-1]) + 1):
        here = stretch == number
        values, counts = np.unique(moved[here], return_counts=True)
        moved[here] -= values[counts.argmax()]
    return np.abs(moved)


def main() -> None:
    """The command."""
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    grid = int(sys.argv[2]) if len(sys.argv) == 3 else 24
    codec = NoteEvents(grid, velocity=True)
    cache = NoteCache(default_cache_dir(), grid)
    pieces = extract(find_sources(Path(sys.argv[1]), ""), cache, min_notes=1).pieces
    onset, duration, pitch, velocity = [], [], [], []
    n_rests = 0
    for piece in pieces:
        ids = codec.encode(piece)
        longest = int(codec.offset_bins[-1])
        n_rests += int((np.diff(piece.onset) > longest).sum())
        onset.append(onset_errors(piece, np.cumsum(codec.offset_bins[ids[:, 0]]), longest))
        # columns, not the decoded piece: that one is sorted anew
        duration.append(np.abs(codec.duration_bins[ids[:, 2]] - piece.duration) / grid)
        pitch.append(KEYBOARD[0] + ids[:, 1] == piece.pitch)
        velocity.append(np.abs(ids[:, 3] * 4 + 2 - piece.velocity))
    onsets, durations = np.concatenate(onset), np.concatenate(duration)
    print(f"{len(pieces)} pieces, {len(onsets):,} notes, grid of {grid}")
    print(f"pitches the same            {np.concatenate(pitch).mean():.4%}")
    print(
        f"onsets exact                {(onsets == 0).mean():.4%}; at most {onsets.max()} steps off"
    )
    print(f"durations within 1/24       {(durations <= 1 / 24 + 1e-9).mean():.4%}")
    print(f"velocities within 2         {(np.concatenate(velocity) <= 2).mean():.4%}")
    print(f"rests shortened             {n_rests}")


if __name__ == "__main__":
    main()
