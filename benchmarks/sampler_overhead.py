"""Time that a sampler takes beside its network: Clarion's loop and diffusers' schedulers.

The network costs nothing: it returns a tensor that was made before. What is left is the work of the
sampler itself. Both sides call an `nn.Module`, in float32, under torch.no_grad, for the same number
of steps; both note the clock after each evaluation, through the callback on our side.

- Clarion: `clarion.sample.loop.sample`, the loop that everything goes through.
- diffusers: `for t in scheduler.timesteps: x = scheduler.step(network(x, t), t, x,
  return_dict=False)[0]` with the scheduler of the same method, as its documentation writes it.

One step is one evaluation of the network, also of Heun's method. "per step" is the loop alone: the
median time between evaluations. "planning" is a call less its loop, with the first evaluation:
grid, coefficients and random start here; `set_timesteps` and random start there. "call" is both
together, for as many steps as the file states. Planning and calls mean something on an idle machine
only: where cores are shared, whoever takes longer is also interrupted more often.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import diffusers
import torch
from torch import Tensor, nn

from clarion.denoise import Denoiser, Estimate
from clarion.process import EDM
from clarion.sample import Sampler, sample
from clarion.sample.adams import DEISSampler
from clarion.sample.ancestral import DDIMSampler, EulerSampler
from clarion.sample.exponential import DPMpp2MSampler, DPMpp3MSampler, UniPCSampler
from clarion.sample.heun import HeunSampler
from harness import Benchmark, interleave, ratio, show_ratio, summary

SHAPE = (3, 32, 32)

PAIRS: dict[str, tuple[Sampler, Callable[[], Any], dict[str, Any]]] = {
    "ddim": (DDIMSampler(), lambda: diffusers.DDIMScheduler(clip_sample=False), {}),
    "euler": (EulerSampler(), diffusers.EulerDiscreteScheduler, {}),
    "dpmpp_2m": (DPMpp2MSampler(), diffusers.DPMSolverMultistepScheduler, {}),
    "dpmpp_3m": (
        DPMpp3MSampler(),
        lambda: diffusers.DPMSolverMultistepScheduler(solver_order=3),
        {},
    ),
    "unipc": (UniPCSampler(), diffusers.UniPCMultistepScheduler, {}),
    "deis": (DEISSampler(), lambda: diffusers.DEISMultistepScheduler(solver_order=3), {}),
    "heun": (HeunSampler(), diffusers.HeunDiscreteScheduler, {}),
    "ddim, eta 1": (
        DDIMSampler(eta=1.0),
        lambda: diffusers.DDIMScheduler(clip_sample=False),
        {"eta": 1.0},
    ),
}
"""Name -> our sampler, their scheduler, and the arguments of its `step`."""


class IdleDenoiser(Denoiser):
    """Answers at once, always the same."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__(EDM())
        self.answer = answer

    def estimate(self, x_t: Tensor, t: Tensor, condition: Any) -> Estimate:
        return Estimate(self.answer)


class IdleNetwork(nn.Module):
    """The same for a scheduler."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        return self.answer


class Stopwatch:
    """Notes the clock at each evaluation, and tells the loop from the rest."""

    def __init__(self) -> None:
        self.per_step: list[float] = []
        self.planning: list[float] = []

    def run(self, call: Callable[[Callable[..., None]], None]) -> float:
        """Seconds a step of one call; `call` is given what to call after each evaluation."""
        stamps: list[float] = []

        def note(*_: Any) -> None:
            stamps.append(time.perf_counter())

        start = time.perf_counter()
        call(note)
        total = time.perf_counter() - start
        # Over two steps at a time, since Heun's differ in turn. A median, since a busy machine
        # interrupts a long loop more often than a short one, and would make it look longer still.
        spans = [later - earlier for earlier, later in zip(stamps, stamps[2:], strict=False)]
        self.per_step.append(statistics.median(spans) / 2)
        self.planning.append(total - (stamps[-1] - stamps[0]))
        return total


def clarion_call(
    sampler: Sampler, batch: int, num_steps: int
) -> Callable[[Callable[..., None]], None]:
    denoiser = IdleDenoiser(torch.randn(batch, *SHAPE))
    return lambda note: sample(
        denoiser, SHAPE, n=batch, sampler=sampler, num_steps=num_steps, callback=note
    )


def diffusers_call(
    make: Callable[[], Any], step_options: dict[str, Any], batch: int, num_steps: int
) -> Callable[[Callable[..., None]], None]:
    network, scheduler = IdleNetwork(torch.randn(batch, *SHAPE)), make()

    @torch.no_grad()
    def call(note: Callable[..., None]) -> None:
        scheduler.set_timesteps(num_steps)
        x = torch.randn(batch, *SHAPE) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            answer = network(scheduler.scale_model_input(x, t), t)
            x = scheduler.step(answer, t, x, **step_options, return_dict=False)[0]
            note()

    return call


def measure(batch: int, num_steps: int, rounds: int) -> dict[str, Any]:
    """All pairs at one batch size, in turn."""
    watches: dict[str, Stopwatch] = {}
    contenders = {}
    for name, (sampler, make, step_options) in PAIRS.items():
        for library, call in (
            ("clarion", clarion_call(sampler, batch, num_steps)),
            ("diffusers", diffusers_call(make, step_options, batch, num_steps)),
        ):
            watch = watches[f"{name}/{library}"] = Stopwatch()
            contenders[f"{name}/{library}"] = lambda watch=watch, call=call: watch.run(call)
    totals = interleave(contenders, rounds, warm_up=2)
    micro = {
        key: {
            "per_step": [1e6 * s for s in watch.per_step[-rounds:]],
            "planning": [1e6 * s for s in watch.planning[-rounds:]],
            "call": [1e6 * s for s in totals[key]],
        }
        for key, watch in watches.items()
    }
    return {
        name: {
            **{
                library: {
                    f"{what}_us": summary(v) for what, v in micro[f"{name}/{library}"].items()
                }
                for library in ("clarion", "diffusers")
            },
            **{
                f"ratio_{what}": ratio(
                    micro[f"{name}/clarion"][what], micro[f"{name}/diffusers"][what]
                )
                for what in ("per_step", "call")
            },
        }
        for name in PAIRS
    }


def main() -> None:
    benchmark = Benchmark(__file__, __doc__ or "")
    quick = benchmark.options.quick
    num_steps = 40
    results = {}
    for batch, rounds in ((1, 20 if quick else 200), (64, 5 if quick else 40)):
        rows = results[f"batch_{batch}"] = measure(batch, num_steps, rounds)
        benchmark.table(
            f"Batch {batch} of 3x32x32: microseconds, medians of {rounds} rounds",
            (
                "method",
                "clarion, a step",
                "diffusers, a step",
                "ratio",
                "clarion, planning",
                "diffusers, planning",
                f"ratio of calls, {num_steps} steps",
            ),
            (
                (
                    name,
                    f"{row['clarion']['per_step_us']['median']:.1f}",
                    f"{row['diffusers']['per_step_us']['median']:.1f}",
                    show_ratio(row["ratio_per_step"]),
                    f"{row['clarion']['planning_us']['median']:.0f}",
                    f"{row['diffusers']['planning_us']['median']:.0f}",
                    show_ratio(row["ratio_call"]),
                )
                for name, row in rows.items()
            ),
        )
    benchmark.write({"shape": SHAPE, "num_steps": num_steps, "dtype": "float32"}, results)


if __name__ == "__main__":
    main()
