"""The names of processes and grids."""

from clarion.base.names import NameTable
from clarion.process.gaussian import EDM, VE, Flow, GaussianProcess, VPCosine, VPLinear
from clarion.process.grids import Grid, Karras, LogSNRUniform, TimeUniform, Trailing
from clarion.process.process import Process
from clarion.process.tokens import Masking, TokenProcess, Uniform

PROCESSES: NameTable[type[GaussianProcess]] = NameTable(
    "process",
    {"vp_linear": VPLinear, "vp_cosine": VPCosine, "ve": VE, "edm": EDM, "flow": Flow},
)
"""Those of numbers."""

TOKEN_PROCESSES: NameTable[type[TokenProcess]] = NameTable(
    "process", {"masking": Masking, "uniform": Uniform}
)
"""Those of tokens."""

ALL_PROCESSES: NameTable[type[Process]] = NameTable("process", {**PROCESSES, **TOKEN_PROCESSES})

GRIDS: NameTable[type[Grid]] = NameTable(
    "grid",
    {
        "karras": Karras,
        "log_snr_uniform": LogSNRUniform,
        "time_uniform": TimeUniform,
        "trailing": Trailing,
    },
)
