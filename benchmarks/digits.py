"""Spoken digits: are they heard as the digit and the speaker that were asked for?

A judge that learnt from the waveforms of the real recordings to train on (`digit_judge.py`) names
digit and speaker of

- real: recordings of the test set, which neither the judge nor the model has seen;
- round trip: the same through the codec and back, which is the most that a model can reach;
- drawn: samples, as many of each digit and speaker, written as sound and heard again.

It also says whether the model repeats recordings (`clarion.evaluate.memory`), by the judge's own
features, of what was drawn last. The data are the Free Spoken Digit Dataset in files, as its
repository holds them (github.com/Jakobovski/free-spoken-digit-dataset, folder `recordings`), or as
a table of them:

    clarion train digits --data recordings --out runs/digits
    python benchmarks/digits.py --model runs/digits --data recordings
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition import ClassEntry
from clarion.base.sound import SoundCodec
from clarion.domains.audio.data import AudioData
from clarion.domains.audio.sound_file import Sound, read_sound
from clarion.domains.audio.sound_set import SoundSet
from clarion.domains.audio.spectrogram_picture import draw_spectrograms
from clarion.domains.audio.writing import write_samples
from clarion.domains.tables import RECIPES
from clarion.evaluate.memory import MemoryAudit
from clarion.evaluate.metric import share
from clarion.run.examples import Fitted
from clarion.run.model import Model
from digit_judge import NUM_STEPS, DigitJudge, load_or_train
from harness import Benchmark

WAYS = ((4, ()), (12, ()), (4, ("cfg:2",)), (12, ("cfg:2",)))
"""Steps, and guidance."""

BATCH = 100


def main() -> None:
    benchmark = Benchmark(__file__, __doc__ or "", _options)
    options = benchmark.options
    model = Model.load(options.model)
    assert isinstance(model.codec, SoundCodec), "the model draws sounds"
    train, test = _open(options.data, model)
    judge = load_or_train(options.judge, *_labelled(train))
    heard_test, *labels_test = _labelled(test)
    rows = {
        "real": _judged(judge, heard_test, *labels_test),
        "round trip": _judged(judge, _round_trip(model.codec, heard_test), *labels_test),
    }
    names = {
        name: entry.class_names
        for name, entry in model.config.condition.items()
        if isinstance(entry, ClassEntry)
    }
    each = 1 if options.quick else options.each
    asked = torch.cartesian_prod(torch.arange(10), torch.arange(6)).repeat(each, 1)
    drawn = torch.empty(0)
    for num_steps, guidance in WAYS:
        start = time.perf_counter()
        condition = {
            "digit": [names["digit"][i] for i in asked[:, 0].tolist()],
            "speaker": [names["speaker"][i] for i in asked[:, 1].tolist()],
        }
        samples = model.sample(
            len(asked), condition=condition, num_steps=num_steps, guidance=guidance, seed=1
        )
        seconds = time.perf_counter() - start
        drawn = _heard(samples, model.codec)
        way = ", ".join([f"drawn, {num_steps} steps", *guidance])
        rows[way] = _judged(judge, drawn, asked[:, 0], asked[:, 1]) | {
            "real_time_factor": seconds / (len(asked) * drawn.shape[1] / 8000)
        }
    audit = _audit(judge, drawn, train, test)
    if options.picture is not None:
        _draw(options.picture, drawn, heard_test, asked, labels_test, names)
    table = [
        (name, *(f"{100 * row[what]['value']:.1f}" for what in ("digit", "speaker")), row["n"])
        for name, row in rows.items()
    ]
    benchmark.table("Heard as asked, %", ["", "digit", "speaker", "n"], table)
    benchmark.write(
        {
            "weights": model.num_parameters,
            "training_examples": len(train),
            "each": each,
            "judge_steps": NUM_STEPS,
        },
        {"heard": rows, "audit": audit},
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="a run of `digits`")
    parser.add_argument("--data", required=True, help="the recordings")
    parser.add_argument("--judge", type=Path, default=Path("out/digit_judge.safetensors"))
    parser.add_argument("--each", type=int, default=5, help="samples of each digit and speaker")
    parser.add_argument("--picture", type=Path, help="writes real and drawn digits as a .png")


def _open(source: str, model: Model) -> tuple[SoundSet, SoundSet]:
    config = RECIPES["digits"]()
    assert isinstance(config.data, AudioData)
    assert isinstance(config.validation, AudioData)
    fitted = Fitted(model.config.condition, model.config.shape, model.codec)
    train, test = (
        replace(data, source=source).open(fitted=fitted)
        for data in (config.data, config.validation)
    )
    return train, test


def _labelled(sounds: SoundSet) -> tuple[Tensor, Tensor, Tensor]:
    waveforms, condition = sounds.batch(torch.arange(len(sounds)))
    return waveforms, condition.values["digit"], condition.values["speaker"]


def _judged(
    judge: DigitJudge, waveforms: Tensor, digits: Tensor, speakers: Tensor
) -> dict[str, Any]:
    """The share that is heard as digit, and as speaker, with 95 % intervals."""
    with torch.inference_mode():
        logits = [judge(part) for part in waveforms.split(BATCH)]
    found = [torch.cat(part).argmax(1) for part in zip(*logits, strict=True)]
    n = len(waveforms)
    right = [int((a == b).sum()) for a, b in zip(found, (digits, speakers), strict=True)]
    return {
        "n": n,
        "digit": asdict(share(right[0], n)),
        "speaker": asdict(share(right[1], n)),
    }


def _round_trip(codec: SoundCodec, waveforms: Tensor) -> Tensor:
    return torch.cat([codec.decode(codec.encode(part)) for part in waveforms.split(BATCH)])


def _heard(samples: Tensor, codec: SoundCodec) -> Tensor:
    """Samples once they have been files: 16 bits, as they are played."""
    with tempfile.TemporaryDirectory() as folder:
        write_samples(samples, Path(folder) / "drawn", range(len(samples)), codec)
        files = sorted((Path(folder) / "drawn").glob("*.wav"))
        return torch.stack([torch.from_numpy(read_sound(file).samples).float() for file in files])


def _audit(judge: DigitJudge, drawn: Tensor, train: SoundSet, test: SoundSet) -> dict[str, Any]:
    def embed(waveforms: Tensor) -> Tensor:
        with torch.inference_mode():
            return torch.cat([judge.embed(part) for part in waveforms.split(BATCH)])

    audit = MemoryAudit(embed(drawn))
    audit.show_training(embed(train.waveforms))
    audit.show_held_out(embed(test.waveforms))
    return {name: asdict(metric) for name, metric in audit.result().metrics.items()}


def _draw(
    path: Path,
    drawn: Tensor,
    real: Tensor,
    asked: Tensor,
    labels: list[Tensor],
    names: dict[str, tuple[str, ...]],
) -> None:
    """A row of drawn digits above one of real ones, of one speaker each."""
    sounds, titles = [], []
    for kind, waveforms, digits, speakers in (
        ("drawn", drawn, asked[:, 0], asked[:, 1]),
        ("real", real, *labels),
    ):
        for digit in (0, 3, 6, 7, 9):
            number = int(((digits == digit) & (speakers == digit % 6)).nonzero()[0])
            sounds.append(Sound(waveforms[number].double().numpy(), 8000))
            titles.append(f"{names['digit'][digit]}, {names['speaker'][digit % 6]}, {kind}")
    draw_spectrograms(sounds, path, titles, columns=5)


if __name__ == "__main__":
    main()
