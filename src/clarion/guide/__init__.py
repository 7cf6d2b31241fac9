"""How a signal steers: each rule, called on a denoiser, gives a denoiser."""

from clarion.guide.classifier_free import CFG
from clarion.guide.rule import Guidance
from clarion.guide.tables import GUIDANCE, parse_guidance

__all__ = ["CFG", "GUIDANCE", "Guidance", "parse_guidance"]
