"""Vocoders: how near to the recording is the speech that is made of its log-mel spectrogram?

Each test utterance, at -25 dBFS, is reduced to its log-mel spectrogram and made sound again by

- Griffin-Lim: powers that fit the bands, then phases by 60 rounds (the codec `log_mel` itself);
- DiffWave: the recipe `diffwave`, by its published fast schedule of 6 steps;
- Clarion: the recipe `vocoder`, in 1, 4 and 10 steps.

Both models are to be trained for as long as each other; what their trainings cost in operations is
counted, and so is a second of sound. Metrics are of what is heard in 16 bits. No system delays
speech, so no delay is looked for: waveforms of other phases would show some that are not there.
Intervals are of the mean difference over utterances. The data are parquet files or folders of
speech, such as LibriSpeech's:

    clarion train vocoder --data train.parquet --out runs/vocoder
    clarion train diffwave --data train.parquet --out runs/diffwave
    python benchmarks/vocoder.py --model runs/vocoder --diffwave runs/diffwave --data test.parquet
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clarion.base.condition import encode_condition
from clarion.base.errors import ClarionError
from clarion.base.sound import SoundCodec
from clarion.domains.audio.metrics.tables import SPEECH_METRICS, Samples, try_metrics
from clarion.domains.audio.recipes import FAST_BETAS
from clarion.domains.audio.sound_file import Sound, read_sound, resample, write_sound
from clarion.domains.audio.sources import open_source
from clarion.domains.audio.spectrogram_picture import draw_spectrograms
from clarion.domains.audio.vocode import at_length, log_mel_of
from clarion.domains.tables import ALL_TABLES
from clarion.process.gaussian import VPLinear
from clarion.process.grids import GivenLevels
from clarion.run import folder
from clarion.run.model import Model
from clarion.train.flops import count_flops
from harness import Benchmark, bootstrap

RATE_HZ = 16_000
LEVEL_DBFS = -25.0
STEPS = (1, 4, 10)
GRIFFIN_LIM, DIFFWAVE = "Griffin-Lim", "DiffWave, 6 steps"
BASELINES = (GRIFFIN_LIM, DIFFWAVE)


@dataclass(frozen=True)
class System:
    """A way from a log-mel spectrogram to sound.

    Args:
        make: a waveform (time,), whose spectrogram is taken, to another of the same length.
        flops_a_second: operations of its network for a second of sound; None without one.
    """

    make: Callable[[Tensor], Tensor]
    flops_a_second: float | None


def main() -> None:
    benchmark = Benchmark(__file__, __doc__ or "", _options)
    options = benchmark.options
    models = {"vocoder": Model.load(options.model)}
    if options.diffwave is not None:
        models["diffwave"] = Model.load(options.diffwave)
    systems = _systems(models)
    sounds = _read(options.data, options.items)
    try:
        try_metrics(options.metrics, sounds[0])
    except ClarionError as error:
        sys.exit(str(error))
    found: dict[str, dict[str, list[float]]] = {
        name: {measure: [] for measure in (*options.metrics, "real_time_factor")}
        for name in systems
    }
    for number, clean in enumerate(sounds):
        made: dict[str, Samples] = {}
        for name, system in systems.items():
            start = time.perf_counter()
            drawn = system.make(torch.from_numpy(clean).float())
            seconds = time.perf_counter() - start
            found[name]["real_time_factor"].append(seconds / (len(clean) / RATE_HZ))
            made[name] = _as_heard(drawn)
            for metric in options.metrics:
                value = SPEECH_METRICS[metric].measure(made[name], clean)
                found[name][metric].append(value)
        if number == 0 and options.picture is not None:
            shown = [Sound(samples, RATE_HZ) for samples in (clean, *made.values())]
            draw_spectrograms(shown, options.picture, ("recording", *made), columns=2)
        benchmark.console.print(f"{number + 1} of {len(sounds)}", end="\r")
    results = {
        name: {
            "gflop_a_second": None if of is None else of / 1e9,
            **{measure: _summary(values) for measure, values in found[name].items()},
            "better_than": {
                baseline: {
                    metric: _summary(np.subtract(found[name][metric], found[baseline][metric]))
                    for metric in options.metrics
                }
                for baseline in BASELINES
                if baseline in systems and baseline != name
            },
        }
        for name, of in ((name, system.flops_a_second) for name, system in systems.items())
    }
    _show(benchmark, results, options.metrics)
    places = {"vocoder": options.model, "diffwave": options.diffwave}
    benchmark.write(
        {
            "utterances": len(sounds),
            "seconds_of_speech": sum(map(len, sounds)) / RATE_HZ,
            "level_dbfs": LEVEL_DBFS,
            "trainings": {name: _training(model, places[name]) for name, model in models.items()},
        },
        {"systems": results},
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="a run of `vocoder`")
    parser.add_argument("--diffwave", type=Path, help="a run of `diffwave`; none leaves it out")
    parser.add_argument("--data", required=True, help="speech to test on")
    parser.add_argument("--items", type=int, help="the first so many of them")
    names = list(SPEECH_METRICS)
    parser.add_argument("--metrics", nargs="+", choices=names, default=_PERCEIVED)
    parser.add_argument("--picture", type=Path, help="writes the first utterance as a .png")


_PERCEIVED = ["pesq", "estoi", "distillmos", "dnsmos"]
"""A waveform of other phases sounds the same, and is far from it sample by sample."""


def _systems(models: Mapping[str, Model]) -> dict[str, System]:
    vocoder = models["vocoder"]
    codec = log_mel_of(vocoder)

    def griffin_lim(waveform: Tensor) -> Tensor:
        same_length = replace(codec, num_samples=len(waveform))
        return same_length.decode(same_length.encode(waveform[None]))[0]

    systems = {GRIFFIN_LIM: System(griffin_lim, None)}
    if "diffwave" in models:
        model = models["diffwave"]
        process = model.config.process
        assert isinstance(process, VPLinear), "that is what DiffWave has"
        levels = GivenLevels.of_betas(FAST_BETAS, process.input_scale)
        systems[DIFFWAVE] = _by(model, len(FAST_BETAS), sampler="ddpm", grid=levels)
    for num_steps in STEPS:
        plural = "s" if num_steps > 1 else ""
        systems[f"Clarion, {num_steps} step{plural}"] = _by(vocoder, num_steps)
    return systems


def _by(model: Model, num_steps: int, **settings: Any) -> System:
    def make(waveform: Tensor) -> Tensor:
        whole = at_length(model, len(waveform))
        told = {"log_mel": waveform}
        return whole.sample(1, condition=told, num_steps=num_steps, **settings)[0]

    return System(make, num_steps * float(_flops(model, _second_of(model))))


def _second_of(model: Model) -> int:
    """Samples of a second, in whole frames."""
    hop = log_mel_of(model).hop_samples
    return RATE_HZ // hop * hop


def _flops(model: Model, num_samples: int) -> float:
    """Operations that the network's one evaluation costs, a second of sound."""
    whole = at_length(model, num_samples)
    condition = encode_condition(whole.config.condition, {}, 1)
    x, t = torch.zeros(1, *whole.config.shape), torch.full((1,), 0.5)
    with torch.no_grad():
        flops = count_flops(lambda: whole.denoiser(x, t, condition))
    return flops * RATE_HZ / num_samples


