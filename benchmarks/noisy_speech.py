"""Speech in noise that is made by formulas: what enhancement is measured on and listened to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.base.streams import mix_seed
from clarion.domains.audio.coloured import coloured, shaped
from clarion.domains.audio.data import SPEAKER
from clarion.domains.audio.metrics.tables import Samples
from clarion.domains.audio.mixing import gain_to, root_mean_square, uniform
from clarion.domains.audio.noise import NOISY_DBFS
from clarion.domains.audio.sound_file import read_sound, resample
from clarion.domains.audio.sources import open_source

RATE_HZ = 16_000
TEXT = "text"
SNR_DB = (-5.0, 20.0)
HIGHEST_PEAK = 0.95
"""Of what all systems are given, and of the clean speech in it: some take no more than 1."""

STUDIED_ITEMS = 20
STUDIED_SNR_DB = (0.0, 10.0)
"""Of the items that people listen to: worse ones are hard to judge, better ones sound alike."""

STUDIED_S = (3.0, 8.0)

Draw = Callable[[int, torch.Generator], Tensor]


@dataclass(frozen=True)
class Utterance:
    """What one speaker says.

    Args:
        samples: (time,) at 16 kHz.
        speaker: who.
        number: of the speaker, in the order in which they come.
        turn: how many utterances of the speaker came before.
        text: what is said; empty if that is not known.
    """

    samples: Samples
    speaker: str
    number: int
    turn: int
    text: str


@dataclass(frozen=True)
class Mixture:
    """An utterance in noise.

    Args:
        of: the utterance.
        clean: its samples, (time,), as loud as they are in `noisy`.
        noisy: (time,).
        kind: of the noise.
        snr_db: power of the speech over that of the noise.
    """

    of: Utterance
    clean: Samples
    noisy: Samples
    kind: str
    snr_db: float


def _brown(num_samples: int, generator: torch.Generator) -> Tensor:
    return coloured(2.0, num_samples, RATE_HZ, generator)


def _hum(num_samples: int, generator: torch.Generator) -> Tensor:
    """The mains, 50 or 60 Hz, and harmonics that fall by 3 dB each on average."""
    t = torch.arange(num_samples) / RATE_HZ
    mains_hz = uniform((50, 50.2), generator) * (1 if uniform((0, 1), generator) < 0.5 else 1.2)
    hum = torch.zeros(num_samples)
    for harmonic in range(1, 21):
        level = 10 ** (-3 * (harmonic + 6 * uniform((-1, 1), generator)) / 20)
        turn = uniform((0, 1), generator)
        hum += level * torch.sin(2 * torch.pi * (mains_hz * harmonic * t + turn))
    return hum


def _clicks(num_samples: int, generator: torch.Generator) -> Tensor:
    """About five a second, each a decaying burst of 1 to 20 ms."""
    clicks = torch.zeros(num_samples + RATE_HZ)
    count = max(1, round(uniform((3, 7), generator) * num_samples / RATE_HZ))
    for _ in range(count):
        at = int(uniform((0, num_samples), generator))
        decay = uniform((0.001, 0.02), generator) * RATE_HZ
        burst = torch.randn(int(5 * decay), generator=generator)
        burst *= torch.exp(-torch.arange(len(burst)) / decay) * uniform((0.3, 1), generator)
        clicks[at : at + len(burst)] += burst
    return clicks[:num_samples]


def _factory(num_samples: int, generator: torch.Generator) -> Tensor:
    """A motor, whose pink noise swells with its turns, and a hammer that rings once or twice a
    second."""
    t = torch.arange(num_samples) / RATE_HZ
    turns_hz = uniform((8, 25), generator)
    motor = coloured(1.0, num_samples, RATE_HZ, generator)
    motor = motor / motor.std() * (1 + 0.8 * torch.sin(2 * torch.pi * turns_hz * t))
    hammer = torch.zeros(num_samples + RATE_HZ)
    ring_hz = [uniform((300, 4000), generator) for _ in range(4)]
    every = RATE_HZ / uniform((1, 2), generator)
    second = torch.arange(RATE_HZ // 2) / RATE_HZ
    ring = sum(torch.sin(2 * torch.pi * hz * second) for hz in ring_hz) * torch.exp(-second / 0.06)
    at = uniform((0, every), generator)
    while at < num_samples:
        hammer[int(at) : int(at) + len(ring)] += ring
        at += every * uniform((0.9, 1.1), generator)
    return motor + 2 * hammer[:num_samples]


KNOWN: tuple[str, ...] = ("white", "pink", "babble", "shaped")
OTHERS: Mapping[str, Draw] = {
    "brown": _brown,
    "hum": _hum,
    "clicks": _clicks,
    "factory": _factory,
}
KINDS = (*KNOWN, *OTHERS)


def read_utterances(source: str, items: int | None) -> list[Utterance]:
    """Clean utterances, speakers in turn."""
    data = open_source(source)
    speakers = [str(cell) for cell in data.cells(SPEAKER)]
    texts = data.cells(TEXT) if TEXT in data.columns() else [None] * len(data)
    numbers = {speaker: number for number, speaker in enumerate(dict.fromkeys(speakers))}
    turns: Counter[str] = Counter()
    order = []
    for index, speaker in enumerate(speakers):
        order.append((turns[speaker], index))
        turns[speaker] += 1
    return [
        Utterance(
            resample(read_sound(data.fetch(index), data.name(index)), RATE_HZ).samples,
            speakers[index],
            numbers[speakers[index]],
            turn,
            texts[index] or "",
        )
        for turn, index in sorted(order)[:items]
    ]


def measured_set(spoken: Sequence[Utterance]) -> list[Mixture]:
    """All in noise. Each kind meets all speakers: they begin with different ones."""
    return [
        _mixture(
            utterance,
            KINDS[(utterance.turn + utterance.number) % len(KINDS)],
            SNR_DB,
            spoken,
            mix_seed("enhancement benchmark", number),
        )
        for number, utterance in enumerate(spoken)
    ]


def study_set(spoken: Sequence[Utterance]) -> list[Mixture]:
    """What people shall listen to, speakers in turn, each first in noise that is not trained on.

    Raises:
        DataError: if no utterance is of such a length.
    """
    low, high = STUDIED_S
    turns: Counter[str] = Counter()
    fitting = []
    for utterance in spoken:
        if low <= len(utterance.samples) / RATE_HZ <= high:
            fitting.append(replace(utterance, turn=turns[utterance.speaker]))
            turns[utterance.speaker] += 1
    if not fitting:
        raise DataError(f"A study needs utterances of {low:g} to {high:g} s, and there are none.")
    items = sorted(fitting, key=lambda u: (u.turn, u.number))[:STUDIED_ITEMS]
    mixtures = []
    for number, item in enumerate(items):
        kinds = KNOWN if item.turn % 2 else tuple(OTHERS)
        kind = kinds[(item.turn // 2 + item.number) % len(kinds)]
        seed = mix_seed("enhancement study", number)
        mixtures.append(_mixture(item, kind, STUDIED_SNR_DB, spoken, seed))
    return mixtures


def _mixture(
    utterance: Utterance,
    kind: str,
    snr_db: tuple[float, float],
    spoken: Sequence[Utterance],
    seed: int,
) -> Mixture:
    """At a ratio that is uniform between two, and as loud as `HIGHEST_PEAK` allows."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.from_numpy(utterance.samples).float()
    others = [other.samples for other in spoken if other.speaker != utterance.speaker]
    if kind == "babble" and not others:
        kind = "pink"
    noise, ratio_db = _noise(kind, len(clean), others, generator), uniform(snr_db, generator)
    level_dbfs = 20 * float(root_mean_square(clean).log10())
    noisy = clean + noise * gain_to(noise, level_dbfs - ratio_db)
    peak = max(float(clean.abs().max()), float(noisy.abs().max()))
    gain = min(gain_to(noisy, NOISY_DBFS), HIGHEST_PEAK / peak)
    return Mixture(
        utterance,
        (gain * clean).double().numpy(),
        (gain * noisy).double().numpy(),
        kind,
        ratio_db,
    )


def _noise(
    kind: str, num_samples: int, others: Sequence[Samples], generator: torch.Generator
) -> Tensor:
    if kind in OTHERS:
        return OTHERS[kind](num_samples, generator)
    if kind == "shaped":
        return shaped(num_samples, RATE_HZ, generator)
    if kind != "babble":
        return coloured({"white": 0.0, "pink": 1.0}[kind], num_samples, RATE_HZ, generator)
    mixed = torch.zeros(num_samples)
    for place in torch.randperm(len(others), generator=generator)[:5].tolist():
        voice = torch.from_numpy(others[place]).float()
        voice = voice.repeat(-(-num_samples // len(voice)))[:num_samples]
        mixed += voice * gain_to(voice, 0.0)
    return mixed
