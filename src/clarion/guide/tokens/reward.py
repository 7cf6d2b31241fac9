"""Guidance of tokens by the gradient of a reward.

With tokens written as vectors of one 1, the estimate m = p(x0 | x_t) is their expectation, and a
reward r of vectors is tilted to first order round it: in each position

    log p(x0 = b | x_t)  becomes  log p(x0 = b | x_t) + scale (grad r(m))_b

up to a constant. Where r is linear in the vectors and the positions are independent given x_t this
is exact: the samples have the probabilities p(x) exp(scale r(x)) up to their constant. Else it is
off by the curvature of r, of which a vector between two tokens says nothing sure; the sampler
`particles` corrects for that, at the price of its particles.

It takes one gradient of the reward in each evaluation, and none of the network.

Source: the first-order series of Nisonoff et al. 2024, arXiv 2406.01572, applied to the
estimate of x0, and with a reward of clean data in place of a classifier of noisy data.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.options import check_number
from clarion.base.vocabulary import Vocabulary
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate, TokenEstimate
from clarion.guide.gradient.reward_function import RewardFunction, rewards_of, slope_of
from clarion.guide.rule import Guidance, SampleSpace
from clarion.guide.trial import name_of, try_gradient, try_values
from clarion.process.process import Process
from clarion.process.tokens import TokenProcess

HINT = (
    "The sampler `particles` needs no gradient, and asks about tokens: "
    "particles:FILE.py#FUNCTION:SCALE:NUM."
)


@dataclass(frozen=True)
class TokenReward(Guidance):
    """Steers tokens by the gradient of a reward of the estimate.

    Args:
        fn: the reward r, of vectors (batch, length, vocabulary) that hold p(x0 | x_t), and the
            condition; no sample's may depend on another. For a sequence they are of one 1.
        scale: 0 changes nothing.
    """

    serves: ClassVar[tuple[type[Process], ...]] = (TokenProcess,)

    fn: RewardFunction = field(metadata={"form": "FILE.py#FUNCTION"})
    scale: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("scale", self.scale)

    def bind(self, space: SampleSpace) -> Self:
        if not isinstance(space.codec, Vocabulary):
            raise ClarionError(f"A reward of tokens needs their vocabulary, got {space.codec!r}.")
        vectors = replace(space, shape=(*space.shape, space.codec.size), codec=None)

        def of_probabilities(x0: Tensor, condition: Condition | None) -> Tensor:
            return rewards_of(self.fn, x0.softmax(-1), condition)

        what = f"reward {name_of(self.fn)}"
        try_values(what, of_probabilities, vectors)
        try_gradient(what, of_probabilities, vectors, HINT)
        return self

    def is_active_at(self, t: float) -> bool:
        return self.scale != 0 and super().is_active_at(t)

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        estimate = denoiser(x_t, t, condition)
        assert isinstance(estimate, TokenEstimate), "a token process has token estimates"
        probabilities = estimate.mean.to(estimate.logits.dtype)
        slope = slope_of(self.fn, probabilities, condition, visit)
        return TokenEstimate(estimate.logits + self.scale * slope, estimate.tilt)
