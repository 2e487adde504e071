"""``python -m gan_music.extract``: fill the cache, and say what was read."""

from __future__ import annotations

from gan_music.cli import command
from gan_music.config import ExtractConfig


def main() -> None:
    """The command."""
    command("extract", ExtractConfig, _extract)


def _extract(config: ExtractConfig) -> None:
    from gan_music.build import build_data
    from gan_music.events import EventCodec

    data = build_data(config.data, EventCodec(config.data.grid), seed=0)
    result = data.extract()
    print(result.summary())
    rejects = data.cache.root / "rejects.csv"
    result.write_rejects(rejects)
    print(f"cache: {data.cache.root}\nrefused files, one a line: {rejects}")


if __name__ == "__main__":
    main()
