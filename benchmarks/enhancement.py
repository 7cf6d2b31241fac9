"""Speech enhancement: how near to the clean speech is what is made of it with noise?

Each test utterance is mixed with noise at a ratio uniform in -5 to 20 dB. Half of the kinds of
noise are those that the recipe `enhancement` trains on (white, pink, babble of other speakers of
the test, shaped), half are not (brown; hum: tones of the mains; clicks; factory: hammering and a
motor). All are made by formulas, and neither speakers nor mixtures are those of the training.
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

All are heard in 16 bits, delays taken out. `gain_percent` is how far a mean lies above that of the
noisy input. `better_than` is by how much a system of Clarion surpasses each other one on the same
mixtures, in the mean. `wer` (--whisper FOLDER) is the share of the words that a Whisper model hears
wrongly, so less is better; it is held against the column `text`, or where that is empty against
what the same model hears in the clean speech.

Intervals are of a bootstrap in two stages, of speakers and of what each of them says, and the same
mixtures are drawn for all systems.

    clarion train enhancement --data train.parquet --out runs/enhancement
    python benchmarks/enhancement.py --model runs/enhancement --data test.parquet --study study

--study FOLDER also writes what `clarion listen build FOLDER/STUDY.json --clips FOLDER` takes:
utterances of 3 to 8 s, as many of each speaker, mixed anew at 0 to 10 dB, half of them or more with
kinds of noise that are not trained on.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clarion.base.errors import ClarionError
from clarion.domains.audio.metrics.alignment import aligned
from clarion.domains.audio.metrics.tables import SPEECH_METRICS, Samples, try_metrics
from clarion.domains.audio.metrics.words import Listener, word_error_rate, words_of
from clarion.domains.audio.sound_file import Sound, resample, write_sound
from clarion.domains.audio.sound_to_sound import SoundToSound
from clarion.domains.audio.spectrogram_picture import draw_spectrograms
from clarion.listen.loudness import PEAK_DBFS, loudness_lufs, peak_dbfs
from clarion.run.model import Model
from harness import NUM_RESAMPLES, Benchmark
from noisy_speech import (
    KINDS,
    KNOWN,
    OTHERS,
    RATE_HZ,
    SNR_DB,
    Mixture,
    measured_set,
    read_utterances,
    study_set,
)

MOST_DELAY_S = 0.05
STEPS = (1, 2, 5)
CLARION = "clarion"
CLEAN, NOISY, OURS = "clean", "noisy", f"{CLARION}_1_step"
WER = "wer"
NO_ZERO = ("si_sdr", WER)
"""Metrics that have no share of the noisy input's: dB have no zero, and errors may be none."""

STUDIED = (NOISY, "noisereduce", "rnnoise", "gtcrn", OURS)
LOUDEST_LUFS = -23.0
HEADROOM_DB = 1.0
"""For what the test makes itself of the clips, its anchor and its traps."""

System = Callable[[Samples], Samples]


def main() -> None:
    benchmark = Benchmark(__file__, __doc__ or "", _options)
    options = benchmark.options
    spoken = read_utterances(options.data, options.items)
    mixtures, systems = measured_set(spoken), _systems(options)
    metrics, words, studied = list(options.metrics), None, []
    try:
        if options.study is not None:
            _check_studied(systems)
            studied = study_set(spoken)
        try_metrics(metrics, mixtures[0].clean)
        if options.whisper is not None:
            words = _Words.of(options.whisper, mixtures)
            metrics.append(WER)
    except ClarionError as error:
        sys.exit(str(error))
    heard: dict[str, list[Samples]] = {}
    factors = {}
    seconds = sum(len(m.clean) for m in mixtures) / RATE_HZ
    for name, system in systems.items():
        start = time.perf_counter()
        heard[name] = [_quantised(system(m.noisy), len(m.noisy)) for m in mixtures]
        factors[name] = (time.perf_counter() - start) / seconds
        benchmark.console.print(f"{name}: real-time factor {factors[name]:.3f}")
    values = {
        name: _measured(sounds, mixtures, options.metrics, words) for name, sounds in heard.items()
    }
    results = _results(values, mixtures)
    results = {name: {"real_time_factor": factors[name], **row} for name, row in results.items()}
    _show(benchmark, results, metrics)
    benchmark.write(
        {
            "utterances": len(mixtures),
            "seconds_of_speech": seconds,
            "snr_db": list(SNR_DB),
            "kinds_trained_on": list(KNOWN),
            "kinds_not_trained_on": list(OTHERS),
            "weights": Model.load(options.model).num_parameters,
            "mixtures": _told(mixtures),
            "studied": _told(studied),
        },
        {"systems": results},
    )
    if options.study is not None:
        _write_study(options.study, systems, studied)
    if options.picture is not None:
        _draw(options.picture, {**{n: s[0] for n, s in heard.items()}, CLEAN: mixtures[0].clean})


