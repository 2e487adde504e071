"""The schema of every setting: names, types, bounds. The values are in ``conf/``."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Any, NamedTuple


def bounded(
    low: float,
    high: float = 2**31 - 1,
    *,
    pair: bool = False,
    default: Any = MISSING,
) -> Any:
    """A field whose number, or each number in its list, lies within inclusive bounds.

    A ``pair`` is a list of two. A ``default`` is for checkpoints older than the field; the value of
    a new run is in ``conf/``.
    """
    # by keyword alone: one that has a default may stand before others that have none
    return field(
        default=default,
        kw_only=default is not MISSING,
        metadata={"low": low, "high": high, "pair": pair},
    )


def unbounded(*, default: Any = MISSING) -> Any:
    """A field that is no number, with a ``default`` as in :func:`bounded`."""
    return field(default=default, kw_only=default is not MISSING)


def chosen(*choices: str | float) -> Any:
    """A field whose value, or each value in its list, is one of these."""
    return field(metadata={"choices": choices})


# what generate can write of a piece: the suffixes of its files
FORMATS = ("mid", "png", "wav", "flac", "musicxml")


@dataclass
class DataConfig:
    """What is read, how it is cut, how it is split; explained in conf/data."""

    root: str | None
    query: str | list[str]
    cache_dir: str | None
    jitter: bool
    movement: str | None
    reader: str = chosen("auto", "fast", "music21", "published")
    grid: int = bounded(1, 960)
    window: int = bounded(1, 65536)
    stride: int = bounded(1)
    batch_size: int = bounded(1)
    val_rate: float = bounded(0, 0.9)
    test_rate: float = bounded(0, 0.9)
    transpose: int = bounded(0, 12)
    time_scales: list[float] = chosen(0.25, 0.5, 1.0, 2.0, 4.0)
    short: str = chosen("pad", "refuse")
    min_notes: int = bounded(1)
    n_workers: int | None = bounded(1)
    timeout_s: float = bounded(0.1, 86400)
    memory_mb: int = bounded(128, 2**30)
    max_held_out: int = bounded(1, default=2048)
    on_device: bool | None = None


@dataclass
class RepresentationConfig:
    """What music becomes for the networks; explained in conf/representation."""

    name: str


@dataclass
class NoteEventsConfig(RepresentationConfig):
    """Notes as categories; explained in conf/representation/note_events.yaml."""

    velocity: bool


@dataclass
class NoteTriplesConfig(RepresentationConfig):
    """Neo & Saleem's real numbers; explained in conf/representation/note_triples.yaml."""

    use_offsets: bool


@dataclass
class NoteQuadruplesConfig(RepresentationConfig):
    """C-RNN-GAN's real numbers; explained in conf/representation/note_quadruples.yaml."""

    hertz: bool


class RepresentationEntry(NamedTuple):
    """What a ``representation.name`` stands for: its settings and its class."""

    settings: type[RepresentationConfig]
    # module:class below gan_music.representations; imported when it is built
    made: str


REPRESENTATIONS: dict[str, RepresentationEntry] = {
    "note_events": RepresentationEntry(NoteEventsConfig, "note_events:NoteEvents"),
    "note_triples": RepresentationEntry(NoteTriplesConfig, "note_triples:NoteTriples"),
    "note_quadruples": RepresentationEntry(NoteQuadruplesConfig, "note_quadruples:NoteQuadruples"),
}


@dataclass
class GumbelGANConfig:
    """Networks and training of the GAN; explained in conf/model/gumbel_gan.yaml."""

    name: str
    hidden_size: int = bounded(1, 16384)
    n_layers: int = bounded(1, 16)
    embedding_size: int = bounded(1, 4096)
    noise_size: int = bounded(1, 65536)
    dropout: float = bounded(0, 0.99)
    recurrent_dropout: float = bounded(0, 0.99)
    input_noise: float = bounded(0, 1)
    n_intervals: int = bounded(0, 64)
    n_style_components: int = bounded(0, 1024)
    lookback_span: int = bounded(0, 65536)
    active_notes_span: int = bounded(0, 4096, default=0)
    attention_span: int = bounded(0, 65536)
    lr_g: float = bounded(0, 1000)
    lr_d: float = bounded(0, 1000)
    betas: list[float] = bounded(0, 0.999999, pair=True)
    n_critic: int = bounded(1)
    label_smoothing: float = bounded(0, 0.5)
    clip_norm: float = bounded(0)
    temperature: float = bounded(0.01, 100)
    likelihood_weight: float = bounded(0)
    warm_start_epochs: int = bounded(0)
    warm_start_lr: float = bounded(0, 1000)
    warm_start_d_every: int = bounded(1)
    warmup_batches: int = bounded(0)
    ema_decay: float = bounded(0, 0.999999)


