"""Images a second with the same network, steps and guidance: Clarion beside diffusers' schedulers.

Both sides call the very same U-Net, with the same weights, on the same number of steps, with
classifier-free guidance at the same scale, both passes in one batch.

- Clarion: `Model.sample`, as a user calls it.
- diffusers: the loop of its documentation, `latents = scheduler.step(prediction, t, latents,
  return_dict=False)[0]`, under torch.no_grad, the doubled condition made once before the loop. Its
  processes preserve variance, so for data of unit variance our network's input is its sample as it
  is, and our network's prediction is -v: `prediction_type="v_prediction"`, and no preconditioning.

Both are given in float32 and under autocast to bfloat16. "interval" guides in a part of the times
only and skips the second pass elsewhere, so it is other work, not the same work done faster.

With `--model` (a trained run) a second part compares work at equal error: how many evaluations of
the network each method needs to come within a distance of the end of the flow. All follow the same
flow of the same network from the same noise, over the noise levels of diffusers' linear schedule,
with its levels passed on unrounded. The distance is that to the result of 300 steps of `dpmpp_3m`:
root mean square over the elements of a sample, in model units, then the mean over samples.
"""

from __future__ import annotations

import argparse
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from torch import Tensor

from clarion import Model
from clarion.base.condition import ClassEntry, Condition, encode_condition
from clarion.base.normalizer import Normalizer
from clarion.base.streams import SampleStreams
from clarion.denoise.network import NetworkDenoiser
from clarion.guide import CFG
from clarion.nets import UNetConfig
from clarion.process import EDM
from clarion.run.config import ModelConfig
from clarion.sample import sample
from harness import NUM_RESAMPLES, Benchmark, interleave, ratio, show_ratio, summary, timed

LABEL = "label"
STEPS_AT_EQUAL_ERROR = (5, 6, 8, 10, 12, 16, 20, 25, 32, 50)
STEPS_OF_REFERENCE = 300
OTHER_SETTINGS = (
    {"sampler": "dpmpp_2m", "grid": "karras"},
    {"sampler": "dpmpp_2m", "grid": "log_snr_uniform"},
    {"sampler": "dpmpp_3m", "grid": "log_snr_uniform"},
    {"sampler": "unipc", "grid": "log_snr_uniform"},
    {"sampler": "unipc", "grid": "trailing"},
)

SCHEDULERS: dict[str, Callable[[], Any]] = {
    "DPM-Solver++ 2M": lambda: diffusers.DPMSolverMultistepScheduler(
        prediction_type="v_prediction"
    ),
    "DPM-Solver++ 2M, Karras": lambda: diffusers.DPMSolverMultistepScheduler(
        prediction_type="v_prediction", use_karras_sigmas=True
    ),
    "UniPC": lambda: diffusers.UniPCMultistepScheduler(prediction_type="v_prediction"),
    "DDIM": lambda: diffusers.DDIMScheduler(prediction_type="v_prediction", clip_sample=False),
}


def untrained_model() -> Model:
    """The network of the recipe `fashion`, all weights random, also those that start at 0."""
    torch.manual_seed(0)
    config = ModelConfig(
        shape=(1, 28, 28),
        condition={LABEL: ClassEntry(10)},
        network=UNetConfig(
            base_channels=48,
            channel_multipliers=(1, 2),
            attention_levels=(1,),
            head_width=32,
            patch_size=2,
        ),
        process=EDM(),
    )
    denoiser = config.build()
    for parameter in denoiser.network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.02)
    return Model(config, denoiser, Normalizer(mean=(0.5,), std=(0.25,)))


def labels(model: Model, n: int) -> Tensor:
    """The classes in turn."""
    entry = model.config.condition[LABEL]
    if not isinstance(entry, ClassEntry):
        raise SystemExit(f"The model's condition {LABEL!r} must be a class.")
    return torch.arange(n) % entry.num_classes


