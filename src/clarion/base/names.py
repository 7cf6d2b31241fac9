"""Tables from the names people type to the things they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Generic, TypeVar

from clarion.base.errors import UnknownNameError

T = TypeVar("T")


def describe_unknown(kind: str, name: object, known: list[str]) -> str:
    """Sentence that names an unknown name, the nearest known one, and all known ones.

    Example:
        >>> describe_unknown("sampler", "huen", ["euler", "heun"])
        "Unknown sampler 'huen'. Did you mean 'heun'? Known: euler, heun."
    """
    near = get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"Unknown {kind} {name!r}.{hint} Known: {', '.join(known) or 'none'}."


class NameTable(Mapping[str, T], Generic[T]):
    """Read-only mapping whose misses say what was meant.

    Args:
        kind: what the entries are, in the singular, as it shall stand in messages ("sampler").
        entries: name -> thing.

    Example:
        >>> NameTable("sampler", {"euler": 1, "heun": 2})["heun"]
        2
    """

    def __init__(self, kind: str, entries: Mapping[str, T]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except (KeyError, TypeError):
            raise UnknownNameError(describe_unknown(self.kind, name, list(self))) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def name_of(self, thing: object) -> str:
        """The first name under which `thing` itself, or its class, stands.

        Raises:
            UnknownNameError: if the table does not hold it.
        """
        for name, entry in self._entries.items():
            if entry is thing or entry is type(thing):
                return name
        raise UnknownNameError(
            f"{type(thing).__name__} stands in no row of the table of {self.kind} names. "
            f"Known: {', '.join(self)}."
        )
