"""Tables of what was read of a data set, and of what was refused."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gan_music.data.pack import n_drums
from gan_music.io.instruments import GENERAL_MIDI
from gan_music.music.piece import IntArray, Piece
from gan_music.system.atomic_files import atomic_write
from gan_music.system.csv_cells import escape_formula
from gan_music.system.printable import printable

# The parts of a reason that differ from file to file: quoted text, bytes, numbers.
_PARTICULARS = re.compile(r"""b?'[^']*'|b?"[^"]*"|<[^<>]*>|0x[0-9a-fA-F]+|\d[\d,.]*""")
_N_REASONS = 12
_N_TRACKS = 12
# grace notes last one step; cue notes, and notes that never end, are left out; no model has drums
_LOST = ("grace notes", "cue notes", "unended notes", "drum notes")


def refusals(rejects: Mapping[str, str]) -> list[tuple[str, int, str]]:
    """(reason, number of files, example), the most frequent reason first.

    Reasons that differ only in numbers or quoted text are grouped, with an ellipsis for these.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, reason in rejects.items():
        groups.setdefault(_PARTICULARS.sub("…", reason), []).append((name, reason))
    rows = []
    for pattern, members in groups.items():
        same = len({reason for _, reason in members}) == 1
        rows.append((members[0][1] if same else pattern, len(members), members[0][0]))
    return sorted(rows, key=lambda row: -row[1])


def refusal_lines(rejects: Mapping[str, str]) -> list[str]:
    """A line for each reason with its count and an example; rare reasons share one line."""
    rows = refusals(rejects)
    lines = [f"  refused {n}: {reason} ({name})" for reason, n, name in rows[:_N_REASONS]]
    if len(rows) > _N_REASONS:
        rest = sum(n for _, n, _ in rows[_N_REASONS:])
        lines.append(f"  refused {rest}: for {len(rows) - _N_REASONS} further reasons")
    return lines


def table(
    pieces: Sequence[Piece], rejects: Mapping[str, str], *, n_files: int, n_refused_files: int
) -> str:
    """A line for each quantity of what was read, then one for each reason of refusal.

    Tempos are in quarter notes a minute; hours of music are at each piece's first tempo. Files are
    refused where no piece of theirs is left; refused pieces are those of other files.
    """
    rows = [
        ("files", f"{n_files:,}"),
        ("refused files", f"{n_refused_files:,}"),
        ("pieces", f"{len(pieces):,}"),
        ("refused pieces", f"{len(rejects) - n_refused_files:,}"),
    ]
    if pieces:
        folders = {piece.name.rpartition("/")[0] for piece in pieces}
        tempos = np.array([piece.tempo for piece in pieces])
        rows += [
            ("notes", f"{sum(map(len, pieces)):,}"),
            ("folders", f"{len(folders):,}"),
            ("hours of music", f"{sum(map(minutes, pieces)) / 60:.1f}"),
            ("median tempo", f"{np.median(tempos):.0f}"),
            *((what, f"{n:,}") for what, n in zip(_LOST, _losses(pieces).sum(0), strict=True)),
        ]
    lines = [f"{what:16}{value:>10}" for what, value in rows] + refusal_lines(rejects)
    if pieces:
        lines += [_rounding(pieces), "", *track_table(pieces)]
    return "\n".join(lines)


def track_table(pieces: Sequence[Piece]) -> list[str]:
    """A line for each kind of track (name, instrument): in how many pieces, and its notes.

    The most frequent come first; rare ones share the last line.
    """
    n_pieces: Counter[tuple[str, str]] = Counter()
    n_notes: Counter[tuple[str, str]] = Counter()
    for piece in pieces:
        counts = np.bincount(piece.track, minlength=len(piece.tracks)).tolist()
        kinds = [(t.name, "drums" if t.is_drum else GENERAL_MIDI[t.program]) for t in piece.tracks]
        n_pieces.update(set(kinds))
        for kind, count in zip(kinds, counts, strict=True):
            n_notes[kind] += count
    ordered = sorted(n_pieces, key=lambda kind: (-n_pieces[kind], -n_notes[kind], kind))
    lines = [f"{'track':32}{'instrument':26}{'pieces':>8}{'notes':>12}"]
    for name, instrument in ordered[:_N_TRACKS]:
        count = n_pieces[name, instrument], n_notes[name, instrument]
        shown = one_line(name)[:30] or "(no name)"
        lines.append(f"{shown:32}{instrument:26}{count[0]:>8,}{count[1]:>12,}")
    if rest := ordered[_N_TRACKS:]:
        words = f"{len(rest)} further kinds"
        n = sum(n_pieces[k] for k in rest), sum(n_notes[k] for k in rest)
        lines.append(f"{words:58}{n[0]:>8,}{n[1]:>12,}")
    return lines


def minutes(piece: Piece) -> float:
    """The duration of a piece at its tempo, in minutes."""
    return float((piece.onset + piece.duration).max()) / piece.grid / piece.tempo


def write_rejects(rejects: Mapping[str, str], path: Path) -> None:
    """A table of (file, reason), one line a refused file."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "reason"))
        writer.writerows(
            (escape_formula(name), escape_formula(reason)) for name, reason in rejects.items()
        )


def write_losses(pieces: Sequence[Piece], path: Path) -> None:
    """A table of the pieces with grace notes, cue notes, notes that never end or drums."""
    with atomic_write(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("piece", *(what.replace(" ", "_") for what in _LOST)))
        for piece, row in zip(pieces, _losses(pieces).tolist(), strict=True):
            if any(row):
                writer.writerow((escape_formula(piece.name), *row))


def _losses(pieces: Sequence[Piece]) -> IntArray:
    """The numbers that ``_LOST`` names, of each piece, ``[N, 4]``."""
    return np.array([(*p.losses, n_drums([p])) for p in pieces], dtype=np.int64)


def one_line(reason: str) -> str:
    """A reason on one line, with characters escaped that cannot be printed."""
    return printable(" ".join(reason.split()))


def _rounding(pieces: Sequence[Piece]) -> str:
    n_notes = np.array([len(p) for p in pieces])
    moved = np.array([p.rounding for p in pieces])
    onset, _, duration, off_grid = (moved * n_notes[:, None]).sum(0) / n_notes.sum()
    return (
        f"rounding to {pieces[0].grid} steps a quarter note moved onsets by {onset:.4f} quarter "
        f"notes on average\n  (at most {moved[:, 1].max():.4f}; {off_grid:.1%} by more than "
        f"1/192) and durations by {duration:.4f}"
    )
