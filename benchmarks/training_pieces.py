"""What the measure gives the music that a generator learns from, in place of samples.

    python benchmarks/training_pieces.py MIDI [N_DRAWS]

64 pieces drawn from the training split of MIDI are held against its test split as the protocol
(``baselines.py``) holds samples against it: as many of both, of up to 400 notes. Printed is what
its table has of samples, means and standard deviations of 6 draws (or N_DRAWS) of other pieces and
other excerpts. A generator that wrote just like its training pieces would come to this; one that
comes to more keeps closer than they do to the middle of the music.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from protocol import report
from protocol.samples import read_split

from gan_music.config.validate import compose_run
from gan_music.metrics.evaluation import evaluate
from gan_music.system.errors import UserError
from gan_music.training.final_evaluation import evaluation_settings

# copies of themselves are none
_FIGURES = [figure for figure in report.SHOWN if figure[1] != "originality"]


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("midi", type=Path, metavar="MIDI")
    parser.add_argument("n_draws", type=int, nargs="?", default=6, metavar="N_DRAWS")
    arguments = parser.parse_args()
    config = compose_run("experiment=attention_lm", "data.root=.")
    try:
        split = read_split(config, arguments.midi)
    except UserError as error:
        sys.exit(f"error: {error}")
    n = min(config.samples.n_pieces, len(split.train))
    draws = []
    for seed in range(arguments.n_draws):
        chosen = np.random.default_rng(seed).choice(len(split.train), n, replace=False)
        settings = evaluation_settings(config.samples, seed)
        found = evaluate([split.train[i] for i in chosen], split.test, None, settings)
        draws.append(found.as_json()["figures"])
    for title, family, name, form in _FIGURES:
        values = [report.number(figures[family][name]["generated"]) for figures in draws]
        print(f"{title:28}{report.cell(values, form)}")


if __name__ == "__main__":
    main()
