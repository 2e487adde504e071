"""The decorator of all settings classes, and the types of their fields. Light to import."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple, TypeVar, cast, dataclass_transform

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

T = TypeVar("T")

# no conversions (true is no number, "1" is no whole number) except of whole numbers to floats
_CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, defer_build=True)


@dataclass_transform(kw_only_default=True)
def settings(cls: type[T]) -> type[T]:
    """A dataclass whose constructor validates types and bounds (``pydantic.ValidationError``).

    A default is for checkpoints older than the field; the value of a new run is in ``conf/``.
    """
    return cast(type[T], dataclass(config=_CONFIG, kw_only=True)(cls))


class Entry(NamedTuple):
    """What a group's ``name`` stands for: its settings, and the class that is built from them."""

    settings: type
    # module:class, below gan_music; a name, since importing it would take seconds
    made: str


def between(low: float, high: float = 2**31 - 1) -> Any:
    """Inclusive bounds, for ``Annotated``."""
    return Field(ge=low, le=high)


def one_of(*choices: float) -> AfterValidator:
    """The allowed numbers, for ``Annotated``; ``Literal`` takes no floats."""

    def check(value: float) -> float:
        if value not in choices:
            raise ValueError(f"does not exist: choose one of {', '.join(map(str, choices))}")
        return value

    return AfterValidator(check)


def _number_as_text(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


# YAML reads a folder called 2024 as a number
Text = Annotated[str, BeforeValidator(_number_as_text)]
PATH = "path"  # marks the type of a path, whose value on the command line is taken as it is typed
PathText = Annotated[str, BeforeValidator(_number_as_text), PATH]

Count = Annotated[int, between(1)]
CountOrZero = Annotated[int, between(0)]
Seed = Annotated[int, between(0, 2**32 - 1)]
Size = Annotated[int, between(1, 16384)]  # units of a layer
Span = Annotated[int, between(0, 65536)]  # in notes
Probability = Annotated[float, between(0, 1)]
Dropout = Annotated[float, between(0, 0.99)]
Decay = Annotated[float, between(0, 0.999999)]
LearningRate = Annotated[float, between(0, 1000)]
Weight = Annotated[float, between(0)]
Betas = Annotated[list[Decay], Field(min_length=2, max_length=2)]  # Adam's
