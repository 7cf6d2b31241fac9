"""Denoisers of data whose distribution is known: each is a formula, exact for every process."""

from clarion.denoise.exact.classifier import MixtureClassifier
from clarion.denoise.exact.exact_denoiser import ExactDenoiser
from clarion.denoise.exact.gaussian import GaussianDenoiser
from clarion.denoise.exact.mixture import MixtureDenoiser
from clarion.denoise.exact.subspace import SubspaceDenoiser

__all__ = [
    "ExactDenoiser",
    "GaussianDenoiser",
    "MixtureClassifier",
    "MixtureDenoiser",
    "SubspaceDenoiser",
]
