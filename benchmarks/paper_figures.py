"""What a run of the paper's model shows: its loss curves, and what its generator knows.

    python benchmarks/paper_figures.py RUN [PICTURE.png]

Prints both losses as last logged in the epochs of the log that its author published, and how
many different pitches and durations 10,000 of the trained generator's notes have, beside notes of
the data.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked
from gan_music.decoding.request import SampleRequest
from gan_music.metrics.piece.histograms import attribute
from gan_music.music.piece import Piece
from gan_music.training.factory import build_data, restore_model

N_NOTES = 10_000
LOGGED = (1, 2, 5, 8, 10, 12)  # epochs in the log that the paper's author published


def losses(run: Path) -> dict[str, dict[float, float]]:
    """The logged losses by player and by the time in epochs."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    last = max(e.step for e in events.Scalars("epoch"))
    n_epochs = max(int(e.value) for e in events.Scalars("epoch")) + 1
    batches = (last + 1) / n_epochs  # an epoch's
    return {
        player: {(e.step + 1) / batches: e.value for e in events.Scalars(f"train/loss_{player}")}
        for player in "dg"
    }


def draw(curves: dict[str, dict[float, float]], path: Path) -> None:
    """Both losses against epochs, each batch that was logged faint, their moving mean over it."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    axis = figure.subplots()
    for player, label, color in (("d", "discriminator", "C0"), ("g", "generator", "C1")):
        epoch, loss = np.array(list(curves[player].items())).T
        axis.plot(epoch, loss, linewidth=0.5, alpha=0.35, color=color)
        n = max(1, len(loss) // 100)
        mean = np.convolve(loss, np.ones(n) / n, "valid")
        axis.plot(epoch[n - 1 :], mean, label=label, linewidth=1.2, color=color)
    axis.set_xlabel("epoch")
    axis.set_ylabel("BCE of a batch")
    axis.legend(frameon=False)
    axis.grid(color="#e0e0e0")
    FigureCanvasAgg(figure).print_figure(path, format="png", dpi=100)


def knows(pieces: list[Piece]) -> str:
    """What a set of notes is made of."""
    pitch, duration = attribute(pieces, "pitch"), attribute(pieces, "duration")
    quarters = duration / pieces[0].grid
    return (
        f"{len(np.unique(pitch)):4} pitches ({pitch.mean():6.2f} +- {pitch.std():5.2f})  "
        f"{len(np.unique(duration)):4} durations ({quarters.mean():.2f} +- {quarters.std():.2f} "
        "quarters)"
    )


def main() -> None:
    """Print, and draw."""
    run = Path(sys.argv[1])
    curves = losses(run)
    for epoch in LOGGED:
        logged = [time for time in curves["d"] if epoch - 1 < time <= epoch + 1e-9]
        if logged:
            d, g = curves["d"][logged[-1]], curves["g"][logged[-1]]
            print(f"epoch {epoch:3}: discriminator {d:.4f}, generator {g:.4f}")
    if len(sys.argv) > 2:
        draw(curves, Path(sys.argv[2]))
    config = checked(
        TrainConfig, OmegaConf.create(load_checkpoint(run / "checkpoints" / "last.ckpt").config)
    )
    data = build_data(config.data, config.representation, seed=0)
    pieces = data.extract().pieces
    path = run / "checkpoints" / "last.ckpt"
    model = restore_model(load_checkpoint(path), path)
    drawn = model.sample(SampleRequest(1, N_NOTES, seed=0))
    rng = np.random.default_rng(0)
    notes = [(p, i) for p in pieces for i in range(len(p))]
    chosen = rng.choice(len(notes), min(N_NOTES, len(notes)), replace=False)
    real = [notes[i][0].cut(notes[i][1], notes[i][1] + 1) for i in chosen]
    print(f"{N_NOTES} generated notes: {knows(drawn)}")
    print(f"{len(real)} notes of the data: {knows(real)}")
    print(f"{model.n_clipped} generated values that no MIDI file can hold were clipped")


if __name__ == "__main__":
    main()