def _told(mixtures: Sequence[Mixture]) -> dict[str, list[Any]]:
    return {
        "speaker": [m.of.speaker for m in mixtures],
        "kind": [m.kind for m in mixtures],
        "snr_db": [m.snr_db for m in mixtures],
    }


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="a run of `enhancement`")
    parser.add_argument("--regression", type=Path, help="one that was trained for one pass")
    parser.add_argument("--gtcrn", type=Path, help="folder with gtcrn.py and its weights")
    parser.add_argument("--data", required=True, help="clean speech to test on")
    parser.add_argument("--items", type=int, help="the first so many, of all speakers in turn")
    names = list(SPEECH_METRICS)
    parser.add_argument("--metrics", nargs="+", choices=names, default=_DEFAULT)
    parser.add_argument("--whisper", type=Path, help="folder of a Whisper model; measures wer, too")
    parser.add_argument(
        "--study", type=Path, help="writes clips and STUDY.json of a listening test"
    )
    parser.add_argument("--picture", type=Path, help="writes the first utterance as a .png")


_DEFAULT = ["pesq", "estoi", "si_sdr", "dnsmos", "distillmos"]


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


RNNOISE_DELAY_S = 0.02


def _rnnoise(noisy: Samples) -> Samples:
    """At 48 kHz, as it is made for, frame by frame; its delay is taken out."""
    from pyrnnoise import rnnoise  # pyright: ignore[reportMissingImports]

    wide = resample(Sound(noisy, RATE_HZ), rnnoise.SAMPLE_RATE).samples
    late = round(RNNOISE_DELAY_S * rnnoise.SAMPLE_RATE)
    wide = np.append(wide, np.zeros(late))
    state = rnnoise.create()
    frames = []
    for start in range(0, len(wide), rnnoise.FRAME_SIZE):
        frame = np.round(np.clip(wide[start : start + rnnoise.FRAME_SIZE], -1, 1) * 32767)
        frames.append(rnnoise.process_mono_frame(state, frame.astype(np.int16))[0] / 32767)
    rnnoise.destroy(state)
    heard = np.concatenate(frames)[late : len(wide)]
    return resample(Sound(heard, rnnoise.SAMPLE_RATE), RATE_HZ).samples


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


@dataclass(frozen=True)
class _Words:
    """A listener, and what is said in each mixture."""

    listener: Listener
    said: Sequence[Sequence[str]]

    @classmethod
    def of(cls, folder: Path, mixtures: Sequence[Mixture]) -> _Words:
        listener = Listener(folder)
        said = [words_of(m.of.text) or listener.words(m.clean) for m in mixtures]
        for words in said:
            word_error_rate([], words)  # refused where nothing is said
        return cls(listener, said)

    def errors(self, heard: Samples, number: int) -> float:
        return word_error_rate(self.listener.words(heard), self.said[number])


def _measured(
    heard: Sequence[Samples],
    mixtures: Sequence[Mixture],
    metrics: Sequence[str],
    words: _Words | None,
) -> dict[str, np.ndarray]:
    """Metric -> what it is of each mixture."""
    values: dict[str, list[float]] = {metric: [] for metric in metrics}
    if words is not None:
        values[WER] = [words.errors(y, number) for number, y in enumerate(heard)]
    for y, mixture in zip(heard, mixtures, strict=True):
        moved, kept, _ = aligned(y, mixture.clean, round(MOST_DELAY_S * RATE_HZ))
        for metric in metrics:
            values[metric].append(SPEECH_METRICS[metric].measure(moved, kept))
    return {metric: np.array(of) for metric, of in values.items()}


def _results(
    values: Mapping[str, Mapping[str, np.ndarray]], mixtures: Sequence[Mixture]
) -> dict[str, dict[str, Any]]:
    """Of each system all values, and for groups of mixtures what they come to."""
    kinds = np.array([m.kind for m in mixtures])
    speakers = np.array([m.of.speaker for m in mixtures])
    groups = {
        "all": np.ones(len(mixtures), bool),
        "known kinds": np.isin(kinds, KNOWN),
        "other kinds": np.isin(kinds, list(OTHERS)),
        **{kind: kinds == kind for kind in KINDS},
    }
    results: dict[str, dict[str, Any]] = {
        name: {"raw": {metric: list(found) for metric, found in of.items()}}
        for name, of in values.items()
    }
    for group, chosen in groups.items():
        if chosen.any():
            weights = _resampled(speakers[chosen])
            part = {n: {m: found[chosen] for m, found in of.items()} for n, of in values.items()}
            for name in values:
                results[name][group] = _summaries(name, part, weights)
                if name.startswith(CLARION) and group not in KINDS:
                    results[name][group]["better_than"] = _better_than(name, part, weights)
    return results


