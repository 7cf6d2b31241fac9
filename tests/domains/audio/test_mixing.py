"""Noise is as loud as is asked for, of others, and a function of its seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from clarion.base.errors import DataError
from clarion.domains.audio.mixing import Mixer, at_snr
from clarion.domains.audio.noise import Noise

RATE_HZ, SAMPLES = 8000, 4000
VOICES = torch.tensor([0, 0, 1, 2, 2, 3])


def sounds() -> torch.Tensor:
    """Each a sine of a frequency of its own, with whole periods: they are orthogonal."""
    t = torch.arange(SAMPLES) / SAMPLES
    tones = [torch.sin(2 * torch.pi * (50 + 100 * i) * t) for i in range(len(VOICES))]
    return torch.stack(tones) * torch.linspace(0.01, 0.5, len(VOICES))[:, None]


def snr_db(clean: torch.Tensor, noisy: torch.Tensor) -> float:
    c, n = clean.double().numpy(), (noisy.double() - clean.double()).numpy()
    return 10 * math.log10((c @ c) / (n @ n))


@pytest.mark.parametrize("kind", ["white", "pink", "babble", "shaped"])
@pytest.mark.parametrize("wanted", [-5.0, 20.0])
def test_the_ratio_is_exact_and_the_level_one(kind, wanted):
    mixer = Mixer(Noise((kind,), snr_db=(wanted, wanted)), RATE_HZ, VOICES)
    clean, noisy = mixer.noisy(sounds(), torch.arange(6), range(6))
    for c, n, was in zip(clean, noisy, sounds(), strict=True):
        assert snr_db(c, n) == pytest.approx(wanted, abs=1e-4)
        assert 10 * math.log10(n.double().square().mean()) == pytest.approx(-25, abs=1e-4)
        torch.testing.assert_close(c / c.abs().max(), was / was.abs().max(), rtol=0, atol=1e-6)


def test_ratios_are_uniform_between_their_ends():
    mixer = Mixer(Noise(("white",)), RATE_HZ, VOICES)
    clean, noisy = mixer.noisy(sounds(), torch.zeros(300, dtype=torch.long), range(300))
    found = [snr_db(c, n) for c, n in zip(clean, noisy, strict=True)]
    assert min(found) >= -5.001
    assert max(found) <= 20.001
    assert np.mean(found) == pytest.approx(7.5, abs=3 * 25 / math.sqrt(12 * 300))


def test_a_babble_holds_no_sound_of_the_same_voice():
    mixer = Mixer(Noise(("babble",), snr_db=(0, 0), voices=(2, 3)), RATE_HZ, VOICES)
    heard = set()
    for seed in range(40):
        clean, noisy = mixer.noisy(sounds(), torch.tensor([0]), [seed])
        spectrum = np.abs(np.fft.rfft((noisy - clean)[0].double().numpy()))
        lines = {i for i in range(6) if spectrum[50 + 100 * i] > 1e-3 * spectrum.max()}
        assert not lines & {0, 1}  # of voice 0, which is heard
        assert 2 <= len(lines) <= 3
        heard |= lines
    assert heard == {2, 3, 4, 5}


def test_one_s_own_noises_are_taken_from_anywhere_in_them_and_repeated():
    long, short = torch.arange(1.0, 20_001.0), torch.tensor([1.0, -1.0, 2.0])
    noise = Noise(kinds=(), folder="x", snr_db=(0, 0))
    mixer = Mixer(noise, RATE_HZ, VOICES, (long,))
    starts = set()
    for seed in range(5):
        clean, noisy = mixer.noisy(sounds(), torch.tensor([5]), [seed])
        part = (noisy - clean)[0].double()
        ratio = part[1:] - part[:-1]
        starts.add(round(float(part[0] / ratio.mean())))
    assert len(starts) == 5
    clean, noisy = Mixer(noise, RATE_HZ, VOICES, (short,)).noisy(sounds(), torch.tensor([5]), [0])
    part = (noisy - clean)[0]
    torch.testing.assert_close(part[3:], part[:-3], rtol=0, atol=1e-6)


def test_silence_is_heard_as_noise_and_no_noise_leaves_speech():
    noise, quiet = torch.randn(100), torch.zeros(100)
    assert torch.equal(at_snr(quiet, noise, 5.0), noise)
    assert torch.equal(at_snr(noise, quiet, 5.0), noise)
    silent = torch.cat([torch.zeros(1, SAMPLES), sounds()[1:]])
    clean, noisy = Mixer(Noise(("white",)), RATE_HZ, VOICES).noisy(silent, torch.tensor([0]), [0])
    assert (clean == 0).all()
    assert 10 * math.log10(noisy.double().square().mean()) == pytest.approx(-25, abs=1e-4)


def test_a_seed_says_it_all_whoever_else_is_in_the_batch():
    mixer = Mixer(Noise(t60_s=(0.1, 0.3), cut_hz=(2000, 3000)), RATE_HZ, VOICES)
    one = mixer.noisy(sounds(), torch.tensor([3, 1]), [7, 8])
    other = mixer.noisy(sounds(), torch.tensor([1, 2, 3]), [8, 9, 7])
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a[0], b[2])
        assert torch.equal(a[1], b[0])


def test_a_room_and_a_narrow_line_are_heard_and_not_learnt():
    noise = Noise(("white",), snr_db=(60, 60), t60_s=(0.3, 0.3), cut_hz=(300, 300))
    clean, noisy = Mixer(noise, RATE_HZ, VOICES).noisy(sounds(), torch.tensor([3]), [0])
    was = sounds()[3]
    torch.testing.assert_close(
        clean[0] / clean.abs().max(), was / was.abs().max(), atol=1e-5, rtol=0
    )
    assert (np.abs(np.fft.rfft(noisy[0].numpy()))[200:] < 1e-3).all()  # 2 Hz a bin


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(DataError, match="Babble is mixed of others"):
        Mixer(Noise(), RATE_HZ, torch.zeros(4, dtype=torch.long))
    for settings, message in [
        ({"kinds": ()}, "There is no noise"),
        ({"snr_db": (5.0, -5.0)}, "snr_db must be the least and the greatest"),
        ({"voices": (0, 2)}, "voices must be the least"),
        ({"t60_s": (0.0, 1.0)}, "t60_s must be the least"),
    ]:
        with pytest.raises(DataError, match=message):
            Noise(**settings)
