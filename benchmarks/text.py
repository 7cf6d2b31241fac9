"""Bits a character of a text: masked diffusion beside an autoregressive network of the same size.

Both have the same transformer, weight for weight (`clarion.baselines`), and the same training:
data, order of the data, batches, steps, learning rate, averages of the weights, precision. The last
twentieth of the text is held out, in windows that stand side by side; each is judged by itself.

- diffusion: the bound of -log p that it is trained on, the mean of passes in each of which every
  window meets another noise level, with its Monte Carlo standard error.
- autoregressive: -log p, exact.
- gap: the same for the 16 characters in the middle of each window, given all others; the
  autoregressive network is given those before them, which is all that it can take.
- n-grams: counts of the text to train on, interpolated by Witten and Bell's rule, within windows.
- xz: by how much the held-out text lengthens the compressed text to train on. Unlike the others it
  looks back through the whole book.

The text may be any. That of the published figures is the King James Bible as Debian packs it:

    apt install bible-kjv
    bible -f gen1:1-rev22:21 | sed 's/^[^ ]* //' > kjv.txt

Runs are kept in the folder --runs; a second call goes on with them, or only measures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.base.vocabulary import Vocabulary
from clarion.baselines import Autoregressive, AutoregressiveConfig, NextTokenObjective
from clarion.denoise.token_network import TokenNetworkDenoiser
from clarion.domains.sequence.data import SequenceData
from clarion.domains.sequence.sequence_set import SequenceSet
from clarion.evaluate.token_likelihood import token_bound
from clarion.guide.tokens import Infill
from clarion.nets import TransformerConfig
from clarion.process.tokens import Masking
from clarion.run.config import ModelConfig, OptimizerConfig, TrainConfig
from clarion.run.examples import Fitted
from clarion.run.model import Model
from clarion.run.opening import load_weights
from clarion.train.checkpoint import latest_checkpoint
from clarion.train.loop import Trainer
from clarion.train.objective import DenoisingObjective, Objective
from harness import Benchmark

LENGTH, STRIDE, HELD_OUT = 128, 32, 0.05
NETWORK = TransformerConfig(width=192, num_blocks=4, head_width=64)
STEPS, BATCH = 3000, 24
OPTIMIZER = OptimizerConfig(learning_rate=3e-3, matrices="muon")
PASSES, ORDERS = 4, (3, 4, 5, 6)
GAP = range(56, 72)
BEGINNING = "And it came to pass"
NOTHING = Condition({}, {})
LOG = "log.jsonl"


class Texts(NamedTuple):
    """A text cut in two, as it is and as windows."""

    config: TrainConfig
    train: str
    held_out: str
    examples: SequenceSet
    validation: SequenceSet

    @property
    def vocabulary(self) -> Vocabulary:
        return self.examples.vocabulary

    @property
    def model(self) -> ModelConfig:
        return self.config.of_examples(self.examples, self.vocabulary)

    @property
    def windows(self) -> Tensor:
        """Those held out, (n, length), but for the last one, which overlaps the one before."""
        return self.validation.batch(torch.arange(len(self.validation) - 1))[0]


def read(file: Path, folder: Path, num_steps: int) -> Texts:
    """The text, with its end held out."""
    text = file.read_text()
    cut = text.rindex("\n", 0, int(len(text) * (1 - HELD_OUT))) + 1
    parts = {"train.txt": text[:cut], "held-out.txt": text[cut:]}
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        (folder / name).write_text(part)
    data = SequenceData(str(folder / "train.txt"), length=LENGTH, stride=STRIDE)
    held = SequenceData(str(folder / "held-out.txt"), length=LENGTH)
    examples = data.open()
    fitted = Fitted({}, examples.shape, examples.vocabulary)
    config = TrainConfig(
        data=data,
        validation=held,
        network=NETWORK,
        process=Masking(),
        optimizer=OPTIMIZER,
        batch_size=BATCH,
        num_steps=num_steps,
        precision="bfloat16",
    )
    return Texts(config, *parts.values(), examples, held.open(fitted=fitted))


def train(texts: Texts, objective: Objective, run: Path) -> dict[str, Any]:
    """Train to the end, or find that it is done; what it took, and the loss on the way."""
    trainer = Trainer(
        texts.config,
        objective,
        texts.examples,
        texts.validation,
        texts.vocabulary,
        run,
        torch.device("cpu"),
    )
    checkpoint = latest_checkpoint(run)
    if checkpoint is not None:
        trainer.resume(checkpoint)
    start = time.process_time()
    if trainer.step < texts.config.num_steps:
        run.mkdir(parents=True, exist_ok=True)
        with (run / LOG).open("a") as log:
            trainer.train(lambda report: print(json.dumps(report), file=log, flush=True))
            print(json.dumps({"processor_seconds": time.process_time() - start}), file=log)
    lines = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    losses = {line["step"]: line["loss"] / math.log(2) for line in lines if "loss" in line}
    return {
        "weights": sum(p.numel() for p in trainer.network.parameters()),
        "processor_seconds": sum(line.get("processor_seconds", 0.0) for line in lines),
        "steps": list(losses),
        "bits_per_character": list(losses.values()),
    }


def averaged(model: Any, run: Path) -> Any:
    """A model with the averaged weights of a run, ready to be asked."""
    network: nn.Module = model.network
    load_weights(network, run)
    return model.eval().requires_grad_(False)


def bound(model: TokenNetworkDenoiser, x0: Tensor, where: Sequence[int], passes: int) -> Any:
    """Bits a character of the places `where`, given all others: the mean of passes, its error."""
    asked = torch.zeros(x0.shape[1], dtype=torch.bool)
    asked[list(where)] = True
    found = token_bound(model, x0, NOTHING, passes=passes, asked=asked).mean(1) / math.log(2)
    return {"mean": float(found.mean()), "standard_error": float(found.std()) / passes**0.5}


def exact(model: Autoregressive, x0: Tensor, where: Sequence[int]) -> dict[str, float]:
    """Bits a character of the places `where`, given those before."""
    nats = torch.cat([model.surprise(part)[:, list(where)].double() for part in x0.split(64)])
    return {"mean": float(nats.mean()) / math.log(2)}


class Grams:
    """Counts of all runs of up to `order` + 1 characters of a text.

    p(c | context) = (n(context c) + d(context) p(c | shorter context)) / (n(context) + d(context)),
    with n a count and d the number of different characters seen behind the context. Source: Witten
    & Bell 1991, doi 10.1109/18.87000, their method C.
    """

    def __init__(self, text: str, order: int) -> None:
        self.num_letters = len(set(text))
        self.seen, self.behind, self.kinds = Counter[str](), Counter[str](), Counter[str]()
        for size in range(order + 1):
            found = Counter(text[i : i + size + 1] for i in range(len(text) - size))
            self.seen.update(found)
            for gram, count in found.items():
                self.behind[gram[:-1]] += count
                self.kinds[gram[:-1]] += 1

    def bits(self, windows: Sequence[str], order: int) -> float:
        """Bits a character, each given at most `order` before it in its window."""
        total = 0.0
        for window in windows:
            for place, letter in enumerate(window):
                p = 1 / self.num_letters
                for size in range(min(order, place) + 1):
                    context = window[place - size : place]
                    if context in self.behind:
                        d = self.kinds[context]
                        p = (self.seen[context + letter] + d * p) / (self.behind[context] + d)
                total -= math.log2(p)
        return total / sum(map(len, windows))


def compressed(texts: Texts) -> float:
    """Bits a character that the held-out text adds to what `xz -9e` makes of the other."""
    preset = 9 | lzma.PRESET_EXTREME
    before, after = (
        len(lzma.compress(part.encode(), preset=preset))
        for part in (texts.train, texts.train + texts.held_out)
    )
    return 8 * (after - before) / len(texts.held_out)


def show(model: Model, baseline: Autoregressive, texts: Texts, n: int) -> dict[str, Any]:
    """Samples of both, and what the diffusion model fills in, beside what stood there."""
    vocabulary, steps = texts.vocabulary, LENGTH
    begun = torch.tensor(vocabulary.numbers(BEGINNING))
    told = {
        "free": (model.sample(n, num_steps=steps), baseline.sample(range(n))),
        "begun": (
            filled(model, f"{BEGINNING}{{}}", n),
            baseline.sample(range(n), beginning=begun),
        ),
    }
    shown: dict[str, Any] = {
        name: dict(zip(("diffusion", "autoregressive"), map(vocabulary.texts, both), strict=True))
        for name, both in told.items()
    }
    shown["filled"] = []
    for window in vocabulary.texts(texts.windows[:: len(texts.windows) // n][:n]):
        before, gap, after = window[: GAP.start], window[GAP.start : GAP.stop], window[GAP.stop :]
        drawn = vocabulary.texts(filled(model, f"{before}{{{len(gap)}}}{after}", n))
        fillings = [text[GAP.start : GAP.stop] for text in drawn]
        shown["filled"].append({"before": before, "after": after, "book": gap, "drawn": fillings})
    return shown


def filled(model: Model, template: str, n: int) -> Tensor:
    """Samples in which the gaps of a template are filled in."""
    assert isinstance(model.codec, Vocabulary), "texts are tokens"
    return model.sample(n, guidance=Infill.of(template, model.codec, LENGTH), num_steps=LENGTH)


def main() -> None:
    def add_options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, help="the text")
        parser.add_argument("--steps", type=int, default=STEPS, help="of each training")
        parser.add_argument("--runs", type=Path, default=Path("runs/text-benchmark"))

    benchmark = Benchmark(__file__, __doc__ or "", add_options)
    options = benchmark.options
    steps, passes = (20, 2) if options.quick else (options.steps, PASSES)
    texts = read(options.data, options.runs, steps)
    baseline_config = AutoregressiveConfig.like(texts.model)
    objectives: dict[str, Objective] = {
        "diffusion": DenoisingObjective(texts.model, texts.config.loss),
        "autoregressive": NextTokenObjective(baseline_config),
    }
    runs = {name: options.runs / name for name in objectives}
    training = {name: train(texts, objectives[name], run) for name, run in runs.items()}
    diffusion = averaged(texts.model.build(), runs["diffusion"])
    baseline = averaged(baseline_config.build(), runs["autoregressive"])
    windows, everywhere = texts.windows, range(LENGTH)
    letters = texts.vocabulary.texts(windows)
    grams = Grams(texts.train, max(ORDERS))
    bits = {
        "diffusion": bound(diffusion, windows, everywhere, passes),
        "autoregressive": exact(baseline, windows, everywhere),
        "n_grams": {order: grams.bits(letters, order) for order in ORDERS},
        "xz": compressed(texts),
    }
    gap = {
        "diffusion": bound(diffusion, windows, GAP, passes),
        "autoregressive": exact(baseline, windows, GAP),
    }
    benchmark.table(
        f"Bits a character, {len(windows)} windows of {LENGTH}",
        ("", "all", f"gap of {len(GAP)}"),
        (
            (name, f"{bits[name]['mean']:.3f}", f"{gap[name]['mean']:.3f}")
            for name in ("diffusion", "autoregressive")
        ),
    )
    settings = {
        "text": options.data.name,
        "sha256": hashlib.sha256(options.data.read_bytes()).hexdigest(),
        "characters": len(texts.train) + len(texts.held_out),
        "held_out_characters": len(texts.held_out),
        "different_characters": texts.vocabulary.size,
        "length": LENGTH,
        "stride": STRIDE,
        "network": asdict(NETWORK),
        "optimizer": asdict(OPTIMIZER),
        "steps": steps,
        "batch": BATCH,
        "times_through_the_text": steps * BATCH * LENGTH / len(texts.train),
        "passes": passes,
        "windows": len(windows),
        "gap": len(GAP),
    }
    results = {
        "training": training,
        "bits_per_character": bits,
        "gap_bits_per_character": gap,
        "samples": show(Model(texts.model, diffusion, texts.vocabulary), baseline, texts, 4),
    }
    benchmark.write(settings, results)


if __name__ == "__main__":
    main()
