"""Attention of several heads, to positions and to the tokens of a context.

Source: Vaswani et al. 2017, arXiv 1706.03762, section 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

FEW_POSITIONS = {torch.bfloat16: 256, torch.float32: 50, torch.float64: 50}
"""Up to how many positions the plain formula is faster on a processor than torch's tiled kernel.

Forward and backward on one core, of heads 32 or 64 wide: in bfloat16 the formula is 4 times as fast
at 28 positions and twice at 237; in float32 as fast at 28 and 64, and a fifth slower from 128 on.
"""


def attend(q: Tensor, k: Tensor, v: Tensor, is_there: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / sqrt(width)) v, each (batch, heads, positions, width).

    Keys whose `is_there`, (batch or 1, 1, queries or 1, keys), is false have no weight.
    """
    if q.device.type == "cpu" and q.shape[-2] <= FEW_POSITIONS.get(q.dtype, 0):
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        scores = scores if is_there is None else scores.masked_fill(~is_there, -torch.inf)
        return scores.softmax(-1) @ v
    return F.scaled_dot_product_attention(q, k, v, is_there)


def append_context(
    k: Tensor, v: Tensor, context_kv: Tensor, is_there: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Keys and values with those of a context behind them, and which of all these there are.

    Args:
        k: keys of the positions, (batch, heads, positions, width).
        v: values of the positions, of the same shape.
        context_kv: keys and values of the context, (batch, tokens, 2 heads width).
        is_there: which tokens of the context there are, (batch, tokens).

    Returns:
        Keys and values, (batch, heads, positions + tokens, width); and (batch, 1, 1, positions +
        tokens), as `attend` takes it.
    """
    more_k, more_v = context_kv.unflatten(-1, (2, k.shape[1], -1)).permute(2, 0, 3, 1, 4)
    is_there = F.pad(is_there, (k.shape[-2], 0), value=True)[:, None, None]
    return torch.cat([k, more_k], -2), torch.cat([v, more_v], -2), is_there
