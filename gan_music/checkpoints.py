"""A checkpoint on disk -> its parts, checked: config, codec and weights, enough by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gan_music.errors import UserError
from gan_music.models.base import SCHEMA_VERSION


@dataclass(frozen=True)
class Checkpoint:
    """Settings, the codec's table, and the weights after ``epoch`` (from 0)."""

    config: dict[str, Any]
    codec: dict[str, Any]
    state_dict: dict[str, torch.Tensor]
    epoch: int


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of ours; it is other people's file, so no code in it is ever run.

    Raises
    ------
    UserError
        If it is not there, is not a checkpoint, or is of another schema.
    """
    if not path.is_file():
        raise UserError(f"checkpoint {path} is no file: name a run's checkpoints/best.ckpt.")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever unpickling a stranger's bytes meets
        raise UserError(
            f"checkpoint {path} is not a checkpoint, or is damaged: name a run's "
            "checkpoints/best.ckpt or last.ckpt."
        ) from error
    ours = content.get("gan_music") if isinstance(content, dict) else None
    if not isinstance(ours, dict) or not isinstance(content.get("state_dict"), dict):
        raise UserError(
            f"checkpoint {path} was not written by gan_music: name a run's checkpoints/best.ckpt."
        )
    if ours.get("schema") != SCHEMA_VERSION:
        raise UserError(
            f"checkpoint {path} has schema {ours.get('schema')}, and this version reads "
            f"{SCHEMA_VERSION}: train again, or use the version that wrote it."
        )
    return Checkpoint(
        config=ours["config"],
        codec=ours["codec"],
        state_dict=content["state_dict"],
        epoch=int(content.get("epoch", -1)),
    )
