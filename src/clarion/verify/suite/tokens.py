"""Ways to unmask tokens, held against chains of which every sequence can be listed."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.distributions import Categorical

from clarion.base.names import NameTable
from clarion.denoise.exact.tokens import MASKED
from clarion.verify.doctor.tokens import Conditional, TokenSampler, check_token_sampler
from clarion.verify.report import Report


def one_at_a_time(conditional: Conditional, n: int, length: int) -> Tensor:
    """Unmask one token after the other, in random order: exact, for `length` evaluations."""
    tokens = torch.full((n, length), MASKED)
    for position in torch.randperm(length):
        tokens[:, position] = Categorical(conditional(tokens)[:, position]).sample()
    return tokens


UNMASKERS: NameTable[TokenSampler] = NameTable("way to unmask", {"one_at_a_time": one_at_a_time})
"""Name -> a way to unmask tokens."""


def examine_unmasker(name: str, sampler: TokenSampler) -> Report:
    """Hold one sampler against every chain."""
    return replace(check_token_sampler(sampler, name=name), title=f"tokens {name}")
