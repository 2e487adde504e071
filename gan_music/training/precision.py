"""In which precision a device trains well."""

from __future__ import annotations

import torch

from gan_music.config.schema import TrainerConfig


def precision(settings: TrainerConfig) -> str:
    """What ``trainer.precision`` stands for: itself, or for ``auto`` what the device is fast in.

    That is bfloat16 on a GPU that has it, and on a processor with instructions for it (AVX-512
    BF16), where a step takes three quarters of the time, or half with AMX; single precision
    elsewhere.
    """
    if settings.precision != "auto":
        return settings.precision
    if settings.accelerator != "cpu" and torch.cuda.is_available():
        is_fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        is_fast = _processor_is_fast()
    return "bf16-mixed" if is_fast else "32-true"


def decodes_in_bf16(settings: TrainerConfig) -> bool:
    """Whether a generator that trains so also writes in bfloat16 on this processor."""
    return precision(settings) == "bf16-mixed" and _processor_is_fast()


def _processor_is_fast() -> bool:
    # not public, and there since torch 2.6; without it nothing is lost but speed
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def runs_lstm_in_bf16() -> bool:
    """Whether oneDNN has an LSTM in bfloat16 for this processor; torch's own, which is slower, runs
    on all.
    """
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16):
        try:
            torch.nn.LSTM(2, 2)(torch.zeros(1, 1, 2))[0].sum().backward()
        except RuntimeError:
            return False
    return True
