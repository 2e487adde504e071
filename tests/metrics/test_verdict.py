"""The rules of the verdict, each at its bounds."""

from __future__ import annotations

import numpy as np
import pytest

from gan_music.metrics.baselines import one_note, shuffled
from gan_music.metrics.bootstrap import UNDEFINED, Estimate
from gan_music.metrics.collapse import Variety
from gan_music.metrics.evaluation import EvaluationSettings, evaluate
from gan_music.metrics.reference_sets import Figure
from gan_music.metrics.verdict import verdict
from gan_music.music.piece import Piece

NAN = float("nan")
VARIED = Variety("varied", None)


def figures(
    accuracy: float, *, long: float = NAN, precision: float = 0.8, coverage: float = 0.9
) -> dict[str, dict[str, Figure]]:
    """The null margin is 0.1 for windows of 64 notes, and 0.2 for long ones."""
    return {
        "c2st": {
            "accuracy": Figure("0.5", Estimate(accuracy), Estimate(0.5, 0.4, 0.6)),
            "accuracy_long_window": Figure("0.5", Estimate(long), Estimate(0.5, 0.3, 0.7)),
        },
        "prdc": {
            "precision": Figure("higher", Estimate(precision), Estimate(0.8, 0.6, 0.9)),
            "coverage": Figure("higher", Estimate(coverage), Estimate(0.9, 0.7, 1.0)),
        },
    }


@pytest.mark.parametrize(
    ("found", "word", "reason"),
    [
        (figures(0.59), "indistinguishable", None),
        (figures(0.2), "indistinguishable", None),
        (figures(0.59, long=0.69), "indistinguishable", None),
        (
            figures(0.61),
            "near",
            "a judge is right in 61% of all windows, 1.1 times the margin of real music",
        ),
        (
            figures(0.5, long=0.89),
            "near",
            "a judge is right in 89% of all windows, 2.0 times the margin of real music",
        ),
        (figures(0.5, precision=0.59), "near", "precision is 0.590, below that of real music"),
        (figures(0.5, coverage=0.1), "near", "coverage is 0.100, below that of real music"),
        (
            figures(0.81, long=0.85),
            "distinguishable",
            "a judge is right in 81% of all windows, 3.1 times the margin of real music",
        ),
        (figures(0.9), "unlike", "a judge is right in 90% of all windows"),
        (figures(0.5, long=0.95), "unlike", "a judge is right in 95% of all windows"),
        (figures(0.5, coverage=0.09), "unlike", "coverage is 0.090"),
        (
            figures(NAN),
            "undefined",
            "the judge needs five pieces of each set, of 8 notes or more",
        ),
    ],
)
def test_the_rules(found: dict[str, dict[str, Figure]], word: str, reason: str | None) -> None:
    assert verdict(VARIED, found) == (word, reason)


@pytest.mark.parametrize("word", ["collapsed", "narrow", "undefined"])
def test_little_variety_decides_first(word: str) -> None:
    assert verdict(Variety(word, "because"), figures(0.5)) == (word, "because")


def test_a_precision_that_real_music_has_is_not_next_to_nothing() -> None:
    found = figures(0.5, precision=0.05)
    found["prdc"]["precision"] = Figure("higher", Estimate(0.05), Estimate(0.1, 0.02, 0.2))
    assert verdict(VARIED, found).word == "indistinguishable"
    found["prdc"]["precision"] = Figure("higher", Estimate(0.05), UNDEFINED)
    assert verdict(VARIED, found).word == "indistinguishable"


@pytest.mark.parametrize("n_pieces", [8, 24])
def test_real_music_and_what_is_none(chorales: list[Piece], n_pieces: int) -> None:
    order = np.random.default_rng(3).permutation(len(chorales))
    first, second = ([chorales[i] for i in order[k : k + n_pieces]] for k in (0, n_pieces))
    settings = EvaluationSettings(n_bootstrap=20)

    def word(samples: list[Piece]) -> str:
        return evaluate(samples, second, None, settings, only=("c2st", "prdc")).verdict.word

    assert word(first) in ("near", "indistinguishable")
    assert word(shuffled(first, 0)) == "unlike"
    assert word(one_note(first)) == "collapsed"


def test_a_collapse_needs_no_judge() -> None:
    assert verdict(Variety("collapsed", "because"), figures(NAN)).word == "collapsed"
