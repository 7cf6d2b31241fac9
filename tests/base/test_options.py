"""What options are refused, and with what words."""

import math

import numpy as np
import pytest

from clarion.base.errors import ClarionError
from clarion.base.options import check_choice, check_number, check_whole


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_number("scale", math.nan), r"scale must be a finite number, got nan\.$"),
        (lambda: check_number("scale", math.inf), r"scale must be a finite number, got inf\.$"),
        (lambda: check_number("scale", "3"), r"scale must be a finite number, got '3'\.$"),
        (lambda: check_number("scale", True), r"scale must be a finite number, got True\.$"),
        (lambda: check_number("eta", -1, 0), r"eta must be a finite number at least 0, got -1\.$"),
        (
            lambda: check_number("eta", 2, 0, 1),
            r"eta must be a finite number in \[0, 1\], got 2\.$",
        ),
        (
            lambda: check_number("sigma", 0.0, 0, excludes_low=True),
            r"sigma must be a finite number above 0, got 0\.0\.$",
        ),
        (
            lambda: check_number("share", 2.0, 0, 1, excludes_low=True),
            r"share must be a finite number above 0 and at most 1, got 2\.0\.$",
        ),
        (lambda: check_whole("n", 2.5, 1), r"n must be a whole number, at least 1, got 2\.5\.$"),
        (lambda: check_whole("n", 9, 1, 4), r"n must be a whole number, in 1\.\.4, got 9\.$"),
        (lambda: check_whole("n", True, 1), "n must be a whole number, at least 1, got True"),
        (lambda: check_choice("start", "hun", ["heun", "ab"]), "start 'hun'.*mean 'heun'"),
    ],
)
def test_what_is_refused(check, message):
    with pytest.raises(ClarionError, match=message):
        check()


def test_what_is_taken():
    for value in (2, 2.0, np.float32(2), np.int64(2)):
        check_number("scale", value)
        check_number("scale", value, 0, 2, excludes_low=True)
    for value in (2, np.int64(2)):
        check_whole("n", value, 2, 2)
    check_number("scale", -5)
    check_choice("start", "heun", ["heun"])
