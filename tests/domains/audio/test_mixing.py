"""Noise is as loud as is asked for, of others, and a function of its seed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from clarion.base.errors import DataError
from clarion.domains.audio.mixing import Mixer, amplitude
from clarion.domains.audio.noise import Noise

RATE_HZ, SAMPLES = 8000, 4000
VOICES = torch.tensor([0, 0, 1, 2, 2, 3])


LEVEL_DBFS = -30.0


def sounds() -> torch.Tensor:
    """Each a sine of a frequency of its own, with whole periods: they are orthogonal. Each is a
    whole recording at `LEVEL_DBFS`."""
    t = torch.arange(SAMPLES) / SAMPLES
    tones = [torch.sin(2 * torch.pi * (50 + 100 * i) * t) for i in range(len(VOICES))]
    return torch.stack(tones) * 2**0.5 * amplitude(LEVEL_DBFS)


def mixer(noise: Noise, recordings: tuple[torch.Tensor, ...] = ()) -> Mixer:
    return Mixer(noise, RATE_HZ, LEVEL_DBFS, VOICES, recordings)


def level_dbfs(sound: torch.Tensor) -> float:
    return 10 * math.log10(sound.double().square().mean())


def snr_db(clean: torch.Tensor, noisy: torch.Tensor) -> float:
    c, n = clean.double().numpy(), (noisy.double() - clean.double()).numpy()
    return 10 * math.log10((c @ c) / (n @ n))


@pytest.mark.parametrize("kind", ["white", "pink", "babble", "shaped"])
@pytest.mark.parametrize("wanted", [-5.0, 20.0])
def test_the_ratio_is_exact_and_the_level_one(kind, wanted):
    loud = mixer(Noise((kind,), snr_db=(wanted, wanted)))
    clean, noisy = loud.noisy(sounds(), torch.arange(6), range(6))
    for c, n, was in zip(clean, noisy, sounds(), strict=True):
        assert snr_db(c, n) == pytest.approx(wanted, abs=1e-4)
        both = c.double().square().mean() + (n - c).double().square().mean()
        assert 10 * math.log10(both) == pytest.approx(-25, abs=1e-4)
        torch.testing.assert_close(c / c.abs().max(), was / was.abs().max(), rtol=0, atol=1e-6)


def test_ratios_are_uniform_between_their_ends():
    loud = mixer(Noise(("white",)))
    clean, noisy = loud.noisy(sounds(), torch.zeros(300, dtype=torch.long), range(300))
    found = [snr_db(c, n) for c, n in zip(clean, noisy, strict=True)]
    assert min(found) >= -5.001
    assert max(found) <= 20.001
    assert np.mean(found) == pytest.approx(7.5, abs=3 * 25 / math.sqrt(12 * 300))


def test_a_babble_holds_no_sound_of_the_same_voice():
    loud = mixer(Noise(("babble",), snr_db=(0, 0), voices=(2, 3)))
    heard = set()
    for seed in range(40):
        clean, noisy = loud.noisy(sounds(), torch.tensor([0]), [seed])
        spectrum = np.abs(np.fft.rfft((noisy - clean)[0].double().numpy()))
        lines = {i for i in range(6) if spectrum[50 + 100 * i] > 1e-3 * spectrum.max()}
        assert not lines & {0, 1}  # of voice 0, which is heard
        assert 2 <= len(lines) <= 3
        heard |= lines
    assert heard == {2, 3, 4, 5}


def test_one_s_own_noises_are_taken_from_anywhere_in_them_and_repeated():
    long, short = torch.arange(1.0, 20_001.0), torch.tensor([1.0, -1.0, 2.0])
    noise = Noise(kinds=(), folder="x", snr_db=(0, 0))
    loud = mixer(noise, (long,))
    starts = set()
    for seed in range(5):
        clean, noisy = loud.noisy(sounds(), torch.tensor([5]), [seed])
        part = (noisy - clean)[0].double()
        ratio = part[1:] - part[:-1]
        starts.add(round(float(part[0] / ratio.mean())))
    assert len(starts) == 5
    clean, noisy = mixer(noise, (short,)).noisy(sounds(), torch.tensor([5]), [0])
    part = (noisy - clean)[0]
    torch.testing.assert_close(part[3:], part[:-3], rtol=0, atol=1e-6)


@pytest.mark.parametrize("ratio_db", [-5.0, 5.0, 20.0])
def test_pieces_are_as_loud_as_in_their_recording(ratio_db):
    """One of a loud piece, a quiet one, and a pause: noise is alike in all."""
    shares = torch.tensor([1.7, 0.1, 0.0, 0.3])
    shares = shares / shares.square().mean().sqrt()
    pieces = sounds()[:4] * shares[:, None]
    loud = Mixer(
        Noise(("white",), snr_db=(ratio_db, ratio_db)), RATE_HZ, LEVEL_DBFS, torch.arange(4)
    )
    clean, noisy = loud.noisy(pieces, torch.arange(4), range(4))
    assert (clean[2] == 0).all()
    for c, n, share in zip(clean, noisy, shares.tolist(), strict=True):
        assert level_dbfs(n - c) == pytest.approx(level_dbfs(noisy[2]), abs=1e-4)
        relative = float(c.abs().max() / clean[0].abs().max())
        assert relative == pytest.approx(share / float(shares[0]), abs=1e-4)
    assert level_dbfs(noisy) == pytest.approx(-25, abs=0.3)
    assert level_dbfs(clean) - level_dbfs(noisy - clean) == pytest.approx(ratio_db, abs=1e-3)


def test_where_there_is_no_noise_speech_is_left():
    quiet = mixer(Noise(kinds=(), folder="x", snr_db=(0, 0)), (torch.zeros(9),))
    clean, noisy = quiet.noisy(sounds(), torch.arange(6), range(6))
    assert torch.equal(clean, noisy)
    assert level_dbfs(noisy) == pytest.approx(-25, abs=1e-4)


def test_a_seed_says_it_all_whoever_else_is_in_the_batch():
    loud = mixer(Noise(t60_s=(0.1, 0.3), cut_hz=(2000, 3000)))
    one = loud.noisy(sounds(), torch.tensor([3, 1]), [7, 8])
    other = loud.noisy(sounds(), torch.tensor([1, 2, 3]), [8, 9, 7])
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a[0], b[2])
        assert torch.equal(a[1], b[0])


def test_a_room_and_a_narrow_line_are_heard_and_not_learnt():
    noise = Noise(("white",), snr_db=(60, 60), t60_s=(0.3, 0.3), cut_hz=(300, 300))
    clean, noisy = mixer(noise).noisy(sounds(), torch.tensor([3]), [0])
    was = sounds()[3]
    torch.testing.assert_close(
        clean[0] / clean.abs().max(), was / was.abs().max(), atol=1e-5, rtol=0
    )
    assert (np.abs(np.fft.rfft(noisy[0].numpy()))[200:] < 1e-3).all()  # 2 Hz a bin


def test_what_cannot_be_mixed_is_refused():
    with pytest.raises(DataError, match="Babble is mixed of others"):
        Mixer(Noise(), RATE_HZ, LEVEL_DBFS, torch.zeros(4, dtype=torch.long))
    for settings, message in [
        ({"kinds": ()}, "There is no noise"),
        ({"snr_db": (5.0, -5.0)}, "snr_db must be the least and the greatest"),
        ({"voices": (0, 2)}, "voices must be the least"),
        ({"t60_s": (0.0, 1.0)}, "t60_s must be the least"),
    ]:
        with pytest.raises(DataError, match=message):
            Noise(**settings)