@contextmanager
def network_dtype(model: Model, dtype: torch.dtype | None) -> Iterator[None]:
    """Let the denoiser compute in this type."""
    before = model.denoiser.autocast_dtype
    model.denoiser.autocast_dtype = dtype
    try:
        yield
    finally:
        model.denoiser.autocast_dtype = before


def clarion_run(
    model: Model, n: int, num_steps: int, precision: str | None, guidance: CFG
) -> Callable[[], Tensor]:
    """One call of `Model.sample`; precision None is its default."""
    settings: dict[str, Any] = {
        "condition": {LABEL: labels(model, n)},
        "guidance": guidance,
        "num_steps": num_steps,
        "batch_size": n,
    }
    if precision is None:
        return lambda: model.sample(n, **settings)
    if "precision" in inspect.signature(Model.sample).parameters:
        return lambda: model.sample(n, **settings, precision=precision)
    dtype = torch.bfloat16 if precision == "bfloat16" else None

    def run() -> Tensor:
        with network_dtype(model, dtype):
            return model.sample(n, **settings)

    return run


class SchedulerLoop:
    """What a user of diffusers writes to sample a network of their own.

    Args:
        model: whose network and normaliser are used.
        scheduler: of the variance-preserving kind, predicting v.
        n: samples, all in one batch.
        guidance_scale: of classifier-free guidance; 1 for none.
        autocast: compute the network in bfloat16.
    """

    def __init__(
        self, model: Model, scheduler: Any, n: int, guidance_scale: float, autocast: bool = False
    ) -> None:
        if model.config.prediction_type != "edm" or model.config.sigma_data != 1:
            raise SystemExit("The model must predict 'edm' for data of unit variance.")
        self.network, self.normalizer = model.denoiser.network, model.codec
        self.scheduler, self.guidance_scale, self.autocast = scheduler, guidance_scale, autocast
        self.shape = (n, *model.config.shape)
        given = encode_condition(model.config.condition, {LABEL: labels(model, n)}, n)
        self.condition = (
            given if guidance_scale == 1 else Condition.concatenate([given.drop(), given])
        )
        self.num_passes = 1 if guidance_scale == 1 else 2

    @torch.no_grad()
    def run(self, num_steps: int, noise: Tensor | None = None) -> Tensor:
        """Sample; returns model units, in which the caller is free to compare."""
        self.scheduler.set_timesteps(num_steps)
        x = torch.randn(self.shape) if noise is None else noise
        x = x * self.scheduler.init_noise_sigma
        levels = self._levels()
        for number, t in enumerate(self.scheduler.timesteps):
            both = torch.cat([x] * self.num_passes)
            both = self.scheduler.scale_model_input(both, t)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.autocast):
                prediction = self.network(both, levels[number].expand(len(both)), self.condition)
            v = prediction.float().neg_()
            if self.num_passes == 2:
                absent, conditional = v.chunk(2)
                v = absent + self.guidance_scale * (conditional - absent)
            x = self.scheduler.step(v, t, x, return_dict=False)[0]
        return x

    def run_decoded(self, num_steps: int) -> Tensor:
        return self.normalizer.decode(self.run(num_steps))

    def noise_levels(self) -> Tensor:
        """sigma / alpha at each step, as the scheduler itself has them."""
        if isinstance(self.scheduler, diffusers.DDIMScheduler):
            kept = self.scheduler.alphas_cumprod[self.scheduler.timesteps]
            return torch.sqrt((1 - kept) / kept)
        return self.scheduler.sigmas[:-1]

    def _levels(self) -> Tensor:
        """The network's second argument."""
        return self.noise_levels().log().float() / 4


