"""How a signal steers: each rule, called on a denoiser, gives a denoiser."""

from clarion.guide.compose import Compose
from clarion.guide.contrast.autoguidance import Autoguidance
from clarion.guide.contrast.cfg import CFG
from clarion.guide.gradient.classifier import ClassifierGuidance
from clarion.guide.gradient.reward import Reward
from clarion.guide.rule import Guidance, SampleSpace
from clarion.guide.tables import GUIDANCE

__all__ = [
    "CFG",
    "GUIDANCE",
    "Autoguidance",
    "ClassifierGuidance",
    "Compose",
    "Guidance",
    "Reward",
    "SampleSpace",
]
