"""Loss curves and notes of a run of ``experiment=paper`` (Neo & Saleem 2024).

    python benchmarks/neo_saleem_figures.py RUN [PICTURE.png]

Prints the last logged value of both losses in the epochs of the log that the authors published, and
the numbers of distinct pitches and durations in 10,000 notes of the generator and of the data.
"""

from __future__ import annotations

from pathlib import Path

import common
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_music.checkpoints.checkpoint import load_checkpoint
from gan_music.config.schema import TrainConfig
from gan_music.config.validate import checked
from gan_music.decoding.request import SampleRequest
from gan_music.music.piece import Piece, attribute
from gan_music.training.factory import restore_model

N_NOTES = 10_000
LOGGED = (1, 2, 5, 8, 10, 12)  # epochs in the published log


def losses(run: Path) -> dict[str, dict[float, float]]:
    """The logged losses by network (``d``, ``g``) and by the time in epochs."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    events.Reload()
    last = max(e.step for e in events.Scalars("epoch"))
    n_epochs = max(int(e.value) for e in events.Scalars("epoch")) + 1
    batches = (last + 1) / n_epochs  # of an epoch
    return {
        network: {(e.step + 1) / batches: e.value for e in events.Scalars(f"train/loss_{network}")}
        for network in "dg"
    }


def draw(curves: dict[str, dict[float, float]], path: Path) -> None:
    """Plot both losses against epochs: each logged batch faintly, and a moving mean."""
    figure = Figure(figsize=(8, 3), layout="constrained")
    axis = figure.subplots()
    for network, label, color in (("d", "discriminator", "C0"), ("g", "generator", "C1")):
        epoch, loss = np.array(list(curves[network].items())).T
        axis.plot(epoch, loss, linewidth=0.5, alpha=0.35, color=color)
        n = max(1, len(loss) // 100)
        mean = np.convolve(loss, np.ones(n) / n, "valid")
        axis.plot(epoch[n - 1 :], mean, label=label, linewidth=1.2, color=color)
    axis.set_xlabel("epoch")
    axis.set_ylabel("BCE of a batch")
    axis.legend(frameon=False)
    axis.grid(color="#e0e0e0")
    FigureCanvasAgg(figure).print_figure(path, format="png", dpi=100)


def summary(pieces: list[Piece]) -> str:
    pitch, duration = attribute(pieces, "pitch"), attribute(pieces, "duration")
    quarters = duration / pieces[0].grid
    return (
        f"{len(np.unique(pitch)):4} pitches ({pitch.mean():6.2f} +- {pitch.std():5.2f})  "
        f"{len(np.unique(duration)):4} durations ({quarters.mean():.2f} +- {quarters.std():.2f} "
        "quarter notes)"
    )


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("run", type=common.folder, metavar="RUN")
    parser.add_argument("picture", type=Path, nargs="?", metavar="PICTURE.png")
    given = parser.parse_args()
    path = given.run / "checkpoints" / "last.ckpt"
    checkpoint = load_checkpoint(path)
    curves = losses(given.run)
    for epoch in LOGGED:
        logged = [time for time in curves["d"] if epoch - 1 < time <= epoch + 1e-9]
        if logged:
            d, g = curves["d"][logged[-1]], curves["g"][logged[-1]]
            print(f"epoch {epoch:3}: discriminator {d:.4f}, generator {g:.4f}")
    if given.picture:
        draw(curves, given.picture)
    config = checked(TrainConfig, OmegaConf.create(checkpoint.config))
    extraction = common.read_data(config).extraction
    assert extraction is not None
    pieces = extraction.pieces
    model = restore_model(checkpoint, path)
    drawn = model.sample(SampleRequest(1, N_NOTES, seed=0))
    rng = np.random.default_rng(0)
    notes = [(p, i) for p in pieces for i in range(len(p))]
    chosen = rng.choice(len(notes), min(N_NOTES, len(notes)), replace=False)
    real = [notes[i][0].cut(notes[i][1], notes[i][1] + 1) for i in chosen]
    print(f"{N_NOTES} generated notes: {summary(drawn)}")
    print(f"{len(real)} notes of the data: {summary(real)}")
    print(f"{model.n_clipped} generated values outside the range of MIDI were clipped")


if __name__ == "__main__":
    common.command(main)
