"""Devices of a run: one, or several with a process each (Lightning's DDP)."""

from __future__ import annotations

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, Strategy

from gan_music.config.schema import TrainerConfig
from gan_music.runs.sweep import refuse_several_devices
from gan_music.system.errors import UserError
from gan_music.system.ranks import started_from_outside


def check_devices(trainer: TrainerConfig, *, resumes: bool) -> None:
    """Refuse devices that do not exist, and settings that do not go with several.

    Raises
    ------
    UserError
        Naming the setting.
    """
    n_gpus, wanted, accelerator = torch.cuda.device_count(), trainer.devices, trainer.accelerator
    if accelerator == "gpu" and not (n_gpus or torch.backends.mps.is_available()):
        raise UserError("trainer.accelerator=gpu, but there is no GPU here: use trainer=cpu.")
    if accelerator != "cpu" and n_gpus and wanted > n_gpus:
        raise UserError(f"trainer.devices={wanted}, but this machine has {n_gpus}: name fewer.")
    if accelerator == "gpu" and not n_gpus and wanted > 1:
        raise UserError(f"trainer.devices={wanted}, but Apple's GPU is one: use trainer.devices=1.")
    if trainer.cuda_graph and not uses_cuda_graph(trainer):
        raise UserError("trainer.cuda_graph=true, but this run has no NVIDIA GPU: leave it out.")
    if not several_devices(trainer):
        return
    settings = HydraConfig.get()
    if settings.mode == RunMode.MULTIRUN:
        refuse_several_devices(trainer)
    named = any(o.startswith("hydra.run.dir=") for o in settings.overrides.hydra)
    if started_from_outside() and not (named or resumes):
        raise UserError(
            "hydra.run.dir has no value, and the processes of one run need one folder: give them "
            "all hydra.run.dir=DIR."
        )


def uses_cuda_graph(trainer: TrainerConfig) -> bool:
    """Whether rollouts are decoded through a CUDA graph: on NVIDIA GPUs, unless switched off."""
    on_nvidia = trainer.accelerator != "cpu" and torch.cuda.device_count() > 0
    return on_nvidia and trainer.cuda_graph is not False


def several_devices(trainer: TrainerConfig) -> bool:
    """Whether this run has several processes."""
    return trainer.devices * trainer.n_nodes > 1


def strategy(trainer: TrainerConfig) -> Strategy | str:
    """The strategy of a Lightning trainer."""
    # an update of one network leaves the other's weights without gradients
    return DDPStrategy(find_unused_parameters=True) if several_devices(trainer) else "auto"


def leave_process_group(trainer: Trainer) -> None:
    """Wait for the other processes and leave them; rank 0 continues alone."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        trainer.strategy.barrier()
        torch.distributed.destroy_process_group()
