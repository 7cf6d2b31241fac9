"""The names of guidance rules, of numbers and of tokens."""

from __future__ import annotations

from collections.abc import Mapping

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
from clarion.guide.tokens.reward import TokenReward
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process
from clarion.process.tables import of_kind
from clarion.process.tokens import TokenProcess

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
        "auto": Autoguidance,
        "classifier": TokenClassifierGuidance,
        "reward": TokenReward,
        "infill": Infill,
    },
)
"""The same for tokens."""

GUIDANCE_OF: Mapping[type[Process], NameTable[type[Guidance]]] = {
    GaussianProcess: GUIDANCE,
    TokenProcess: TOKEN_GUIDANCE,
}
"""Kind of process -> the rules that serve it. A name may be another rule in each."""


def guidance_of(process: Process) -> NameTable[type[Guidance]]:
    """The rules that serve a process.

    Raises:
        ClarionError: if it is of no known kind.
    """
    return of_kind(process, GUIDANCE_OF)
