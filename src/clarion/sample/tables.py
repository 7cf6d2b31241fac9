"""The names of samplers, of numbers and of tokens."""

from __future__ import annotations

from collections.abc import Mapping

from clarion.base.names import NameTable
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process
from clarion.process.tables import of_kind
from clarion.process.tokens import TokenProcess
from clarion.sample.adams import DEISSampler, IPNDMSampler
from clarion.sample.ancestral import (
    DDIMSampler,
    DDPMSampler,
    EulerAncestralSampler,
    EulerSampler,
)
from clarion.sample.dpmpp_sde import DPMpp2MSDESampler
from clarion.sample.exponential import DPMpp2MSampler, DPMpp3MSampler, UniPCSampler
from clarion.sample.heun import EDMSampler, HeunSampler
from clarion.sample.langevin import AnnealedLangevinSampler, PredictorCorrectorSampler
from clarion.sample.particles import ParticleSampler
from clarion.sample.repaint import RePaintSampler
from clarion.sample.sampler import Sampler
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.sample.tokens.confidence import Confidence
from clarion.sample.tokens.corrector import PredictorCorrector
from clarion.sample.tokens.remasking import Remasking
from clarion.sample.tokens.tau_leaping import TauLeaping
from clarion.sample.value_decoding import ValueDecodingSampler

SAMPLERS: NameTable[type[Sampler]] = NameTable(
    "sampler",
    {
        "ddpm": DDPMSampler,
        "ddim": DDIMSampler,
        "euler": EulerSampler,
        "heun": HeunSampler,
        "euler_ancestral": EulerAncestralSampler,
        "edm": EDMSampler,
        "dpmpp_2m": DPMpp2MSampler,
        "dpmpp_3m": DPMpp3MSampler,
        "dpmpp_2m_sde": DPMpp2MSDESampler,
        "unipc": UniPCSampler,
        "ipndm": IPNDMSampler,
        "deis": DEISSampler,
        "annealed_langevin": AnnealedLangevinSampler,
        "predictor_corrector": PredictorCorrectorSampler,
        "repaint": RePaintSampler,
        "particles": ParticleSampler,
    },
)
"""Name -> class, whose fields are its options; all but those of `particles` have defaults."""

TOKEN_SAMPLERS: NameTable[type[Sampler]] = NameTable(
    "sampler of tokens",
    {
        "ancestral": AncestralTokens,
        "tau_leaping": TauLeaping,
        "confidence": Confidence,
        "remasking": Remasking,
        "predictor_corrector": PredictorCorrector,
        "particles": ParticleSampler,
        "svdd": ValueDecodingSampler,
    },
)
"""The same for tokens; all but those of `particles` and `svdd` have defaults."""

SAMPLERS_OF: Mapping[type[Process], NameTable[type[Sampler]]] = {
    GaussianProcess: SAMPLERS,
    TokenProcess: TOKEN_SAMPLERS,
}
"""Kind of process -> the samplers that serve it. A name may be another sampler in each."""

DEFAULTS: Mapping[type[Process], tuple[Sampler, int]] = {
    GaussianProcess: (DPMpp2MSampler(), 12),
    TokenProcess: (AncestralTokens(), 64),
}
"""Kind of process -> what a model is sampled with if nothing else is said, and in how many steps.

For numbers see `docs/architecture.md`, "The defaults". For tokens as many steps again halve the
distance to the law of the model, and none go beyond one for each token.
"""


def samplers_of(process: Process) -> NameTable[type[Sampler]]:
    """The samplers that serve a process.

    Raises:
        ClarionError: if it is of no known kind.
    """
    return of_kind(process, SAMPLERS_OF)


def default_sampler(process: Process) -> tuple[Sampler, int]:
    """What a model of this process is sampled with, and in how many steps; see `DEFAULTS`."""
    return of_kind(process, DEFAULTS)
