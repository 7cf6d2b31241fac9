"""The configs of a run: what the model is, and how it is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from clarion.base.codec import Codec
from clarion.base.condition import ConditionEntry
from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown
from clarion.denoise.network import NetworkDenoiser
from clarion.denoise.parametrization import PARAMETRIZATIONS
from clarion.denoise.token_network import TokenNetworkDenoiser
from clarion.nets.config import NetworkConfig
from clarion.nets.unet import UNetConfig
from clarion.process.gaussian import EDM, GaussianProcess
from clarion.process.process import Process
from clarion.process.tokens import Masking, TokenProcess
from clarion.run.examples import DataConfig, ExampleSet

SCHEMA_VERSION = 1

AnyDenoiser: TypeAlias = NetworkDenoiser | TokenNetworkDenoiser
"""What a model's config can be built into."""


@dataclass(frozen=True)
class ModelConfig:
    """All that is needed, beside weights and normaliser, to make the model.

    Args:
        shape: of one sample, in model units.
        condition: what the model may be conditioned on.
        network: sizes of the network.
        process: how data becomes noise.
        prediction_type: what the network predicts, a name in `PARAMETRIZATIONS`; of numbers alone.
        sigma_data: standard deviation of the data in model units; of numbers alone.
        domain: the kind of data, a name in `domains.tables.DOMAINS`.
    """

    shape: tuple[int, ...]
    condition: Mapping[str, ConditionEntry]
    network: NetworkConfig
    process: Process
    prediction_type: str = "edm"
    sigma_data: float = 1.0
    domain: str = "image"

    def __post_init__(self) -> None:
        has_tokens = isinstance(self.process, TokenProcess)
        if min(self.shape, default=0) < 1 or (len(self.shape) == 1) != has_tokens:
            wanted = "(length,)" if has_tokens else "(channels, *sides)"
            raise ClarionError(f"shape must be {wanted}, each at least 1, got {self.shape}.")
        if isinstance(self.process, TokenProcess) and not self.process.vocabulary:
            raise ClarionError("The process of a model must state its vocabulary, got 0.")
        check_is_told(self.network, self.process)
        PARAMETRIZATIONS[self.prediction_type]  # an unknown name is refused here
        if not 0 < self.sigma_data < math.inf:
            raise ClarionError(f"sigma_data must be above 0 and finite, got {self.sigma_data}.")

    def build(self) -> AnyDenoiser:
        """The denoiser, its network freshly initialised from torch's random state."""
        process = self.process
        if isinstance(process, TokenProcess):
            states, tokens = process.num_states, process.vocabulary
            length = self.shape[0]
            network = self.network.build_for_tokens(length, states, tokens, self.condition)
            reads_time = self.network.reads_noise_level
            return TokenNetworkDenoiser(network, process, reads_time=reads_time)
        assert isinstance(process, GaussianProcess), "there is no third kind"
        network = self.network.build(self.shape, self.condition)
        return NetworkDenoiser(network, process, self.prediction_type, self.sigma_data)


def check_is_told(network: NetworkConfig, process: Process) -> None:
    """Refuse a network that does not read the noise level where that says more than x_t does.

    Raises:
        ClarionError: if the process is not of masks.
    """
    if not network.reads_noise_level and not isinstance(process, Masking):
        raise ClarionError(
            f"reads_noise_level must be True for {process}: of masks alone the noise level says "
            "nothing that x_t does not say."
        )


@dataclass(frozen=True)
class LevelsConfig:
    """Which noise levels are trained.

    Args:
        levels: a name in `train.levels.NOISE_LEVELS`.
        log_level_mean: for "lognormal" levels: mean of log(sigma / alpha / sigma_data).
        log_level_std: for "lognormal" levels: standard deviation of the same.
    """

    levels: str = "lognormal"
    log_level_mean: float = -0.5
    log_level_std: float = 1.2

    def __post_init__(self) -> None:
        is_finite = math.isfinite(self.log_level_mean) and math.isfinite(self.log_level_std)
        if not (is_finite and self.log_level_std > 0):
            raise ClarionError(
                f"log_level_mean must be finite and log_level_std above 0, "
                f"got {self.log_level_mean} and {self.log_level_std}."
            )


@dataclass(frozen=True)
class LossConfig(LevelsConfig):
    """Which noise levels are trained, and how much each counts.

    Args:
        weighting: a name in `train.loss.WEIGHTINGS`.
    """

    weighting: str = "edm"