def _resampled(speakers: np.ndarray) -> np.ndarray:
    """How often each utterance is drawn, (resamples, utterances), in a bootstrap of two stages.

    As many speakers are drawn as there are, with replacement, and each time one is drawn, as many
    of the speaker's utterances. With 10 speakers of 10 utterances the 95 % intervals of a mean
    hold it in 90 to 98 % of simulations, whatever the share of the variance between speakers;
    those of drawing speakers alone in 89 to 91 %, those of drawing utterances in 95 down to 49 %.

    Args:
        speakers: (utterances,), who says each.
    """
    rng = np.random.default_rng(0)
    spoken = [np.flatnonzero(speakers == speaker) for speaker in np.unique(speakers)]
    drawn = rng.multinomial(len(spoken), np.full(len(spoken), 1 / len(spoken)), NUM_RESAMPLES)
    weights = np.zeros((NUM_RESAMPLES, len(speakers)))
    for times, members in zip(drawn.T, spoken, strict=True):
        share = np.full(len(members), 1 / len(members))
        weights[:, members] = rng.multinomial(len(members) * times, share)
    return weights


def _summaries(
    name: str, values: Mapping[str, Mapping[str, np.ndarray]], weights: np.ndarray
) -> dict[str, Any]:
    """Of each metric the mean, the difference to the noisy input, and that in % of it."""
    found: dict[str, Any] = {"n": weights.shape[1]}
    for metric, now in values[name].items():
        was = values[NOISY][metric]
        found[metric] = _mean(now, weights) | {"difference": _mean(now - was, weights)}
        if metric not in NO_ZERO:
            found[metric]["gain_percent"] = _gain_percent(now, was, weights)
    return found


def _better_than(
    name: str, values: Mapping[str, Mapping[str, np.ndarray]], weights: np.ndarray
) -> dict[str, Any]:
    """Other system -> metric -> the mean difference on the same mixtures."""
    return {
        other: {metric: _mean(of - theirs[metric], weights) for metric, of in values[name].items()}
        for other, theirs in values.items()
        if other != name
    }


def _mean(values: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    return _with_interval(float(values.mean()), weights @ values / weights.sum(1))


def _gain_percent(now: np.ndarray, was: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """100 (mean(now) / mean(was) - 1), of which both are drawn together."""
    resampled = 100 * (weights @ now / (weights @ was) - 1)
    return _with_interval(100 * float(now.mean() / was.mean() - 1), resampled)


def _with_interval(value: float, resampled: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(resampled, [0.025, 0.975])
    return {"mean": value, "low": float(low), "high": float(high)}


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


def _check_studied(systems: Mapping[str, System]) -> None:
    """Refuse a study without one of those that it compares."""
    missing = [name for name in STUDIED if name not in systems]
    if missing:
        raise ClarionError(
            f"--study compares {', '.join(STUDIED)}; missing: {', '.join(missing)}. noisereduce "
            "and rnnoise come with pip install 'clarion[bench]', gtcrn with --gtcrn FOLDER."
        )


def _write_study(folder: Path, systems: Mapping[str, System], mixtures: Sequence[Mixture]) -> None:
    """FOLDER/SYSTEM/ITEM.wav and FOLDER/STUDY.json."""
    target_lufs = LOUDEST_LUFS
    for number, mixture in enumerate(mixtures):
        for system in (*STUDIED, CLEAN):
            clip = mixture.clean if system == CLEAN else systems[system](mixture.noisy)
            sound = Sound(_quantised(clip, len(mixture.clean)), RATE_HZ)
            file = folder / system / f"{number:03d}_{mixture.kind}.wav"
            write_sound(file, sound)
            fits = loudness_lufs(sound) + PEAK_DBFS - HEADROOM_DB - peak_dbfs(sound)
            if not math.isfinite(fits):
                sys.exit(f"{file} is silent, so no listener can rate it.")
            target_lufs = min(target_lufs, math.floor(fits))
    study = {
        "title": "Clear speech out of noise",
        "design": "multi_stimulus",
        "systems": list(STUDIED),
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
