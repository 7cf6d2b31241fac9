"""What there is to say of a condition's values, in a line or a few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_SHOWN = 8


def describe_column(summary: Mapping[str, Any]) -> str:
    """The summary of a column in words.

    Example:
        >>> describe_column({"kind": "class", "present": 2, "count": 3, "values": {"a": 2, "b": 0}})
        'class, in 2 of 3: a (2), b (0)'
    """
    present, count = summary["present"], summary["count"]
    head = f"{summary['kind']}, in {'all' if present == count else f'{present:,} of'} {count:,}"
    if "values" in summary:
        values = sorted(summary["values"].items(), key=lambda item: -item[1])
        shown = [f"{name} ({n:,})" for name, n in values[:MOST_SHOWN]]
        more = [f"and {len(values) - MOST_SHOWN:,} more"] if len(values) > MOST_SHOWN else []
        return f"{head}: {', '.join(shown + more)}"
    if "parts" in summary:
        return "\n".join([head, *(f"  {_part(part)}" for part in summary["parts"])])
    if "shape" in summary:
        channels, *sides = summary["shape"]
        return f"{head}: {' x '.join(map(str, reversed(sides)))}, {channels} channels"
    examples = ", ".join(repr(text[:60]) for text in summary["examples"])
    return (
        f"{head}, {summary['distinct']:,} different, the longest of {summary['longest']} tokens "
        f"(at most {summary['max_tokens']}): {examples}"
    )


def _part(part: Mapping[str, Any]) -> str:
    unit = f" {part['unit']}" if part["unit"] else ""
    name = f"{part['name']}: " if part["name"] else ""
    return (
        f"{name}{part['low']:g} to {part['high']:g}{unit}, "
        f"mean {part['mean']:.4g}, deviation {part['std']:.4g}"
    )
