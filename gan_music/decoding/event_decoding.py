"""How events are decoded: in which precision, and whether by a CUDA graph."""

from __future__ import annotations

import torch
from torch import Tensor

from gan_music.decoding.cuda_graph import CUDAGraphDecoder
from gan_music.networks.event_generator import Decoder, EventGenerator
from gan_music.networks.note_space import Starts


class EventDecoding:
    """Decodes the sequences of any number of generators.

    Parameters
    ----------
    bf16 : multiply matrices in bfloat16 on a CPU.
    cuda_graph : replay each step as a CUDA graph on a GPU, one graph for each generator.
    """

    def __init__(self, *, bf16: bool = False, cuda_graph: bool = False) -> None:
        self.bf16, self.cuda_graph = bf16, cuda_graph
        self._graphs: dict[EventGenerator, CUDAGraphDecoder] = {}

    def decoder(
        self,
        generator: EventGenerator,
        z: Tensor,
        starts: Starts,
        *,
        temperature: float = 1.0,
    ) -> Decoder:
        """A decoder of empty sequences; see :meth:`EventGenerator.decoder`."""
        return generator.decoder(z, starts, temperature=temperature, bf16=self.bf16)

    def generate(self, generator: EventGenerator, decoder: Decoder, gumbel: Tensor) -> Tensor:
        """Append sampled events to a decoder of the generator: Gumbel noise ``[B, T, V]`` -> ids
        ``[B, T, C + 2]``.
        """
        if not (self.cuda_graph and gumbel.is_cuda):
            return decoder.generate(gumbel)
        if generator not in self._graphs:
            self._graphs[generator] = CUDAGraphDecoder(generator)
        return self._graphs[generator].generate(decoder, gumbel)

    @torch.no_grad()
    def rollout(
        self,
        generator: EventGenerator,
        z: Tensor,
        gumbel: Tensor,
        starts: Starts,
        *,
        temperature: float = 1.0,
    ) -> Tensor:
        """Sample whole sequences: ``z [B, Z]``, Gumbel noise ``[B, T, V]`` -> ids
        ``[B, T, C + 2]``, with padding after an end.
        """
        decoder = self.decoder(generator, z, starts, temperature=temperature)
        events = self.generate(generator, decoder, gumbel)
        return generator.space.until_end(events)
