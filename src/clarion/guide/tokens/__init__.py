"""Rules for tokens alone; those that combine estimates, such as `CFG`, serve tokens as they are."""

from clarion.guide.tokens.classifier import TokenClassifierGuidance
from clarion.guide.tokens.infill import Infill

__all__ = ["Infill", "TokenClassifierGuidance"]
