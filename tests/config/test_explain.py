from __future__ import annotations

from gan_music.config.explain import explain
from gan_music.config.schema import TrainConfig


def test_a_library_that_is_missing_is_named() -> None:
    error = RuntimeError("training failed")
    error.__cause__ = ModuleNotFoundError("No module named 'psutil'")
    assert explain(error, TrainConfig) == (
        "a library is missing (No module named 'psutil'): install it, or leave out what needs it."
    )
