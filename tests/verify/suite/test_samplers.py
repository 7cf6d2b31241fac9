"""Every registered sampler that draws no noise has its order, and the right samples."""

import pytest

from clarion.sample import SAMPLERS, AffineSampler
from clarion.verify.suite import examine

AFFINE = {name: cls for name, cls in SAMPLERS.items() if issubclass(cls, AffineSampler)}


@pytest.mark.parametrize("name", [n for n, cls in AFFINE.items() if not cls().is_stochastic])
def test_every_property_holds(name):
    (report,) = examine([f"sampler/{name}"])
    assert report.passed, str(report)