def speed(benchmark: Benchmark, model: Model) -> dict[str, Any]:
    options = benchmark.options
    n, steps, scale = options.n, options.num_steps, options.guidance_scale
    rounds = 2 if options.quick else 7

    def theirs(name: str, autocast: bool = False) -> Callable[[], Tensor]:
        loop = SchedulerLoop(model, SCHEDULERS[name](), n, scale, autocast)
        return lambda: loop.run_decoded(steps)

    guided, interval = CFG(scale), CFG(scale, 0.2, 0.7)
    runs: dict[str, Callable[[], Any]] = {
        "diffusers, DPM-Solver++ 2M, float32": theirs("DPM-Solver++ 2M"),
        "clarion, defaults": clarion_run(model, n, steps, None, guided),
        "clarion, float32": clarion_run(model, n, steps, "float32", guided),
        "diffusers, DDIM, float32": theirs("DDIM"),
        "clarion, bfloat16": clarion_run(model, n, steps, "bfloat16", guided),
        "diffusers, DPM-Solver++ 2M, bfloat16": theirs("DPM-Solver++ 2M", autocast=True),
        "clarion, bfloat16, interval (other work)": clarion_run(
            model, n, steps, "bfloat16", interval
        ),
    }
    seconds = interleave({name: timed(run) for name, run in runs.items()}, rounds)
    first = next(iter(runs))
    results = {
        name: {
            "images_per_s": summary([n / s for s in values]),
            "speed_relative_to_first": ratio(seconds[first], values),
        }
        for name, values in seconds.items()
    }
    benchmark.table(
        f"{steps} steps, guidance {scale:g}, batch {n}: medians of {rounds} rounds",
        ("", "images/s", f"relative to {first}"),
        (
            (
                name,
                f"{row['images_per_s']['median']:.2f}",
                show_ratio(row["speed_relative_to_first"]),
            )
            for name, row in results.items()
        ),
    )
    return results


def at_equal_error(benchmark: Benchmark, model: Model) -> dict[str, Any]:
    """Evaluations that each method needs to reach the error of diffusers' 2M at some steps."""
    options = benchmark.options
    n, scale = (8 if options.quick else 20), options.guidance_scale
    loops = {name: SchedulerLoop(model, make(), n, scale) for name, make in SCHEDULERS.items()}
    low, high = _ends_of(loops["DDIM"])
    denoiser = CFG(scale)(
        NetworkDenoiser(model.denoiser.network, EDM(sigma_min=low, sigma_max=high))
    )
    condition = encode_condition(model.config.condition, {LABEL: labels(model, n)}, n)
    noise = SampleStreams(0, range(n)).normal(model.config.shape)
    defaults = inspect.signature(Model.sample).parameters

    def ours(steps: int, **settings: Any) -> Tensor:
        return sample(
            denoiser, model.config.shape, n=n, condition=condition, num_steps=steps, **settings
        )

    chosen = {key: defaults[key].default for key in ("sampler", "grid")}
    methods: dict[str, Callable[[int], Tensor]] = {
        f"clarion, {chosen['sampler']}, {chosen['grid']} (defaults)": lambda k: ours(k, **chosen)
    }
    for settings in OTHER_SETTINGS:
        if settings != chosen:
            name = f"clarion, {settings['sampler']}, {settings['grid']}"
            methods[name] = lambda k, s=settings: ours(k, **s)
    for name, loop in loops.items():
        methods[f"diffusers, {name}"] = lambda k, loop=loop: loop.run(k, noise)

    reference = ours(STEPS_OF_REFERENCE, sampler="dpmpp_3m", grid="log_snr_uniform")
    steps = STEPS_AT_EQUAL_ERROR[1::3] if options.quick else STEPS_AT_EQUAL_ERROR
    squared = {
        name: np.stack([(run(k) - reference).square().flatten(1).mean(1).numpy() for k in steps])
        for name, run in methods.items()
    }
    distance = {name: np.sqrt(s).mean(1).tolist() for name, s in squared.items()}
    benchmark.table(
        f"Distance to the end of the flow, n = {n}, guidance {scale:g}",
        ("", *map(str, steps)),
        ((name, *(f"{e:.4f}" for e in row)) for name, row in distance.items()),
    )
    needed: dict[str, dict[str, Any]] = {}
    for peer in ("diffusers, DPM-Solver++ 2M", "diffusers, DDIM"):
        goals = [k for k in (10, 20, 30, 50) if steps[0] <= k <= steps[-1]]
        needed[peer] = {
            f"{goal} steps": {
                name: _evaluations(np.array(steps), squared[name], squared[peer], goal)
                for name in methods
            }
            for goal in goals
        }
        benchmark.table(
            f"Evaluations that reach the error of {peer} at ...",
            ("", *needed[peer]),
            (
                (name, *(_show(entry[name], steps[-1]) for entry in needed[peer].values()))
                for name in methods
            ),
        )
    return {
        "n": n,
        "sigma_min": low,
        "sigma_max": high,
        "steps": steps,
        "distance": distance,
        "evaluations_that_reach_the_error_of": needed,
    }


