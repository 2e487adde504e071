"""What note events keep of real music: notes -> ids -> notes, over a folder.

    python benchmarks/round_trip.py DIR [GRID]

An onset is exact if it has the same distance from the piece's beginning after decoding, so that
errors that accumulate would show. Long rests, which are shortened on purpose, do not count.
"""

from __future__ import annotations

import common
import numpy as np

from gan_music.music.piece import KEYBOARD, IntArray, Piece
from gan_music.representations.note_events import NoteEvents


def onset_errors(piece: Piece, decoded: IntArray, longest: int) -> IntArray:
    """Error of each decoded onset in steps, int64 ``[N]``, between long rests."""
    moved = piece.onset - decoded
    stretch = np.concatenate([[0], np.cumsum(np.diff(piece.onset) > longest)])
    # a stretch is aligned by the offset of most of its notes
    for number in range(int(stretch[-1]) + 1):
        here = stretch == number
        values, counts = np.unique(moved[here], return_counts=True)
        moved[here] -= values[counts.argmax()]
    return np.abs(moved)


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("folder", type=common.folder, metavar="DIR")
    parser.add_argument("grid", type=common.count, nargs="?", default=common.GRID, metavar="GRID")
    given = parser.parse_args()
    grid = given.grid
    codec = NoteEvents(grid, velocity=True)
    pieces = common.read_pieces(given.folder, grid=grid, min_notes=1)
    onset, duration, pitch, velocity = [], [], [], []
    n_rests = 0
    for piece in pieces:
        ids = codec.encode(piece)
        longest = int(codec.offset_bins[-1])
        n_rests += int((np.diff(piece.onset) > longest).sum())
        onset.append(onset_errors(piece, np.cumsum(codec.offset_bins[ids[:, 0]]), longest))
        # the ids' own columns, since a decoded piece is sorted anew
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
    common.command(main)
