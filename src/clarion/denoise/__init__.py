"""What a denoiser is, what it returns, and those that are known exactly."""

from clarion.denoise.denoiser import Denoiser, DenoiserWrapper, Visit
from clarion.denoise.estimate import Estimate

__all__ = ["Denoiser", "DenoiserWrapper", "Estimate", "Visit"]
