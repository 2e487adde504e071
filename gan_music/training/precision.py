"""Numerical precision of training and of decoding, by what the hardware does fast."""

from __future__ import annotations

import torch

from gan_music.config.schema import TrainerConfig


def precision(trainer: TrainerConfig) -> str:
    """The precision of a Lightning trainer; ``auto`` is resolved by the hardware.

    bfloat16 on GPUs that support it, and on CPUs with instructions for it (AVX-512 BF16), where a
    training step takes three quarters of the time, or half of it with AMX; float32 elsewhere.
    """
    if trainer.precision != "auto":
        return trainer.precision
    if trainer.accelerator != "cpu" and torch.cuda.is_available():
        is_fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        is_fast = _cpu_is_fast()
    return "bf16-mixed" if is_fast else "32-true"


def decodes_in_bf16(trainer: TrainerConfig) -> bool:
    """Whether a generator that is trained with these settings decodes in bfloat16 on this CPU."""
    return precision(trainer) == "bf16-mixed" and _cpu_is_fast()


def _cpu_is_fast() -> bool:
    # private in torch, since 2.6; where it is missing, only speed is lost
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def has_bf16_lstm() -> bool:
    """Whether oneDNN has a bfloat16 LSTM for this CPU; torch's own is slower and always there."""
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16):
        try:
            torch.nn.LSTM(2, 2)(torch.zeros(1, 1, 2))[0].sum().backward()
        except RuntimeError:
            return False
    return True
