from __future__ import annotations

from pathlib import Path

import pytest

from gan_music.data.cache import NoteCache
from gan_music.data.extraction import extract
from gan_music.data.sources import find_sources
from gan_music.music.piece import Piece


@pytest.fixture(scope="session")
def chorales(tmp_path_factory: pytest.TempPathFactory) -> list[Piece]:
    """128 of Bach's chorales from music21's corpus, of 64 notes and more."""
    sources = [s for s in find_sources(None, "bach") if s.path.suffix == ".mxl"][:132]
    cache = NoteCache(Path(tmp_path_factory.mktemp("cache")), 24)
    pieces = extract(sources, cache, min_notes=64, n_workers=2).pieces
    assert len(pieces) >= 128
    return pieces[:128]
