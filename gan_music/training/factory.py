"""Settings -> the objects they describe."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from gan_music.checkpoints.checkpoint import Checkpoint, load_checkpoint, what_it_may_be
from gan_music.config.data_settings import DataConfig
from gan_music.config.fields import Entry
from gan_music.config.invocation import user_path
from gan_music.config.model_settings import MODELS
from gan_music.config.representation_settings import REPRESENTATIONS, RepresentationConfig
from gan_music.config.schema import TrainConfig, TrainerConfig
from gan_music.config.validate import checked
from gan_music.data.datamodule import MusicDataModule
from gan_music.decoding.copy_filter import CopyFilter
from gan_music.decoding.event_decoding import EventDecoding
from gan_music.models.base import MusicModel
from gan_music.models.event_model import EventModel
from gan_music.models.nan_guard import not_finite
from gan_music.representations.base import Representation
from gan_music.system.errors import UserError
from gan_music.training.precision import decodes_in_bf16

# counts of a Markov chain, which its checkpoint alone knows the number of
_OF_ANY_LENGTH = (".pairs", ".counts")


def model_class(settings: Any) -> type[MusicModel]:
    """The class that a model's settings are for; only its own module is imported."""
    made = _imported(MODELS[settings.name])
    assert issubclass(made, MusicModel)
    return made


def representation_class(settings: RepresentationConfig) -> type[Representation]:
    """The class of a representation's settings; only its own module is imported."""
    made = _imported(REPRESENTATIONS[settings.name])
    assert issubclass(made, Representation)
    return made


def _imported(entry: Entry) -> Any:
    module, _, name = entry.made.partition(":")
    return getattr(importlib.import_module(f"gan_music.{module}"), name)


def build_representation(settings: RepresentationConfig, grid: int) -> Representation:
    """The representation of these settings, not fitted yet; ``grid`` is in steps a quarter note."""
    values: dict[str, Any] = dataclasses.asdict(settings)
    del values["name"]
    return representation_class(settings)(grid, **values)  # type: ignore[call-arg]


def check_readable(model: Any, representation: RepresentationConfig) -> None:
    """Check that a model can read a representation.

    Raises
    ------
    UserError
        If it cannot.
    """
    reads = model_class(model).reads
    if representation.name not in reads:
        raise UserError(
            f"representation.name={representation.name} cannot be read by model.name={model.name}: "
            f"choose representation={' or '.join(reads)}."
        )


def build_data(
    config: DataConfig, representation: RepresentationConfig, *, seed: int
) -> MusicDataModule:
    """The data module of these settings; nothing is read yet."""
    values = dataclasses.asdict(config)
    del values["grid"]  # the representation's
    if not config.time_scales:
        raise UserError("data.time_scales=[] holds no factor: [1.0] leaves times as they are.")
    _check_movement(config.movement)
    values["root"] = user_path(config.root)
    values["cache_dir"] = user_path(config.cache_dir)
    built = build_representation(representation, config.grid)
    return MusicDataModule(built, **values, seed=seed)


def _check_movement(movement: str | None) -> None:
    try:
        re.compile(movement or "")
    except re.error as error:
        raise UserError(
            f"data.movement={movement} is no regular expression ({error}): mend it, or give null."
        ) from error


def build_model(
    settings: Any, codec_state: dict[str, Any], run: dict[str, Any] | None = None
) -> MusicModel:
    """A fresh model: initial weights are drawn from torch's global random state."""
    return model_class(settings)(settings, codec_state=codec_state, config=run)


def write_as_trained(model: MusicModel, trainer: TrainerConfig) -> None:
    """Have a generator of events write in the precision in which these settings train it."""
    if isinstance(model, EventModel):
        model.decoding = EventDecoding(bf16=decodes_in_bf16(trainer))


def warm_start(config: TrainConfig) -> EventModel | None:
    """The model that a fresh one is to begin with, by ``model.warm_start_from``, if there is one.

    Raises
    ------
    UserError
        If that is no checkpoint, or of another generator.
    """
    path = user_path(getattr(config.model, "warm_start_from", None))
    if path is None:
        return None
    other = restore_model(load_checkpoint(path), path)
    try:
        if not isinstance(other, EventModel):
            raise ValueError("it has no generator of events")
        with torch.random.fork_rng(devices=[]):  # a trial, before anything is read
            representation = build_representation(config.representation, config.data.grid)
            trial = build_model(config.model, representation.state())
        assert isinstance(trial, EventModel)
        trial.init_from(other)
    except ValueError as error:
        raise UserError(
            f"model.warm_start_from={path} does not fit this model ({error}): name a checkpoint of "
            "the same generator on the same data.grid."
        ) from error
    return other


def restore_model(checkpoint: Checkpoint, path: Path) -> MusicModel:
    """The model of a checkpoint, with its weights: all of them, or those that sampling reads.

    Raises
    ------
    UserError
        If the weights do not fit the settings beside them.
    """
    config = checked(TrainConfig, OmegaConf.create(checkpoint.config))
    saved = checkpoint.state_dict
    try:
        if checkpoint.codec["grid"] != config.data.grid:
            raise ValueError(f"a codec of grid {checkpoint.codec['grid']}")
        with torch.device("meta"):  # where weights take no memory
            sketch = build_model(config.model, checkpoint.codec)
        for name, weights in sketch.state_dict().items():
            needed = not checkpoint.sampler_only or name.startswith(sketch.sampled_from)
            any_length = name.endswith(_OF_ANY_LENGTH)
            if needed and not any_length and saved[name].shape != weights.shape:
                raise ValueError(f"{name} is {list(saved[name].shape)}")
        # the weights that are drawn here are thrown away: leave the random state alone
        with torch.random.fork_rng(devices=[]):
            model = build_model(config.model, checkpoint.codec, checkpoint.config)
        model.load_state_dict(saved, strict=not checkpoint.sampler_only)
        if wrong := not_finite(model.state_dict()):
            raise ValueError(f"{wrong[0]} is not finite")
        if checkpoint.copy_filter is not None:
            model.copy_filter = CopyFilter.from_tensor(checkpoint.copy_filter)
    except Exception as error:  # whatever a stranger's numbers make of a network
        raise UserError(
            f"checkpoint {path} has weights that do not fit its own settings; it "
            f"{what_it_may_be(checkpoint.version)}."
        ) from error
    write_as_trained(model, config.trainer)
    return model
