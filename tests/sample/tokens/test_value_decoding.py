"""Value-based decoding against tilted laws, by enumeration."""

import pytest
import torch
from tilted_law import (
    INNER,
    SCALE,
    drawn,
    error,
    floor,
    law_of_many_candidates,
    reward,
    soft_values,
    tilted,
    value_of,
    values_of_guesses,
    values_of_likeliest,
)
from token_law import distance

from clarion.base.errors import ClarionError
from clarion.denoise.exact import GaussianDenoiser
from clarion.guide.contrast.adaptive import Adaptive
from clarion.process import VPCosine
from clarion.process.tokens import Masking, Uniform
from clarion.sample import sample
from clarion.sample.ancestral import DDPMSampler, EulerSampler
from clarion.sample.value_decoding import ValueDecodingSampler

PROCESSES = [Masking(3), Uniform(3)]


def decoding(count, **settings):
    return ValueDecodingSampler(reward, SCALE, count, sampler=INNER, **settings)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_the_exact_value_gives_the_tilted_law(process):
    """In the limit exactly, in any number of steps; before it, the error falls as 1 / M."""
    truth = tilted(process)
    assert distance(law_of_many_candidates(process, soft_values(process)), truth) < 1e-14
    off = {
        count: error(decoding(count, value=value_of(process)), process, n, truth)
        for count, n in [(1, 8_000), (4, 8_000), (16, 8_000), (128, 2_000)]
    }
    assert off[1] > 0.5
    assert 2 < off[1] / off[4] < 4
    assert 3 < off[4] / off[16] < 7
    assert off[128] < 1.5 * floor(truth, 2_000)


@pytest.mark.parametrize(
    ("process", "values", "num_guesses", "bias"),
    [
        (Masking(3), values_of_likeliest, 0, 0.0864),
        (Uniform(3), values_of_likeliest, 0, 0.3217),
        (Masking(3), values_of_guesses, 2, 0.0143),
        (Uniform(3), values_of_guesses, 2, 0.0190),
    ],
)
def test_asked_at_the_estimate_it_is_another_law(process, values, num_guesses, bias):
    """The law for many candidates, and how far it lies off the tilted one.

    Guesses are drawn anew for each candidate, so that what they give in the mean is what counts
    with many: the value for positions that are independent, however many guesses there are.
    """
    law = law_of_many_candidates(process, values(process))
    assert distance(law, tilted(process)) == pytest.approx(bias, abs=1e-4)
    n = 2_000
    off = {
        count: error(decoding(count, num_guesses=num_guesses), process, n, law)
        for count in (8, 128)
    }
    # Where the value already speaks of noise, as for uniform tokens, the rare starts that it likes
    # best are found by many candidates alone.
    bound = 0.15 if (num_guesses, process) == (0, Uniform(3)) else 1.6 * floor(law, n)
    assert off[128] < bound < off[8]


def test_one_candidate_is_the_sampler_alone():
    assert torch.equal(drawn(decoding(1), Masking(3), 50), drawn(INNER, Masking(3), 50))


def test_numbers_are_decoded_as_well():
    """Of normal data a linear reward of the mean is the soft value, but for a constant."""
    denoiser = GaussianDenoiser(VPCosine(), [0.7], [[1.5]])
    settings = {"n": 4_000, "num_steps": 40, "dtype": torch.float64}
    decoding = ValueDecodingSampler(lambda x0, _: x0[:, 0], 0.8, 64)
    own, x = (
        sample(denoiser, (1,), sampler=sampler, **settings)[:, 0]
        for sampler in (DDPMSampler(), decoding)
    )
    # A normal law is moved by scale times its variance: all but 1 / 64 of the way, and 4 standard
    # errors of the difference of two means.
    moved = float(x.mean() - own.mean())
    assert moved == pytest.approx(
        0.8 * float(own.var()), abs=1.1 / 64 + 4 * (2 * 1.4 / 4000) ** 0.5
    )


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: ValueDecodingSampler(reward, 1.0, 4, sampler=EulerSampler()),
            r"take one that does, such as DDPMSampler\(\)\.$",
        ),
        (
            lambda: decoding(4).following(
                Adaptive(3.0)(GaussianDenoiser(VPCosine(), [0.0], [[1.0]]))
            ),
            r"Adaptive remembers .*: take another rule\.$",
        ),
        (lambda: decoding(0), "num_particles must be a whole number, at least 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(act, message):
    with pytest.raises(ClarionError, match=message):
        act()
