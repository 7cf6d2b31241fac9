"""The configs of a classifier of noisy data: what it is, and how it is trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from clarion.base.codec import Codec
from clarion.base.condition import ClassEntry
from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown
from clarion.denoise.known_data import KnownData
from clarion.denoise.network_classifier import NetworkClassifier
from clarion.denoise.token_classifier import TokenNetworkClassifier
from clarion.nets.classifier import ClassifierNetwork
from clarion.nets.config import NetworkConfig
from clarion.nets.token_classifier import TokenClassifierNetwork
from clarion.nets.transformer import TransformerConfig
from clarion.nets.unet import UNetConfig
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process
from clarion.process.tables import of_kind
from clarion.process.tokens import TokenProcess
from clarion.run.config import (
    LevelsConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
    check_is_told,
)
from clarion.run.examples import DataConfig

MOST_CHANNELS = 32
"""Of a U-Net: a classifier needs fewer than the model that it steers."""

MOST_BLOCKS, MOST_WIDTH, HEAD_WIDTH = 2, 128, 32
"""Of a transformer, likewise."""

NETWORKS_OF: Mapping[type[Process], type[NetworkConfig]] = {
    GaussianProcess: UNetConfig,
    TokenProcess: TransformerConfig,
}
"""Kind of process -> the network of whose reading half a classifier is made."""

AnyClassifier: TypeAlias = NetworkClassifier | TokenNetworkClassifier
"""What a classifier's config can be built into."""


@dataclass(frozen=True)
class ClassifierConfig:
    """All that is needed, beside weights and codec, to make the classifier.

    Args:
        shape: of one sample, in model units.
        label: name of the condition that it tells.
        classes: what that may be.
        network: sizes of the network, of the kind in `NETWORKS_OF`.
        process: how data becomes noise.
        sigma_data: standard deviation of the data in model units; of numbers alone.
        domain: the kind of data, a name in `domains.tables.DOMAINS`.
    """

    shape: tuple[int, ...]
    label: str
    classes: ClassEntry
    network: NetworkConfig
    process: Process
    sigma_data: float = 1.0
    domain: str = "image"

    def __post_init__(self) -> None:
        if not 0 < self.sigma_data < math.inf:
            raise ClarionError(f"sigma_data must be above 0 and finite, got {self.sigma_data}.")
        check_is_told(self.network, self.process)
        wanted = of_kind(self.process, NETWORKS_OF)
        if not isinstance(self.network, wanted):
            raise ClarionError(
                f"network of a classifier must be a {wanted.__name__} for {self.process}, got "
                f"{self.network}."
            )

    @classmethod
    def of_model(
        cls, model: ModelConfig, network: NetworkConfig, label: str | None = None
    ) -> ClassifierConfig:
        """The classifier that can steer a model: of its process, units, shape and classes.

        Args:
            model: what it shall steer.
            network: sizes of the classifier's network.
            label: which of the model's conditions it shall tell; None if there is but one label.

        Raises:
            ClarionError: if the model has no such label, or the network is of another kind.
        """
        name, classes = _label_of(model, label)
        return cls(
            model.shape, name, classes, network, model.process, model.sigma_data, model.domain
        )

    def build(self, codec: Codec) -> AnyClassifier:
        """The classifier, its network freshly initialised from torch's random state."""
        process, count = self.process, self.classes.num_classes
        data = KnownData(self.shape, codec, {self.label: self.classes})
        if isinstance(self.network, TransformerConfig):
            assert isinstance(process, TokenProcess), "checked when it was made"
            states = process.num_states
            network = TokenClassifierNetwork(self.network, self.shape[0], states, count)
            reads_time = self.network.reads_noise_level
            return TokenNetworkClassifier(network, process, data, count, reads_time=reads_time)
        assert isinstance(self.network, UNetConfig), "checked when it was made"
        assert isinstance(process, GaussianProcess), "checked when it was made"
        network = ClassifierNetwork(self.network, self.shape, count)
        return NetworkClassifier(network, process, data, count, self.sigma_data)


@dataclass(frozen=True)
class ClassifierTrainConfig(TrainingConfig):
    """The whole training of a classifier.

    With these defaults, garments of Fashion-MNIST took 12 minutes of one core of an AMD EPYC that
    other work shared, in bfloat16: held-out accuracy 0.88 at noise levels below 0.4, 0.65 at 4.

    Args:
        network: sizes of the network.
        noise: which noise levels it is trained at; those that samplers visit are spread about
            evenly over the time.
    """

    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(learning_rate=1e-3, weight_decay=0.05)
    )
    batch_size: int = 64
    num_steps: int = 4000
    validation_examples: int = 1024
    validate_every: int = 500
    checkpoint_every: int = 500
    network: NetworkConfig = field(default_factory=UNetConfig)
    noise: LevelsConfig = field(default_factory=lambda: LevelsConfig(levels="time_uniform"))

    @classmethod
    def for_model(
        cls, model: ModelConfig, data: DataConfig, validation: DataConfig | None
    ) -> ClassifierTrainConfig:
        """Settings that suit a model: a network of its kind, of fewer and smaller blocks.

        Raises:
            ClarionError: if the model has a network of which no classifier is made.
        """
        return cls(data=data, validation=validation, network=_smaller(model))


def _smaller(model: ModelConfig) -> NetworkConfig:
    network = model.network
    if isinstance(network, TransformerConfig):
        blocks = min(network.num_blocks, MOST_BLOCKS)
        network = replace(network, num_blocks=blocks, dropout=0.1, is_causal=False)
        if network.width > MOST_WIDTH:
            network = replace(network, width=MOST_WIDTH, head_width=HEAD_WIDTH)
        return network
    if not isinstance(network, UNetConfig):
        raise ClarionError(
            "A classifier is half a U-Net and takes signals and pictures, which this model's "
            f"samples of shape {model.shape} are not: its network is {network}."
        )
    network = replace(network, blocks_per_level=1, dropout=0.1)
    if network.base_channels > MOST_CHANNELS:
        network = replace(network, base_channels=MOST_CHANNELS, head_width=MOST_CHANNELS)
    return network


def _label_of(model: ModelConfig, name: str | None) -> tuple[str, ClassEntry]:
    labels = {n: e for n, e in model.condition.items() if isinstance(e, ClassEntry)}
    if name is not None and name not in labels:
        raise ClarionError(describe_unknown("label of this model", name, list(labels)))
    if name is None and len(labels) != 1:
        known = ", ".join(labels) or "none"
        raise ClarionError(
            "A classifier tells one of a model's labels; say which with --label. "
            f"Labels of this model: {known}."
        )
    name = next(iter(labels)) if name is None else name
    return name, labels[name]
