"""Settings of the data: what is read, how it is cut, how it is split."""

from __future__ import annotations

from typing import Annotated, Literal

from gan_music.config.fields import Count, PathText, Text, between, one_of, settings


@settings
class DataConfig:
    """Explained in ``conf/data``."""

    root: PathText | None
    query: Text | list[Text]
    cache_dir: PathText | None
    jitter: bool
    movement: Text | None
    reader: Literal["auto", "fast", "music21", "published"]
    grid: Annotated[int, between(1, 960)]
    window: Annotated[int, between(1, 65536)]
    stride: Count
    batch_size: Count
    val_rate: Annotated[float, between(0, 0.9)]
    test_rate: Annotated[float, between(0, 0.9)]
    transpose: Annotated[int, between(0, 12)]
    time_scales: list[Annotated[float, one_of(0.25, 0.5, 1.0, 2.0, 4.0)]]
    short: Literal["pad", "refuse"]
    min_notes: Count
    n_workers: Count | None
    timeout_s: Annotated[float, between(0.1, 86400)]
    memory_mb: Annotated[int, between(128, 2**30)]
    max_held_out: Count = 2048
    on_device: bool | None = None
    n_windows: Count | None = None
