"""Properties of a whole evaluation."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator

import numpy as np
import pytest

from gan_music.metrics import figure_groups
from gan_music.metrics.evaluation import Evaluation, EvaluationSettings, evaluate
from gan_music.metrics.excerpts import sample_excerpts
from gan_music.metrics.reference_sets import Figure, prepare
from gan_music.metrics.sets import classifier
from gan_music.metrics.sets.classifier import accuracy, two_sample_test
from gan_music.metrics.table import table
from gan_music.music.piece import Piece
from tests.metrics.music import noise, piece, transposed, with_pitches_shuffled

FEW = EvaluationSettings(n_bootstrap=16, max_pieces=24, long_window=128)
# Figures of similarity: 1 if higher is better, -1 if lower is better.
SIMILARITY = {
    "oa_mean": 1, "kl_mean": -1, "accuracy": -1, "precision": 1, "recall": 1, "density": 1,
    "coverage": 1, "frechet_distance": -1,
}  # fmt: skip


def flat(evaluation: Evaluation) -> dict[str, Figure]:
    return {k: f for figures in evaluation.groups.values() for k, f in figures.items()}


@pytest.fixture(scope="module", autouse=True)
def _small_forest() -> Iterator[None]:
    """C2ST takes most of the time, and has its own tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "N_SEEDS", 2)
        patch.setattr(classifier, "_N_TREES", 16)
        yield


