"""GANs and language models of symbolic music: train, sample and measure.

>>> import gan_music
>>> model = gan_music.load()
>>> pieces = model.generate(n_pieces=2, n_bars=4, seed=1)
>>> gan_music.write(pieces[0], "first.mid")
>>> len(gan_music.read("first.mid"))
1

Data flows one way: files -> notes -> events -> windows -> networks -> events -> notes -> files.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_music.api.comparison import evaluate
    from gan_music.api.model import Model, generate, load
    from gan_music.api.music_files import read, write
    from gan_music.music.piece import Piece
    from gan_music.system.errors import UserError

__version__ = "0.2.0"
__all__ = ["Model", "Piece", "UserError", "evaluate", "generate", "load", "read", "write"]

# imported at their first use, since torch and music21 take seconds to import
_MODULES = {
    "Model": "api.model",
    "Piece": "music.piece",
    "UserError": "system.errors",
    "evaluate": "api.comparison",
    "generate": "api.model",
    "load": "api.model",
    "read": "api.music_files",
    "write": "api.music_files",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Importing a command, as ``gan_music.evaluate``, leaves ``evaluate`` a function."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
