from __future__ import annotations

import dataclasses

import pytest
import torch

from gan_music.config.schema import TrainerConfig
from gan_music.training.precision import decodes_in_bf16, has_bf16_lstm, precision

SETTINGS = TrainerConfig(
    accelerator="auto",
    precision="auto",
    devices=1,
    max_epochs=1,
    patience=None,
    log_every_n_batches=1,
)


@pytest.mark.parametrize("asked", ["32-true", "bf16-mixed"])
def test_a_given_precision_is_kept(asked: str) -> None:
    assert precision(dataclasses.replace(SETTINGS, precision=asked)) == asked


@pytest.mark.parametrize(("fast", "wanted"), [(True, "bf16-mixed"), (False, "32-true")])
def test_auto_is_resolved_by_the_hardware(
    monkeypatch: pytest.MonkeyPatch, fast: bool, wanted: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: fast)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: not fast, raising=False)
    assert precision(SETTINGS) == wanted
    # the CPU's instructions decide where it trains
    on_cpu = dataclasses.replace(SETTINGS, accelerator="cpu")
    assert precision(on_cpu) == {"32-true": "bf16-mixed", "bf16-mixed": "32-true"}[wanted]


@pytest.mark.parametrize("fast", [True, False])
def test_a_fast_cpu_decodes_in_bf16_if_training_does(
    monkeypatch: pytest.MonkeyPatch, fast: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: fast, raising=False)
    asked = {p: dataclasses.replace(SETTINGS, precision=p) for p in ("auto", "bf16-mixed")}
    assert {p: decodes_in_bf16(s) for p, s in asked.items()} == {"auto": fast, "bf16-mixed": fast}
    assert not decodes_in_bf16(dataclasses.replace(SETTINGS, precision="32-true"))


# a warning of the oneDNN flags, about GPUs
@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN:UserWarning")
def test_whether_there_is_an_lstm_in_bf16() -> None:
    state = torch.get_rng_state()
    answer = has_bf16_lstm()
    assert torch.equal(torch.get_rng_state(), state)
    with torch.autocast("cpu", torch.bfloat16), torch.backends.mkldnn.flags(enabled=answer):
        out = torch.nn.LSTM(3, 5)(torch.randn(4, 2, 3))[0]
    # torch's own LSTM returns float32
    assert out.dtype == (torch.bfloat16 if answer else torch.float32)
