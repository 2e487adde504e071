"""How the metrics behave on real music.

    python benchmarks/metrics.py cost MUSIC [--pieces N]
    python benchmarks/metrics.py sensitivity MUSIC [--pieces N] [--seed SEED]
    python benchmarks/metrics.py variety MUSIC [--splits N]
    python benchmarks/metrics.py verdicts MUSIC [--splits N] [--seed SEED]

MUSIC is a folder, or a part of music21's corpus (bach). Its pieces are dealt into two sets of 64
(or N) pieces, of each at most 400 notes.

- ``cost``: seconds of each group of figures, where all pieces count as training music
- ``sensitivity``: the figures of one set against the other, as it is and with the pitches of 5, 25
  and 100 % of each piece's notes shuffled, beside those of the baselines
- ``variety``: that of real music against other real music, for sets of several sizes and 400 (or
  N) random splits each, and the lowest ratio of each figure
- ``verdicts``: the verdicts on real music against other real music, for sets of 8, 16 and 32 pieces
  and 400 (or N) random splits each; and, in every tenth split, on its notes in random order, on one
  note, on random notes, and on a first-order Markov chain
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence

import common
import numpy as np

from gan_music.metrics.baselines import one_note, shuffled
from gan_music.metrics.collapse import THRESHOLDS, collapse_figures, relative_to, variety
from gan_music.metrics.evaluation import EvaluationSettings, evaluate
from gan_music.music.piece import Piece, windows

FIGURES = {
    "mgeval": ("oa_mean", "kl_mean"),
    "c2st": ("accuracy", "accuracy_long_window"),
    "prdc": ("precision", "recall", "density", "coverage", "frechet_distance"),
}
WINDOW = 64
# pieces in a set, windows of each
SIZES = ((2, 4), (4, 2), (4, 4), (8, 1), (8, 2), (16, 1), (16, 2), (16, 4), (32, 1))


def cost(given: argparse.Namespace) -> None:
    pieces = common.read_pieces(given.music)
    shuffled = [pieces[i] for i in np.random.default_rng(0).permutation(len(pieces))]
    sets = [shuffled[i::2][: given.pieces] for i in (0, 1)]
    start, cpu = time.perf_counter(), time.process_time()
    report = evaluate(*sets, pieces, EvaluationSettings(max_pieces=given.pieces))
    for name, seconds in report.seconds.items():
        print(f"{name:22}{seconds:6.2f} s")
    print(
        f"{'all':22}{time.perf_counter() - start:6.2f} s, {time.process_time() - cpu:.2f} s of CPU "
        f"time: {given.pieces} pieces a set, {sum(map(len, pieces)):,} training notes"
    )


def with_pitches_shuffled(piece: Piece, rate: float, seed: int) -> Piece:
    """The piece, where that share of the notes exchange their pitches."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(piece))[: round(rate * len(piece))]
    pitch = piece.pitch.copy()
    pitch[chosen] = pitch[rng.permutation(chosen)]
    return Piece.from_arrays(
        piece.onset, piece.duration, pitch, grid=piece.grid, meters=piece.meters
    )


def sensitivity(given: argparse.Namespace) -> None:
    pieces = common.read_pieces(given.music)
    order, n = np.random.default_rng(given.seed).permutation(len(pieces)), given.pieces
    generated, reference = ([pieces[i] for i in order[k : k + n]] for k in (0, n))
    columns = {}
    for rate in (0.0, 0.05, 0.25, 1.0):
        changed = [with_pitches_shuffled(p, rate, given.seed) for p in generated]
        found = evaluate(changed, reference, None, EvaluationSettings(max_pieces=n)).as_json()
        columns[f"{rate:.0%}" if rate else "real"] = found["figures"]
    names = ("ceiling", *columns, "shuffled", "one note")
    print(f"{'':18}" + "".join(f"{name:>10}" for name in names))
    for group, name in ((group, name) for group, names in FIGURES.items() for name in names):
        real = columns["real"][group][name]
        values = [real["reference"], *(c[group][name]["generated"] for c in columns.values())]
        values += [real["shuffled"], real["one_note"]]
        print(f"{name:18}" + "".join(f"{float('nan') if v is None else v:10.3f}" for v in values))


