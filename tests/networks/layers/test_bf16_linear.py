from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gan_music.networks.layers.bf16_linear import InferenceLinear


@pytest.mark.parametrize("has_mkldnn", [True, False])
@pytest.mark.parametrize("size", [(480, 1920), (182, 96), (3, 5)])
def test_bfloat16_is_the_product_of_rounded_factors(
    size: tuple[int, int], has_mkldnn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_mkldnn:
        monkeypatch.setattr(torch.ops, "mkldnn", object())
    torch.manual_seed(0)
    weight, bias = torch.randn(size), torch.randn(size[1])
    linear = InferenceLinear(weight, bias, bf16=True)
    for n in (1, 7, 64):
        x, sums = torch.randn(n, size[0]), torch.randn(n, size[1])
        expected = F.linear(x.bfloat16(), weight.T.bfloat16()).float()
        torch.testing.assert_close(linear(x), expected + bias, rtol=2**-7, atol=1e-3)
        added = linear.add_to(sums.clone(), x)
        torch.testing.assert_close(added, sums + expected, rtol=2**-7, atol=1e-3)
        assert added.dtype == torch.float32
