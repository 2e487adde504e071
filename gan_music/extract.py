"""``python -m gan_music.extract``: fills the cache and reports what was read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gan_music.system.command_process import command_process

if TYPE_CHECKING:
    from gan_music.config.schema import ExtractConfig
    from gan_music.data.extraction import Extraction


@command_process()
def main() -> None:
    """The command."""
    # late: from here on signals are handled
    from gan_music.cli import command
    from gan_music.config.schema import ExtractConfig

    command("extract", ExtractConfig, _extract)


def _extract(config: ExtractConfig) -> None:
    from gan_music.config.invocation import output_folder, run_dir, user_path
    from gan_music.data.cache import NoteCache, default_cache_dir
    from gan_music.data.extraction import NothingReadError, extract_root
    from gan_music.io.custom_readers import build_readers
    from gan_music.system.atomic_files import remove_temporaries

    data = config.data
    custom = build_readers(config.readers)
    folder = user_path(data.cache_dir) or default_cache_dir()
    cache = NoteCache(folder, data.grid, data.reader, custom)
    if config.clear:
        n_entries, n_bytes = cache.size()
        cache.clear()
        print(f"cache: {cache.root} is empty now ({_size(n_entries, n_bytes)} before)")
        return
    rejects = (run_dir() or cache.root) / "rejects.csv"
    cache.remove_temporaries()
    try:
        result = extract_root(
            user_path(data.root),
            data.query,
            cache,
            pack=user_path(config.pack),
            min_notes=data.min_notes,
            n_workers=data.n_workers,
            timeout_s=data.timeout_s,
            memory_mb=data.memory_mb,
        )
    except NothingReadError as error:
        print(error.extraction.table())
        _write_rejects(error.extraction, rejects)
        raise
    print(result.table())
    size = _size(*cache.size())
    print(f"cache: {cache.root} ({result.n_cached:,} of these files were in it; {size} in total)")
    _write_rejects(result, rejects)
    losses = rejects.with_name("losses.csv")
    result.write_losses(losses)
    print(f"grace, cue, unended and drum notes of each piece that has any: {losses}")
    if config.pack:
        print(f"pack: {config.pack}; train on it with data=midi data.root={config.pack}")
    if config.picture:
        from gan_music.io.rendering.overview import draw_overview

        folder = output_folder(config.out)
        folder.mkdir(parents=True, exist_ok=True)
        remove_temporaries(folder, "data.png", below=False)
        query = data.query
        name = data.root or (query if isinstance(query, str) else ", ".join(query))
        title = f"{name}: {len(result.pieces):,} pieces, {result.n_notes:,} notes"
        draw_overview(result.pieces, folder / "data.png", title=title)
        print(f"picture: {folder / 'data.png'}")


def _size(n_entries: int, n_bytes: int) -> str:
    return f"{n_entries:,} entries, {n_bytes / 1e6:.1f} MB"


def _write_rejects(extraction: Extraction, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    extraction.write_rejects(path)
    print(f"refused files and pieces, one a line: {path}")


if __name__ == "__main__":
    main()