def varieties(given: argparse.Namespace) -> None:
    pieces = common.read_pieces(given.music)
    for n_pieces, n_each in SIZES:
        words: Counter[str] = Counter()
        lowest = dict.fromkeys(THRESHOLDS, np.inf)
        for seed in range(given.splits):
            order = np.random.default_rng(seed).permutation(len(pieces))
            parts = order[:n_pieces], order[n_pieces : 2 * n_pieces]
            figures = both_figures([[pieces[i] for i in part] for part in parts], n_each)
            ratios = relative_to(*figures)
            words[variety(*figures).word] += 1
            lowest = {k: min(v, ratios[k]) for k, v in lowest.items()}
        print(f"{n_pieces} pieces of {n_each} windows: {dict(words)}")
        print("  lowest: " + ", ".join(f"{k} {v:.2f}" for k, v in lowest.items()))


def verdicts(given: argparse.Namespace) -> None:
    pieces = common.read_pieces(given.music)
    settings = EvaluationSettings(n_bootstrap=40)
    for n_pieces in (8, 16, 32):
        words: dict[str, Counter[str]] = {}
        for seed in range(given.seed, given.seed + given.splits):
            order = np.random.default_rng(seed).permutation(len(pieces))
            first, second = ([pieces[i] for i in order[k : k + n_pieces]] for k in (0, n_pieces))
            sets = {"real": first}
            if seed % 10 == 0:
                sets |= degenerate(first, seed)
            for name, samples in sets.items():
                found = evaluate(samples, second, None, settings, only=("c2st", "prdc"))
                words.setdefault(name, Counter())[found.verdict.word] += 1
        for name, counts in words.items():
            print(f"{n_pieces} pieces, {name}: {dict(counts)}", flush=True)


def degenerate(pieces: Sequence[Piece], seed: int) -> dict[str, list[Piece]]:
    """Degenerate sets, of as many pieces as these and as many notes in each."""
    rng = np.random.default_rng(seed)
    grid = pieces[0].grid
    notes = np.concatenate([_of_notes(p) for p in pieces])
    return {
        "notes in random order": shuffled(pieces, seed),
        "one note": one_note(pieces),
        "random notes": [
            Piece.from_arrays(
                rng.integers(0, 4 * len(p), len(p)),
                rng.integers(1, grid + 1, len(p)),
                rng.integers(21, 109, len(p)),
                grid=grid,
            )
            for p in pieces
        ],
        "Markov chain": [_chain(notes, len(p), grid, rng) for p in pieces],
    }


def _of_notes(piece: Piece) -> np.ndarray:
    """Offset, duration and pitch of each note, ``[N, 3]``."""
    offset = np.diff(piece.onset, prepend=piece.onset[:1])
    return np.stack([offset, piece.duration, piece.pitch], 1)


def _chain(notes: np.ndarray, n_notes: int, grid: int, rng: np.random.Generator) -> Piece:
    """Notes that each follow one of the same pitch and duration somewhere in ``notes``."""
    follows: dict[tuple[int, ...], list[int]] = {}
    for i, key in enumerate(map(tuple, notes[:-1, 1:].tolist())):
        follows.setdefault(key, []).append(i + 1)
    chosen = [int(rng.integers(len(notes)))]
    while len(chosen) < n_notes:
        places = follows.get(tuple(notes[chosen[-1], 1:].tolist())) or range(len(notes))
        chosen.append(int(places[rng.integers(len(places))]))
    offset, duration, pitch = notes[chosen].T
    return Piece.from_arrays(offset.cumsum(), duration, pitch, grid=grid)


def both_figures(sets: Sequence[Sequence[Piece]], n_each: int) -> list[dict[str, float]]:
    """The figures of each set, of so many windows of each piece."""
    cut = [[w for piece in one for w in windows([piece], WINDOW, n_each)] for one in sets]
    n = min(map(len, cut))
    return [collapse_figures(one[:n]) for one in cut]


def main() -> None:
    parser = common.Parser(__doc__)
    checks = {"cost": cost, "sensitivity": sensitivity, "variety": varieties, "verdicts": verdicts}
    parser.add_argument("check", choices=checks)
    parser.add_argument("music", metavar="MUSIC")
    parser.add_argument("--pieces", type=common.count, default=64, metavar="N")
    parser.add_argument("--splits", type=common.count, default=400, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    checks[given.check](given)


if __name__ == "__main__":
    common.command(main)
