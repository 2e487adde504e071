"""What representations keep of real music: notes -> ids -> notes.

    python benchmarks/round_trip.py MUSIC [GRID]

MUSIC is a folder, or a part of music21's corpus (bach, haydn). Note events keep tracks, velocities
and the end of each piece here. An onset is exact if it has the same distance from the piece's
beginning after decoding, so that errors that accumulate would show; long rests, which are shortened
on purpose, do not count. Voices are exact where a piece comes back with the same notes in the same
tracks, and ends; here, each piece has a layout of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import common
import numpy as np

from gan_music.music.piece import KEYBOARD, IntArray, Piece
from gan_music.representations.note_events import NoteEvents, fold
from gan_music.representations.tracks import MAX_TRACKS
from gan_music.representations.voice_layout import used_tracks
from gan_music.representations.voices import Voices


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


def note_events(pieces: Sequence[Piece], grid: int) -> None:
    events = NoteEvents(grid, velocity=True, n_tracks=MAX_TRACKS, ends=True)
    onset, duration, pitch, velocity, track = [], [], [], [], []
    n_rests = n_ended = 0
    for piece in pieces:
        ids = events.encode(piece)
        n_ended += ids[-1, 1] == events.n_pitches
        ids = ids[: len(piece)]
        longest = int(events.offset_bins[-1])
        n_rests += int((np.diff(piece.onset) > longest).sum())
        onset.append(onset_errors(piece, np.cumsum(events.offset_bins[ids[:, 0]]), longest))
        # the ids' own columns, since a decoded piece is sorted anew
        duration.append(np.abs(events.duration_bins[ids[:, 2]] - piece.duration) / grid)
        pitch.append(KEYBOARD[0] + ids[:, 1] == piece.pitch)
        velocity.append(np.abs(ids[:, 3] * 4 + 2 - piece.velocity))
        # the tracks that have notes, in order; more than the most are merged
        tracks = np.searchsorted(np.unique(piece.track), piece.track)
        unused = len(piece.tracks) > MAX_TRACKS
        track.append(ids[:, 4] == (tracks if unused else piece.track))
    onsets, durations = np.concatenate(onset), np.concatenate(duration)
    print(f"pitches the same            {np.concatenate(pitch).mean():.4%}")
    print(
        f"onsets exact                {(onsets == 0).mean():.4%}; at most {onsets.max()} steps off"
    )
    print(f"durations within 1/24       {(durations <= 1 / 24 + 1e-9).mean():.4%}")
    print(f"velocities within 2         {(np.concatenate(velocity) <= 2).mean():.4%}")
    many = sum(len(np.unique(p.track)) > MAX_TRACKS for p in pieces)
    merged = f"; {many} pieces have more than {MAX_TRACKS} tracks, which are merged" if many else ""
    print(f"tracks the same             {np.concatenate(track).mean():.4%}{merged}")
    print(f"ends                        {n_ended} of {len(pieces)}")
    print(f"rests shortened             {n_rests}")


def voices(pieces: Sequence[Piece], grid: int) -> None:
    n_refused = n_notes = 0
    different = []
    for piece in pieces:
        representation = Voices(grid)
        representation.fit([piece])
        if representation.refuses(piece):
            n_refused += 1
            continue
        n_notes += len(piece)
        if not is_exact(piece, representation):
            different.append(piece.name)
    n = len(pieces) - n_refused
    print(f"voices exact                {n - len(different)} of {n} pieces, {n_notes:,} notes")
    for name in different[:10]:
        print(f"  not {name}")
    print(f"more than {MAX_TRACKS} voices          {n_refused} pieces")


def is_exact(piece: Piece, representation: Voices) -> bool:
    """Whether a piece comes back, from its first bar on, and ends."""
    found = representation.decode(representation.encode(piece)).piece
    tracks = np.searchsorted(used_tracks(piece, len(representation.layout)), piece.track)
    onset = piece.onset - piece.onset[0] + found.onset[0]
    before = zip(onset, piece.duration, fold(piece.pitch), tracks, strict=True)
    after = zip(found.onset, found.duration, found.pitch, found.track, strict=True)
    return sorted(before) == sorted(after) and found.ends


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("music", metavar="MUSIC")
    parser.add_argument("grid", type=common.count, nargs="?", default=common.GRID, metavar="GRID")
    given = parser.parse_args()
    pieces = common.read_pieces(given.music, grid=given.grid, min_notes=1)
    print(f"{len(pieces)} pieces, {sum(map(len, pieces)):,} notes, grid of {given.grid}")
    note_events(pieces, given.grid)
    voices(pieces, given.grid)


if __name__ == "__main__":
    common.command(main)
