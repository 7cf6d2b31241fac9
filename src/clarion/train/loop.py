"""The training loop."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.condition import Condition
from clarion.base.errors import ClarionError, DataError
from clarion.base.streams import mix_seed
from clarion.denoise.asked import AUTOCAST
from clarion.run.config import TrainingConfig
from clarion.run.examples import ExampleSet, Grouped
from clarion.train.checkpoint import TrainState, load_checkpoint, save_checkpoint
from clarion.train.ema import EMA
from clarion.train.objective import Objective
from clarion.train.optimizer import (
    build_optimizer,
    clip_gradients,
    learning_rate,
    set_learning_rate,
)
from clarion.train.order import DataOrder, hold_out, pick_some
from clarion.train.precision import faster_precision
from clarion.train.stop import StopRequest
from clarion.train.validate import Figures

Report = Callable[[dict[str, Any]], None]
"""Called with what there is to say: loss, images per second, validation and so on."""


class Trainer:
    """Trains one network towards one objective.

    All randomness of a step (noise levels, noise, dropped conditions, dropout) follows from the
    seed and the step's number, and the data's order from the seed and the position, so a training
    that is resumed goes on to the same weights, bit for bit on one device.

    Args:
        config: the data, and how the loop runs.
        objective: what comes out of it, and its loss.
        examples: the training data.
        validation: other data; None holds out a part of the training data.
        codec: between data units and model units.
        run: the folder of the run; nothing is written there before `train`.
        device: where to train.
    """

    def __init__(
        self,
        config: TrainingConfig,
        objective: Objective,
        examples: ExampleSet,
        validation: ExampleSet | None,
        codec: Codec,
        run: Path,
        device: torch.device,
    ) -> None:
        self.config, self.run, self.device = config, run, device
        self.objective, self.codec = objective, codec
        if len(examples) < 2:
            raise DataError(f"Training needs at least 2 examples, got {len(examples)}.")
        _check_validation(examples, validation)
        self.examples = examples.to(device)
        torch.manual_seed(mix_seed(config.seed, "initialise"))
        self.model = objective.build().to(device)
        self.network = self.model.network
        if config.compile:
            self.network.compile()
        self.ema = EMA(self.network, config.ema_widths)
        self.optimizer = build_optimizer(config.optimizer, self.network)

        everything = torch.arange(len(examples))
        chosen, held = everything, everything[:0]
        if config.validate_every and validation is None:
            groups = examples.groups if isinstance(examples, Grouped) else None
            chosen, held = hold_out(len(examples), config.validation_examples, config.seed, groups)
        elif config.validate_every and validation is not None:
            held = pick_some(len(validation), config.validation_examples, config.seed)
        self.order = DataOrder(chosen, config.seed)
        self._validation = (
            self._encode(*(validation or examples).batch(held)) if len(held) else None
        )
        self._averaged = copy.deepcopy(self.model) if self._validation else None
        self.step = self._saved_step = 0
        self.precision = config.precision

    def resume(self, folder: Path) -> None:
        """Go on from a checkpoint of the same run.

        Raises:
            CheckpointError: if it is not whole.
            DataError: if the data are not as many as they were.
        """
        state = load_checkpoint(folder, self.network, self.ema, self.optimizer)
        if state.num_examples != len(self.examples):
            raise DataError(
                f"The data have {len(self.examples)} examples, and had {state.num_examples} when "
                f"{self.run} was trained on them; their order would be another. Put them back."
            )
        self.step = self._saved_step = state.step
        self.precision = state.precision

    def train(self, report: Report, stop_after: int | None = None) -> bool:
        """Train to the end, or until Ctrl-C; either way what was reached is saved.

        Args:
            report: called every `report_every` steps, after validations and at the end.
            stop_after: stop, saved, once this many steps are done in all.

        Returns:
            Whether the training is complete.
        """
        if stop_after is not None and stop_after < 1:
            raise ClarionError(f"stop_after must be at least 1, got {stop_after}.")
        last = min(self.config.num_steps, stop_after or self.config.num_steps)
        with StopRequest() as stop:
            report(self._beginning())
            self._choose_precision(report)
            window = _Window(self.step)
            while self.step < last and not stop.is_set:
                loss, gradient = self._train_step()
                window.add(loss)
                if _is_due(self.step, self.config.report_every, last):
                    report(self._summary(window, gradient))
                    window = _Window(self.step)
                with window.paused():
                    if _is_due(self.step, self.config.validate_every, last) and self._validation:
                        report({"step": self.step, **self.validate()})
                    if _is_due(self.step, self.config.checkpoint_every, last):
                        self.save()
            if self.step > self._saved_step:
                self.save()
        return self.step >= self.config.num_steps

    def save(self) -> None:
        """Write a checkpoint of the present step.

        Raises:
            ClarionError: if the weights are not finite; nothing is written.
        """
        if not all(bool(p.isfinite().all()) for p in self.network.parameters()):
            raise self._diverged("The weights are not finite")
        count = len(self.examples)
        state = TrainState(self.step, self.precision, self.config.ema_widths, count)
        save_checkpoint(
            self.run, state, self.network, self.ema, self.optimizer, self.config.keep_checkpoints
        )
        self._saved_step = self.step

    def validate(self) -> Figures:
        """What the objective measures of the averaged weights on the validation examples."""
        if self._averaged is None or self._validation is None:
            raise ClarionError("This training has no validation examples.")
        self._averaged.network.load_state_dict(self.ema.state_dict())
        self._averaged.eval().autocast_dtype = AUTOCAST[self.precision]
        return self.objective.validate(self._averaged, *self._validation, self.config.batch_size)

    def _train_step(self) -> tuple[Tensor, Tensor]:
        """One optimiser step; returns the loss and the length of the gradient, on the device."""
        config = self.config
        torch.manual_seed(mix_seed(config.seed, "step", self.step))
        indices = self.order.take(self.step * config.batch_size, config.batch_size)
        x0, condition = self._encode(*self.examples.training_batch(indices))
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.objective.batch_loss(self.model, x0, condition)
        loss.backward()
        gradient = clip_gradients(self.network.parameters(), config.optimizer.clip_norm)
        self.step += 1
        rate = learning_rate(config.optimizer, self.step, config.num_steps)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.step()
        self.ema.update(self.step)
        return loss.detach(), gradient

    def _encode(self, data: Tensor, condition: Condition) -> tuple[Tensor, Condition]:
        return self.codec.encode(data.to(self.device)), condition.to(self.device)

    def _beginning(self) -> dict[str, Any]:
        held_out = len(self._validation[0]) if self._validation else 0
        return {
            "step": self.step,
            "weights": sum(p.numel() for p in self.network.parameters()),
            "training_examples": len(self.order),
            "validation_examples": held_out,
            "device": str(self.device),
        }

    def _choose_precision(self, report: Report) -> None:
        """Measure once, at the very start; a resumed training keeps what was chosen."""
        if self.precision == "auto":
            size = min(self.config.batch_size, len(self.examples))
            x0, condition = self._encode(*self.examples.batch(torch.arange(size)))

            def step(dtype: torch.dtype | None) -> None:
                self.model.autocast_dtype = dtype
                self.objective.batch_loss(self.model, x0, condition).backward()
                self.optimizer.zero_grad(set_to_none=True)

            self.precision, seconds = faster_precision(step, self.device)
            report({"step": 0, "precision": self.precision, "seconds_per_pass": seconds})
        self.model.autocast_dtype = AUTOCAST[self.precision]
        self.model.train()

    def _summary(self, window: _Window, gradient: Tensor) -> dict[str, Any]:
        loss, seconds = window.mean_loss(), window.seconds()
        if not math.isfinite(loss):
            raise self._diverged(f"The loss is {loss}")
        rate = (self.step - window.first_step) * self.config.batch_size / seconds
        return {
            "step": self.step,
            "loss": loss,
            "gradient_norm": float(gradient),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "examples_per_s": rate,
            "seconds_left": (self.config.num_steps - self.step) * self.config.batch_size / rate,
        }

    def _diverged(self, what: str) -> ClarionError:
        return ClarionError(
            f"{what} at step {self.step}. Lower optimizer.learning_rate, or set precision to "
            f"float32; the last checkpoint is untouched."
        )


class _Window:
    """The steps since the last report; losses stay on the device until they are read."""

    def __init__(self, first_step: int) -> None:
        self.first_step, self._losses, self._start = first_step, [], time.perf_counter()

    def add(self, loss: Tensor) -> None:
        self._losses.append(loss)

    def mean_loss(self) -> float:
        return float(torch.stack(self._losses).mean())

    def seconds(self) -> float:
        return time.perf_counter() - self._start

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is done meanwhile does not count as time of the steps."""
        start = time.perf_counter()
        yield
        self._start += time.perf_counter() - start


def _check_validation(examples: ExampleSet, validation: ExampleSet | None) -> None:
    """Refuse examples that the model could not be measured on, or whose values mean others."""
    if validation is None:
        return
    if validation.shape != examples.shape:
        raise DataError(
            f"The validation examples have shape {validation.shape}, those to train on "
            f"{examples.shape}."
        )
    expected, given = examples.condition_spec, validation.condition_spec
    if set(given) != set(expected):
        raise DataError(
            f"The validation examples have the conditions {', '.join(given) or 'none'}, those to "
            f"train on {', '.join(expected) or 'none'}; read the same from both."
        )
    for name, entry in expected.items():
        if given[name] != entry:
            raise DataError(
                f"The validation examples have another condition {name!r} than those to train on: "
                f"{str(given[name])[:200]}, not {str(entry)[:200]}. Open them with the spec of the "
                "training examples."
            )


def _is_due(step: int, every: int, last: int) -> bool:
    return every > 0 and (step % every == 0 or step == last)
