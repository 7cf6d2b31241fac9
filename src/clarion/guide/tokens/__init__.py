"""Rules for tokens alone; those that combine estimates, such as `CFG`, serve tokens as they are."""

from clarion.guide.tokens.classifier import TokenClassifierGuidance
from clarion.guide.tokens.infill import Infill
from clarion.guide.tokens.reward import TokenReward

__all__ = ["Infill", "TokenClassifierGuidance", "TokenReward"]
