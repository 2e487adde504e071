"""Settings -> data, representation and model; a checkpoint -> its model."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from torch.nn.modules.module import register_module_parameter_registration_hook

from gan_music.checkpoints.checkpoint import Checkpoint, load_checkpoint, what_it_may_be
from gan_music.config.data_settings import DataConfig
from gan_music.config.fields import Entry
from gan_music.config.invocation import user_path
from gan_music.config.model_settings import MODELS
from gan_music.config.representation_settings import REPRESENTATIONS, RepresentationConfig
from gan_music.config.schema import DEFAULT_LOSS, Target, TrainConfig, TrainerConfig
from gan_music.config.targets import (
    TARGET,
    build_target,
    load_target,
    target_and_values,
)
from gan_music.config.validate import checked
from gan_music.data.datamodule import MusicDataModule
from gan_music.decoding.copy_filter import CopyFilter
from gan_music.decoding.event_decoding import EventDecoding
from gan_music.io.custom_readers import build_readers
from gan_music.losses.adversarial import AdversarialLoss
from gan_music.models.base import MusicModel
from gan_music.models.event_model import EventModel
from gan_music.models.nan_guard import not_finite
from gan_music.optim.optimizers import of_class
from gan_music.representations.base import Representation
from gan_music.runs.folder import checkpoint_at
from gan_music.system.errors import UserError
from gan_music.training.devices import uses_cuda_graph
from gan_music.training.precision import decodes_in_bf16

# n-gram counts, whose sizes only the checkpoint knows
_OF_ANY_LENGTH = (".pairs", ".counts")
# an exported checkpoint has one of three networks, and a copied network registers its parameters
# again
_MAX_RATIO = 16
_MAX_NUMBER = 65536  # as the longest span and the largest noise


def model_class(settings: Any) -> type[MusicModel]:
    """The class of a model's settings; only its own module is imported."""
    made: type[MusicModel] = _imported("model", settings, MODELS, MusicModel)
    return made


def representation_class(settings: Any) -> type[Representation]:
    """The class of a representation's settings; only its own module is imported."""
    made: type[Representation] = _imported(
        "representation", settings, REPRESENTATIONS, Representation
    )
    return made


def _imported(group: str, settings: Any, registry: Mapping[str, Entry], base: Any) -> Any:
    target = getattr(settings, TARGET, None)
    if target is None:
        module, _, name = registry[settings.name].made.partition(":")
        found = getattr(importlib.import_module(f"gan_music.{module}"), name)
    else:
        found = load_target(group, target)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UserError(f"{group}.{TARGET}={target} is no subclass of {base.__name__}.")
    return found


def label(settings: Any) -> str:
    """What a model or a representation is called in messages: its name, or that of its class."""
    return str(getattr(settings, "name", None) or getattr(settings, TARGET).rpartition(".")[2])


def build_representation(settings: RepresentationConfig, grid: int) -> Representation:
    """The representation of these settings, not fitted yet; ``grid`` is in steps a quarter note."""
    values: dict[str, Any] = dataclasses.asdict(settings)
    values = {k: v for k, v in values.items() if k not in ("name", TARGET)}
    return representation_class(settings)(grid, **values)  # type: ignore[call-arg]


def check_readable(model: Any, representation: RepresentationConfig) -> None:
    """Check that a model can read a representation.

    Raises
    ------
    UserError
        If it cannot.
    """
    reads = model_class(model).reads
    if label(representation) not in reads:
        raise UserError(
            f"representation={label(representation)} cannot be read by model={label(model)}: "
            f"choose representation={' or '.join(reads)}."
        )


def training_options(config: TrainConfig) -> dict[str, Any]:
    """The loss, optimizer and schedule that are chosen in place of a model's own.

    Raises
    ------
    UserError
        If they are of no use to the model, or their settings are wrong.
    """
    options: dict[str, Any] = {}
    if model_class(config.model).takes_loss:
        options["loss"] = build_target("loss", config.loss)
        if not isinstance(options["loss"], AdversarialLoss):
            raise UserError(
                f"loss.{TARGET}={config.loss[TARGET]} is no subclass of AdversarialLoss."
            )
    elif config.loss != DEFAULT_LOSS:
        raise UserError(
            f"loss.{TARGET}={config.loss.get(TARGET)} has no use: model={label(config.model)} is "
            "trained by a loss of its own, so leave loss out."
        )
    if config.optimizer.get(TARGET) is not None:
        made, values = target_and_values("optimizer", config.optimizer, [], lr=0.0)
        options["optimizer"] = of_class(made, **values)
    if config.schedule.get(TARGET) is not None:
        made, values = target_and_values("schedule", config.schedule, 0, 1)
        options["schedule"] = partial(made, **values)
    return options


def build_data(
    settings: DataConfig,
    representation: RepresentationConfig,
    *,
    seed: int,
    readers: Mapping[str, Target] | None = None,
) -> MusicDataModule:
    """The data module of these settings; nothing is read yet."""
    values = dataclasses.asdict(settings)
    del values["grid"]  # the representation's
    if not settings.time_scales:
        raise UserError("data.time_scales=[] holds no factor: [1.0] leaves times as they are.")
    _check_movement(settings.movement)
    values["root"] = user_path(settings.root)
    values["cache_dir"] = user_path(settings.cache_dir)
    built = build_representation(representation, settings.grid)
    return MusicDataModule(built, **values, seed=seed, custom_readers=build_readers(readers or {}))