def _show(needed: dict[str, Any] | None, most: int) -> str:
    if needed is None:
        return f"above {most}"
    return f"{needed['median']:.1f} [{needed['low']:.1f}, {needed['high']:.1f}]"


def _ends_of(loop: SchedulerLoop) -> tuple[float, float]:
    """Least and greatest noise level of a scheduler."""
    loop.scheduler.set_timesteps(loop.scheduler.config.num_train_timesteps)
    levels = loop.noise_levels()
    return float(levels[-1]), float(levels[0])


def _evaluations(
    steps: np.ndarray, ours: np.ndarray, theirs: np.ndarray, goal: int
) -> dict[str, Any] | None:
    """Steps at which our error equals theirs at `goal` steps; None where it never does.

    The error between two numbers of steps is interpolated, both in logarithms. The interval is that
    of a bootstrap over samples, drawn for both sides alike.
    """

    def solve(rows: np.ndarray) -> float:
        own, other = (np.log(np.sqrt(squared[:, rows]).mean(1)) for squared in (ours, theirs))
        wanted = np.interp(math.log(goal), np.log(steps), other)
        # The first crossing: error need not fall monotonically at few steps.
        below = np.flatnonzero(own <= wanted)
        if not len(below):
            return math.inf
        i = below[0]
        if i == 0:
            return float(steps[0])
        share = (own[i - 1] - wanted) / (own[i - 1] - own[i])
        return float(steps[i - 1] * (steps[i] / steps[i - 1]) ** share)

    n = ours.shape[1]
    median = solve(np.arange(n))
    if math.isinf(median):
        return None
    rng = np.random.default_rng(0)
    drawn = np.array([solve(rng.integers(n, size=n)) for _ in range(NUM_RESAMPLES)])
    low, high = np.quantile(np.minimum(drawn, 10 * steps[-1]), [0.025, 0.975])
    return {"median": median, "low": float(low), "high": float(high), "n": n}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, help="a trained run; random weights without it")
    parser.add_argument("--n", type=int, default=0, help="images in a batch (64; quick: 16)")
    parser.add_argument("--num-steps", type=int, default=12)
    parser.add_argument("--guidance-scale", type=float, default=2.0)


def main() -> None:
    benchmark = Benchmark(__file__, __doc__ or "", add_options)
    options = benchmark.options
    options.n = options.n or (16 if options.quick else 64)
    model = Model.load(options.model) if options.model else untrained_model()
    results = {"speed": speed(benchmark, model)}
    if options.model:
        results["at_equal_error"] = at_equal_error(benchmark, model)
    benchmark.write(
        {
            "weights": options.model.name if options.model else "random",
            "num_parameters": model.num_parameters,
            "shape": model.config.shape,
            "n": options.n,
            "num_steps": options.num_steps,
            "guidance_scale": options.guidance_scale,
        },
        results,
    )


if __name__ == "__main__":
    main()
