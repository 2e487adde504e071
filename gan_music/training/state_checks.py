"""Checks of single values of a checkpoint: type, shape and bounds.

Each raises :class:`WrongError` if the value is none that a run writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_MOST = 10**12  # of a count
_LARGEST = 1e38  # of other numbers


class WrongError(ValueError):
    """An entry is not what a run writes."""


def check_text(value: Any) -> None:
    """Check a text."""
    if not isinstance(value, str):
        raise WrongError


def check_scalar(value: Any) -> None:
    """Check a tensor of one number."""
    if not isinstance(value, Tensor) or value.dim():
        raise WrongError


def check_count(value: Any, most: int = _MOST) -> None:
    """Check a whole number from 0 to a bound."""
    if type(value) is not int or not 0 <= value <= most:
        raise WrongError


def check_bool(value: Any) -> None:
    """Check a truth value."""
    if not isinstance(value, bool):
        raise WrongError


def check_seconds(value: Any) -> None:
    """Check a finite time."""
    if not isinstance(value, float) or value < 0 or value == float("inf"):
        raise WrongError


def optional(check: Callable[[Any], None]) -> Callable[[Any], None]:
    """The same check, of which None is right, too."""
    return lambda value: None if value is None else check(value)


def check_tensor(value: Any, shape: Any, dtype: torch.dtype) -> None:
    """Check a tensor of finite numbers: its shape and its dtype."""
    if not isinstance(value, Tensor) or value.shape != torch.Size(shape):
        raise WrongError
    if value.dtype != dtype and not (value.is_floating_point() and dtype.is_floating_point):
        raise WrongError
    if not value.isfinite().all():
        raise WrongError


def check_like(value: Any, new: Any, where: str = "") -> None:
    """Check a value against that of a new run: its type, what it holds, the bounds of numbers."""
    good = True
    if isinstance(new, Tensor):
        try:
            # earlier versions of torch have Python's numbers
            if new.dim() or type(value) not in (int, float):
                check_tensor(value, new.shape, new.dtype)
        except WrongError as error:
            raise WrongError(where) from error
        good = new.dim() > 0 or 0 <= float(value) <= _MOST
    elif isinstance(new, dict):
        good = isinstance(value, dict) and value.keys() == new.keys()
        if good:
            for key in new:
                check_like(value[key], new[key], f"{where}.{key}" if where else str(key))
    elif isinstance(new, list | tuple):
        good = isinstance(value, list | tuple) and len(value) == len(new)
        if good:
            for a, b in zip(value, new, strict=True):
                check_like(a, b, where)
    elif isinstance(new, float):
        good = type(value) in (int, float) and 0 <= value <= _LARGEST
    elif type(new) is int:
        good = type(value) is int and 0 <= value <= _MOST
    else:
        good = type(value) is type(new)
    if not good:
        raise WrongError(where)
