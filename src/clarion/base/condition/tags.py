"""Tags: any subset of a set of names, also known as multi-label."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition.entry import ConditionEntry, check_count, to_floats
from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown


@dataclass(frozen=True)
class TagsEntry(ConditionEntry):
    """Any subset of `tag_names`; the empty one, too, is a value, and not the same as absent."""

    tag_names: tuple[str, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.tag_names or len(set(self.tag_names)) != len(self.tag_names):
            raise ClarionError(f"tag_names must be names that differ, got {self.tag_names}.")
        for tag in self.tag_names:
            if tag != tag.strip() or not tag or set(tag) & set(",+"):
                raise ClarionError(
                    f"A tag cannot be called {tag!r}: commas and plus signs separate tags, and "
                    "blanks around them are left out."
                )

    @property
    def num_tags(self) -> int:
        return len(self.tag_names)

    def encode(self, name: str, values: Any, n: int) -> Tensor:
        """Tags as an (n, num_tags) float32 tensor of zeros and ones.

        Args:
            name: of the condition.
            values: for all samples a text ("red, round" or "red+round") or a set of names; or a
                list that holds for each sample a text or a collection of names; or zeros and ones
                (num_tags,) or (n, num_tags).
            n: number of samples.
        """
        if hasattr(values, "tolist") and not isinstance(values, str):
            return self._flags(name, values, n)
        if isinstance(values, str | Set):
            return self._row(name, values).expand(n, self.num_tags).contiguous()
        if not isinstance(values, list | tuple):
            raise ClarionError(
                f"Condition {name!r} must be tags, such as {self.tag_names[0]!r}, got {values!r}."
            )
        check_count(name, len(values), n)
        return torch.stack([self._row(name, value) for value in values])

    def absent(self, n: int) -> Tensor:
        return torch.zeros(n, self.num_tags)

    def _row(self, name: str, value: Any) -> Tensor:
        if hasattr(value, "tolist"):
            return self._flags(name, value, 1)[0]
        if isinstance(value, str):
            value = [tag.strip() for tag in re.split("[,+]", value) if tag.strip()]
        if not isinstance(value, Iterable):
            raise ClarionError(f"Condition {name!r} must be names of tags, got {value!r}.")
        row = torch.zeros(self.num_tags)
        for tag in value:
            if tag not in self.tag_names:
                raise ClarionError(describe_unknown(f"tag of {name}", tag, list(self.tag_names)))
            row[self.tag_names.index(tag)] = 1
        return row

    def _flags(self, name: str, values: Any, n: int) -> Tensor:
        given = to_floats(name, values)
        if given.shape == (self.num_tags,):
            given = given.expand(n, self.num_tags)
        if given.shape != (n, self.num_tags):
            raise ClarionError(
                f"Condition {name!r} must have shape ({self.num_tags},) or ({n}, {self.num_tags}), "
                f"got {tuple(given.shape)}."
            )
        if not ((given == 0) | (given == 1)).all():
            raise ClarionError(f"Condition {name!r} must be zeros and ones, got {values!r}.")
        return given.contiguous()