@dataclass
class NeoSaleemConfig:
    """Networks and training of the paper's GAN; explained in conf/model/paper.yaml."""

    name: str
    hidden_size: int = bounded(1, 16384)
    n_layers: int = bounded(1, 16)
    noise_size: int = bounded(1, 65536)
    lr_g: float = bounded(0, 1000)
    lr_d: float = bounded(0, 1000)
    betas: list[float] = bounded(0, 0.999999, pair=True)


@dataclass
class LanguageModelConfig:
    """The generator's network alone; explained in conf/model/lstm_lm.yaml."""

    name: str
    hidden_size: int = bounded(1, 16384)
    n_layers: int = bounded(1, 16)
    embedding_size: int = bounded(1, 4096)
    dropout: float = bounded(0, 0.99)
    recurrent_dropout: float = bounded(0, 0.99)
    input_noise: float = bounded(0, 1)
    n_intervals: int = bounded(0, 64)
    n_style_components: int = bounded(0, 1024)
    lookback_span: int = bounded(0, 65536)
    active_notes_span: int = bounded(0, 4096, default=0)
    attention_span: int = bounded(0, 65536)
    lr: float = bounded(0, 1000)
    betas: list[float] = bounded(0, 0.999999, pair=True)
    weight_decay: float = bounded(0)
    warmup_batches: int = bounded(0)
    clip_norm: float = bounded(0)
    ema_decay: float = bounded(0, 0.999999)


@dataclass
class ReinforceGANConfig(LanguageModelConfig):
    """The same and its critic; explained in conf/model/reinforce_gan.yaml."""

    warm_start_from: str | None = unbounded()
    warm_start_epochs: int = bounded(0)
    critic_pretrain_batches: int = bounded(0)
    lr_g: float = bounded(0, 1000)
    lr_d: float = bounded(0, 1000)
    d_hidden_size: int = bounded(1, 16384)
    d_embedding_size: int = bounded(1, 4096)
    d_dropout: float = bounded(0, 0.99)
    d_weight_decay: float = bounded(0)
    conditional_critic: bool = unbounded(default=False)
    label_smoothing: float = bounded(0, 0.5)
    rollout_batch: int = bounded(1, 65536)
    rollout_reuse: int = bounded(1)
    critic_pretrain_reuse: int = bounded(1, default=2)
    replay_size: int = bounded(0, 65536, default=0)
    replay_batch: int = bounded(1, 65536, default=48)
    adversarial_weight: float = bounded(0)
    likelihood_weight: float = bounded(0)
    entropy_weight: float = bounded(0, default=0.0)
    discount: float = bounded(0, 1)
    advantage_limit: float = bounded(0)
    n_particles: int = bounded(1, 1024)
    resample_every: int = bounded(1, 65536)


@dataclass
class CRNNGANConfig:
    """Networks and training of C-RNN-GAN; explained in conf/model/crnn_gan.yaml."""

    name: str
    feature_matching: bool
    hidden_size: int = bounded(1, 16384)
    n_layers: int = bounded(1, 16)
    noise_size: int = bounded(1, 65536)
    lr: float = bounded(0, 1000)
    l2: float = bounded(0)
    clip_norm: float | None = bounded(0)
    freeze_below: float = bounded(0, 1)
    warm_start_epochs: int = bounded(0)


@dataclass
class NGramConfig:
    """A Markov chain has nothing to set; see conf/model/markov.yaml."""

    name: str


class ModelEntry(NamedTuple):
    """What a ``model.name`` stands for: its settings, and the class that is made of them."""

    settings: type
    # module:class, below gan_music.models; a name, since importing it would take seconds
    made: str


# model.name -> its settings, its class
MODELS: dict[str, ModelEntry] = {
    "gumbel_gan": ModelEntry(GumbelGANConfig, "gumbel_gan:GumbelGAN"),
    "language_model": ModelEntry(LanguageModelConfig, "language_model:LanguageModel"),
    "reinforce_gan": ModelEntry(ReinforceGANConfig, "reinforce_gan:ReinforceGAN"),
    "neo_saleem": ModelEntry(NeoSaleemConfig, "neo_saleem_gan:NeoSaleemGAN"),
    "crnn_gan": ModelEntry(CRNNGANConfig, "crnn_gan:CRNNGAN"),
    "ngram": ModelEntry(NGramConfig, "ngram:NGramModel"),
}


