"""Every token sampler draws from the enumerated distribution."""

import pytest

from clarion.verify.suite import examine
from clarion.verify.suite.tokens import UNMASKERS


@pytest.mark.parametrize("name", list(UNMASKERS))
def test_every_property_holds(name):
    (report,) = examine([f"tokens/{name}"])
    assert report.passed, str(report)
