"""`clarion evaluate likelihood MODEL --data DATA`: the bits that a model needs for data.

Fewer are better. Of pictures, bits for each number of a picture of 8-bit pixels, by the flow that
leads data to noise, with uniform noise of the width of a pixel's step added. Of sequences, a bound
of the bits for each token. Data that the model was not trained on say how much it has learnt; those
that it was trained on, how much of it by heart. It is told what the data tell of each example, such
as its class.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
import tyro
from torch import Tensor

from clarion.base.condition import Condition, encode_condition
from clarion.base.errors import ClarionError, DataError
from clarion.base.normalizer import Normalizer
from clarion.base.streams import SampleStreams
from clarion.base.vocabulary import Vocabulary
from clarion.domains.image.data import ImageData
from clarion.domains.image.decoding import ResizeRule
from clarion.domains.image.likelihood import bits_a_dimension
from clarion.domains.tables import data_of
from clarion.evaluate.compare import SHARED
from clarion.evaluate.evaluation import Evaluation
from clarion.evaluate.jackknife import deal
from clarion.evaluate.metric import MetricCard, mean
from clarion.evaluate.token_likelihood import token_bound
from clarion.evaluate.versions import versions
from clarion.run.device import choose_device
from clarion.run.examples import DataConfig, Fitted, OnProgress
from clarion.run.model import Model
from clarion.run.opening import locate
from clarion.train.order import pick_some


@dataclass(frozen=True)
class LikelihoodEvaluation(Evaluation):
    """Which model, and which data.

    Args:
        model: folder of a run or a saved model, or a model on the hub ("owner/name").
        data: examples, a source of the kind that the model was trained on. How it is read follows
            from the run, but for what is said here.
        split: of the data, where they have splits; None takes that of the run's data.
        resize: how pictures are brought to the size of the model: "crop", "pad", "stretch", "none";
            None does as the run does.
        n: number of examples, drawn at random.
        seed: of that choice, and of noise and probes.
        num_steps: of the flow, of pictures.
        probes: of the flow's trace, of pictures, for each example.
        passes: over all examples, of sequences.
        batch_size: examples at a time.
        device: where to compute.
    """

    model: Annotated[str, tyro.conf.Positional]
    data: str
    split: str | None = None
    resize: ResizeRule | None = None
    n: int = 128
    seed: int = 0
    num_steps: int = 32
    probes: int = 2
    passes: int = 16
    batch_size: int = 32
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def __post_init__(self) -> None:
        for name in ("num_steps", "probes", "passes", "batch_size"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")

    def run(self, on_progress: OnProgress) -> MetricCard:
        model = Model.load(self.model, device=choose_device(self.device))
        data = self._named(data_of(locate(self.model)[0])[0])
        fitted = Fitted(model.config.condition, model.config.shape, model.codec)
        examples = data.open(on_progress, fitted)
        if examples.shape != model.config.shape:
            raise DataError(
                f"The data have shape {examples.shape}, the model's samples {model.config.shape}; "
                "bring pictures to it with --resize."
            )
        chosen = pick_some(len(examples), self.n, self.seed)
        groups = deal(len(chosen), self.seed)
        x0, known = examples.batch(chosen)
        condition, told = _told(model, known, len(chosen))
        if isinstance(model.codec, Vocabulary):
            name, note = "bits a token", f"at most, by {self.passes} passes"
            basis: dict[str, Any] = {"passes": self.passes}
            found = self._of_tokens(model, x0, condition, on_progress)
        else:
            name, note = "bits a dimension", f"8-bit pixels, {self.num_steps} steps"
            basis = {"num_steps": self.num_steps, "probes": self.probes}
            found = self._of_pictures(model, x0, condition, on_progress)
        basis |= {
            "examples sha256": hashlib.sha256(x0.contiguous().numpy().tobytes()).hexdigest(),
            "told": told,
            "seed": self.seed,
        }
        note += f", told {' and '.join(told) or 'nothing'}"
        if len(found) > 1:
            error = float((found.var(0) / len(found)).mean().sqrt()) / math.sqrt(len(chosen))
            note += f"; of its error, {error:.2g} is of estimating"
        values = found.mean(0)
        metric = replace(
            mean(values.tolist(), note), parts=tuple(float(values[g].mean()) for g in groups)
        )
        details = {"data": self.data, SHARED: "examples", "versions": versions()}
        return MetricCard(self.model, {name: metric}, basis, details)

    def _named(self, like: DataConfig) -> DataConfig:
        """The data that are meant, read as others are."""
        if isinstance(like, ImageData):
            return replace(
                like,
                source=self.data,
                fallback=None,
                split=self.split or like.split,
                resize=self.resize or like.resize,
            )
        for name in ("split", "resize"):
            if getattr(self, name) is not None:
                raise ClarionError(f"{name} is for pictures, and {self.model} is of sequences.")
        return replace(like, source=self.data)

    def _of_pictures(
        self, model: Model, pixels: Tensor, condition: Condition, on_progress: OnProgress
    ) -> Tensor:
        """Bits a dimension, by each probe, (probes, n)."""
        found, codec = [], model.codec
        assert isinstance(codec, Normalizer), "pictures are numbers"
        for rows in torch.arange(len(pixels)).split(self.batch_size):
            found.append(
                bits_a_dimension(
                    model.denoiser,
                    codec,
                    pixels[rows].to(model.device),
                    condition.rows(rows).to(model.device),
                    SampleStreams(self.seed, rows.tolist()),
                    num_probes=self.probes,
                    num_steps=self.num_steps,
                    sigma_data=model.config.sigma_data,
                ).cpu()
            )
            on_progress(int(rows[-1]) + 1, len(pixels))
        return torch.cat(found, 1)

    def _of_tokens(
        self, model: Model, x0: Tensor, condition: Condition, on_progress: OnProgress
    ) -> Tensor:
        """The bound in bits a token, by each pass, (passes, n)."""
        return token_bound(
            model.denoiser,
            x0.to(model.device),
            condition.to(model.device),
            passes=self.passes,
            seed=self.seed,
            batch_size=self.batch_size,
            on_progress=on_progress,
        ) / math.log(2)


def _told(model: Model, known: Condition, n: int) -> tuple[Condition, list[str]]:
    """What the model can be told of n examples, and by which names; the rest is absent."""
    spec = model.config.condition
    told, absent = [name for name in spec if name in known.values], encode_condition(spec, {}, n)
    return Condition(
        {**absent.values, **{name: known.values[name] for name in told}},
        {**absent.present, **{name: known.present[name] for name in told}},
    ), told
