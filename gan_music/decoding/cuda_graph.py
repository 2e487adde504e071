"""A step of a rollout as one launch: its kernels, recorded in a CUDA graph.

An event takes some hundred small kernels, and a GPU does each faster than a processor can ask for
it. A graph asks for all of them at once. It does the same operations at the same addresses each
time, so all that a rollout holds is brought to tensors that stay, and what a step makes of them is
copied back there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gan_music.networks.lstm_decoder import LSTMDecoder

# steps before one is recorded: libraries set themselves up in the first
_WARM_UP = 3


class CUDAGraphDecoder:
    """Steps of the rollouts of one generator, as many sequences side by side as come at a time.

    It is recorded once, and again where other tensors come than before: of another batch size, or
    of a generator whose weights lie elsewhere. Weights that change where they lie need nothing.

    Without a GPU the same steps are done on the same tensors, and none is recorded.
    """

    state: list[Tensor]

    def __init__(self, generator: nn.Module) -> None:
        self.generator = generator
        self.made_for: object = None

    @torch.no_grad()
    def write(self, rollout: LSTMDecoder, gumbel: Tensor) -> Tensor:
        """What ``rollout.write(gumbel)`` does: ``[B, T, V]`` -> ids ``[B, T, C + 2]``."""
        rollout.settle()
        self._take(rollout, gumbel)
        events = self.event.new_empty(*gumbel.shape[:2], self.event.shape[-1])
        for t in range(gumbel.shape[1]):
            self.noise.copy_(gumbel[:, t : t + 1])
            self._advance()
            events[:, t : t + 1] = self.event
        # the next rollout will be brought to the same tensors
        vars(rollout).update(vars(_mapped(self.rollout, torch.clone)))
        return events

    def _take(self, rollout: LSTMDecoder, gumbel: Tensor) -> None:
        """Bring all that a rollout holds to the tensors that stay, or take new ones."""
        held = _tensors(rollout)
        made_for = (
            [(x.shape, x.dtype, x.device) for x in held],
            [x.data_ptr() for x in (*self.generator.parameters(), *self.generator.buffers())],
            rollout.temperature,
        )
        if made_for == self.made_for:
            _copy(held, self.state)
            return
        self.made_for = made_for
        self.graph: torch.cuda.CUDAGraph | None = None
        self.n_warm = 0
        self.rollout = _mapped(rollout, lambda x: x.clone(memory_format=torch.contiguous_format))
        self.state = _tensors(self.rollout)
        self.noise = gumbel[:, :1].clone()
        n_categories = rollout.space.n_categories
        self.event = self.noise.new_empty(len(gumbel), 1, n_categories + 2, dtype=torch.int64)

    def _advance(self) -> None:
        """An event more."""
        if not self.noise.is_cuda:
            self._step()
        elif self.graph is not None:
            self.graph.replay()
        elif self.n_warm < _WARM_UP:
            self._beside()
        else:
            self.graph = torch.cuda.CUDAGraph()
            # other threads may ask the device for what they like meanwhile
            with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
                self._step()
            self.graph.replay()  # what is recorded is not done

    def _beside(self) -> None:
        """A step on a stream of its own, as one that will be recorded has to be first."""
        here, beside = torch.cuda.current_stream(), torch.cuda.Stream()
        beside.wait_stream(here)
        with torch.cuda.stream(beside):
            self._step()
        here.wait_stream(beside)
        self.n_warm += 1

    def _step(self) -> None:
        """From the tensors that stay, to them."""
        self.event.copy_(self.rollout.write(self.noise))
        _copy(_tensors(self.rollout), self.state)
        state = iter(self.state)
        self.rollout = _mapped(self.rollout, lambda _: next(state))


def _copy(new: list[Tensor], there: list[Tensor]) -> None:
    for x, y in zip(new, there, strict=True):
        if x is not y:
            y.copy_(x)


def _tensors(held: Any) -> list[Tensor]:
    """All tensors that it holds, in a fixed order; those of modules stay where they are anyway."""
    found: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        found.append(x)
        return x

    _mapped(held, note)
    return found


def _mapped(held: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """The same, with what a function makes of each tensor in place of it."""
    if isinstance(held, Tensor):
        return function(held)
    if isinstance(held, list | tuple):
        parts = [_mapped(x, function) for x in held]
        return type(held)(*parts) if hasattr(held, "_fields") else type(held)(parts)
    if isinstance(held, nn.Module) or not hasattr(held, "__dict__"):
        return held
    made = object.__new__(type(held))
    vars(made).update({k: _mapped(v, function) for k, v in vars(held).items()})
    return made
