"""What the benchmarks share: arguments, music, models, and times of things that run in turn."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from gan_music.system.errors import UserError


class Parser(argparse.ArgumentParser):
    """A parser whose refusal is one sentence."""

    def error(self, message: str) -> NoReturn:
        """End the program with code 2."""
        self.exit(2, f"error: {message}; --help says what there is.\n")


def parser(doc: str | None) -> Parser:
    """A parser with a module's docstring as its help."""
    return Parser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def command(main: Callable[[], int | None]) -> NoReturn:
    """Run a program; a mistake of the user's is one sentence and exit code 2."""
    try:
        sys.exit(main())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def folder(text: str) -> Path:
    """An argument that names a folder."""
    path = Path(text).expanduser().absolute()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is no folder")
    return path


def count(text: str) -> int:
    """An argument that is a whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no whole number above 0")
    return int(text)
