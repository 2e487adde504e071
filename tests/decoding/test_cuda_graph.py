"""A step by CUDA graph generates what a plain one does."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gan_music.decoding.cuda_graph import CUDAGraphDecoder
from gan_music.networks import lstm_generator
from gan_music.networks.features.tensor_state import TensorState
from gan_music.networks.lstm_generator import LSTMGenerator
from gan_music.networks.note_space import Starts
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


@pytest.fixture(autouse=True)
def _tensor_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU."""
    monkeypatch.setattr(lstm_generator, "_step_state", TensorState)


def with_attention_weights(generator: LSTMGenerator) -> LSTMGenerator:
    """Zeros would attend to all places alike."""
    if generator.attention is not None:
        for parameter in generator.attention.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    return generator


def compare(generator: LSTMGenerator, device: str) -> CUDAGraphDecoder:
    """Whole rollouts, one after another, of weights that change in place; and one that is split,
    with reordered sequences and observed events in between.
    """
    generator = with_attention_weights(generator).to(device)
    graph = CUDAGraphDecoder(generator)
    begin = Starts(*(x.to(device) for x in starts(4)))
    for _ in range(3):
        z, gumbel = generator.prior(4), generator.gumbel(4, 30)
        plain, other = (generator.decoder(z, begin, temperature=0.8) for _ in range(2))
        whole = plain.generate(gumbel)
        assert torch.equal(graph.generate(other, gumbel), whole)
        # both hold the same state, and continue alike
        rows = torch.tensor([3, 0, 0], device=device)
        more = generator.gumbel(3, 12)
        for decoder in (plain, other):
            decoder.reorder(rows)
            decoder.observe(whole[rows, 3:9])
        wanted = plain.generate(more)
        assert torch.equal(graph.generate(other, more[:, :5]), wanted[:, :5])
        assert torch.equal(other.generate(more[:, 5:]), wanted[:, 5:])
        with torch.no_grad():
            for parameter in generator.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    return graph


@pytest.mark.parametrize("changes", KINDS)
def test_steps_on_fixed_buffers_generate_the_same(changes: dict[str, Any]) -> None:
    compare(make_generator(**changes), "cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("changes", KINDS)
def test_a_graph_generates_the_same(changes: dict[str, Any]) -> None:
    assert compare(make_generator(**changes), "cuda").graph is not None


def test_the_next_decoder_is_loaded_into_the_same_buffers() -> None:
    generator = make_generator(attention_span=5, lookback_span=9)
    graph, begin = CUDAGraphDecoder(generator), starts(4)
    addresses = []
    for _ in range(2):
        z, gumbel = generator.prior(4), generator.gumbel(4, 8)
        plain = generator.decoder(z, begin).generate(gumbel)
        assert torch.equal(graph.generate(generator.decoder(z, begin), gumbel), plain)
        addresses.append([x.data_ptr() for x in graph.buffers])
    assert addresses[0] == addresses[1]
    assert len(addresses[0]) > 40


class Operations(TorchDispatchMode):
    """All operations by name and shapes, and those on tensors of other devices."""

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
def test_a_step_can_be_captured(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # not on "meta"
    # tensors of this device have no values: reading one, as item() does, is an error
    with torch.device("meta"):
        generator = make_generator(**changes)
        decoder = generator.decoder(generator.prior(4), starts(4))
        decoder.fix_shapes()
        steps = []
        for _ in range(2):
            with Operations() as seen:
                decoder.generate(generator.gumbel(4, 1))
            assert seen.elsewhere == []
            steps.append(seen.shapes)
    assert steps[0] == steps[1]
    assert len(steps[0]) > 50
