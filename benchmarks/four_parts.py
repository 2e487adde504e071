"""How far the samples of runs are music in four parts, beside their test pieces.

    python benchmarks/four_parts.py RUN ...

Prints for the samples of each run, and for the test pieces of the first that have four tracks of
one note at a time:

- four: the share of onsets at which exactly four notes sound;
- thin: the share of pieces in which less than 40 % of onsets are such;
- eight: the share of pieces with eight notes or more at once;
- parallels, leaps, triad: ``parallel_rate``, ``top_leap_rate`` and ``ends_on_triad`` of
  docs/metrics.md, where the voices are separated, whatever the tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import common
import numpy as np
from omegaconf import OmegaConf

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked
from gan_music.io.read import read
from gan_music.metrics.piece.form import ends_on_triad
from gan_music.metrics.piece.voice_leading import voice_leading
from gan_music.metrics.piece.voice_separation import tracks_as_voices
from gan_music.music.piece import IntArray, Piece
from gan_music.runs.folder import checkpoint_at

NAMES = ("four", "thin", "eight", "parallels", "leaps", "triad")


def sounding(piece: Piece) -> IntArray:
    """How many notes sound at each onset."""
    onsets = np.unique(piece.onset)
    ends = np.sort(piece.onset + piece.duration)
    begun = np.searchsorted(piece.onset, onsets, side="right")
    return begun - np.searchsorted(ends, onsets, side="right")


def figures(pieces: Sequence[Piece]) -> list[float]:
    counts = [sounding(p) for p in pieces]
    led = [voice_leading(p.merged()) for p in pieces]
    return [
        float((np.concatenate(counts) == 4).mean()),
        float(np.mean([(c == 4).mean() < 0.4 for c in counts])),
        float(np.mean([(c >= 8).any() for c in counts])),
        float(np.nanmean([v["parallel_rate"] for v in led])),
        float(np.nanmean([v["top_leap_rate"] for v in led])),
        float(np.mean([ends_on_triad(p) for p in pieces])),
    ]


def in_four_parts(piece: Piece) -> bool:
    voices = tracks_as_voices(piece)
    return voices is not None and len(np.unique(voices)) == 4


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("runs", type=common.folder, nargs="+", metavar="RUN")
    runs: list[Path] = parser.parse_args().runs
    checkpoint = load_checkpoint(checkpoint_at(runs[0], "RUN"))
    pieces = common.read_data(checked(TrainConfig, OmegaConf.create(checkpoint.config))).pieces
    assert pieces is not None
    rows = {
        str(run): [p for file in sorted(run.glob("samples/*.mid")) for p in read(file)]
        for run in runs
    }
    rows["test pieces"] = [p for p in pieces.test if in_four_parts(p)]
    print("".join(f"{name:>10}" for name in ("pieces", *NAMES)))
    for name, own in rows.items():
        values = "".join(f"{value:10.3f}" for value in figures(own)) if own else ""
        print(f"{len(own):10}{values}  {name}")


if __name__ == "__main__":
    common.command(main)