def _training(model: Model, run: Path) -> dict[str, Any]:
    """What its training has cost."""
    train = folder.read_train_config(run, ALL_TABLES)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    num_steps = max(line.get("step", 0) for line in lines)
    denoiser = model.config.build()
    x, t = torch.zeros(1, *model.config.shape), torch.full((1,), 0.5)
    condition = encode_condition(model.config.condition, {}, 1)
    flops = count_flops(lambda: denoiser(x, t, condition).mean.sum().backward())
    rates = [line["examples_per_s"] for line in lines if "examples_per_s" in line]
    examples = num_steps * train.batch_size
    assert isinstance(model.codec, SoundCodec), "that is what sounds have"
    return {
        "weights": model.num_parameters,
        "steps": num_steps,
        "examples": examples,
        "seconds_of_speech": examples * model.codec.num_samples / RATE_HZ,
        "gflop": examples * flops / 1e9,
        "hours": examples / float(np.median(rates)) / 3600 if rates else None,
        "precision": train.precision,
    }


def _read(source: str, items: int | None) -> list[Samples]:
    """Utterances at 16 kHz and one level."""
    opened = open_source(source)
    sounds = []
    for index in range(len(opened) if items is None else min(items, len(opened))):
        sound = resample(read_sound(opened.fetch(index), opened.name(index)), RATE_HZ)
        rms = float(np.sqrt(np.mean(sound.samples**2)))
        sounds.append(sound.samples * (10 ** (LEVEL_DBFS / 20) / rms))
    return sounds


def _as_heard(waveform: Tensor) -> Samples:
    """Once it has been a file."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "heard.wav"
        write_sound(file, Sound(waveform.double().numpy(), RATE_HZ))
        return read_sound(file).samples


def _summary(values: Any) -> dict[str, Any]:
    """Mean and its 95 % interval over utterances."""
    low, high = bootstrap(np.asarray(values), lambda drawn: drawn.mean(-1))
    return {"mean": float(np.mean(values)), "low": low, "high": high, "raw": list(values)}


def _show(benchmark: Benchmark, results: Mapping[str, Any], metrics: list[str]) -> None:
    rows = []
    for name, of in results.items():
        cost = "" if of["gflop_a_second"] is None else f"{of['gflop_a_second']:.1f}"
        values = [f"{of[m]['mean']:.2f} [{of[m]['low']:.2f}, {of[m]['high']:.2f}]" for m in metrics]
        rows.append((name, *values, f"{of['real_time_factor']['mean']:.3f}", cost))
    columns = ["", *metrics, "real-time factor", "GFLOP a second"]
    benchmark.table("Speech from log-mel spectrograms", columns, rows)


if __name__ == "__main__":
    main()
