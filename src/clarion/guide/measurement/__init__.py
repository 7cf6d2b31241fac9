"""What is known of a sample through a measurement, y = A(x0) + sigma_y noise."""

from clarion.base.names import NameTable
from clarion.guide.measurement.dps import DPS
from clarion.guide.measurement.mmps import MMPS
from clarion.guide.measurement.operators import OPERATORS
from clarion.guide.measurement.pigdm import PiGDM
from clarion.guide.measurement.rule import Measured

MEASURED: NameTable[type[Measured]] = NameTable(
    "measurement rule", {"dps": DPS, "pigdm": PiGDM, "mmps": MMPS}
)
"""Name -> class of the rules that hold a measurement; they are no guidance that can be typed."""

__all__ = ["DPS", "MEASURED", "MMPS", "OPERATORS", "Measured", "PiGDM"]