def _check_movement(movement: str | None) -> None:
    try:
        re.compile(movement or "")
    except re.error as error:
        raise UserError(
            f"data.movement={movement} is no regular expression ({error}): mend it, or give null."
        ) from error


def build_decoding(trainer: TrainerConfig) -> EventDecoding:
    """How events are decoded in training."""
    return EventDecoding(bf16=decodes_in_bf16(trainer), cuda_graph=uses_cuda_graph(trainer))


def build_model(settings: Any, representation: Representation, **options: Any) -> MusicModel:
    """A new model, whose weights are drawn from torch's global random state; the options are those
    of :class:`MusicModel`.
    """
    return model_class(settings)(settings, representation=representation, **options)


def pretrained_model(
    settings: Any, representation: RepresentationConfig, grid: int
) -> EventModel | None:
    """The model that ``model.warm_start_from`` names, whose weights training begins with, if any.

    Raises
    ------
    UserError
        If that is no checkpoint, or of another generator.
    """
    path = user_path(getattr(settings, "warm_start_from", None))
    if path is None:
        return None
    path = checkpoint_at(path, "model.warm_start_from")
    pretrained = restore_model(load_checkpoint(path), path)
    try:
        if not isinstance(pretrained, EventModel):
            raise ValueError("it has no generator of events")
        # a trial, before any data are read
        with torch.random.fork_rng(devices=[]):
            built = build_representation(representation, grid)
            state = pretrained.representation.state()
            trial = build_model(settings, built.resolved(state))
        assert isinstance(trial, EventModel)
        trial.init_from(pretrained)
    except ValueError as error:
        raise UserError(
            f"model.warm_start_from={path} does not fit this model ({error}): name a checkpoint of "
            "the same generator on the same data.grid."
        ) from error
    return pretrained


def check_weights(
    saved: Mapping[str, torch.Tensor], sketch: MusicModel, *, sampler_only: bool = False
) -> None:
    """Check that weights have the names, the shapes and the kinds of number of a model's.

    Raises
    ------
    ValueError
        If one has not, or is missing.
    """
    names = sketch.state_dict()
    if unknown := saved.keys() - names.keys():
        raise ValueError(f"{min(unknown)} is no weight of it")
    for name, weights in names.items():
        if sampler_only and not name.startswith(sketch.sampled_from) and name not in saved:
            continue
        found = saved.get(name)
        if found is None:
            raise ValueError(f"{name} is missing")
        if found.shape != weights.shape and not name.endswith(_OF_ANY_LENGTH):
            raise ValueError(f"{name} is {list(found.shape)}")
        if found.dtype != weights.dtype and not (
            found.is_floating_point() and weights.is_floating_point()
        ):
            raise ValueError(f"{name} is {found.dtype}")


def _check_numbers(generator: Mapping[str, Any] | None) -> None:
    """The settings of another generator, which no class of settings bounds."""
    if generator and str(generator.get(TARGET)).startswith("gan_music."):
        for name, value in generator.items():
            if isinstance(value, int | float) and not abs(value) <= _MAX_NUMBER:
                raise ValueError(f"model.generator.{name} is {value}")


@contextlib.contextmanager
def _at_most(n_parameters: int) -> Iterator[None]:
    """Stop the building of a network that has far more parameters than there are weights for it."""
    n = 0

    def count(*_: Any) -> None:
        nonlocal n
        n += 1
        if n > n_parameters:
            raise ValueError(f"it has more than {n_parameters} parameters")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def restore_model(checkpoint: Checkpoint, path: Path) -> MusicModel:
    """The model of a checkpoint with its weights: all of them, or those that sampling reads.

    Raises
    ------
    UserError
        If the weights do not fit the settings beside them.
    """
    config = checked(TrainConfig, OmegaConf.create(checkpoint.config))
    saved = checkpoint.state_dict
    try:
        if checkpoint.representation["grid"] != config.data.grid:
            raise ValueError(f"a representation of grid {checkpoint.representation['grid']}")
        kind = representation_class(config.representation)
        representation = kind.from_state(checkpoint.representation)
        _check_numbers(getattr(config.model, "generator", None))
        with torch.device("meta"), _at_most(_MAX_RATIO * (len(saved) + 1)):
            sketch = build_model(config.model, representation)  # shapes alone, without memory
        check_weights(saved, sketch, sampler_only=checkpoint.sampler_only)
        copy_filter = None
        if checkpoint.copy_filter is not None:
            copy_filter = CopyFilter.from_tensor(checkpoint.copy_filter)
        # initial weights are drawn only to be replaced, so the random state is left as it is
        with torch.random.fork_rng(devices=[]):
            model = build_model(
                config.model,
                representation,
                config=checkpoint.config,
                copy_filter=copy_filter,
                decoding=EventDecoding(bf16=decodes_in_bf16(config.trainer)),
            )
        model.load_state_dict(saved, strict=not checkpoint.sampler_only)
        if wrong := not_finite(model.state_dict()):
            raise ValueError(f"{wrong[0]} is not finite")
    except Exception as error:  # an untrusted file may make a network raise anything
        raise UserError(
            f"checkpoint {path} has weights that do not fit its own settings; it "
            f"{what_it_may_be(checkpoint.version)}."
        ) from error
    return model
