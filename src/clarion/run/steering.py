"""Guidance rules and samplers as they are typed, and a model steered by several rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import combinations
from typing import Any

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.denoiser import Denoiser
from clarion.guide.compose import Compose
from clarion.guide.gradient.reward_function import RewardFunction
from clarion.guide.rule import Guidance, SampleSpace
from clarion.guide.tables import guidance_of
from clarion.process.process import Process
from clarion.run.classifier import load_classifier
from clarion.run.functions import load_function
from clarion.run.serialize import TABLES, parse_kind
from clarion.sample.sampler import Sampler
from clarion.sample.tables import default_sampler, samplers_of

Load = Callable[[str], Denoiser]
"""Name of a run or a saved model, as `Model.load` takes it -> its denoiser."""


def read_rules(guidance: Any, load: Load, process: Process) -> tuple[Guidance, ...]:
    """The rules that were given, as such or as they are typed.

    Args:
        guidance: a rule, or several, the first innermost; also as text, "cfg:3@0.2-0.7".
        load: opens the models that a rule names.
        process: of the model, by which the names are those of rules of numbers or of tokens.

    Raises:
        ClarionError: for what is no rule.
    """
    readers: Mapping[Any, Callable[[str], Any]] = {
        Denoiser: load,
        RewardFunction: load_function,
        NoisyClassifier: load_classifier,
    }
    tables = TABLES | {Guidance: guidance_of(process)}
    rules = tuple(
        parse_kind(Guidance, rule, readers, tables) if isinstance(rule, str) else rule
        for rule in (guidance if isinstance(guidance, list | tuple) else (guidance,))
    )
    for rule in rules:
        if not isinstance(rule, Guidance):
            raise ClarionError(f"guidance must be rules such as CFG(3.0), got {rule!r}.")
    return rules


def read_sampler(sampler: Sampler | str | None, process: Process) -> Sampler:
    """The sampler that was given, as such or as it is typed: "particles:FILE.py#FUNCTION:30:16".

    Args:
        sampler: what was given; None takes the default of the process.
        process: of the model, by which the names are those of samplers of numbers or of tokens.
    """
    if sampler is None:
        return default_sampler(process)[0]
    tables = TABLES | {Sampler: samplers_of(process)}
    readers: Mapping[Any, Callable[[str], Any]] = {
        RewardFunction: load_function,
        Sampler: partial(parse_kind, Sampler, tables=tables),
    }
    return parse_kind(Sampler, sampler, readers, tables) if isinstance(sampler, str) else sampler


def steer(denoiser: Denoiser, rules: tuple[Guidance, ...], space: SampleSpace) -> Denoiser:
    """The denoiser with all rules round it, each bound to its samples.

    Raises:
        ClarionError: if a rule does not fit such samples or the other rules, or has nothing to
            steer by.
    """
    condition = space.condition
    if condition is not None and condition.terms:
        denoiser = Compose()(denoiser)
    for rule in rules:
        if rule.needs_condition and not _is_any_given(condition):
            known = ", ".join(condition.values) if condition else ""
            raise ClarionError(
                f"guidance {rule} needs a condition to steer towards, and none is given. "
                f"Conditions of this model: {known or 'none'}."
            )
        denoiser = rule.bind(space)(denoiser)
    if condition is not None and condition.negative and not any(r.needs_condition for r in rules):
        raise ClarionError(
            "A negative condition is what guidance steers away from; give a rule such as cfg:3."
        )
    if condition is not None and condition.negative:
        _check_one_steers_away(rules)
    return denoiser


def _check_one_steers_away(rules: tuple[Guidance, ...]) -> None:
    """Refuse two rules of which the outer one hides the negative condition from the inner one."""
    for inner, outer in combinations((rule for rule in rules if rule.asks_twice), 2):
        if inner.overlaps(outer):
            raise ClarionError(
                f"Of two rules only {type(outer).__name__}, the outer one, would steer away from "
                f"the negative condition, and {type(inner).__name__} from nothing in particular: "
                "take one of them, or keep their intervals apart, as in cfg:2@0.2-0.5."
            )


def _is_any_given(condition: Condition | None) -> bool:
    if condition is None:
        return False
    asked = [condition, *(term for _, term in condition.terms)]
    asked += [condition.negative] if condition.negative else []
    return any(bool(mask.any()) for c in asked for mask in c.present.values())
