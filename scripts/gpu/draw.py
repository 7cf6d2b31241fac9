"""Pictures of a model, all classes in turn, in slices that are kept.

    python scripts/gpu/draw.py MODEL --n 50000 --num-steps 18 --guidance cfg:2 --out FILE.npz

Picture i is of class i modulo the number of classes, and its random numbers follow from the seed
and i. So nothing depends on the slices, and where drawing is cut, the same command goes on with the
next one. The file is like that of `clarion sample`.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import Any

import torch

import clarion
from clarion.base.condition import ClassEntry, encode_condition
from clarion.run.device import choose_device
from clarion.run.files import read_tensors, write_tensors
from clarion.run.sample_file import write_sample_file

LABEL, SAMPLES = "label", "samples"


def draw(model: clarion.Model, n: int, seed: int, per_slice: int, out: Path, **how: Any) -> int:
    """Draw what is missing of a file, and join it.

    Args:
        model: one with classes.
        n: pictures in all.
        seed: of them all.
        per_slice: pictures that are drawn together.
        out: the file (.npz).
        how: sampler, guidance and so on, as `Model.sample` takes them.

    Returns:
        How many were drawn now.
    """
    spec = model.config.condition
    classes = spec[LABEL]
    assert isinstance(classes, ClassEntry), "a label is a class"

    def asked(indices: range) -> dict[str, list[int]]:
        return {LABEL: [i % classes.num_classes for i in indices]}

    parts = out.with_suffix(".parts")
    parts.mkdir(parents=True, exist_ok=True)
    num_drawn, slices = 0, []
    for first in range(0, n, per_slice):
        indices = range(first, min(first + per_slice, n))
        part = parts / f"{first:07d}.safetensors"
        if not part.is_file():
            samples = model.sample(
                indices=indices, condition=asked(indices), seed=seed, batch_size=per_slice, **how
            )
            write_tensors(part, {SAMPLES: samples})
            num_drawn += len(indices)
        slices.append(read_tensors(part)[SAMPLES])
    condition = encode_condition(spec, asked(range(n)), n)
    write_sample_file(out, torch.cat(slices), range(n), condition, seed)
    shutil.rmtree(parts)
    return num_drawn


def main() -> None:
    """Draw, and say what a picture costs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--n", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guidance", default="none", help="a rule such as cfg:2@0.2-0.6")
    parser.add_argument("--sampler", help="that of `clarion sample`, if nothing is said")
    parser.add_argument("--grid", default="trailing")
    parser.add_argument("--num-steps", type=int, required=True)
    parser.add_argument("--slice", type=int, default=1000)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.out.is_file():
        print(f"{options.out} is there")
        return
    model = clarion.load(options.model, device=choose_device("auto"))
    rules = model.rules(() if options.guidance == "none" else options.guidance)
    if options.compile:
        asked = [model.denoiser, *(d for rule in rules for d in rule.networks.values())]
        for denoiser in asked:
            denoiser.network.compile(dynamic=False)  # a graph for each of the two sizes of batches
    start = time.perf_counter()
    num_drawn = draw(
        model,
        options.n,
        options.seed,
        options.slice,
        options.out,
        guidance=rules,
        sampler=options.sampler,
        grid=options.grid,
        num_steps=options.num_steps,
        precision="bfloat16",
    )
    if num_drawn:
        evaluations = model.denoiser.num_evaluations + sum(r.num_evaluations for r in rules)
        rate = num_drawn / (time.perf_counter() - start)
        print(
            f"{options.out}: {options.n} pictures by {options.guidance}, "
            f"{evaluations / num_drawn:.1f} evaluations each, {rate:.0f} pictures/s"
        )


if __name__ == "__main__":
    main()
