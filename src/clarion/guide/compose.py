"""Several conditions at once: their estimates side by side, or added up.

mean = mean(own) + sum_i weights[i] (mean(condition i) - mean(own))

where `own` is what the request holds besides its terms, usually nothing. With weights of 1 and
independent conditions it samples "this and that", with weights that add up to 1 something between.

Source: Liu, Li, Du, Torralba & Tenenbaum 2022, arXiv 2206.01714, equation 11, there for the noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.rule import Guidance
from clarion.process.process import Process


@dataclass(frozen=True)
class Compose(Guidance):
    """Adds up the terms of a condition; a condition without terms passes as it is.

    It belongs innermost, right round the model, and is put there wherever a condition has terms.
    """

    serves: ClassVar[tuple[type[Process], ...]] = (Process,)

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        return evaluate(denoiser, x_t, t, condition)[0]


def evaluate(
    denoiser: Denoiser, x_t: Tensor, t: Tensor, *conditions: Condition | None
) -> list[Estimate]:
    """The estimates under several conditions, all in one batch.

    Args:
        denoiser: asked once, about all of them.
        x_t: noisy data, (batch, *shape).
        t: times, (batch,).
        conditions: each with a row for each sample; terms are added up.
    """
    return evaluate_each(denoiser, [(x_t, t, condition) for condition in conditions])


def evaluate_each(
    denoiser: Denoiser, requests: Sequence[tuple[Tensor, Tensor, Condition | None]]
) -> list[Estimate]:
    """The estimates of several requests (x_t, t, condition), all in one batch; see `evaluate`."""
    parts = [[(1.0, None)] if c is None else c.parts() for _, _, c in requests]
    plain = [condition for terms in parts for _, condition in terms]
    if len(plain) == 1:
        return [denoiser(*requests[0][:2], plain[0])]
    given = [condition for condition in plain if condition is not None]
    assert len(given) in (0, len(plain)), "either each condition is given, or none is"
    joint = Condition.concatenate(given) if given else None
    rows = [(x, t) for (x, t, _), terms in zip(requests, parts, strict=True) for _ in terms]
    every = denoiser(torch.cat([x for x, _ in rows]), torch.cat([t for _, t in rows]), joint)
    found = iter(every.split([len(x) for x, _ in rows]))
    return [
        Estimate.combine([next(found) for _ in terms], [weight for weight, _ in terms])
        if len(terms) > 1
        else next(found)
        for terms in parts
    ]