@dataclass
class TrainerConfig:
    """The machine and the length of a run; explained in conf/trainer."""

    accelerator: str = chosen("auto", "cpu", "gpu")
    precision: str = chosen("auto", "32-true", "bf16-mixed")
    devices: int = bounded(1)
    max_epochs: int = bounded(1)
    patience: int | None = bounded(1)
    log_every_n_batches: int = bounded(1)
    n_nodes: int = bounded(1, default=1)
    max_rollbacks: int = bounded(0, 100, default=0)
    cuda_graph: bool | None = None
    log_at_most: int = bounded(2, default=20000)


@dataclass
class SamplesConfig:
    """What is drawn from the generator; explained in conf/train.yaml."""

    n_validation_windows: int = bounded(2, 4096)
    n_pieces: int = bounded(1, 4096)
    n_notes: int = bounded(1, 65536)
    n_sounds: int = bounded(0, 4096, default=0)
    max_copied_notes: int | None = bounded(8, 65536, default=None)
    show_every_n_epochs: int | None = bounded(1, default=5)
    show_at_most: int = bounded(1, default=100)


@dataclass
class CollapseConfig:
    """How collapse is watched for; explained in conf/train.yaml."""

    every_n_batches: int = bounded(1)
    n_windows: int = bounded(2, 4096)
    patience: int = bounded(1)


@dataclass
class CheckpointConfig:
    """When last.ckpt is written; explained in conf/train.yaml."""

    every: int | None = bounded(1, default=None)


@dataclass
class TrainConfig:
    """A whole run."""

    name: str
    resume: str | None
    debug: bool
    stop_on_collapse: bool
    collapse: CollapseConfig
    data: DataConfig
    representation: RepresentationConfig
    model: Any
    trainer: TrainerConfig
    samples: SamplesConfig
    seed: int = bounded(0, 2**32 - 1)
    report: bool = True
    skip_done: bool = False  # checkpoints do without it
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)


@dataclass
class SearchConfig:
    """How settings are searched for; explained in conf/hydra/sweeper/search.yaml."""

    prune: bool
    trial: int | None
    n_trials: int = bounded(1)
    n_jobs: int = bounded(1)
    n_startup_trials: int = bounded(1)
    n_warmup_epochs: int = bounded(0)
    seed: int = bounded(0, 2**32 - 1)


@dataclass
class GenerateConfig:
    """What to write with which checkpoint; explained in conf/generate.yaml."""

    checkpoint: str | None
    out: str
    meter: str | None
    instrument: str
    soundfont: str | None
    continue_from: str | None
    include_primer: bool
    debug: bool
    format: str | list[str] = chosen(*FORMATS)
    n_pieces: int = bounded(1, 100000)
    n_notes: int | None = bounded(1, 65536)
    n_bars: int | None = bounded(1, 4096)
    primer_notes: int | None = bounded(1, 65536)
    max_copied_notes: int | None = bounded(8, 65536)
    seed: int = bounded(0, 2**32 - 1)
    temperature: float = bounded(0.01, 100)
    tempo: float | None = bounded(1, 1000)


@dataclass
class ExportConfig:
    """Which checkpoint to make small; explained in conf/export.yaml."""

    checkpoint: str | None
    out: str | None
    float16: bool
    debug: bool


@dataclass
class EvaluateConfig:
    """What to measure against what; explained in conf/evaluate.yaml."""

    reference: str | None
    generated: str | None
    train: str | None
    out: str
    cache_dir: str | None
    debug: bool
    window: int = bounded(8, 65536)
    long_window: int = bounded(8, 65536)
    max_pieces: int = bounded(1, 4096)
    max_notes: int = bounded(8, 65536)
    n_bootstrap: int = bounded(2, 100000)
    n_neighbours: int = bounded(1, 1000)
    seed: int = bounded(0, 2**32 - 1)
    n_workers: int | None = bounded(1)


@dataclass
class ExtractConfig:
    """What to read into the cache, and how to show it; explained in conf/extract.yaml."""

    debug: bool
    picture: bool
    pack: str | None
    clear: bool
    out: str
    data: DataConfig
