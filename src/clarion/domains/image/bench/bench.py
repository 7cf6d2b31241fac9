"""The stages of a comparison, each of which goes on where it was stopped.

plan.json               settings, what a step of each training costs, and how many it takes
reference.npz           pictures of the training data that samples are held against
NAME/run                a training
NAME/guidance.json      rules that were tried, on samples of their own, and the one taken
NAME/WAY.npz, .json     samples, and what they cost
NAME/WAY.card.json      what was measured of them
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch

from clarion.base.errors import ClarionError, DataError
from clarion.base.options import check_whole
from clarion.base.streams import mix_seed
from clarion.domains.image.bench.cost import Cost, equal_steps, measure_cost, of_length
from clarion.domains.image.bench.drawn import Drawing, SampleCost
from clarion.domains.image.bench.entrants import Entrant, entrants
from clarion.domains.image.evaluation import ImageEvaluation
from clarion.domains.image.evaluation import Name as Metric
from clarion.domains.image.extractors import open_extractor
from clarion.domains.image.image_set import ImageSet
from clarion.domains.tables import ALL_TABLES
from clarion.evaluate.jackknife import GROUPS
from clarion.evaluate.metric import MetricCard
from clarion.run.config import TrainConfig, TrainingConfig
from clarion.run.device import Device
from clarion.run.examples import Fitted
from clarion.run.files import read_json, write_json
from clarion.run.folder import checkpoints
from clarion.run.serialize import to_json

SECONDS = {"s": 1, "m": 60, "h": 3600}

OF_CLASSES: tuple[Metric, ...] = ("adherence", "diversity")
"""What is measured where pictures have classes."""

FREE = ("weights", "sample_batch")
"""Settings that may change while a comparison goes on."""


class Progress(Protocol):
    """Shows how many things are done."""

    def count(self, done: int, total: int) -> None: ...


@dataclass(frozen=True)
class BenchConfig:
    """How much is spent, and what is measured.

    Args:
        budget: time of all trainings together on this machine, such as "90s", "30m" or "2h"; what
            is equal is the number of floating-point operations of each.
        n: samples of each model.
        tune_n: samples of each guidance rule that is tried.
        reference_n: pictures of the training data that samples are held against, at most.
        extractor: of features, as in `clarion evaluate images`.
        weights: file of the Inception network, likewise.
        sample_batch: samples at a time.
        sample_precision: in which networks are sampled.
    """

    budget: str = "1h"
    n: int = 2048
    tune_n: int = 512
    reference_n: int = 10_000
    extractor: str = "inception"
    weights: Path | None = None
    sample_batch: int = 128
    sample_precision: Literal["float32", "bfloat16"] = "float32"

    def __post_init__(self) -> None:
        for name in ("n", "tune_n", "reference_n"):
            check_whole(name, getattr(self, name), 2 * GROUPS)
        check_whole("sample_batch", self.sample_batch, 1)
        if self.budget_s <= 0:
            raise ClarionError(f"budget must be above 0, got {self.budget!r}.")

    @property
    def budget_s(self) -> float:
        """The budget in seconds."""
        match = re.fullmatch(r"(\d*\.?\d+)([smh])", self.budget)
        if match is None:
            raise ClarionError(
                f"budget must be a time such as 90s, 30m or 2h, got {self.budget!r}."
            )
        return float(match[1]) * SECONDS[match[2]]


class Row(NamedTuple):
    """One way of one model, measured; of real pictures only the card.

    Args:
        title: of the model.
        way: how it was sampled.
        guidance: by which rule; "" for none.
        samples: their file.
        card: what was measured.
        cost: of a training step.
        num_steps: of the training.
        sample_cost: of a sample.
        run: folder of the training.
    """

    title: str
    way: str
    guidance: str
    samples: Path
    card: MetricCard
    cost: Cost | None = None
    num_steps: int = 0
    sample_cost: SampleCost | None = None
    run: Path | None = None


class ImageBench:
    """A comparison in a folder.

    Args:
        config: how much is spent, and what is measured.
        training: Clarion's own, which those of the others are made like.
        out: the folder.
        device: where networks compute.
        train: trains in a folder, or goes on there, to the end or until it is stopped.
        progress: opens a bar for a stage of a name.
        say: tells a person what was found.
    """

    def __init__(
        self,
        config: BenchConfig,
        training: TrainConfig,
        out: Path,
        device: Device,
        train: Callable[[TrainingConfig, Path], object],
        progress: Callable[[str], AbstractContextManager[Progress]],
        say: Callable[[str], object],
    ) -> None:
        self.config, self.training, self.out = config, training, out
        self.device: Device = device
        self._train, self._progress, self._say = train, progress, say
        self.entrants = entrants(training)

    def run(self) -> list[Row]:
        """Do what is left to do, and give the rows of the table.

        Raises:
            ClarionError: if a training is stopped, or the folder holds a comparison with other
                settings.
        """
        with self._progress("reading") as bar:
            examples = self.training.data.open(bar.count)
        assert isinstance(examples, ImageSet), "the recipes are of pictures"
        # What cannot be had is said before anything is trained.
        open_extractor(self.config.extractor, self.config.weights, self.device)
        plan = self._plan(examples)
        labels = examples.labels
        others = self._reference(examples)
        metrics = self._metrics(labels is not None)
        rows = self._real(examples, others, metrics)
        for entrant in self.entrants:
            cost = Cost(**plan[entrant.name]["cost"])
            run = self._trained(entrant, plan[entrant.name]["num_steps"], cost)
            guidance = self._guidance(entrant, run, labels)
            for way in entrant.ways:
                samples = self._folder(entrant) / f"{way.name}.npz"
                title = f"{entrant.title}, {way.title}"
                with self._progress(f"sampling {title}") as bar:
                    drawing = self._drawing(labels, self.config.n, "samples")
                    sample_cost = drawing.write(run, way, guidance, samples, bar.count)
                card = self._measured(title, samples, metrics)
                num_steps = plan[entrant.name]["num_steps"]
                rows.append(
                    Row(
                        entrant.title,
                        way.title,
                        guidance,
                        samples,
                        card,
                        cost,
                        num_steps,
                        sample_cost,
                        run,
                    )
                )
        return rows

    def _folder(self, entrant: Entrant) -> Path:
        return self.out / entrant.name

    def _plan(self, examples: ImageSet) -> dict[str, Any]:
        """What each training costs and how long it is: measured once, then kept."""
        path = self.out / "plan.json"
        settings = {
            "training": to_json(self.training, ALL_TABLES),
            "bench": {k: v for k, v in asdict(self.config).items() if k not in FREE},
        }
        if path.is_file():
            kept = read_json(path)
            if kept["settings"] != settings:
                raise ClarionError(
                    f"{self.out} holds a comparison with other settings; name another folder with "
                    "--out, or repeat the command with which it was begun."
                )
            return kept["entrants"]
        if self.out.exists() and any(self.out.iterdir()):
            raise ClarionError(f"{self.out} exists and holds no comparison; name another --out.")
        self.out.mkdir(parents=True, exist_ok=True)
        costs = {}
        with self._progress("measuring costs") as bar:
            for done, entrant in enumerate(self.entrants):
                bar.count(done, len(self.entrants))
                costs[entrant.name] = measure_cost(
                    entrant.training, examples, torch.device(self.device)
                )
        steps = equal_steps(costs, self.config.budget_s)
        plan = {
            name: {"cost": asdict(cost), "num_steps": steps[name]} for name, cost in costs.items()
        }
        write_json(path, {"settings": settings, "entrants": plan})
        for name, cost in costs.items():
            self._say(
                f"{name}: {steps[name]:,} steps of {cost.flops / 1e9:.3g} GFLOP and "
                f"{cost.seconds:.3g} s in {cost.precision}, {cost.weights:,} weights"
            )
        return plan

    def _reference(self, examples: ImageSet) -> torch.Tensor:
        """Write the pictures that samples are held against; the numbers of the others."""
        order = torch.randperm(
            len(examples), generator=torch.Generator().manual_seed(self._seed("reference"))
        )
        chosen, rest = order.split([m := min(self.config.reference_n, len(order)), len(order) - m])
        self._write_pictures(self.out / "reference.npz", examples, chosen)
        return rest

    def _metrics(self, has_classes: bool) -> tuple[Metric, ...]:
        """What can be measured, found out before anything is trained."""
        plain: tuple[Metric, ...] = ("fid", "kid", "prdc")
        if has_classes:
            try:
                self._check((*plain, *OF_CLASSES))
                return (*plain, *OF_CLASSES)
            except DataError as error:
                self._say(f"Without {' and '.join(OF_CLASSES)}: {error}")
        self._check(plain)
        return plain

    def _check(self, metrics: tuple[Metric, ...]) -> None:
        """Refuse what could not be measured, by the reference held against itself."""
        with self._progress("checking") as bar:
            self._evaluation(self.out / "reference.npz", metrics).check(bar.count)

    def _real(
        self, examples: ImageSet, rest: torch.Tensor, metrics: tuple[Metric, ...]
    ) -> list[Row]:
        """Real pictures held against the reference as samples are, if there are others."""
        others, validation = examples, self.training.validation
        if validation is not None:
            fitted = Fitted(
                examples.condition_spec,
                examples.shape,
                self.training.data.fit_codec(examples),
            )
            with self._progress("reading") as bar:
                others = validation.open(bar.count, fitted)
            assert isinstance(others, ImageSet), "like those to train on"
            rest = torch.arange(len(others))
        if len(rest) < self.config.n:
            self._say(f"No row of real pictures: {len(rest)} others are fewer than n.")
            return []
        path = self.out / "real.npz"
        self._write_pictures(path, others, rest[: self.config.n])
        title = "held out" if validation is not None else "of the training data"
        card = self._measured(f"real pictures, {title}", path, metrics)
        return [Row("Real pictures", title, "", path, card)]

    def _write_pictures(self, path: Path, images: ImageSet, numbers: torch.Tensor) -> None:
        """Some pictures, with their labels, as a file of arrays."""
        if path.is_file():
            return
        arrays: dict[str, Any] = {"images": images.batch(numbers)[0].permute(0, 2, 3, 1).numpy()}
        if images.labels is not None:
            arrays["labels"] = images.labels[numbers].numpy()
        partial_path = path.with_name(f".{path.stem}.partial.npz")
        np.savez(partial_path, **arrays)
        partial_path.replace(path)

    def _trained(self, entrant: Entrant, num_steps: int, cost: Cost) -> Path:
        run = self._folder(entrant) / "run"
        if _steps_done(run) < num_steps:
            self._say(f"Training {entrant.title}: {num_steps:,} steps")
            self._train(of_length(entrant.training, num_steps, cost.precision), run)
            if _steps_done(run) < num_steps:
                raise ClarionError("Stopped; the same command goes on where it was.")
        return run

    def _guidance(self, entrant: Entrant, run: Path, labels: torch.Tensor | None) -> str:
        """The rule whose samples have the smallest kernel distance, which has no bias in n."""
        candidates = entrant.guidance if labels is not None else ("",)
        if len(candidates) == 1:
            return candidates[0]
        path = self._folder(entrant) / "guidance.json"
        tried: dict[str, float] = read_json(path) if path.is_file() else {}
        drawing = self._drawing(labels, self.config.tune_n, "tune")
        way = entrant.ways[0]
        for number, rule in enumerate(candidates):
            if rule not in tried:
                samples = self._folder(entrant) / f"tune-{number}.npz"
                title = f"{entrant.title}, {rule or 'no guidance'}"
                with self._progress(f"trying {title}") as bar:
                    drawing.write(run, way, rule, samples, bar.count)
                (metric,) = self._evaluate(title, samples, ("kid",)).metrics.values()
                tried[rule] = metric.value
                write_json(path, tried)
        best = min(candidates, key=tried.__getitem__)
        self._say(f"{entrant.title}: {best or 'no guidance'}, the best of {len(candidates)}")
        return best

    def _drawing(self, labels: torch.Tensor | None, n: int, purpose: str) -> Drawing:
        """Samples of classes as the data have them, by random numbers of their purpose."""
        seed = self._seed(purpose)
        asked = None
        if labels is not None:
            known = labels[labels >= 0]
            if not len(known):
                raise DataError("No picture of the data has a label.")
            rng = torch.Generator().manual_seed(seed)
            asked = known[torch.randint(len(known), (n,), generator=rng)].tolist()
        config = self.config
        return Drawing(asked, n, seed, config.sample_batch, config.sample_precision, self.device)

    def _seed(self, purpose: str) -> int:
        return mix_seed(self.training.seed, "bench", purpose)

    def _measured(self, title: str, samples: Path, metrics: tuple[Metric, ...]) -> MetricCard:
        """The card of some samples, from its file if they were measured before."""
        path = samples.with_suffix(".card.json")
        if not path.is_file():
            write_json(path, self._evaluate(title, samples, metrics).to_json())
        return MetricCard.read(path)

    def _evaluate(self, title: str, samples: Path, metrics: tuple[Metric, ...]) -> MetricCard:
        with self._progress(f"measuring {title}") as bar:
            return self._evaluation(samples, metrics).run(bar.count)

    def _evaluation(self, samples: Path, metrics: tuple[Metric, ...]) -> ImageEvaluation:
        return ImageEvaluation(
            str(samples),
            str(self.out / "reference.npz"),
            extractor=self.config.extractor,
            weights=self.config.weights,
            metrics=metrics,
            seed=self.training.seed,
            device=self.device,
        )


def _steps_done(run: Path) -> int:
    """Steps of a training that are saved."""
    saved = checkpoints(run)
    return int(saved[-1].name) if saved else 0
