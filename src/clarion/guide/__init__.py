"""How a signal steers: each rule, called on a denoiser, gives a denoiser."""

from clarion.guide.compose import Compose
from clarion.guide.contrast.adaptive import Adaptive
from clarion.guide.contrast.apg import APG
from clarion.guide.contrast.autoguidance import Autoguidance
from clarion.guide.contrast.cfg import CFG
from clarion.guide.contrast.cfgpp import CFGPlusPlus
from clarion.guide.contrast.rescale import Rescale
from clarion.guide.contrast.zero_star import CFGZero
from clarion.guide.gradient.classifier import ClassifierGuidance
from clarion.guide.gradient.reward import Reward
from clarion.guide.inpaint import Inpaint
from clarion.guide.limit import Clip, DynamicThreshold
from clarion.guide.rule import Guidance, SampleSpace
from clarion.guide.tables import GUIDANCE

__all__ = [
    "APG",
    "CFG",
    "GUIDANCE",
    "Adaptive",
    "Autoguidance",
    "CFGPlusPlus",
    "CFGZero",
    "ClassifierGuidance",
    "Clip",
    "Compose",
    "DynamicThreshold",
    "Guidance",
    "Inpaint",
    "Rescale",
    "Reward",
    "SampleSpace",
]
