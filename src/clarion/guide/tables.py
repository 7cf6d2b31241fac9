"""The names of guidance rules."""

from __future__ import annotations

from clarion.base.names import NameTable
from clarion.guide.classifier_free import CFG
from clarion.guide.rule import Guidance

GUIDANCE: NameTable[type[Guidance]] = NameTable("guidance rule", {"cfg": CFG})


def parse_guidance(text: str) -> Guidance:
    """Read a rule as it is written on the command line: NAME:SETTINGS.

    Raises:
        ClarionError: if the name is unknown or the settings have another form.

    Example:
        >>> parse_guidance("cfg:3@0.2-0.7")
        CFG(guidance_scale=3.0, t_low=0.2, t_high=0.7)
    """
    name, _, settings = text.partition(":")
    return GUIDANCE[name].parse(settings)
