"""Make sound of log-mel spectrograms."""

from __future__ import annotations

from dataclasses import replace

from clarion.base.condition import FieldEntry
from clarion.base.errors import ClarionError
from clarion.base.sound import LogMel, SoundCodec
from clarion.run.model import Model

LOG_MEL = "log_mel"
"""The condition by which a vocoder is told what it shall sound like."""


def log_mel_of(model: Model) -> LogMel:
    """What a vocoder is told.

    Raises:
        ClarionError: for a model of another kind.
    """
    entry = model.config.condition.get(LOG_MEL)
    seen_as = entry.seen_as if isinstance(entry, FieldEntry) else None
    if not isinstance(seen_as, LogMel) or not isinstance(model.codec, SoundCodec):
        raise ClarionError(
            f"{model} is no vocoder: it has no condition {LOG_MEL!r} of sounds, as "
            "`clarion train vocoder` gives it."
        )
    return seen_as


def at_length(model: Model, num_samples: int) -> Model:
    """The same vocoder for sounds of another length, where its network takes any.

    Args:
        model: with the condition `log_mel`; its weights are shared.
        num_samples: of what it shall make.
    """
    told, codec = log_mel_of(model), model.codec
    assert isinstance(codec, SoundCodec), "that is what vocoders have"
    if not model.config.network.takes_any_length or num_samples == codec.num_samples:
        return model
    codec = replace(codec, num_samples=num_samples)
    entry = FieldEntry.of_sound(replace(told, num_samples=num_samples))
    entry = replace(entry, dropout=model.config.condition[LOG_MEL].dropout)
    config = replace(
        model.config,
        shape=codec.model_shape((num_samples,)),
        condition={**model.config.condition, LOG_MEL: entry},
    )
    return Model(config, model.denoiser, codec)
