"""Limits on the estimate, against their formula written with numpy, in data units."""

import numpy
import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.base.normalizer import Normalizer
from clarion.denoise import Denoiser, Estimate
from clarion.guide import GUIDANCE, SampleSpace
from clarion.guide.limit import Clip, DynamicThreshold
from clarion.guide.rule import Guidance
from clarion.process import Flow
from clarion.run.serialize import parse_kind

GENERATOR = torch.Generator().manual_seed(0)
MEAN = 2 * torch.randn(4, 2, 5, dtype=torch.float64, generator=GENERATOR)
MEAN[3] *= 0.01  # well within the range
NORMALIZER = Normalizer(mean=(0.5, 0.3), std=(0.2, 0.5))
SPACE = SampleSpace((2, 5), NORMALIZER)
DATA = NORMALIZER.decode(MEAN).numpy()


class Says(Denoiser):
    """Its estimate is its input."""

    def estimate(self, x_t, t, condition):
        return Estimate(x_t)


def limited(rule, mean=MEAN):
    return rule(Says(Flow()))(mean, torch.full((len(mean),), 0.5, dtype=torch.float64)).mean


def test_clip_moves_values_into_the_range_of_the_data():
    actual = NORMALIZER.decode(limited(Clip(0.0, 1.0).bind(SPACE)))
    torch.testing.assert_close(actual, torch.from_numpy(DATA.clip(0, 1)), rtol=0, atol=1e-14)
    assert actual.min() < 1e-14
    assert actual.max() > 1 - 1e-14


@pytest.mark.parametrize("percentile", [60.0, 97.3, 100.0])
def test_dynamic_threshold_shrinks_each_sample_by_a_percentile_of_its_own(percentile):
    rule = DynamicThreshold(percentile=percentile).bind(SPACE)
    expected = []
    for sample in 2 * DATA - 1:
        q = max(1.0, numpy.percentile(numpy.abs(sample), percentile))
        expected.append((sample.clip(-q, q) / q + 1) / 2)
    actual = NORMALIZER.decode(limited(rule))
    torch.testing.assert_close(actual, torch.from_numpy(numpy.stack(expected)), rtol=0, atol=1e-13)
    torch.testing.assert_close(actual[3], torch.from_numpy(DATA[3]), rtol=0, atol=1e-14)
    alone = limited(rule, MEAN[1:2])
    torch.testing.assert_close(alone, limited(rule)[1:2], rtol=0, atol=0)


def test_without_binding_units_are_those_of_the_model():
    torch.testing.assert_close(limited(Clip(-1.0, 2.0)), MEAN.clamp(-1, 2), rtol=0, atol=0)


def test_they_are_typed_in_data_units():
    assert parse_kind(Guidance, "clip") == Clip(0.0, 1.0)
    assert parse_kind(Guidance, "clip:-1:1@0-0.5") == Clip(-1.0, 1.0, t_high=0.5)
    assert parse_kind(Guidance, "threshold:percentile=95") == DynamicThreshold(percentile=95.0)
    assert (GUIDANCE["clip"], GUIDANCE["threshold"]) == (Clip, DynamicThreshold)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Clip(1.0, 0.0), r"low must lie below high, got 1\.0 and 0\.0"),
        (lambda: Clip("a"), "low must be a finite number, got 'a'"),
        (lambda: Clip(0.0, "b"), "high must be a finite number, got 'b'"),
        (
            lambda: DynamicThreshold(percentile=0.0),
            r"percentile must be a finite number above 0 and at most 100",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(act, message):
    with pytest.raises(ClarionError, match=message):
        act()
