"""What the readers say of music that they cannot read."""

from __future__ import annotations

from typing import NamedTuple


class ReadError(ValueError):
    """The file holds no music that can be read. The message is the reason."""


class Refused(NamedTuple):
    """A piece that cannot be read, in a file of several."""

    name: str
    reason: str
