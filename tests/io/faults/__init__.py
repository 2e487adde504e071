"""Small files, each with one feature that readers of music get wrong."""

from __future__ import annotations

from pathlib import Path

from gan_music.music.piece import Piece

FAULTS = Path(__file__).parent


def quarters(piece: Piece) -> list[tuple[float, float, int]]:
    """Onset, duration, pitch of each note, in quarter notes."""
    return [(o / piece.grid, d / piece.grid, p) for o, d, p in piece.notes()]
