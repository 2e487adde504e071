"""``python -m gan_music.extract``: fills the cache and reports what was read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gan_music.cli import command
from gan_music.config.invocation import user_path
from gan_music.config.schema import ExtractConfig

if TYPE_CHECKING:
    from gan_music.data.extract import Extraction


def main() -> None:
    """The command."""
    command("extract", ExtractConfig, _extract)


def _extract(config: ExtractConfig) -> None:
    from gan_music.data.extract import NothingReadError
    from gan_music.representations.note_events import NoteEvents
    from gan_music.training.factory import build_data

    data = build_data(config.data, NoteEvents(config.data.grid), seed=0)
    if config.clear:
        n_entries, n_bytes = data.cache.size()
        data.cache.clear()
        print(f"cache: {data.cache.root} is empty now ({_size(n_entries, n_bytes)} before)")
        return
    rejects = data.cache.root / "rejects.csv"
    try:
        result = data.extract(user_path(config.pack))
    except NothingReadError as error:
        print(error.extraction.table())
        _write_rejects(error.extraction, rejects)
        raise
    print(result.table())
    size = _size(*data.cache.size())
    print(
        f"cache: {data.cache.root} ({result.n_cached:,} of these files were in it; {size} in total)"
    )
    _write_rejects(result, rejects)
    if config.pack:
        print(f"pack: {config.pack}; train on it with data=midi data.root={config.pack}")
    if config.picture:
        from gan_music.io.rendering.overview import draw_overview

        folder = user_path(config.out) or Path()
        folder.mkdir(parents=True, exist_ok=True)
        query = config.data.query
        name = config.data.root or (query if isinstance(query, str) else ", ".join(query))
        title = f"{name}: {len(result.pieces):,} pieces, {result.n_notes:,} notes"
        draw_overview(result.pieces, folder / "data.png", title=title)
        print(f"picture: {folder / 'data.png'}")


def _size(n_entries: int, n_bytes: int) -> str:
    return f"{n_entries:,} entries, {n_bytes / 1e6:.1f} MB"


def _write_rejects(extraction: Extraction, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    extraction.write_rejects(path)
    print(f"refused files, one per line: {path}")


if __name__ == "__main__":
    main()
