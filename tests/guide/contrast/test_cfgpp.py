"""CFG++ against the loop of its paper."""

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.denoise import Visit
from clarion.guide import CFG, CFGPlusPlus
from clarion.process import EDM, PROCESSES, Flow, VPCosine
from clarion.sample import sample
from clarion.verify.targets import TARGETS

SPEC = {"label": ClassEntry(2)}
X = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 2)
T = torch.linspace(0.2, 0.8, 5, dtype=torch.float64)
CONDITION = encode_condition(SPEC, {"label": 0}, 5, {"label": [1, 1, None, None, 1]})
DENOISER = TARGETS["classes"].denoiser(Flow())
ABSENT = DENOISER(X, T, CONDITION.negative).mean
OWN = DENOISER(X, T, CONDITION).mean
SAME = {"rtol": 0, "atol": 1e-12}


@pytest.mark.parametrize("name", sorted(PROCESSES))
@pytest.mark.parametrize("scale", [0.0, 0.6, 1.0])
def test_ddim_takes_the_steps_of_the_paper(name, scale):
    """x' = alpha' x0_guided + sigma' noise_absent, algorithm 2 written out."""
    process = PROCESSES[name]()
    denoiser = TARGETS["classes"].denoiser(process)
    levels = torch.tensor([10.0, 4.0, 1.5, 0.6, 0.2], dtype=torch.float64)
    times = torch.cat([process.time_of_noise_level(levels), torch.zeros(1, dtype=torch.float64)])
    alphas = torch.cat([process.alpha(times[:-1]), torch.ones(1, dtype=torch.float64)])
    sigmas = alphas * torch.cat([levels, torch.zeros(1, dtype=torch.float64)])
    start = sigmas[0] * X
    x = start
    for i in range(5):
        t = times[i].expand(5)
        absent, own = (denoiser(x, t, c).mean for c in (CONDITION.negative, CONDITION))
        noise = (x - alphas[i] * absent) / sigmas[i]
        x = alphas[i + 1] * (absent + scale * (own - absent)) + sigmas[i + 1] * noise
    actual = sample(
        CFGPlusPlus(scale)(denoiser),
        (2,),
        n=5,
        condition=CONDITION,
        sampler="ddim",
        times=times,
        start=start,
        dtype=torch.float64,
    )
    torch.testing.assert_close(actual, x, rtol=1e-10, atol=1e-10)


def test_the_last_step_is_that_of_cfg():
    for process in (Flow(), EDM()):  # the time 0 is a noise level of EDM, but as an end it is data
        denoiser = TARGETS["classes"].denoiser(process)
        actual = CFGPlusPlus(0.6)(denoiser).at(Visit(0.3, 0.0))(X, T, CONDITION).mean
        expected = CFG(0.6)(denoiser)(X, T, CONDITION).mean
        torch.testing.assert_close(actual, expected, **SAME)


def test_one_pass_is_spent_at_scale_zero_and_two_elsewhere():
    for scale, passes in ((0.0, 1), (0.6, 2), (1.0, 2)):
        before = DENOISER.num_evaluations
        CFGPlusPlus(scale)(DENOISER).at(Visit(0.5, 0.4))(X, T, CONDITION)
        assert DENOISER.num_evaluations - before == passes * 5


def test_no_sample_depends_on_the_others():
    stop = CFGPlusPlus(0.6)(DENOISER).at(Visit(0.5, 0.4))
    together = stop(X, T, CONDITION).mean
    for i in range(5):
        row = slice(i, i + 1)
        alone = stop(X[row], T[row], CONDITION.rows(row)).mean
        torch.testing.assert_close(alone, together[row], **SAME)


def test_it_must_know_the_step():
    guided = CFGPlusPlus(0.6)(DENOISER)
    for denoiser in (guided, guided.at(Visit(0.5))):
        with pytest.raises(ClarionError, match="must know the step: use it with a sampler such as"):
            denoiser(X, T, CONDITION)


def test_a_sampler_that_stays_at_a_level_is_refused():
    with pytest.raises(ClarionError, match=r"steps that take noise away.*such as 'ddim'"):
        sample(
            CFGPlusPlus(0.6)(TARGETS["classes"].denoiser(VPCosine())),
            (2,),
            n=5,
            condition=CONDITION,
            sampler="heun",
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"guidance_scale": 1.5}, r"CFG\+\+ must be in \[0, 1\], got 1\.5"),
        ({"guidance_scale": -0.1}, r"must be in \[0, 1\], got -0\.1"),
        ({"guidance_scale": 0.5, "schedule": "linear"}, "must be 'constant', got 'linear'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ClarionError, match=message):
        CFGPlusPlus(**settings)
