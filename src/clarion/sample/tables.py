"""The names of samplers, of numbers and of tokens."""

from __future__ import annotations

from collections.abc import Mapping

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process
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


def samplers_of(process: Process) -> NameTable[type[Sampler]]:
    """The samplers that serve a process.

    Raises:
        ClarionError: if it is of no known kind.
    """
    for kind, table in SAMPLERS_OF.items():
        if isinstance(process, kind):
            return table
    kinds = ", ".join(kind.__name__ for kind in SAMPLERS_OF)
    raise ClarionError(f"No sampler serves {process}: it is of none of the kinds {kinds}.")


def default_sampler(process: Process) -> tuple[Sampler, int]:
    """What a model of this process is sampled with if nothing else is said, and in how many steps.

    For numbers see `docs/architecture.md`, "The defaults". For tokens as many steps again halve the
    distance to the law of the model, and none go beyond one for each token.
    """
    return (AncestralTokens(), 64) if isinstance(process, TokenProcess) else (DPMpp2MSampler(), 12)
