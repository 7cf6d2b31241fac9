"""How data becomes noise."""

from clarion.process.gaussian import EDM, VE, Flow, GaussianProcess, VPCosine, VPLinear
from clarion.process.tables import GRIDS, PROCESSES

__all__ = [
    "EDM",
    "GRIDS",
    "PROCESSES",
    "VE",
    "Flow",
    "GaussianProcess",
    "VPCosine",
    "VPLinear",
]
