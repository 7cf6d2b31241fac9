"""RePaint, which goes each stretch more than once, has the right moments and samples."""

from clarion.verify.suite import examine


def test_every_property_holds():
    (report,) = examine(["sampler/repaint"])
    assert report.passed, str(report)
