"""The names of guidance rules, of numbers and of tokens."""

from __future__ import annotations

from clarion.base.names import NameTable
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
from clarion.guide.rule import Guidance
from clarion.guide.tokens.classifier import TokenClassifierGuidance
from clarion.guide.tokens.infill import Infill

GUIDANCE: NameTable[type[Guidance]] = NameTable(
    "guidance rule",
    {
        "cfg": CFG,
        "auto": Autoguidance,
        "reward": Reward,
        "classifier": ClassifierGuidance,
        "clip": Clip,
        "threshold": DynamicThreshold,
        "inpaint": Inpaint,
        "cfgpp": CFGPlusPlus,
        "apg": APG,
        "rescale": Rescale,
        "cfg_zero": CFGZero,
        "adaptive": Adaptive,
    },
)

TOKEN_GUIDANCE: NameTable[type[Guidance]] = NameTable(
    "guidance rule of tokens",
    {
        "cfg": CFG,
        "classifier": TokenClassifierGuidance,
        "infill": Infill,
    },
)
"""The same for tokens."""
