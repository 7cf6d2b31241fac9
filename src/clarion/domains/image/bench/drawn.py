"""Samples of one model, drawn block by block, so that what was drawn is never lost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from clarion.base.condition import encode_condition
from clarion.baselines.model import BaselineModel, load
from clarion.domains.image.bench.entrants import Way
from clarion.domains.image.image_set import LABEL
from clarion.run.examples import OnProgress
from clarion.run.files import read_json, read_tensors, write_json, write_tensors
from clarion.run.model import Model
from clarion.run.sample_file import write_sample_file
from clarion.train.flops import count_flops

BLOCK = 256
"""Samples after which a drawing that is stopped goes on."""


@dataclass(frozen=True)
class SampleCost:
    """Of one sample.

    Args:
        evaluations: of the network.
        flops: floating-point operations.
        seconds: it took, of batches of many.
    """

    evaluations: float
    flops: int
    seconds: float


@dataclass(frozen=True)
class Drawing:
    """Which samples are drawn.

    Args:
        labels: class of each sample; None where the data have none.
        n: how many.
        seed: of the set.
        batch_size: samples at a time.
        precision: in which the network computes.
        device: where.
    """

    labels: Sequence[int] | None
    n: int
    seed: int
    batch_size: int
    precision: str
    device: str

    def write(
        self, run: Path, way: Way, guidance: str, out: Path, on_progress: OnProgress
    ) -> SampleCost:
        """Draw what is missing of a file, and say what a sample costs.

        Args:
            run: folder of the model.
            way: how it is sampled.
            guidance: the rule, as it is typed; "" for none.
            out: the .npz file; a .json file of the same name keeps the costs.
            on_progress: called with (samples drawn, samples in all).
        """
        costs = out.with_suffix(".json")
        if out.is_file() and costs.is_file():
            return SampleCost(**read_json(costs))
        model = load(run, device=self.device)
        parts = out.with_suffix(".parts")
        parts.mkdir(parents=True, exist_ok=True)
        blocks = []
        for start in range(0, self.n, BLOCK):
            indices = range(start, min(start + BLOCK, self.n))
            part = parts / f"{start:07d}.safetensors"
            if not part.is_file():
                before, clock = _evaluations(model), time.perf_counter()
                samples = self._draw(model, way, guidance, indices)
                spent = torch.tensor(time.perf_counter() - clock, dtype=torch.float64)
                asked = torch.tensor(_evaluations(model) - before)
                write_tensors(part, {"samples": samples, "seconds": spent, "evaluations": asked})
            blocks.append(read_tensors(part))
            on_progress(indices.stop, self.n)
        samples = torch.cat([block["samples"] for block in blocks])
        seconds, evaluations = (
            sum(float(block[name]) for block in blocks) for name in ("seconds", "evaluations")
        )
        flops = count_flops(lambda: self._draw(model, way, guidance, range(1)))
        is_one_pass = isinstance(model, BaselineModel)
        cost = SampleCost(1.0 if is_one_pass else evaluations / self.n, flops, seconds / self.n)
        condition = encode_condition(model.config.condition, self._asked(range(self.n)), self.n)
        write_sample_file(out, samples, range(self.n), condition, self.seed)
        write_json(costs, asdict(cost))
        for part in parts.iterdir():
            part.unlink()
        parts.rmdir()
        return cost

    def _draw(
        self, model: Model | BaselineModel, way: Way, guidance: str, indices: range
    ) -> Tensor:
        if isinstance(model, BaselineModel):
            return model.sample(
                indices=indices,
                condition=self._asked(indices),
                seed=self.seed,
                batch_size=self.batch_size,
                precision=self.precision,
            )
        return model.sample(
            indices=indices,
            condition=self._asked(indices),
            guidance=guidance or (),
            seed=self.seed,
            batch_size=self.batch_size,
            precision=self.precision,
            **way.settings,
        )

    def _asked(self, indices: range) -> dict[str, list[int]]:
        return {} if self.labels is None else {LABEL: [self.labels[i] for i in indices]}


def _evaluations(model: Model | BaselineModel) -> int:
    """How often a model was asked so far, by sample; of one pass nothing has to be counted."""
    return 0 if isinstance(model, BaselineModel) else model.denoiser.num_evaluations
