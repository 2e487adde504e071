"""The figures of training pieces in place of samples.

    python benchmarks/training_pieces.py MIDI [N_DRAWS]

64 pieces drawn from the training split of MIDI are compared with its test split as the protocol
(``baselines.py``) compares samples: as many of both, of up to 400 notes. Printed are the figures of
its table, as means and standard deviations over 6 (or N_DRAWS) draws of pieces and excerpts. A
generator with the distribution of its training pieces would reach these figures; one that exceeds
them keeps closer to the mean of the music than its training pieces do.
"""

from __future__ import annotations

import common
import numpy as np
from protocol import report
from protocol.samples import read_split

from gan_music.config.validate import compose_run
from gan_music.metrics.evaluation import evaluate
from gan_music.training.final_evaluation import evaluation_settings

# a training piece copies itself
_FIGURES = [figure for figure in report.SHOWN if figure[1] != "originality"]


def main() -> None:
    parser = common.Parser(__doc__)
    parser.add_argument("midi", type=common.folder, metavar="MIDI")
    parser.add_argument("n_draws", type=common.count, nargs="?", default=6, metavar="N_DRAWS")
    arguments = parser.parse_args()
    config = compose_run("experiment=attention_lm", "data.root=.")
    split = read_split(config, arguments.midi)
    n = min(config.samples.n_pieces, len(split.train))
    draws = []
    for seed in range(arguments.n_draws):
        chosen = np.random.default_rng(seed).choice(len(split.train), n, replace=False)
        settings = evaluation_settings(config.samples, seed)
        found = evaluate([split.train[i] for i in chosen], split.test, None, settings)
        draws.append(found.as_json()["figures"])
    for title, group, name, form in _FIGURES:
        values = [report.number(figures[group][name]["generated"]) for figures in draws]
        print(f"{title:28}{report.cell(values, form)}")


if __name__ == "__main__":
    common.command(main)
