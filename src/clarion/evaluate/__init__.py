"""Measures of how close samples are to data."""

from clarion.evaluate.frechet import frechet_distance
from clarion.evaluate.moments import sample_moments

__all__ = ["frechet_distance", "sample_moments"]
