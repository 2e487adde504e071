"""A linear layer for inference, in float32 or in bfloat16."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


class InferenceLinear:
    """``x [B, in]`` times a weight ``[in, out]``, plus a bias ``[out]``.

    ``bf16`` multiplies in bfloat16, which takes some CPUs half the time, most of which is spent
    reading the weights; inputs and outputs are float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, bf16: bool) -> None:
        self.bias = bias
        self.weight = (weight.T.bfloat16() if bf16 else weight).contiguous()
        self.bf16_product = _prepacked(self.weight) if bf16 else None

    def __call__(self, x: Tensor) -> Tensor:
        assert self.bias is not None
        if self.bf16_product is not None:
            return self.bf16_product(x).add_(self.bias)
        return torch.addmm(self.bias, x, self.weight)

    def add_to(self, sums: Tensor, x: Tensor) -> Tensor:
        """Add the product without the bias to ``sums [B, out]`` in place."""
        if self.bf16_product is not None:
            return sums.add_(self.bf16_product(x))
        return sums.addmm_(x, self.weight)


def _prepacked(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """``F.linear`` in bfloat16, from and to float32, with a weight ``[out, in]`` in oneDNN's
    layout: to convert it at each call takes a third of the time of a small product.

    These operations belong to torch's compiler. Where they are missing or differ, this is
    ``F.linear`` itself.
    """
    ops = torch.ops.mkldnn

    def linear(x: Tensor) -> Tensor:
        return ops._linear_pointwise(x.bfloat16(), packed, None, "none", [], "").float()

    try:
        packed = ops._reorder_linear_weight(weight)
        linear(weight[:1])  # whether they work
    except (AttributeError, RuntimeError):
        return lambda x: F.linear(x.bfloat16(), weight).float()
    return linear
