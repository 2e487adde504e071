from __future__ import annotations

import numpy as np
import pytest

from gan_music.metrics.piece.ngrams import ngram_ids, note_ids
from tests.metrics.music import noise


def test_equal_ids_are_equal_ngrams() -> None:
    pieces = [noise(s, 30) for s in range(3)]
    words = note_ids(pieces, ("interval", "offset"))
    ids = ngram_ids(words, 4)
    keys = [tuple(w[i : i + 4]) for w in words for i in range(len(w) - 3)]
    flat = np.concatenate(ids).tolist()
    assert len(flat) == len(keys)
    assert len(set(zip(flat, keys, strict=True))) == len(set(flat)) == len(set(keys))
    with pytest.raises(ValueError, match="power of two"):
        ngram_ids(words, 3)
