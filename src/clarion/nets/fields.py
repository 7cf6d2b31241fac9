"""Image-like conditions as further channels of a network's input.

Source: Saharia et al. 2022, arXiv 2104.07636, section 2.3: what is known of the sample, resized to
its sides, is concatenated to the noisy sample.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.condition import Condition, ConditionSpec, FieldEntry
from clarion.base.errors import ClarionError

_SMOOTH = {1: "linear", 2: "bilinear"}


class FieldInput(nn.Module):
    """Concatenates fields to a sample; an absent one is a learned value in each channel.

    Args:
        spec: name -> entry, fields only.
        num_sides: of a sample, 1 or 2.
    """

    def __init__(self, spec: ConditionSpec, num_sides: int) -> None:
        super().__init__()
        self.absent = nn.ParameterDict()
        for name, entry in spec.items():
            assert isinstance(entry, FieldEntry), f"{name} is no field"
            if len(entry.sides) != num_sides:
                raise ClarionError(
                    f"Condition {name!r} has sides {entry.sides}, but a sample has {num_sides}."
                )
            self.absent[name] = nn.Parameter(torch.randn(entry.channels) * 0.02)

    @property
    def num_channels(self) -> int:
        """Channels of all fields together."""
        return sum(len(absent) for absent in self.absent.values())

    def forward(self, x: Tensor, condition: Condition | None) -> Tensor:
        """(batch, channels, *sides) -> (batch, channels + num_channels, *sides)."""
        parts, ones = [x], [1] * (x.ndim - 2)
        for name, value in self.absent.items():
            absent = value.to(x.dtype).reshape(1, -1, *ones)
            if condition is None:
                parts.append(absent.expand(len(x), -1, *x.shape[2:]))
            else:
                present = condition.present[name].reshape(-1, 1, *ones)
                field = resize(condition.values[name].to(x.dtype), x.shape[2:])
                parts.append(torch.where(present, field, absent))
        return torch.cat(parts, 1)


def split_fields(spec: ConditionSpec) -> tuple[ConditionSpec, ConditionSpec]:
    """The fields of a spec, and the rest of it."""
    fields = {name: entry for name, entry in spec.items() if isinstance(entry, FieldEntry)}
    return fields, {name: entry for name, entry in spec.items() if name not in fields}


def resize(field: Tensor, sides: torch.Size) -> Tensor:
    """(batch, channels, *any) -> (batch, channels, *sides): means where it shrinks, else linear."""
    if field.shape[2:] == sides:
        return field
    if all(new <= old for new, old in zip(sides, field.shape[2:], strict=True)):
        return F.interpolate(field, size=list(sides), mode="area")
    return F.interpolate(field, size=list(sides), mode=_SMOOTH[len(sides)], align_corners=False)