@pytest.fixture(scope="module")
def halves(chorales: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    order = np.random.default_rng(0).permutation(len(chorales))
    return [chorales[i] for i in order[:64]], [chorales[i] for i in order[64:128]]


@pytest.fixture(scope="module")
def real(halves: tuple[list[Piece], list[Piece]]) -> Evaluation:
    return evaluate(*halves, halves[1][:8], FEW)


def test_a_half_of_the_reference_is_at_the_ceiling(real: Evaluation) -> None:
    figures = flat(real)
    assert real.variety.word == "varied"
    assert real.verdict.word in ("near", "indistinguishable")
    for name in SIMILARITY:
        f = figures[name]
        if name == "accuracy":
            assert f.reference.low <= f.generated.value <= f.reference.high
        else:  # the intervals overlap
            assert f.generated.low <= f.reference.high, name
            assert f.reference.low <= f.generated.high, name
    assert figures["pairwise_distance_ratio"].generated.value == pytest.approx(1, abs=0.15)


def test_intervals_contain_their_value_and_baselines_are_worse(real: Evaluation) -> None:
    for name, f in flat(real).items():
        if not math.isnan(f.generated.low):
            assert f.generated.low <= f.generated.value <= f.generated.high, name
    for name, sign in SIMILARITY.items():
        f = flat(real)[name]
        ceiling = 0.5 if name == "accuracy" else f.reference.value
        assert sign * (ceiling - f.shuffled) > 0, name
        assert sign * (f.shuffled - f.one_note) >= 0, name


def test_every_similarity_figure_ranks_corruption(halves: tuple[list[Piece], list[Piece]]) -> None:
    found = []
    for rate in (0.05, 0.25, 1.0):
        corrupted = [with_pitches_shuffled(p, rate, seed=1) for p in halves[0]]
        excerpts = sample_excerpts(
            corrupted, halves[1], max_pieces=64, max_notes=400, long_window=64, seed=0
        )
        sets = prepare(excerpts, window=64, long_window=64, n_draws=24, seed=0)
        figures = figure_groups.mgeval_group(sets) | figure_groups.prdc_group(sets, 5)
        ours, theirs = sets.generated, sets.reference
        accuracies = two_sample_test(
            ours.features, ours.windows.piece, theirs.features, theirs.windows.piece, seeds=[0]
        )
        found.append(
            {k: f.generated.value for k, f in figures.items()} | {"accuracy": accuracy(accuracies)}
        )
    for name, sign in SIMILARITY.items():
        light, middle, heavy = (sign * f[name] for f in found)
        assert light > middle > heavy, (name, light, middle, heavy)


def test_the_order_of_files_changes_nothing(
    halves: tuple[list[Piece], list[Piece]], real: Evaluation
) -> None:
    ours, theirs = halves
    again = evaluate(ours[::-1], theirs[5:] + theirs[:5], theirs[:8][::-1], FEW)
    assert again.as_json() == real.as_json()


def test_transposing_both_sets_changes_little(
    halves: tuple[list[Piece], list[Piece]], real: Evaluation
) -> None:
    up = evaluate(*([transposed(p, 3) for p in pieces] for pieces in halves), None, FEW)
    for name, f in flat(up).items():
        before = flat(real)[name]
        if name in up.groups["originality"]:  # NaN without training pieces
            continue
        for now, then in ((f.generated, before.generated), (f.reference, before.reference)):
            assert now.value == pytest.approx(then.value, abs=0.02, nan_ok=True), name


def test_originality_of_copies_and_of_others(
    halves: tuple[list[Piece], list[Piece]], real: Evaluation
) -> None:
    ours, theirs = halves
    copied = [transposed(p, -2) for p in theirs]
    figures = flat(evaluate(copied, ours, theirs, FEW))
    assert figures["copied_8gram_rate"].generated.value == 1
    # an excerpt has other windows than its training piece, so that the distance is not 0
    nearest = figures["nearest_training_distance"]
    assert nearest.generated.value < nearest.reference.value / 2
    assert figures["copied_8gram_rate"].reference.value < 0.3
    assert figures["longest_copied_run"].generated.value > 3 * (
        figures["longest_copied_run"].reference.value
    )
    assert any("contained in the training pieces" in n for n in real.notes)
    without = flat(evaluate(ours[:8], theirs[:8], None, EvaluationSettings(n_bootstrap=4)))
    assert math.isnan(without["copied_8gram_rate"].generated.value)


def pieces_of(length: int, n: int, first: int) -> list[Piece]:
    return [noise(first + i, length) for i in range(n)]


@pytest.mark.parametrize(
    ("generated", "reference"),
    [
        ([], []),
        ([piece()], [noise(0)]),
        ([noise(0, 100)], [noise(1, 100)]),
        (pieces_of(3, 2, 0), pieces_of(3, 2, 2)),
        (pieces_of(1, 6, 0), pieces_of(1, 6, 6)),
        (pieces_of(300, 3, 0), pieces_of(300, 3, 3)),
        ([noise(0, 3), noise(1, 500), piece(), noise(2, 1)], pieces_of(700, 5, 3)),
        (pieces_of(20, 8, 0), pieces_of(30, 8, 10)),
        ([piece(*[(0, 1, k) for k in range(20, 100)])] * 6, pieces_of(200, 6, 0)),
        ([piece(*[(10**7 * i, 10**8, 60 + i % 9) for i in range(70)])] * 6, pieces_of(90, 6, 0)),
    ],
    ids=[
        "none", "no notes", "one each", "three notes", "single notes", "three pieces", "mixed",
        "short", "one chord", "far apart",
    ],
)  # fmt: skip
def test_little_music_gives_nan_and_no_warning(
    generated: list[Piece], reference: list[Piece]
) -> None:
    for training in (None, [noise(98, 300)]):
        _check(generated, reference, training)


@pytest.mark.parametrize("training", [[], [piece()], [noise(99, 2)], [noise(99, 20)] * 2])
def test_little_training_music_gives_nan_and_no_warning(training: list[Piece]) -> None:
    _check(pieces_of(90, 4, 0), pieces_of(90, 4, 4), training)


def _check(generated: list[Piece], reference: list[Piece], training: list[Piece] | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evaluation = evaluate(generated, reference, training, EvaluationSettings(n_bootstrap=6))
    json.dumps(evaluation.as_json(), allow_nan=False)
    lines = table(evaluation).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[-1].startswith("verdict: ")


def test_long_pieces_are_cut_and_the_table_says_so() -> None:
    evaluation = evaluate(
        pieces_of(500, 6, 0), pieces_of(900, 8, 6), None, EvaluationSettings(n_bootstrap=4)
    )
    assert evaluation.notes[:3] == [
        "6 of 6 generated and 6 of 8 reference pieces.",
        "Longer pieces were cut to random excerpts of 400 notes.",
        "Windows of 64 notes: 36 generated, 36 reference.",
    ]


def test_grids_must_agree() -> None:
    other = Piece.from_arrays([0], [1], [60], grid=12)
    with pytest.raises(ValueError, match=r"\[12, 24\]"):
        evaluate([other], [noise(0)])
