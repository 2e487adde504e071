"""What a run is trained on: one device, or several by a process each (Lightning's DDP)."""

from __future__ import annotations

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, Strategy

from gan_music.config.schema import TrainConfig
from gan_music.runs.sweep import refuse_several_devices
from gan_music.system.errors import UserError
from gan_music.system.ranks import started_from_outside


def check_devices(config: TrainConfig) -> None:
    """Refuse devices that are not there, and what several cannot do.

    Raises
    ------
    UserError
        Naming the setting.
    """
    n_gpus, wanted = torch.cuda.device_count(), config.trainer.devices
    accelerator = config.trainer.accelerator
    if accelerator == "gpu" and not (n_gpus or torch.backends.mps.is_available()):
        raise UserError("trainer.accelerator=gpu, but there is no GPU here: use trainer=cpu.")
    if accelerator != "cpu" and n_gpus and wanted > n_gpus:
        raise UserError(f"trainer.devices={wanted}, but this machine has {n_gpus}: name fewer.")
    if accelerator == "gpu" and not n_gpus and wanted > 1:
        raise UserError(f"trainer.devices={wanted}, but Apple's GPU is one: use trainer.devices=1.")
    if config.trainer.cuda_graph and not captures_rollouts(config):
        raise UserError("trainer.cuda_graph=true, but this run has no NVIDIA GPU: leave it out.")
    if not several_devices(config):
        return
    settings = HydraConfig.get()
    if settings.mode == RunMode.MULTIRUN:
        refuse_several_devices(config.trainer)
    named = any(o.startswith("hydra.run.dir=") for o in settings.overrides.hydra)
    if started_from_outside() and not (named or config.resume):
        raise UserError(
            "hydra.run.dir has no value, and the processes of one run need one folder: give them "
            "all hydra.run.dir=DIR."
        )


def captures_rollouts(config: TrainConfig) -> bool:
    """Whether a step of rollouts is to be recorded: where there is an NVIDIA GPU, unless the run is
    told otherwise.
    """
    on_nvidia = config.trainer.accelerator != "cpu" and torch.cuda.device_count() > 0
    return on_nvidia and config.trainer.cuda_graph is not False


def several_devices(config: TrainConfig) -> bool:
    """Whether this run is one of several processes."""
    return config.trainer.devices * config.trainer.n_nodes > 1


def strategy(config: TrainConfig) -> Strategy | str:
    """How the trainer spreads a run."""
    # each player's step leaves the other's weights without a gradient
    return DDPStrategy(find_unused_parameters=True) if several_devices(config) else "auto"


def leave(trainer: Trainer) -> None:
    """Part from the other processes: what follows, the first one does alone."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        trainer.strategy.barrier()
        torch.distributed.destroy_process_group()
