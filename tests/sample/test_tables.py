"""Names of samplers: those of the model's kind, and no others."""

import pytest
import torch

from clarion.base.errors import ClarionError, UnknownNameError
from clarion.denoise.exact import GaussianDenoiser
from clarion.denoise.exact.table import TableDenoiser
from clarion.denoise.exact.tokens import markov_chain
from clarion.process import EDM, PROCESSES
from clarion.process.process import Process
from clarion.process.tokens import Masking, Uniform
from clarion.run.steering import read_sampler
from clarion.sample import SAMPLERS, TOKEN_SAMPLERS, sample, samplers_of
from clarion.sample.ancestral import DDPMSampler
from clarion.sample.langevin import PredictorCorrectorSampler
from clarion.sample.tables import default_sampler
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.sample.tokens.confidence import Confidence
from clarion.sample.tokens.corrector import PredictorCorrector
from clarion.sample.value_decoding import ValueDecodingSampler

NUMBERS = GaussianDenoiser(EDM(), torch.zeros(2), torch.eye(2))
CHAIN = markov_chain([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], 2)
TOKENS = TableDenoiser(Masking(2), CHAIN)


def test_each_kind_of_process_has_its_table():
    assert all(samplers_of(cls()) is SAMPLERS for cls in PROCESSES.values())
    assert all(samplers_of(process) is TOKEN_SAMPLERS for process in (Masking(3), Uniform(3)))
    with pytest.raises(ClarionError, match=r"none of the kinds GaussianProcess, TokenProcess"):
        samplers_of(type("Other", (Process,), dict.fromkeys(Process.__abstractmethods__))())


@pytest.mark.parametrize(("denoiser", "name"), [(NUMBERS, "dpmpp_2m"), (TOKENS, "ancestral")])
def test_each_kind_of_process_has_its_default(denoiser, name):
    chosen, num_steps = default_sampler(denoiser.process)
    assert samplers_of(denoiser.process).name_of(chosen) == name
    drawn = sample(denoiser, (2,), n=5, sampler=name, num_steps=num_steps)
    assert torch.equal(sample(denoiser, (2,), n=5), drawn)


@pytest.mark.parametrize("name", [n for n in TOKEN_SAMPLERS if n not in ("particles", "svdd")])
def test_a_name_is_the_sampler_at_its_defaults(name):
    settings = {"n": 5, "num_steps": 3}
    by_name = sample(TOKENS, (2,), sampler=name, **settings)
    assert torch.equal(by_name, sample(TOKENS, (2,), sampler=TOKEN_SAMPLERS[name](), **settings))
    assert torch.equal(
        by_name, sample(TOKENS, (2,), sampler=read_sampler(name, TOKENS.process), **settings)
    )


def test_one_name_is_another_sampler_for_another_kind():
    assert read_sampler("predictor_corrector", EDM()) == PredictorCorrectorSampler()
    expected = PredictorCorrector(2, length=0.5)
    assert read_sampler("predictor_corrector:2,length=0.5", Masking(2)) == expected
    assert read_sampler("confidence:measure=margin", Masking(2)) == Confidence("margin")


def test_particles_of_tokens_are_typed(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def ones(x0, condition):\n    return x0.sum(1).double()\n")
    typed = f"{file}#ones:3:16,sampler=ancestral"
    sampler = read_sampler(f"particles:{typed},num_guesses=4", Masking(2))
    assert (sampler.scale, sampler.num_particles, sampler.num_guesses) == (3.0, 16, 4)
    assert sampler.sampler == AncestralTokens()
    decoding = read_sampler(f"svdd:{file}#ones:3:16", Masking(2))
    assert isinstance(decoding, ValueDecodingSampler)
    mean = float(sample(TOKENS, (2,), n=200, sampler=decoding, num_steps=4).double().mean())
    assert mean > 0.8  # 1 is as likely as 0 without the reward, which asks for it
    assert read_sampler(f"particles:{file}#ones:3:16", EDM()).sampler is None  # the default of EDM
    with pytest.raises(
        UnknownNameError, match=r"sampler of tokens 'ddpm'\. .*Known: ancestral, tau"
    ):
        read_sampler(f"particles:{file}#ones:3:16,sampler=ddpm", Masking(2))
    with pytest.raises(ClarionError, match="Unknown setting of svdd 'ess_threshold'"):
        read_sampler(f"svdd:{typed},ess_threshold=0", Masking(2))


@pytest.mark.parametrize(
    ("denoiser", "sampler", "message"),
    [
        (TOKENS, "ddim", "Unknown sampler of tokens 'ddim'. .*Known: ancestral, tau_leaping"),
        (TOKENS, "ancestrel", "Did you mean 'ancestral'"),
        (NUMBERS, "ancestral", "Did you mean 'euler_ancestral'"),
        (TOKENS, DDPMSampler(), "moves numbers, .* Masking.*take 'ancestral'"),
        (NUMBERS, AncestralTokens(), "draws tokens, and the model is of EDM.*: take 'ddpm'"),
        (TOKENS, "svdd", r"needs fn, scale, num_particles; give ValueDecodingSampler\(...\)"),
        (TOKENS, 3, r"sampler of tokens must be a name, or an instance such as AncestralTokens"),
    ],
)
def test_what_does_not_fit_is_refused_before_sampling(denoiser, sampler, message):
    class Unasked(type(denoiser)):
        def estimate(self, x_t, t, condition):
            raise AssertionError("it was asked")

    denoiser.__class__, was = Unasked, denoiser.__class__
    try:
        with pytest.raises(ClarionError, match=message):
            sample(denoiser, (2,), n=2, sampler=sampler)
    finally:
        denoiser.__class__ = was
