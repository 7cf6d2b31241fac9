"""Frozen dataclasses to JSON and back, strictly.

A field whose type is an abstract class with a name table (a process, a network, a sampler, ...) is
written with its `kind`, the name under which it stands in that table. Reading refuses missing and
extra keys and values of another type, and names where they stand. A field with the metadata
`optional`, added after files had been written without it, is written only where it is not at its
default, and may be missing.
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import (
    Any,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from torch import Tensor

from clarion.base.condition import CONDITION_ENTRIES, ConditionEntry
from clarion.base.errors import CheckpointError, ClarionError, UnknownNameError
from clarion.base.names import NameTable, describe_unknown
from clarion.base.sound import SOUND_CODECS, SoundCodec
from clarion.guide.measurement.operator import Operator
from clarion.guide.measurement.operators import OPERATORS
from clarion.guide.rule import Guidance
from clarion.guide.tables import GUIDANCE
from clarion.nets.config import NetworkConfig
from clarion.nets.tables import NETWORKS
from clarion.process.grids import Grid
from clarion.process.process import Process
from clarion.process.tables import ALL_PROCESSES, GRIDS
from clarion.sample.sampler import Sampler
from clarion.sample.tables import SAMPLERS

T = TypeVar("T")

Tables = Mapping[type, NameTable]

TABLES: dict[type, NameTable] = {
    ConditionEntry: CONDITION_ENTRIES,
    Process: ALL_PROCESSES,
    Grid: GRIDS,
    Guidance: GUIDANCE,
    NetworkConfig: NETWORKS,
    Operator: OPERATORS,
    Sampler: SAMPLERS,
    SoundCodec: SOUND_CODECS,
}


def to_json(value: Any, tables: Tables = TABLES) -> Any:
    """Turn a dataclass (with tuples, mappings and dataclasses within) into plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        table = _table_for(type(value), tables)
        kind = {"kind": table.name_of(value)} if table else {}
        fields = {
            f.name: to_json(getattr(value, f.name), tables)
            for f in _fields(value)
            if not (_is_optional(f) and getattr(value, f.name) == f.default)
        }
        return kind | fields
    if isinstance(value, Mapping):
        return {key: to_json(item, tables) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item, tables) for item in value]
    return value


def from_json(cls: type[T], value: Any, where: str, tables: Tables = TABLES) -> T:
    """Read what `to_json` wrote.

    Args:
        cls: the dataclass to read.
        value: parsed JSON.
        where: name of the file, for messages; grows into "config.json: model.process".
        tables: abstract class -> its name table.

    Raises:
        CheckpointError: for a missing or extra key, an unknown kind, a value of another type, or
            one that the dataclass itself refuses.
    """
    if not isinstance(value, Mapping):
        raise CheckpointError(f"{where} must hold named values, got {value!r}.")
    value = dict(value)
    table = _table_for(cls, tables)
    if table is not None:
        try:
            kind = table[value.pop("kind", None)]
        except UnknownNameError as error:
            raise CheckpointError(f"{where}: {error}") from None
        if not issubclass(kind, cls):
            raise CheckpointError(
                f"{where} must be of kind {table.name_of(cls)!r}, got {table.name_of(kind)!r}."
            )
        cls = kind
    names = {field.name for field in _fields(cls)}
    needed = {field.name for field in _fields(cls) if not _is_optional(field)}
    for problem, keys in (("lacks", needed - set(value)), ("has unknown", set(value) - names)):
        if keys:
            raise CheckpointError(f"{where} {problem} {', '.join(map(repr, sorted(keys)))}.")
    hints = get_type_hints(cls)
    read = {key: _read(hints[key], item, f"{where}.{key}", tables) for key, item in value.items()}
    try:
        return cls(**read)
    except ValueError as error:
        raise CheckpointError(f"{where}: {error}") from None


Readers: TypeAlias = Mapping[Any, Callable[[str], Any]]
"""Type of a field -> how to read what is typed for it: a file's name, say."""


def parse_kind(
    cls: type[T], text: str, readers: Readers = MappingProxyType({}), tables: Tables = TABLES
) -> T:
    """Read a sampler, a grid, a guidance rule and so on as it is typed.

    NAME, or NAME:SETTING,SETTING,... where a setting is KEY=VALUE, or a bare VALUE for the fields
    in their order, those of `readers` first. Colons separate as well as commas, except before a
    bare VALUE that follows KEY=VALUE; @LOW-HIGH at the end stands for t_low and t_high. What is not
    given keeps its default.

    Raises:
        ClarionError: for an unknown name or key, a missing one, or a value that the class refuses.

    Example:
        >>> parse_kind(Grid, "karras:rho=5,sigma_min=0.01").rho
        5.0
        >>> parse_kind(Guidance, "cfg:3@0.2-0.7")
        CFG(t_low=0.2, t_high=0.7, guidance_scale=3.0)
    """
    table = _table_for(cls, tables)
    if table is None:
        raise TypeError(f"{cls.__name__} has no table of names.")
    name, _, settings = text.partition(":")
    typed = {name: kind for name, kind in table.items() if can_be_typed(kind, readers)}
    if name in table and name not in typed:
        raise ClarionError(
            f"{name} takes tensors, which cannot be typed; give {table[name].__name__}(...) in "
            f"Python, or say it with --{name} on the command line."
        )
    kind = NameTable(table.kind, typed)[name]
    hints = get_type_hints(kind)
    fields = _typed_fields(kind, readers)
    known = [f.name for f in fields]
    in_order = [f.name for f in fields if not f.kw_only]
    given: dict[str, Any] = {}
    settings, interval = _split_interval(settings) if "t_low" in known else (settings, {})
    for number, setting in enumerate(_split_settings(settings)):
        key, equals, value = setting.partition("=")
        if not equals:
            if number >= len(in_order):
                raise ClarionError(f"{text!r} has too many settings; {_form(name, kind, readers)}.")
            key, value = in_order[number], setting
        if key not in known:
            raise ClarionError(describe_unknown(f"setting of {name}", key, known))
        if key in given:
            raise ClarionError(f"{text!r} gives {key} twice.")
        reader = readers.get(_not_none(hints[key]))
        if reader is not None:
            given[key] = reader(value)
            continue
        try:
            given[key] = _read(hints[key], _value(value, hints[key]), f"{name}.{key}", tables)
        except CheckpointError as error:
            problem = str(error).removesuffix(".")
            if "t_low" in known and _split_interval(value)[1]:
                problem = f"@LOW-HIGH comes last, behind all settings, got {text!r}"
            raise ClarionError(f"{problem}; {_form(name, kind, readers)}.") from None
    given |= interval
    missing = [f.name for f in fields if f.name not in given and _is_required(f)]
    if missing:
        raise ClarionError(f"{text!r} lacks {', '.join(missing)}; {_form(name, kind, readers)}.")
    return kind(**given)


