"""The tracks of pieces as text, for the cache and packs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gan_music.music.piece import Track


def encode_tracks(pieces: Sequence[Sequence[Track]]) -> str:
    """The tracks of each piece as JSON: a list of [name, program, is_drum] for each."""
    return json.dumps([[list(track) for track in tracks] for tracks in pieces])


def decode_tracks(text: str) -> list[tuple[Track, ...]]:
    """The inverse of :func:`encode_tracks`.

    Raises
    ------
    ValueError
        If the text is another.
    """
    return [tuple(_track(*values) for values in tracks) for tracks in json.loads(text)]


def _track(name: object, program: object, is_drum: object) -> Track:
    if not (isinstance(name, str) and isinstance(program, int) and isinstance(is_drum, bool)):
        raise ValueError(f"no track: {name!r}, {program!r}, {is_drum!r}")
    return Track(name, program, is_drum)
