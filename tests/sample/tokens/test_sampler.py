"""What all samplers of tokens share."""

import pytest
import torch
from tilted_law import reward
from token_law import CHAIN, exact

from clarion.base.errors import ClarionError, SamplingError
from clarion.denoise.denoiser import DenoiserWrapper
from clarion.denoise.estimate import TokenEstimate
from clarion.process.tokens import Masking, Uniform
from clarion.sample import TOKEN_SAMPLERS, ParticleSampler, sample
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.sample.value_decoding import ValueDecodingSampler

PLAIN = [name for name in TOKEN_SAMPLERS if name not in ("particles", "svdd")]


class BreaksOnce(DenoiserWrapper):
    """An estimate that is not finite, of one sample at one stop."""

    def __init__(self, inner, value, rows, t_low=0.4, t_high=0.8):
        super().__init__(inner)
        self.value, self.rows, self.between = value, rows, (t_low, t_high)

    def forward(self, x_t, t, condition=None):
        logits = self.inner(x_t, t, condition).logits.clone()
        if self.between[0] < float(t[0]) < self.between[1]:
            logits[self.rows] = self.value
        return TokenEstimate(logits)


def drawn(denoiser, sampler, n=3, **settings):
    return sample(denoiser, (CHAIN.length,), n=n, sampler=sampler, num_steps=4, **settings)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", PLAIN)
def test_a_sample_of_which_the_model_says_nothing_is_an_error(name, value):
    """Each of them would else be drawn as token 0, whatever the later stops say."""
    with pytest.raises(SamplingError) as info:
        drawn(BreaksOnce(exact(Masking(3)), value, [1]), name)
    said = str(info.value)
    assert said.startswith("1 of 3 samples drawn with ")
    assert said.endswith("are not finite: the model returned NaN or infinity.")
    assert drawn(BreaksOnce(exact(Masking(3)), value, [1], 2, 3), name).shape == (3, 3)


@pytest.mark.parametrize("process", [Masking(3), Uniform(3)], ids=str)
@pytest.mark.parametrize("kind", [ParticleSampler, ValueDecodingSampler])
def test_particles_of_such_samples_are_an_error(kind, process):
    rows = slice(4, 8)  # all four of the second sample
    sampler = kind(reward, 1.0, 4, sampler=AncestralTokens())
    with pytest.raises(SamplingError, match=r"1 of 3 samples .* the model returned NaN"):
        drawn(BreaksOnce(exact(process), float("nan"), rows), sampler)
    nothing = kind(lambda x0, _: x0[:, 0] / 0 * 0, 1.0, 4, sampler=AncestralTokens())
    with pytest.raises(SamplingError, match="3 of 3 samples have no weights"):
        drawn(exact(process), nothing)


def test_a_trajectory_is_taken_up_where_it_was_left():
    """Masks only, at the start: with one more of them known, that one stays."""
    process = Masking(3)
    start = torch.tensor([[3, 3, 3], [3, 1, 3]])
    times = torch.tensor([0.8, 0.3, 0.0], dtype=torch.float64)
    x = drawn(exact(process), "ancestral", n=2, times=times, start=start)
    assert x.dtype == torch.int64
    assert int(x[1, 1]) == 1
    with pytest.raises(ClarionError, match=r"start must have shape \(2, 3\)"):
        drawn(exact(process), "ancestral", n=2, times=times, start=start[:1])
