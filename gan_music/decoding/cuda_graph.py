"""A decoding step as one kernel launch: a CUDA graph.

An event takes hundreds of small kernels, each of which a GPU executes faster than a CPU launches
it; a CUDA graph launches all of them at once. A graph repeats the same operations at the same
addresses, so all tensors of a decoder are copied to fixed buffers, and each step writes its results
back to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gan_music.networks.event_generator import Decoder

# steps before the capture: libraries initialise themselves in the first
_WARM_UP = 3


class CUDAGraphDecoder:
    """Steps of the decoders of one generator.

    The graph is captured once, and again when tensors have other shapes or addresses, as with
    another batch size or weights that were moved. Weights that change in place need no capture.

    Without a GPU the same steps are executed on the same buffers, without a graph.
    """

    buffers: list[Tensor]

    def __init__(self, generator: nn.Module) -> None:
        self.generator = generator
        self.signature: object = None

    @torch.no_grad()
    def generate(self, decoder: Decoder, gumbel: Tensor) -> Tensor:
        """``decoder.generate(gumbel)``: Gumbel noise ``[B, T, V]`` -> ids ``[B, T, C + 2]``."""
        decoder.fix_shapes()
        self._load(decoder, gumbel)
        events = self.event.new_empty(*gumbel.shape[:2], self.event.shape[-1])
        for t in range(gumbel.shape[1]):
            self.noise.copy_(gumbel[:, t : t + 1])
            self._advance()
            events[:, t : t + 1] = self.event
        # copies, since the next decoder will be loaded into the same buffers
        vars(decoder).update(vars(_map_tensors(self.decoder, torch.clone)))
        return events

    def _load(self, decoder: Decoder, gumbel: Tensor) -> None:
        """Copy a decoder's tensors into the buffers, or make new buffers."""
        tensors = _tensors(decoder)
        signature = (
            [(x.shape, x.dtype, x.device) for x in tensors],
            [x.data_ptr() for x in (*self.generator.parameters(), *self.generator.buffers())],
            decoder.temperature,
        )
        if signature == self.signature:
            _copy(tensors, self.buffers)
            return
        self.signature = signature
        self.graph: torch.cuda.CUDAGraph | None = None
        self.n_warm_up = 0
        self.decoder = _map_tensors(
            decoder, lambda x: x.clone(memory_format=torch.contiguous_format)
        )
        self.buffers = _tensors(self.decoder)
        self.noise = gumbel[:, :1].clone()
        n_categories = decoder.space.n_categories
        self.event = self.noise.new_empty(len(gumbel), 1, n_categories + 2, dtype=torch.int64)

    def _advance(self) -> None:
        """Decode one event."""
        if not self.noise.is_cuda:
            self._step()
        elif self.graph is not None:
            self.graph.replay()
        elif self.n_warm_up < _WARM_UP:
            self._step_on_side_stream()
        else:
            self.graph = torch.cuda.CUDAGraph()
            # other threads may use the GPU during the capture
            with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
                self._step()
            self.graph.replay()  # a capture executes nothing

    def _step_on_side_stream(self) -> None:
        """A warm-up step, which must not run on the default stream before a capture."""
        current, side = torch.cuda.current_stream(), torch.cuda.Stream()
        side.wait_stream(current)
        with torch.cuda.stream(side):
            self._step()
        current.wait_stream(side)
        self.n_warm_up += 1

    def _step(self) -> None:
        """From the buffers to the buffers."""
        self.event.copy_(self.decoder.generate(self.noise))
        _copy(_tensors(self.decoder), self.buffers)
        buffers = iter(self.buffers)
        self.decoder = _map_tensors(self.decoder, lambda _: next(buffers))


def _copy(sources: list[Tensor], targets: list[Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        if source is not target:
            target.copy_(source)


def _tensors(holder: Any) -> list[Tensor]:
    """All tensors that an object holds, in a fixed order, without those of modules."""
    found: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        found.append(x)
        return x

    _map_tensors(holder, note)
    return found


def _map_tensors(holder: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """A copy of an object with ``function`` of each tensor in its place; modules are shared."""
    if isinstance(holder, Tensor):
        return function(holder)
    if isinstance(holder, list | tuple):
        parts = [_map_tensors(x, function) for x in holder]
        return type(holder)(*parts) if hasattr(holder, "_fields") else type(holder)(parts)
    if isinstance(holder, nn.Module) or not hasattr(holder, "__dict__"):
        return holder
    made = object.__new__(type(holder))
    vars(made).update({k: _map_tensors(v, function) for k, v in vars(holder).items()})
    return made
