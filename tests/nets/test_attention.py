"""Attention against its formula, on both sides of every limit at which its form changes."""

import pytest
import torch

from clarion.nets.attention import FEW_POSITIONS, attend

LIMITS = sorted(set(FEW_POSITIONS.values()))


@pytest.mark.parametrize("positions", [1, 7, *LIMITS, *(limit + 1 for limit in LIMITS)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_attention_against_its_formula(positions, dtype):
    """Evaluated in float64, within a few roundings of the type; with keys that are not there."""
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 2, positions, 4, dtype=torch.float64).to(dtype)
    earlier = torch.ones(positions, positions, dtype=torch.bool).tril()
    some = (torch.rand(2, 1, 1, positions) < 0.5).index_fill(-1, torch.tensor(0), True)
    for is_there in (None, some, earlier[None, None], some & earlier):
        weights = torch.exp(torch.einsum("bhid,bhjd->bhij", q.double(), k.double()) / 4**0.5)
        weights = weights if is_there is None else weights * is_there
        weights = weights / weights.sum(-1, keepdim=True)
        expected = torch.einsum("bhij,bhjd->bhid", weights, v.double())
        error = (attend(q, k, v, is_there).double() - expected).abs().max()
        assert error <= 8 * torch.finfo(dtype).eps * v.abs().max()
