"""The names of processes and grids, and what is chosen by the kind of a process."""

from collections.abc import Mapping
from typing import TypeVar

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.process.gaussian import EDM, VE, Flow, GaussianProcess, VPCosine, VPLinear
from clarion.process.grids import Grid, Karras, LogSNRUniform, TimeUniform, Trailing
from clarion.process.process import Process
from clarion.process.tokens import Masking, TokenProcess, Uniform

T = TypeVar("T")

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


def of_kind(process: Process, entries: Mapping[type[Process], T]) -> T:
    """What a table from kinds of processes holds for this one.

    Raises:
        ClarionError: if it is of no kind in the table.
    """
    for kind, entry in entries.items():
        if isinstance(process, kind):
            return entry
    kinds = ", ".join(kind.__name__ for kind in entries)
    raise ClarionError(f"{process} is of none of the kinds {kinds}.")
