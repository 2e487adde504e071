"""The version of the package, with its git commit where it is a clone."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

from gan_music import __version__

_PACKAGE = Path(__file__).parent.parent


@functools.cache
def full_version() -> str:
    """The package's version; in a clone with its commit, as in ``0.1.0+2e4268f74b4f``, and with
    ``.dirty`` appended if files differ from that commit.
    """
    known = commit()
    if known is None:
        return __version__
    number, dirty, _ = known.partition("-dirty")
    return f"{__version__}+{number[:12]}{'.dirty' if dirty else ''}"


def commit() -> str | None:
    """The commit of the clone that contains this package; None for an installed copy."""
    try:
        for arguments in (
            ["ls-files", "--error-unmatch", "__init__.py"],
            ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        ):
            done = subprocess.run(
                ["git", *arguments],
                cwd=_PACKAGE,
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
