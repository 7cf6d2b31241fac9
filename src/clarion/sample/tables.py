"""The names of samplers."""

from __future__ import annotations

from clarion.base.names import NameTable
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


def default_sampler(process: Process) -> tuple[Sampler, int]:
    """What a model of this process is sampled with if nothing else is said, and in how many steps.

    For numbers see `docs/architecture.md`, "The defaults". For tokens as many steps again halve the
    distance to the law of the model, and none go beyond one for each token.
    """
    return (AncestralTokens(), 64) if isinstance(process, TokenProcess) else (DPMpp2MSampler(), 12)
