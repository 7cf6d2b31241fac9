"""The training of a classifier of noisy data.

    loss = -log p(label | x_t)

at noise levels of the whole way; its minimum over all functions is the posterior of the label.
Source: Dhariwal & Nichol 2021, arXiv 2105.05233, section 4.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.condition import Condition
from clarion.base.errors import DataError
from clarion.run.classifier_config import AnyClassifier, ClassifierConfig
from clarion.run.config import LevelsConfig
from clarion.run.examples import ExampleSet
from clarion.train.levels import NoiseLevels
from clarion.train.objective import Objective
from clarion.train.validate import Figures, mean_by_level


class ClassifierObjective(Objective[AnyClassifier]):
    """A classifier by its cross-entropy; examples without a label are passed over.

    Args:
        config: the classifier.
        codec: of the data.
        noise: which noise levels are trained.
    """

    def __init__(self, config: ClassifierConfig, codec: Codec, noise: LevelsConfig) -> None:
        self.config, self.codec = config, codec
        self.levels = NoiseLevels(noise, config.process, config.sigma_data)

    def build(self) -> AnyClassifier:
        return self.config.build(self.codec)

    def batch_loss(self, model: AnyClassifier, x0: Tensor, condition: Condition) -> Tensor:
        t = self.levels.stratified_times(len(x0), x0.device)
        log_p = self._log_probabilities(model, x0, t, self.config.process.noise_like(x0))
        present = condition.present[self.config.label]
        own = torch.where(present, self._own(log_p, condition), 0.0)
        return -own.sum() / present.sum().clamp(min=1)

    def validate(
        self, model: AnyClassifier, x0: Tensor, condition: Condition, batch_size: int
    ) -> Figures:
        """The loss as "validation", and "accuracy": how often the likeliest class is the label."""
        known = condition.present[self.config.label]

        def measure(x0: Tensor, t: Tensor, noise: Tensor, part: Condition) -> dict[str, Tensor]:
            log_p = self._log_probabilities(model, x0, t, noise)
            right = log_p.argmax(1) == part.values[self.config.label]
            return {"validation": -self._own(log_p, part), "accuracy": right}

        return mean_by_level(measure, self.levels, x0[known], condition.rows(known), batch_size)

    def _log_probabilities(
        self, model: AnyClassifier, x0: Tensor, t: Tensor, noise: Tensor
    ) -> Tensor:
        return model(self.config.process.perturb(x0, t, noise), t)

    def _own(self, log_p: Tensor, condition: Condition) -> Tensor:
        """log p of each sample's label, (batch,)."""
        return log_p.gather(1, condition.values[self.config.label][:, None]).squeeze(1)


def check_examples(config: ClassifierConfig, examples: ExampleSet, codec: Codec) -> None:
    """Refuse data that are not of a classifier's shape and classes.

    Raises:
        DataError: with what they are and should be.
    """
    shape = codec.model_shape(examples.shape)
    if shape != config.shape:
        raise DataError(
            f"The data have shape {shape}, the model's samples {config.shape}; a "
            "classifier has to see what the model makes. Set --size, --resize and --channels."
        )
    given = examples.condition_spec.get(config.label)
    if given is None:
        known = ", ".join(examples.condition_spec) or "none"
        raise DataError(f"The data do not tell {config.label!r}; conditions in them: {known}.")
    if not config.classes.means_the_same_as(given):
        raise DataError(
            f"The classes of {config.label!r} in the data are {given}, the model's "
            f"{config.classes}; a classifier has to tell the model's."
        )
