"""A captured step writes what a plain one does."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gan_music.decoding.cuda_graph import CUDAGraphDecoder
from gan_music.networks.lstm_decoder import LSTMDecoder
from gan_music.networks.lstm_generator import LSTMGenerator
from tests.networks.test_lstm_generator import make_generator, starts

KINDS: list[dict[str, Any]] = [
    {},
    {"n_intervals": 3, "attention_span": 5, "n_layers": 2},
    {
        "n_intervals": 2,
        "attention_span": 50,
        "lookback_span": 9,
        "n_style_components": 2,
        "active_notes_span": 7,
    },
]


def scattered(generator: LSTMGenerator) -> LSTMGenerator:
    """With an attention that tells places apart."""
    if generator.attention is not None:
        for parameter in generator.attention.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return generator


def compare(generator: LSTMGenerator, device: str) -> CUDAGraphDecoder:
    """Whole rollouts, one after another, of weights that change where they lie; and one that is
    cut, told of events and spread over other rows in between.
    """
    generator = scattered(generator).to(device)
    step = generator.captured = CUDAGraphDecoder(
        generator
    )  # known before, so that tensors hold all
    begin = tuple(x.to(device) for x in starts(4))
    for _ in range(3):
        z, gumbel = generator.noise(4), generator.gumbel(4, 30)
        plain, captured = (LSTMDecoder(generator, z, begin, temperature=0.8) for _ in range(2))
        whole = plain.write(gumbel)
        assert torch.equal(step.write(captured, gumbel), whole)
        # both know the same, and go on alike
        rows = torch.tensor([3, 0, 0], device=device)
        more, heard = generator.gumbel(3, 12), whole[rows, 3:9]
        for rollout in (plain, captured):
            rollout.keep(rows)
            rollout.hear(heard)
        wanted = plain.write(more)
        assert torch.equal(step.write(captured, more[:, :5]), wanted[:, :5])
        assert torch.equal(captured.write(more[:, 5:]), wanted[:, 5:])
        with torch.no_grad():
            for parameter in generator.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return step


@pytest.mark.parametrize("changes", KINDS)
def test_steps_on_tensors_that_stay_write_the_same(changes: dict[str, Any]) -> None:
    compare(make_generator(**changes), "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that records graphs")
@pytest.mark.parametrize("changes", KINDS)
def test_a_recorded_step_writes_the_same(changes: dict[str, Any]) -> None:
    step = compare(make_generator(**changes), "cuda")
    assert step.graph is not None


def test_nothing_is_taken_anew_for_the_next_rollout() -> None:
    generator = make_generator(attention_span=5, lookback_span=9)
    step, begin = CUDAGraphDecoder(generator), starts(4)
    addresses = []
    for _ in range(2):
        z, gumbel = generator.noise(4), generator.gumbel(4, 8)
        generator.captured = None
        plain = generator.rollout(z, gumbel, begin)
        generator.captured = step
        assert torch.equal(generator.rollout(z, gumbel, begin), plain)
        addresses.append([x.data_ptr() for x in step.state])
    assert addresses[0] == addresses[1]
    assert len(addresses[0]) > 40


class Operations(TorchDispatchMode):
    """What was asked of a device, and what lay elsewhere meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[Any] = []
        self.elsewhere: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
        self.shapes.append((str(func), [x.shape for x in tensors]))
        if any(x.device.type != "meta" for x in tensors):
            self.elsewhere.append(str(func))
        return result


@pytest.mark.parametrize("changes", KINDS)
def test_a_step_can_be_recorded(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which "meta" has not
    # on a device whose tensors have no numbers: to ask for one, as item() does, is an error
    with torch.device("meta"):
        generator = make_generator(**changes)
        rollout = LSTMDecoder(generator, generator.noise(4), starts(4))
        rollout.settle()
        steps = []
        for _ in range(2):
            with Operations() as seen:
                rollout.write(generator.gumbel(4, 1))
            assert seen.elsewhere == []
            steps.append(seen.shapes)
    assert steps[0] == steps[1]
    assert len(steps[0]) > 50