@dataclass(frozen=True)
class OptimizerConfig:
    """AdamW, or Muon and AdamW, and their learning rate over time.

    Args:
        learning_rate: the highest it gets.
        warmup_steps: steps over which it rises linearly from 0.
        decay: "none", "linear" or "cosine" to 0 at the last step.
        decay_from: fraction of the training, in [0, 1], after which it starts to fall.
        betas: of Adam.
        weight_decay: decoupled, on matrices and convolutions only.
        clip_norm: gradients longer than this are shortened to it; None never.
        matrices: what optimises the matrices of blocks: "adamw", or "muon", with which transformers
            learn in fewer steps.
    """

    learning_rate: float = 3e-4
    warmup_steps: int = 200
    decay: Literal["none", "linear", "cosine"] = "linear"
    decay_from: float = 0.5
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip_norm: float | None = 1.0
    matrices: Literal["adamw", "muon"] = field(default="adamw", metadata={"optional": True})

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < math.inf:
            raise ClarionError(
                f"learning_rate must be above 0 and finite, got {self.learning_rate}."
            )
        if self.warmup_steps < 0:
            raise ClarionError(f"warmup_steps must be 0 or more, got {self.warmup_steps}.")
        if not 0 <= self.decay_from <= 1:
            raise ClarionError(f"decay_from must be in [0, 1], got {self.decay_from}.")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ClarionError(f"betas must be in [0, 1), got {self.betas}.")
        if not 0 <= self.weight_decay < math.inf:
            raise ClarionError(
                f"weight_decay must be 0 or more and finite, got {self.weight_decay}."
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ClarionError(f"clip_norm must be above 0, or None, got {self.clip_norm}.")


@dataclass(frozen=True)
class TrainingConfig:
    """What every training has: data, an optimiser, and how the loop runs.

    Args:
        data: the training examples.
        validation: other examples to measure the loss on; None holds out a part of `data`.
        validation_examples: how many examples the validation loss is measured on.
        optimizer: AdamW and its schedule.
        batch_size: examples a step.
        num_steps: optimiser steps in all.
        seed: all randomness of the training follows from it and the number of the step.
        ema_widths: relative widths sigma_rel of the averaged weights that are kept; `model` files
            hold the first.
        precision: "auto" measures both at the start and takes the faster.
        compile: use torch.compile; slow to start, faster later.
        report_every: steps between lines in the log.
        validate_every: steps between validations; 0 for never.
        checkpoint_every: steps between checkpoints.
        keep_checkpoints: how many of the newest can be resumed from; of older ones only the
            averaged weights are kept, for post-hoc averaging.
    """

    data: DataConfig
    validation: DataConfig | None = None
    validation_examples: int = 512
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    batch_size: int = 128
    num_steps: int = 10_000
    seed: int = 0
    ema_widths: tuple[float, ...] = (0.05, 0.1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    report_every: int = 50
    validate_every: int = 1000
    checkpoint_every: int = 1000
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        for name in ("batch_size", "num_steps", "report_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")
        for name in ("validate_every", "validation_examples"):
            if getattr(self, name) < 0:
                raise ClarionError(f"{name} must be 0 or more, got {getattr(self, name)}.")
        if self.keep_checkpoints < 1:
            raise ClarionError(f"keep_checkpoints must be at least 1, got {self.keep_checkpoints}.")
        if not self.ema_widths or not all(0 < w < 0.25 for w in self.ema_widths):
            raise ClarionError(f"ema_widths must be numbers in (0, 0.25), got {self.ema_widths}.")
        if len(set(self.ema_widths)) < len(self.ema_widths):
            raise ClarionError(f"ema_widths must differ from each other, got {self.ema_widths}.")


@dataclass(frozen=True)
class TrainConfig(TrainingConfig):
    """The whole training of a model.

    Args:
        network: sizes of the network.
        process: how data becomes noise.
        prediction_type: what the network predicts.
        condition_dropout: probability with which each condition is hidden, to learn "absent".
        condition_dropouts: the same for single conditions, name -> probability.
        loss: noise levels and their weights.
    """

    network: NetworkConfig = field(default_factory=UNetConfig)
    process: Process = field(default_factory=EDM)
    prediction_type: str = "edm"
    condition_dropout: float = 0.1
    condition_dropouts: Mapping[str, float] = field(
        default_factory=dict, metadata={"optional": True}
    )
    loss: LossConfig = field(default_factory=LossConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        PARAMETRIZATIONS[self.prediction_type]  # an unknown name is refused here
        dropouts = {"condition_dropout": self.condition_dropout} | {
            f"condition_dropouts of {name}": p for name, p in self.condition_dropouts.items()
        }
        for name, probability in dropouts.items():
            if not 0 <= probability <= 1:
                raise ClarionError(f"{name} must be in [0, 1], got {probability}.")

    def of_examples(self, examples: ExampleSet, codec: Codec) -> ModelConfig:
        """The model that a training on these examples makes.

        Raises:
            ClarionError: if they have no such condition as `condition_dropouts` names.
        """
        known, dropouts = examples.condition_spec, self.condition_dropouts
        for name in dropouts:
            if name not in known:
                raise ClarionError(
                    describe_unknown("condition of condition_dropouts", name, list(known))
                )
        spec = {
            name: replace(entry, dropout=dropouts.get(name, self.condition_dropout))
            for name, entry in known.items()
        }
        return ModelConfig(
            codec.model_shape(examples.shape),
            spec,
            self.network,
            self.process.of_data(codec),
            self.prediction_type,
            domain=type(self.data).domain,
        )
