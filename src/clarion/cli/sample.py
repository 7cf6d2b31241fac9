"""`clarion sample RUN`: draw samples from a trained model, or from a baseline."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import tyro
from torch import Tensor

from clarion.base.condition import ConditionSpec, FieldEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.baselines.model import BaselineModel, load
from clarion.cli.asked import EXAMPLES, Words, flat, once, pair, parse_conditions, parse_request
from clarion.cli.effective import EffectiveParticles, watched
from clarion.cli.measured import measurement
from clarion.domains.tables import DOMAINS, Domain
from clarion.guide.measurement import MEASURED
from clarion.guide.measurement.operators import OPERATORS
from clarion.guide.rule import Guidance
from clarion.guide.tables import GUIDANCE, TOKEN_GUIDANCE
from clarion.process.tables import GRIDS
from clarion.run.device import choose_device
from clarion.run.model import Model
from clarion.run.sample_file import write_sample_file
from clarion.run.serialize import can_be_typed
from clarion.run.steering import read_sampler
from clarion.sample.ancestral import DDPMSampler
from clarion.sample.tables import SAMPLERS, TOKEN_SAMPLERS, default_sampler

SIGMA_Y, METHOD = 0.02, "mmps"

OF_DIFFUSION = (
    *("negative", "guidance", "inpaint", "measure", "sigma_y", "method"),
    *("sampler", "num_steps", "grid"),
)
"""Options that say how noise is removed."""


@dataclass(frozen=True)
class Options:
    """What to draw, and how.

    Args:
        run: folder of a run or a saved model, or a model on the hub ("owner/name"). Of a baseline
            (a GAN, a VAE) the options that say how noise is removed are refused.
        n: number of samples.
        first: number of the first one; sample i of a seed is the same in whatever part it is drawn.
        condition: name=value for all samples, or name=value,value,... with one for each; a text
            may hold commas, and several are given as name=text name=text ...; a field is named by
            its picture file; several conditions that are to be mixed stand in one text, each with
            its weight: "label=3*0.7 label=5*0.3".
        negative: name=value that guidance steers away from, in place of no condition at all.
        guidance: a rule, written NAME:SETTINGS ("cfg:3", "cfg:3@0.2-0.7"); of several the first is
            innermost.
        inpaint: what is known of the samples. Of pictures, a picture and a mask: what is white in
            the mask is painted anew, the rest kept. Of sequences, one with gaps, "MK{5}GG{}": five
            tokens and all that are left are filled in.
        measure: an operator and what it gave of the picture that is looked for: "blur:sigma=2" and
            a file (a picture, or .npy for numbers that a picture cannot hold).
        sigma_y: standard deviation of the noise of that measurement, in units of the data;
            None takes 0.02.
        method: how the measurement steers; None takes mmps.
        sampler: name of the sampler, with settings if need be ("ddim:eta=0.5"; a reward of yours
            for 16 particles each, "particles:FILE.py#FUNCTION:SCALE:16"). None takes dpmpp_2m, for
            a measurement ddpm, whose fresh noise its rules want, and for tokens ancestral.
        num_steps: steps of the time grid. None takes 12, for a measurement 50, for tokens 64.
        grid: name of the time grid, with settings if need be ("log_snr_uniform:sigma_min=0.04").
        seed: seed of the whole set.
        batch_size: samples at a time.
        precision: float32, or bfloat16 for speed.
        device: where to compute.
        ema_width: relative width sigma_rel of the averaged weights, made from the averages that
            the run's checkpoints hold; None takes the run's model file.
        out: a picture file (.png, .jpg) for a grid, a .npz file for numbers, a folder for single
            files; of sequences a table (.csv, .tsv), .fasta or .txt, of sounds .wav.
        json: print what was done as JSON.
    """

    run: Annotated[str, tyro.conf.Positional]
    n: int = 16
    first: int = 0
    condition: Words = ()
    negative: Words = ()
    guidance: Words = ()
    inpaint: Annotated[
        Words,
        tyro.conf.arg(
            metavar="PICTURE MASK|SEQUENCE", help_behavior_hint="", aliases=("--infill",)
        ),
    ] = ()
    measure: Annotated[Words, tyro.conf.arg(metavar="OPERATOR FILE", help_behavior_hint="")] = ()
    sigma_y: float | None = None
    method: str | None = None
    sampler: str | None = None
    num_steps: int | None = None
    grid: str = "trailing"
    seed: int = 0
    batch_size: int = 64
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    ema_width: float | None = None
    out: Path | None = None
    json: bool = False


def main(arguments: list[str]) -> int:
    """Draw, write, and say how long it took; returns the exit status."""
    options = tyro.cli(Options, args=arguments, prog="clarion sample", description=_description())
    device = choose_device(options.device)
    model = load(options.run, device=device, ema_width=options.ema_width)
    spec = model.config.condition
    domain = DOMAINS[model.config.domain]
    asked, avoided = flat("condition", options.condition), flat("negative", options.negative)
    condition = _read_fields(parse_request(asked, spec), spec, domain)
    negative = _read_fields(parse_conditions(avoided, spec), spec, domain)
    out = options.out or Path(f"samples{domain.suffix}")
    if out.suffix != ".npz":
        domain.check(out, model.codec)
    if options.n < 1 or options.first < 0:
        raise ClarionError(
            f"n must be at least 1 and first 0 or more, got {options.n} and {options.first}."
        )
    indices = range(options.first, options.first + options.n)
    asked_for = Asked(indices, condition, negative or None)
    drawn = (
        _draw_at_once(model, asked_for, options)
        if isinstance(model, BaselineModel)
        else _draw(model, asked_for, options)
    )
    if out.suffix == ".npz":
        given = encode_condition(spec, condition, options.n)
        write_sample_file(out, drawn.samples, indices, given, options.seed)
    else:
        domain.write(drawn.samples, out, indices, model.codec)
    summary: dict[str, Any] = {
        "out": str(out),
        "samples": options.n,
        "evaluations_per_sample": drawn.evaluations / options.n,
        "gradients_per_sample": drawn.gradients / options.n,
        "samples_per_s": options.n / drawn.seconds,
    }
    if drawn.particles is not None:
        summary["particles"] = drawn.particles.summary(options.n)
    print(json.dumps(summary) if options.json else _in_words(summary))
    return 0


class Asked(NamedTuple):
    """What is to be drawn: numbers of the samples, and what is asked for."""

    indices: range
    condition: Any
    negative: Any


class Drawn(NamedTuple):
    """Samples in data units, and what they cost."""

    samples: Tensor
    seconds: float
    evaluations: int
    gradients: int = 0
    particles: EffectiveParticles | None = None


def _draw(model: Model, asked: Asked, options: Options) -> Drawn:
    """From a diffusion model."""
    process = model.config.process
    chosen, num_steps = default_sampler(process)
    if options.measure:
        chosen, num_steps = DDPMSampler(), 50
    sampler, particles = watched(read_sampler(options.sampler or chosen, process))
    rules = model.rules(flat("guidance", options.guidance))
    rules += _outer_rules(options, DOMAINS[model.config.domain], model)
    start = time.perf_counter()
    samples = model.sample(
        indices=asked.indices,
        condition=asked.condition,
        negative=asked.negative,
        guidance=rules,
        sampler=sampler,
        num_steps=num_steps if options.num_steps is None else options.num_steps,
        grid=options.grid,
        seed=options.seed,
        batch_size=options.batch_size,
        precision=options.precision,
    )
    seconds = time.perf_counter() - start
    evaluations = model.denoiser.num_evaluations + sum(rule.num_evaluations for rule in rules)
    return Drawn(samples, seconds, evaluations, model.denoiser.num_gradients, particles)


def _draw_at_once(model: BaselineModel, asked: Asked, options: Options) -> Drawn:
    """From a generator of one pass.

    Raises:
        ClarionError: if an option says how noise is removed, of which there is none.
    """
    for name in OF_DIFFUSION:
        if getattr(options, name) != getattr(Options(""), name):
            raise ClarionError(
                f"--{name.replace('_', '-')} is for diffusion models, and {options.run} holds "
                f"{model.config.baseline.called}, which makes a sample in one pass."
            )
    if not isinstance(asked.condition, dict):
        raise ClarionError(
            f"Conditions are mixed by diffusion models, and {options.run} holds "
            f"{model.config.baseline.called}: name one value each, such as "
            f"{EXAMPLES['condition']}."
        )
    start = time.perf_counter()
    samples = model.sample(
        indices=asked.indices,
        condition=asked.condition,
        seed=options.seed,
        batch_size=options.batch_size,
        precision=options.precision,
    )
    return Drawn(samples, time.perf_counter() - start, options.n)


def _read_fields(given: Any, spec: ConditionSpec, domain: Domain) -> Any:
    """The same values, where the files that are named for fields are read."""
    if isinstance(given, list):
        return [(_read_fields(values, spec, domain), weight) for values, weight in given]
    read = dict(given)
    for name, value in given.items():
        entry = spec.get(name)
        if isinstance(entry, FieldEntry):
            paths = [value] if isinstance(value, str) else value
            channels, *sides = entry.shape
            fields = [domain.read(path, channels, sides) for path in paths]
            read[name] = fields if len(fields) > 1 else fields[0]
    return read


def _outer_rules(options: Options, domain: Domain, model: Model) -> tuple[Guidance, ...]:
    """What goes outermost, round all that steers by what is asked for."""
    shape = model.config.shape
    rules: list[Guidance] = []
    if options.measure:
        operator, file = pair("measure", options.measure, "an operator and a file")
        sigma_y = SIGMA_Y if options.sigma_y is None else options.sigma_y
        method = options.method or METHOD
        rules.append(measurement(domain, shape, operator, file, sigma_y, method))
    for name in ("sigma_y", "method"):
        if getattr(options, name) is not None and not options.measure:
            raise ClarionError(
                f"{name} says how a measurement steers; give one with {EXAMPLES['measure']}."
            )
    if options.inpaint:
        known = once("inpaint", options.inpaint)
        rules.append(domain.known(known, model.config, model.codec))
    return tuple(rules)


def _description() -> str:
    names = {
        "Samplers": SAMPLERS,
        "Samplers of tokens": TOKEN_SAMPLERS,
        "Grids": GRIDS,
        "Guidance rules": _typed(GUIDANCE),
        "Guidance rules of tokens": _typed(TOKEN_GUIDANCE),
        "Operators": OPERATORS,
        "Methods": MEASURED,
    }
    return f"{__doc__} " + " ".join(f"{k}: {', '.join(table)}." for k, table in names.items())


def _typed(rules: Mapping[str, type[Guidance]]) -> list[str]:
    return [name for name, rule in rules.items() if can_be_typed(rule)]


def _in_words(summary: dict[str, Any]) -> str:
    gradients = summary["gradients_per_sample"]
    backwards = f" and {gradients:g} passes backwards" if gradients else ""
    words = (
        f"{summary['samples']} samples in {summary['out']}: "
        f"{summary['evaluations_per_sample']:g} network evaluations{backwards} each, "
        f"{summary['samples_per_s']:.1f} samples/s"
    )
    if "particles" in summary:
        of = summary["particles"]
        words += (
            f"\nOf {of['num_particles']} particles, {of['mean_effective']:.1f} were effective in "
            f"the mean of all steps and {of['least_effective']:.1f} at least; "
            f"{of['resamplings_per_sample']:.1f} resamplings a sample"
        )
    return words
