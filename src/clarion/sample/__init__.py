"""How noise becomes data: one loop, and one file for each family of samplers."""

from clarion.sample.loop import generate, sample
from clarion.sample.particles import ParticleSampler
from clarion.sample.plan import Plan, Stage, Update
from clarion.sample.sampler import AffineSampler, Sampler
from clarion.sample.tables import SAMPLERS, TOKEN_SAMPLERS, samplers_of
from clarion.sample.value_decoding import ValueDecodingSampler

__all__ = [
    "SAMPLERS",
    "TOKEN_SAMPLERS",
    "AffineSampler",
    "ParticleSampler",
    "Plan",
    "Sampler",
    "Stage",
    "Update",
    "ValueDecodingSampler",
    "generate",
    "sample",
    "samplers_of",
]
