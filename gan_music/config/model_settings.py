"""Settings of the models, and the registry that ``model.name`` is looked up in."""

from __future__ import annotations

from typing import Annotated, Any

from gan_music.config.fields import (
    Betas,
    Count,
    CountOrZero,
    Decay,
    Dropout,
    Entry,
    LearningRate,
    PathText,
    Probability,
    Size,
    Span,
    Weight,
    between,
    settings,
)

NLayers = Annotated[int, between(1, 16)]
EmbeddingSize = Annotated[int, between(1, 4096)]
NoiseSize = Annotated[int, between(1, 65536)]
LabelSmoothing = Annotated[float, between(0, 0.5)]


@settings
class EventGeneratorConfig:
    """A generator of events and its updates; explained in ``conf/model/lstm_lm.yaml``."""

    name: str
    hidden_size: Size
    n_layers: NLayers
    embedding_size: EmbeddingSize
    dropout: Dropout
    recurrent_dropout: Dropout
    input_noise: Probability
    n_intervals: Annotated[int, between(0, 64)]
    n_style_components: Annotated[int, between(0, 1024)]
    lookback_span: Span
    active_notes_span: Annotated[int, between(0, 4096)] = 0
    attention_span: Span
    betas: Betas
    clip_norm: Weight
    warmup_batches: CountOrZero
    ema_decay: Decay
    generator: dict[str, Any] | None = None


@settings
class GumbelGANConfig(EventGeneratorConfig):
    """A Gumbel-softmax GAN of events; explained in ``conf/model/gumbel_gan.yaml``."""

    noise_size: NoiseSize
    lr_g: LearningRate
    lr_d: LearningRate
    n_critic: Count
    label_smoothing: LabelSmoothing
    temperature: Annotated[float, between(0.01, 100)]
    likelihood_weight: Weight
    warm_start_epochs: CountOrZero
    warm_start_lr: LearningRate
    warm_start_d_every: Count


@settings
class NeoSaleemConfig:
    """The GAN of Neo & Saleem 2024; explained in ``conf/model/neo_saleem.yaml``."""

    name: str
    hidden_size: Size
    n_layers: NLayers
    noise_size: NoiseSize
    lr_g: LearningRate
    lr_d: LearningRate
    betas: Betas


@settings
class LanguageModelConfig(EventGeneratorConfig):
    """A generator of events trained by likelihood; explained in ``conf/model/lstm_lm.yaml``."""

    lr: LearningRate
    weight_decay: Weight


@settings
class ReinforceGANConfig(LanguageModelConfig):
    """The same and its critic; explained in ``conf/model/reinforce_gan.yaml``."""

    warm_start_from: PathText | None
    warm_start_epochs: CountOrZero
    critic_pretrain_batches: CountOrZero
    lr_g: LearningRate
    lr_d: LearningRate
    d_hidden_size: Size
    d_embedding_size: EmbeddingSize
    d_dropout: Dropout
    d_weight_decay: Weight
    conditional_critic: bool = False
    label_smoothing: LabelSmoothing
    rollout_batch: Annotated[int, between(1, 65536)]
    rollout_reuse: Count
    critic_pretrain_reuse: Count = 2
    replay_size: Annotated[int, between(0, 65536)] = 0
    replay_batch: Annotated[int, between(1, 65536)] = 48
    adversarial_weight: Weight
    likelihood_weight: Weight
    entropy_weight: Weight = 0.0
    discount: Probability
    advantage_limit: Weight
    n_particles: Annotated[int, between(1, 512)]
    resample_every: Annotated[int, between(1, 65536)]


@settings
class CRNNGANConfig:
    """C-RNN-GAN (Mogren 2016); explained in ``conf/model/crnn_gan.yaml``."""

    name: str
    feature_matching: bool
    hidden_size: Size
    n_layers: NLayers
    noise_size: NoiseSize
    lr: LearningRate
    l2: Weight
    clip_norm: Weight | None
    freeze_below: Probability
    warm_start_epochs: CountOrZero


@settings
class NGramConfig:
    """An n-gram model has no settings; see ``conf/model/ngram.yaml``."""

    name: str


# model.name -> its settings, its class
MODELS: dict[str, Entry] = {
    "gumbel_gan": Entry(GumbelGANConfig, "models.gumbel_gan:GumbelGAN"),
    "language_model": Entry(LanguageModelConfig, "models.language_model:LanguageModel"),
    "reinforce_gan": Entry(ReinforceGANConfig, "models.reinforce_gan:ReinforceGAN"),
    "neo_saleem": Entry(NeoSaleemConfig, "models.neo_saleem_gan:NeoSaleemGAN"),
    "crnn_gan": Entry(CRNNGANConfig, "models.crnn_gan:CRNNGAN"),
    "ngram": Entry(NGramConfig, "models.ngram:NGramModel"),
}
