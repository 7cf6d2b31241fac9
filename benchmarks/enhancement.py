"""Speech enhancement: how near to the clean speech is what is made of it with noise?

Each test utterance is mixed with noise at a ratio uniform in -5 to 20 dB. Half of the kinds of
noise are those that the recipe `enhancement` trains on (white, pink, babble of other speakers of
the test, shaped), half are not (brown; hum: tones of the mains; clicks; factory: hammering and a
motor). All are made by formulas here, and neither speakers nor mixtures are those of the training.
Systems:

- noisy: what all others are given;
- noisereduce, RNNoise: of the extra `bench`; left out where they are missing;
- GTCRN, with its own code and weights (github.com/Xiaobin-Rong/gtcrn, MIT),
  from a folder that holds gtcrn.py and model_trained_on_dns3.tar: --gtcrn FOLDER;
- regression: a model of the same size and training that predicts the clean speech at once, if one
  is named by --regression: `clarion train enhancement --loss.log-level-mean 12
  --loss.log-level-std 0.01` trains at the very end of the flow, where nothing but noise is left of
  the clean speech;
- Clarion in 1, 2 and 5 steps.

All are heard in 16 bits, delays taken out. Intervals are of a bootstrap over utterances, those of
gains of paired differences; a gain is in % of the noisy input's mean.

    clarion train enhancement --data train.parquet --out runs/enhancement
    python benchmarks/enhancement.py --model runs/enhancement --data test.parquet --study study

--study FOLDER also writes what `clarion listen build FOLDER/STUDY.json --clips FOLDER` takes.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clarion.base.streams import mix_seed
from clarion.domains.audio.coloured import coloured, shaped
from clarion.domains.audio.data import SPEAKER
from clarion.domains.audio.metrics.alignment import aligned
from clarion.domains.audio.metrics.tables import SPEECH_METRICS, Samples
from clarion.domains.audio.mixing import at_snr, gain_to, uniform
from clarion.domains.audio.noise import NOISY_DBFS
from clarion.domains.audio.sound_file import Sound, read_sound, resample, write_sound
from clarion.domains.audio.sound_to_sound import SoundToSound
from clarion.domains.audio.sources import open_source
from clarion.domains.audio.spectrogram_picture import draw_spectrograms
from clarion.listen.loudness import PEAK_DBFS, loudness_lufs, peak_dbfs
from clarion.run.model import Model
from harness import Benchmark, bootstrap

RATE_HZ = 16_000
SNR_DB = (-5.0, 20.0)
MOST_DELAY_S = 0.05
STEPS = (1, 2, 5)
CLEAN, NOISY, OURS = "clean", "noisy", "clarion_1_step"
STUDIED_ITEMS = 20
STUDIED = (NOISY, "noisereduce", "rnnoise", "gtcrn", OURS)
LOWEST_SNR_DB, HIGHEST_SNR_DB = 0.0, 10.0
"""Of the items that people listen to: worse ones are hard to judge, better ones sound alike."""

LOUDEST_LUFS = -23.0
HEADROOM_DB = 1.0
"""For what the test makes itself of the clips, its anchor and its traps."""

System = Callable[[Samples], Samples]
Draw = Callable[[int, torch.Generator], Tensor]


def main() -> None:
    benchmark = Benchmark(__file__, __doc__ or "", _options)
    options = benchmark.options
    utterances, mixtures = _test_set(options.data, options.items)
    systems = _systems(options)
    heard: dict[str, list[Samples]] = {}
    factors = {}
    for name, system in systems.items():
        start = time.perf_counter()
        heard[name] = [_quantised(system(m["noisy"]), len(m["noisy"])) for m in mixtures]
        seconds = sum(map(len, utterances)) / RATE_HZ
        factors[name] = (time.perf_counter() - start) / seconds
        benchmark.console.print(f"{name}: real-time factor {factors[name]:.3f}")
    found = {name: _measured(sounds, utterances, options.metrics) for name, sounds in heard.items()}
    groups = {
        "all": np.ones(len(mixtures), bool),
        "known kinds": np.array([m["kind"] in KNOWN for m in mixtures]),
        "other kinds": np.array([m["kind"] in OTHERS for m in mixtures]),
    }
    groups |= {kind: np.array([m["kind"] == kind for m in mixtures]) for kind in KINDS}
    results = {
        name: {
            "real_time_factor": factors[name],
            **{
                group: _summaries(values, found[NOISY], chosen)
                for group, chosen in groups.items()
                if chosen.any()
            },
        }
        for name, values in found.items()
    }
    _show(benchmark, results, options.metrics)
    if options.study is not None:
        _write_study(options.study, heard, utterances, mixtures)
    if options.picture is not None:
        _draw(options.picture, {**{n: s[0] for n, s in heard.items()}, CLEAN: utterances[0]})
    benchmark.write(
        {
            "utterances": len(utterances),
            "seconds_of_speech": sum(map(len, utterances)) / RATE_HZ,
            "snr_db": list(SNR_DB),
            "kinds_trained_on": list(KNOWN),
            "kinds_not_trained_on": list(OTHERS),
            "weights": Model.load(options.model).num_parameters,
        },
        {"systems": results},
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="a run of `enhancement`")
    parser.add_argument("--regression", type=Path, help="one that was trained for one pass")
    parser.add_argument("--gtcrn", type=Path, help="folder with gtcrn.py and its weights")
    parser.add_argument("--data", required=True, help="clean speech to test on")
    parser.add_argument("--items", type=int, help="the first so many, of all speakers in turn")
    names = list(SPEECH_METRICS)
    parser.add_argument("--metrics", nargs="+", choices=names, default=_DEFAULT)
    parser.add_argument(
        "--study", type=Path, help="writes clips and STUDY.json of a listening test"
    )
    parser.add_argument("--picture", type=Path, help="writes the first utterance as a .png")


_DEFAULT = ["pesq", "estoi", "si_sdr", "dnsmos", "distillmos"]


# What is heard


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


def _test_set(source: str, items: int | None) -> tuple[list[Samples], list[dict[str, Any]]]:
    """Clean utterances, speakers in turn, and what each is mixed with."""
    data = open_source(source)
    speakers = data.cells(SPEAKER)
    turns: dict[Any, int] = {}
    order = []
    for index, speaker in enumerate(speakers):
        turns[speaker] = turns.get(speaker, -1) + 1
        order.append((turns[speaker], index))
    chosen = [index for _, index in sorted(order)][:items]
    read = {i: resample(read_sound(data.fetch(i), data.name(i)), RATE_HZ).samples for i in chosen}
    utterances, mixtures = [], []
    for number, index in enumerate(chosen):
        generator = torch.Generator().manual_seed(mix_seed("enhancement benchmark", number))
        clean = torch.from_numpy(read[index]).float()
        others = [read[i] for i in chosen if speakers[i] != speakers[index]]
        kind = KINDS[number % len(KINDS)]
        if kind == "babble" and not others:
            kind = "pink"
        noise, snr_db = _noise(kind, len(clean), others, generator), uniform(SNR_DB, generator)
        noisy = at_snr(clean, noise, snr_db)
        gain = gain_to(noisy, NOISY_DBFS)
        utterances.append((gain * clean).double().numpy())
        mixtures.append(
            {"kind": kind, "snr_db": snr_db, "noisy": (gain * noisy).double().numpy()}
            | {"speaker": speakers[index]}
        )
    return utterances, mixtures


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


# What makes it clear


def _systems(options: argparse.Namespace) -> dict[str, System]:
    systems: dict[str, System] = {NOISY: lambda noisy: noisy}
    if importlib.util.find_spec("noisereduce"):
        systems["noisereduce"] = _noisereduce
    if importlib.util.find_spec("pyrnnoise"):
        systems["rnnoise"] = _rnnoise
    if options.gtcrn is not None:
        systems["gtcrn"] = _gtcrn(options.gtcrn)
    if options.regression is not None:
        systems["regression"] = SoundToSound(Model.load(options.regression)).samples
    model = Model.load(options.model)
    for num_steps in STEPS:
        name = f"clarion_{num_steps}_step{'s' if num_steps > 1 else ''}"
        systems[name] = SoundToSound(model, num_steps=num_steps).samples
    return systems


def _noisereduce(noisy: Samples) -> Samples:
    import noisereduce  # pyright: ignore[reportMissingImports]

    return np.asarray(noisereduce.reduce_noise(y=noisy, sr=RATE_HZ), np.float64)


def _rnnoise(noisy: Samples) -> Samples:
    """At 48 kHz, as it is made for, frame by frame."""
    from pyrnnoise import rnnoise  # pyright: ignore[reportMissingImports]

    wide = resample(Sound(noisy, RATE_HZ), rnnoise.SAMPLE_RATE).samples
    state = rnnoise.create()
    frames = []
    for start in range(0, len(wide), rnnoise.FRAME_SIZE):
        frame = np.round(np.clip(wide[start : start + rnnoise.FRAME_SIZE], -1, 1) * 32767)
        frames.append(rnnoise.process_mono_frame(state, frame.astype(np.int16))[0] / 32767)
    rnnoise.destroy(state)
    return resample(Sound(np.concatenate(frames), rnnoise.SAMPLE_RATE), RATE_HZ).samples


def _gtcrn(folder: Path) -> System:
    """Its own network and weights, on spectra as its authors take them."""
    spec = importlib.util.spec_from_file_location("gtcrn", folder / "gtcrn.py")
    if spec is None or spec.loader is None:
        sys.exit(f"{folder} holds no gtcrn.py.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.GTCRN().eval()
    weights = torch.load(
        folder / "model_trained_on_dns3.tar", map_location="cpu", weights_only=True
    )
    network.load_state_dict(weights["model"])
    window = torch.hann_window(512).sqrt()

    def enhance(noisy: Samples) -> Samples:
        x = torch.from_numpy(noisy).float()
        spectra = torch.stft(x, 512, 256, 512, window, return_complex=True)
        with torch.inference_mode():
            answer = network(torch.view_as_real(spectra)[None])[0]
        complex_answer = torch.view_as_complex(answer.contiguous())
        return torch.istft(complex_answer, 512, 256, 512, window, length=len(x)).double().numpy()

    return enhance


# What is measured


def _quantised(sound: Samples, length: int) -> Samples:
    """As it is in a file of 16 bits, of its length; what goes beyond full scale is made quieter."""
    sound = np.pad(sound, (0, max(0, length - len(sound))))[:length]
    return np.round(sound / max(1.0, np.abs(sound).max()) * 32767) / 32767


def _measured(
    heard: Sequence[Samples], clean: Sequence[Samples], metrics: Sequence[str]
) -> dict[str, np.ndarray]:
    values: dict[str, list[float]] = {metric: [] for metric in metrics}
    for y, s in zip(heard, clean, strict=True):
        moved, kept, _ = aligned(y, s, round(MOST_DELAY_S * RATE_HZ))
        for metric in metrics:
            values[metric].append(SPEECH_METRICS[metric].measure(moved, kept))
    return {metric: np.array(of) for metric, of in values.items()}


def _summaries(
    values: Mapping[str, np.ndarray], noisy: Mapping[str, np.ndarray], chosen: np.ndarray
) -> dict[str, Any]:
    """Of each metric the mean, the difference to the noisy input, and that in % of it."""
    found: dict[str, Any] = {"n": int(chosen.sum())}
    for metric, of in values.items():
        now, was = of[chosen], noisy[metric][chosen]
        found[metric] = _mean(now) | {"difference": _mean(now - was)}
        if metric != "si_sdr":  # dB have no zero
            found[metric]["gain_percent"] = _mean(100 * (now - was) / was.mean())
    return found


def _mean(values: np.ndarray) -> dict[str, float]:
    low, high = bootstrap(values, lambda drawn: np.mean(drawn, axis=-1))
    return {"mean": float(values.mean()), "low": low, "high": high}


def _show(benchmark: Benchmark, results: Mapping[str, Any], metrics: Sequence[str]) -> None:
    for group in ("all", "known kinds", "other kinds"):
        rows = []
        for name, row in results.items():
            if group not in row:
                continue
            cells = []
            for metric in metrics:
                of = row[group][metric]
                gain = of.get("gain_percent")
                more = f" ({gain['mean']:+.0f} %)" if gain and name != NOISY else ""
                cells.append(f"{of['mean']:.3g}{more}")
            rows.append((name, *cells, f"{row['real_time_factor']:.3f}"))
        if rows:
            n = next(iter(results.values()))[group]["n"]
            benchmark.table(f"{group}, n = {n}", ["", *metrics, "real time"], rows)


# What people shall listen to


def _write_study(
    folder: Path,
    heard: Mapping[str, Sequence[Samples]],
    clean: Sequence[Samples],
    mixtures: Sequence[Mapping[str, Any]],
) -> None:
    """FOLDER/SYSTEM/ITEM.wav and FOLDER/STUDY.json: items of a middling ratio, kinds in turn."""
    middling = [i for i, m in enumerate(mixtures) if LOWEST_SNR_DB <= m["snr_db"] <= HIGHEST_SNR_DB]
    rest = [i for i in range(len(mixtures)) if i not in middling]
    items = (middling + rest)[:STUDIED_ITEMS]
    systems = [name for name in STUDIED if name in heard]
    target_lufs = LOUDEST_LUFS
    for i in items:
        for system in (*systems, CLEAN):
            sound = Sound(clean[i] if system == CLEAN else heard[system][i], RATE_HZ)
            write_sound(folder / system / f"{i:03d}_{mixtures[i]['kind']}.wav", sound)
            fits = loudness_lufs(sound) + PEAK_DBFS - HEADROOM_DB - peak_dbfs(sound)
            target_lufs = min(target_lufs, math.floor(fits))
    study = {
        "title": "Clear speech out of noise",
        "design": "multi_stimulus",
        "systems": systems,
        "baseline": NOISY,
        "reference": CLEAN,
        "loudness_lufs": target_lufs,
        "claim": {"system": OURS, "at_least": 20, "level": "estimated"},
    }
    (folder / "STUDY.json").write_text(json.dumps(study, indent=2) + "\n")


def _draw(path: Path, sounds: Mapping[str, Samples]) -> None:
    drawn = [Sound(sound, RATE_HZ) for sound in sounds.values()]
    draw_spectrograms(drawn, path, list(sounds), columns=2)


if __name__ == "__main__":
    main()
