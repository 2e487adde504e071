"""The verdict on generated music: how near it comes to the reference.

The first rule that holds decides. The judge is the classifier two-sample test
(:mod:`.sets.classifier`) on windows of both lengths; its *null margin* is half of the interval that
holds 95 % of its accuracies where both sets have the same distribution.

================= ================================================================================
collapsed, narrow the variety of the samples is (:mod:`.collapse`)
undefined         the variety or the judge is; the judge needs five pieces of each set
unlike            the judge's accuracy is 0.9 or more; or precision or coverage is below 0.1 and
                  below the interval of real against real music
distinguishable   the accuracy is more than three null margins above 0.5
near              the accuracy is more than one null margin above 0.5; or precision or coverage is
                  below the interval of real against real music
indistinguishable none of these
================= ================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gan_music.metrics.collapse import COLLAPSED, NARROW, UNDEFINED, Variety
from gan_music.metrics.reference_sets import Figure

UNLIKE, DISTINGUISHABLE = "unlike", "distinguishable"
NEAR, INDISTINGUISHABLE = "near", "indistinguishable"

_ALWAYS = 0.9  # the judge's accuracy from which it tells samples nearly every time
_NOTHING = 0.1  # precision and coverage below which they are next to nothing
_MARGINS = 3.0  # null margins; real music stays within them of real music


class Verdict(NamedTuple):
    """A word of the table above, and why; ``indistinguishable`` has no reason."""

    word: str
    reason: str | None


def verdict(variety: Variety, groups: Mapping[str, Mapping[str, Figure]]) -> Verdict:
    """The verdict, from the variety of the samples and the figures ``c2st`` and ``prdc``."""
    if variety.word in (COLLAPSED, NARROW, UNDEFINED):
        return Verdict(*variety)
    judges = {n: f for n, f in groups["c2st"].items() if f.generated.value == f.generated.value}
    if not judges:
        return Verdict(UNDEFINED, "the judge needs five pieces of each set, of 8 notes or more")
    surest = max(judges.values(), key=lambda f: f.generated.value)
    if surest.generated.value >= _ALWAYS:
        return Verdict(UNLIKE, _told(surest))
    below = _below_real(groups["prdc"])
    for name, value in below.items():
        if value < _NOTHING:
            return Verdict(UNLIKE, f"{name} is {value:.3f}")
    farthest = max(judges.values(), key=_margins)
    for word, bound in ((DISTINGUISHABLE, _MARGINS), (NEAR, 1.0)):
        if (margins := _margins(farthest)) > bound:
            return Verdict(word, f"{_told(farthest)}, {margins:.1f} times the margin of real music")
    for name, value in below.items():
        return Verdict(NEAR, f"{name} is {value:.3f}, below that of real music")
    return Verdict(INDISTINGUISHABLE, None)


def _told(judge: Figure) -> str:
    return f"a judge is right in {judge.generated.value:.0%} of all windows"


def _below_real(prdc: Mapping[str, Figure]) -> dict[str, float]:
    """Precision and coverage, where they are below the interval of real against real music."""
    found = {name: prdc[name] for name in ("precision", "coverage")}
    return {n: f.generated.value for n, f in found.items() if f.generated.value < f.reference.low}


def _margins(judge: Figure) -> float:
    """How many null margins an accuracy is above 0.5."""
    margin = judge.reference.high - 0.5
    return (judge.generated.value - 0.5) / margin if margin > 0 else float("inf")