def can_be_typed(kind: type, readers: Readers = MappingProxyType({})) -> bool:
    """Whether all that a class cannot do without can be written as text, or read from a file."""
    hints = get_type_hints(kind)
    needed = (hints[f.name] for f in _fields(kind) if _is_required(f))
    return not any(hint is Tensor and hint not in readers for hint in needed)


def _split_settings(text: str) -> list[str]:
    """The settings "rho=5,sigma_min=0.01", or those of "text:encoder=transformers:some/model"."""
    settings: list[str] = []
    for separator, part in re.findall("(^|[:,])([^:,]+)", text):
        if separator == ":" and "=" not in part and settings and "=" in settings[-1]:
            settings[-1] += ":" + part
        else:
            settings.append(part)
    return settings


def _split_interval(settings: str) -> tuple[str, dict[str, float]]:
    match = re.fullmatch(r"(.*)@(\d*\.?\d+)-(\d*\.?\d+)", settings)
    if match is None:
        return settings, {}
    return match[1], {"t_low": float(match[2]), "t_high": float(match[3])}


def _value(text: str, hint: Any) -> Any:
    """What is typed, as JSON would hold it: a number, true, false or null, or else the text."""
    try:
        return float(text) if hint is float else json.loads(text)
    except ValueError:
        return text


def _is_required(field: dataclasses.Field) -> bool:
    no = dataclasses.MISSING
    return field.default is no and field.default_factory is no


def _is_optional(field: dataclasses.Field) -> bool:
    """Whether a file may lack it: the field is younger than files that shall still be read."""
    return field.metadata.get("optional", False)


def _typed_fields(kind: type, readers: Readers) -> list[dataclasses.Field]:
    """The fields that can be typed, in the order of bare values: those of `readers` first."""
    hints = get_type_hints(kind)
    fields = [f for f in _fields(kind) if f.metadata.get("typed", True)]
    return sorted(fields, key=lambda f: hints[f.name] not in readers)


def _form(name: str, kind: type, readers: Readers) -> str:
    """How a thing is typed: "it is written cfg:GUIDANCE_SCALE[,schedule=...][@LOW-HIGH]"."""
    fields = _typed_fields(kind, readers)
    needed = [f.metadata.get("form", f.name.upper()) for f in fields if _is_required(f)]
    others = [f.name for f in fields if not _is_required(f) and f.name not in ("t_low", "t_high")]
    settings = "".join(f":{form}" for form in needed) + "".join(f"[,{o}=...]" for o in others)
    settings = settings if needed else settings.replace("[,", "[:", 1)
    interval = "[@LOW-HIGH]" if any(f.name == "t_low" for f in fields) else ""
    return f"it is written {name}{settings}{interval}"


def _fields(cls: Any) -> tuple[dataclasses.Field, ...]:
    return tuple(field for field in dataclasses.fields(cls) if field.init)


def _table_for(cls: type, tables: Tables) -> NameTable | None:
    return next((table for base, table in tables.items() if issubclass(cls, base)), None)


def _not_none(hint: Any) -> Any:
    """The first type of a union that is not None; of another type itself."""
    is_union = get_origin(hint) in (Union, types.UnionType)
    return next(a for a in get_args(hint) if a is not type(None)) if is_union else hint


def _read(hint: Any, value: Any, where: str, tables: Tables) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        return _read(_not_none(hint), value, where, tables)
    if isinstance(hint, type) and (dataclasses.is_dataclass(hint) or hint in tables):
        return from_json(hint, value, where, tables)
    if origin is tuple and isinstance(value, list):
        of = args[:1] * len(value) if args[-1] is Ellipsis else args
        if len(of) == len(value):
            return tuple(
                _read(a, item, f"{where}[{i}]", tables)
                for i, (a, item) in enumerate(zip(of, value, strict=True))
            )
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {k: _read(args[1], item, f"{where}.{k}", tables) for k, item in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is None and type(value) is hint:
        return value
    wanted = hint.__name__ if isinstance(hint, type) and origin is None else hint
    if origin is Literal:
        if value in args:
            return value
        wanted = f"one of {', '.join(map(repr, args))}"
    raise CheckpointError(f"{where} must be {wanted}, got {value!r}.")
