"""What the measure gives the music that a generator learns from, in place of samples.

    python benchmarks/training_pieces.py MIDI [N_DRAWS]

64 pieces drawn from the training split of MIDI are held against its test split as the protocol
(``baselines.py``) holds samples against it: as many of both, of up to 400 notes. Printed is what
its table has of samples, means and standard deviations of 6 draws (or N_DRAWS) of other pieces and
other excerpts. A generator that wrote just like its training pieces would come to this; one that
comes to more keeps closer than they do to the middle of the music.
"""

from __future__ import annotations

import dataclasses
import sys

import numpy as np
from protocol.report import FIGURES, REPETITION

from gan_music.build import build_codec, build_data
from gan_music.config import compose_run
from gan_music.finish import measure_settings
from gan_music.metrics.compare import compare

_N_DRAWS = 6
# copies of themselves are none
_SHOWN = tuple(figure for figure in (*FIGURES, *REPETITION) if figure[1] != "originality")


def main() -> None:
    """The command."""
    midi, n_draws = sys.argv[1], int((*sys.argv[2:], _N_DRAWS)[0])
    config = compose_run("experiment=attention_lm", f"data.root={midi}")
    data = build_data(config.data, build_codec(config), seed=0)
    data.prepare_data()
    data.setup()
    assert data.pieces is not None
    train, test = data.pieces.train, data.pieces.test
    draws = []
    for seed in range(n_draws):
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(train), min(config.samples.n_pieces, len(train)), replace=False)
        settings = dataclasses.replace(measure_settings(config), seed=seed)
        report = compare([train[i] for i in chosen], test, None, settings).as_json()["figures"]
        draws.append([report[family][name]["generated"] for _, family, name, _ in _SHOWN])
    found = np.array(draws)
    for (title, *_), mean, spread in zip(_SHOWN, found.mean(0), found.std(0, ddof=1), strict=True):
        print(f"{title:28}{mean:.3f} ± {spread:.3f}")


if __name__ == "__main__":
    main()
