"""The names of samplers."""

from __future__ import annotations

from clarion.base.names import NameTable
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
