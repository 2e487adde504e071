"""The settings of each command: names, types, bounds. The values are in ``conf/``."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import field
from typing import Annotated, Any, Literal

from gan_music.config.data_settings import DataConfig
from gan_music.config.fields import (
    Count,
    CountOrZero,
    Entry,
    PathText,
    Seed,
    Text,
    between,
    settings,
)
from gan_music.config.model_settings import MODELS
from gan_music.config.representation_settings import REPRESENTATIONS
from gan_music.config.targets import TARGET

# groups whose settings are chosen by their ``name``: key -> name -> settings
REGISTRIES: dict[str, dict[str, Entry]] = {"representation": REPRESENTATIONS, "model": MODELS}

NotesPerPiece = Annotated[int, between(1, 65536)]
MaxCopiedNotes = Annotated[int, between(8, 65536)]
# settings of what ``_target_`` names, null for the default of the model
Target = dict[str, Any]
Targets = dict[str, Target]  # by names that the user chooses
TENSORBOARD: Targets = {
    "tensorboard": {
        TARGET: "lightning.pytorch.loggers.TensorBoardLogger",
        "name": "",
        "version": "tensorboard",
        "default_hp_metric": False,
    }
}
DEFAULT_LOSS: Target = {TARGET: "gan_music.losses.adversarial.BCE", "gradient_penalty": 0.0}
# of the files that generate can write: their suffixes
Format = Literal["mid", "png", "wav", "flac", "musicxml"]


@settings
class TrainerConfig:
    """The machine and the length of a run; explained in ``conf/trainer``."""

    accelerator: Literal["auto", "cpu", "gpu"]
    precision: Literal["auto", "32-true", "bf16-mixed"]
    devices: Count
    max_epochs: Count
    patience: Count | None
    log_every_n_batches: Count
    n_nodes: Count = 1
    max_rollbacks: Annotated[int, between(0, 100)] = 0
    cuda_graph: bool | None = None
    log_at_most: Annotated[int, between(2)] = 20000
    max_warm_start_epochs: CountOrZero | None = None
    flags: dict[str, Any] = field(default_factory=dict)


@settings
class SamplesConfig:
    """What is sampled from the generator; explained in ``conf/train.yaml``."""

    n_validation_windows: Annotated[int, between(2, 4096)]
    n_pieces: Annotated[int, between(1, 4096)]
    n_notes: NotesPerPiece
    n_sounds: Annotated[int, between(0, 4096)] = 0
    max_copied_notes: MaxCopiedNotes | None = None
    show_every_n_epochs: Count | None = 5
    show_at_most: Count = 100


@settings
class CollapseConfig:
    """The alarm for mode collapse; explained in ``conf/train.yaml``."""

    every_n_batches: Count
    n_windows: Annotated[int, between(2, 4096)]
    patience: Count


@settings
class CheckpointConfig:
    """When ``last.ckpt`` is written; explained in ``conf/train.yaml``."""

    every: Count | None = None


@settings
class TrainConfig:
    """A whole run."""

    name: Text
    resume: PathText | None
    debug: bool
    stop_on_collapse: bool
    collapse: CollapseConfig
    data: DataConfig
    representation: Any  # settings of REGISTRIES, or of the class that its _target_ names
    model: Any  # the same
    trainer: TrainerConfig
    samples: SamplesConfig
    seed: Seed
    report: bool = True
    skip_done: bool = False  # not in checkpoints
    trust_code: bool = False
    loss: Target = field(default_factory=lambda: dict(DEFAULT_LOSS))
    optimizer: Target = field(default_factory=lambda: {TARGET: None})
    schedule: Target = field(default_factory=lambda: {TARGET: None})
    logger: Targets = field(default_factory=lambda: deepcopy(TENSORBOARD))
    callbacks: Targets = field(default_factory=dict)
    metrics: Targets = field(default_factory=dict)
    readers: Targets = field(default_factory=dict)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)


@settings
class SearchConfig:
    """A search for settings; explained in ``conf/hydra/sweeper/search.yaml``."""

    prune: bool
    trial: int | None
    n_trials: Count
    n_jobs: Count
    n_startup_trials: Count
    n_warmup_epochs: CountOrZero
    seed: Seed


@settings
class GenerateConfig:
    """What to sample from which checkpoint; explained in ``conf/generate.yaml``."""

    checkpoint: PathText | None
    out: PathText
    meter: Text | None
    instrument: Text | None
    instruments: list[Text] | None
    soundfont: PathText | None
    continue_from: PathText | None
    include_primer: bool
    debug: bool
    trust_code: bool
    format: Format | list[Format]
    n_pieces: Annotated[int, between(1, 100000)]
    n_notes: NotesPerPiece | None
    n_bars: Annotated[int, between(1, 4096)] | None
    primer_notes: NotesPerPiece | None
    max_copied_notes: MaxCopiedNotes | None
    seed: Seed
    temperature: Annotated[float, between(0.01, 100)]
    tempo: Annotated[float, between(1, 1000)] | None
    readers: Targets = field(default_factory=dict)


@settings
class ExportConfig:
    """Which checkpoint to export; explained in ``conf/export.yaml``."""

    checkpoint: PathText | None
    out: PathText | None
    float16: bool
    debug: bool
    trust_code: bool


@settings
class EvaluateConfig:
    """What to measure against what; explained in ``conf/evaluate.yaml``."""

    reference: PathText | None
    generated: PathText | None
    train: PathText | None
    out: PathText
    cache_dir: PathText | None
    debug: bool
    trust_code: bool
    window: Annotated[int, between(8, 65536)]
    long_window: Annotated[int, between(8, 65536)]
    max_pieces: Annotated[int, between(1, 4096)]
    max_notes: Annotated[int, between(8, 65536)]
    n_bootstrap: Annotated[int, between(2, 100000)]
    n_neighbours: Annotated[int, between(1, 1000)]
    seed: Seed
    n_workers: Count | None
    metrics: Targets = field(default_factory=dict)
    readers: Targets = field(default_factory=dict)


@settings
class ExtractConfig:
    """What to read into the cache, and how to show it; explained in ``conf/extract.yaml``."""

    debug: bool
    trust_code: bool
    picture: bool
    pack: PathText | None
    clear: bool
    out: PathText
    data: DataConfig
    readers: Targets = field(default_factory=dict)
