"""The names of processes and grids."""

from clarion.base.names import NameTable
from clarion.process.gaussian import EDM, VE, Flow, GaussianProcess, VPCosine, VPLinear
from clarion.process.grids import Grid, Karras, LogSNRUniform, TimeUniform, Trailing

PROCESSES: NameTable[type[GaussianProcess]] = NameTable(
    "process",
    {"vp_linear": VPLinear, "vp_cosine": VPCosine, "ve": VE, "edm": EDM, "flow": Flow},
)

GRIDS: NameTable[type[Grid]] = NameTable(
    "grid",
    {
        "karras": Karras,
        "log_snr_uniform": LogSNRUniform,
        "time_uniform": TimeUniform,
        "trailing": Trailing,
    },
)
