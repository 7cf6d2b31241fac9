"""Value-based decoding: of several ways to go on from a sample, one is taken by what it promises.

At each step M candidates of x_s are drawn from x_t, and one of them is kept with the probability

    exp(scale v(x_s)) / sum of the same over the candidates.

Where v is the soft value, exp(scale v(x_t)) = E[exp(scale r(x0)) | x_t] in the chain of the
sampler, the law for many candidates is q(x0) exp(scale r(x0)) up to its constant, q being that of
the sampler alone: this is Doob's transform of the chain. With v foretold by the estimate it is
another law, however many candidates there are. For three tokens of a Markov chain, in four steps,
that law lies in total variation off the tilted one, which is 0.52 from that of the sampler alone,
by (see the tests)

                              masks    uniform
    reward of the likeliest   0.086    0.322
    mean over guesses         0.014    0.019

Nothing corrects for that, as the weights of `ParticleSampler` do; but nor does an early forecast
that was wrong stay with a sample.

Source: Li et al. 2024, arXiv 2408.08252, algorithm 1 (SVDD; 1 / scale is their alpha).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from clarion.sample.particles import Choose, ParticleSampler
from clarion.sample.resampling import pick


@dataclass(frozen=True)
class ValueDecodingSampler(ParticleSampler):
    """Keeps one of several candidates at each step, by its value.

    Args:
        fn, scale, sampler, num_guesses, report: see `ParticleSampler`.
        num_particles: M, candidates of each step; the network is asked about each of them.
        value: v; by default what the estimate foretells, as for `ParticleSampler`.
    """

    otherwise: ClassVar[str] = ""

    ess_threshold: float = field(default=1.0, init=False, repr=False)
    choose: Choose = field(default="draw", init=False, repr=False)

    def _is_hopeless(self, rewards: Tensor) -> Tensor:
        return rewards.isnan() & False  # a candidate of which nothing is hoped is not taken

    def _is_poor(self, effective: Tensor) -> Tensor:
        return ~effective.isnan()

    def _copied(self, log_weights: Tensor, uniform: Tensor) -> Tensor:
        return pick(log_weights, uniform).expand_as(log_weights)
