"""Every registered sampler that draws noise has the right moments, and the right samples."""

import pytest

from clarion.sample import SAMPLERS, AffineSampler
from clarion.verify.suite import examine

ELSEWHERE = ["annealed_langevin", "predictor_corrector", "repaint"]
"""Slow enough for files of their own."""

NAMES = [
    name
    for name, cls in SAMPLERS.items()
    if name not in ELSEWHERE and issubclass(cls, AffineSampler) and cls().is_stochastic
]


@pytest.mark.parametrize("name", NAMES)
def test_every_property_holds(name):
    (report,) = examine([f"sampler/{name}"])
    assert report.passed, str(report)
