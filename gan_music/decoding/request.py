"""The request that every model's `sample` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gan_music.decoding.primer import Primer
from gan_music.music.piece import DEFAULT_TEMPO


def ignore(n: int) -> None:
    """What is called of a request whose progress nobody watches."""


@dataclass(frozen=True)
class SampleRequest:
    """How many pieces to sample, how long, and conditioned on what.

    Attributes
    ----------
    n_pieces : pieces to sample.
    length : of each piece, in the representation's unit (notes, for events of notes); with a
        ``primer``, of its continuation.
    seed : the same request with the same seed gives the same pieces on the same machine.
    temperature : divides logits before each draw; models without logits ignore it.
    tempo : of the pieces, in quarter notes a minute.
    meter : (numerator, denominator) that pieces begin in; None draws it as training pieces have it.
    primer : music that the pieces continue; they keep its meter.
    labels : conditions by name, such as ``{"valence": 0.8}``.
    advance : is called while sampling, with how many more units of all pieces are done.
    """

    n_pieces: int
    length: int
    seed: int
    temperature: float = 1.0
    tempo: float = DEFAULT_TEMPO
    meter: tuple[int, int] | None = None
    primer: Primer | None = None
    labels: Mapping[str, float | str] = field(default_factory=dict)
    advance: Callable[[int], None] = field(default=ignore, compare=False)
