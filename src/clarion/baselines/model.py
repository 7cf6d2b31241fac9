"""A trained baseline: load and sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.condition import encode_condition
from clarion.base.errors import SamplingError
from clarion.base.options import check_whole
from clarion.base.shapes import are_finite
from clarion.base.streams import SampleStreams
from clarion.baselines.tables import BASELINE_TABLES
from clarion.denoise.asked import AUTOCAST, computing_in
from clarion.run import folder
from clarion.run.baseline_config import BaselineConfig, Generator
from clarion.run.model import Model
from clarion.run.opening import build_trained, locate
from clarion.sample.loop import sample_indices


class BaselineModel:
    """A generator of one pass with all that is needed to use it.

    Args:
        config: what the generator is.
        generator: built from it, with its weights.
        codec: between data units and model units.
    """

    def __init__(self, config: BaselineConfig, generator: Generator, codec: Codec) -> None:
        self.config, self.codec = config, codec
        self.generator = generator.eval().requires_grad_(False)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: torch.device | str = "cpu",
        step: int | None = None,
        ema_width: float | None = None,
    ) -> BaselineModel:
        """Read what `clarion train gan` or `vae` wrote; arguments as those of `Model.load`.

        Raises:
            CheckpointError: if a file is missing, truncated, of another schema version, holds other
                weights than the config says, or describes something else.
        """
        place, step = locate(path, step)
        config = folder.read_baseline_config(place, BASELINE_TABLES)
        generator = build_trained(config.build, place, step, ema_width)
        return cls(config, generator.to(device), folder.read_codec(place))

    def __repr__(self) -> str:
        conditions = ", ".join(self.config.condition) or "none"
        count = sum(p.numel() for p in self.generator.parameters())
        return (
            f"{self.config.baseline.called} of samples of shape {self.config.shape}: {count:,} "
            f"weights, conditions {conditions}"
        )

    @torch.no_grad()
    def sample(
        self,
        n: int | None = None,
        *,
        indices: Iterable[int] | None = None,
        condition: Mapping[str, Any] | None = None,
        seed: int = 0,
        batch_size: int = 64,
        precision: str = "float32",
    ) -> Tensor:
        """Draw samples, each in one pass.

        Sample number i of a seed is the same whatever `n`, `indices` and `batch_size`.

        Args:
            n, indices, condition, seed, batch_size, precision: as those of `Model.sample`.

        Returns:
            (n, *shape) in data units (pictures: 0 black to 1 white), never clipped.

        Raises:
            ClarionError: for a name or a value that the generator does not know.
            SamplingError: if a sample is not finite.
        """
        check_whole("batch_size", batch_size, 1)
        numbers = sample_indices(n, indices)
        device = next(self.generator.parameters()).device
        given = encode_condition(self.config.condition, condition or {}, len(numbers)).to(device)
        parts = []
        with computing_in(AUTOCAST[precision], self.generator):
            for start in range(0, len(numbers), batch_size):
                rows = slice(start, start + batch_size)
                streams = SampleStreams(seed, numbers[rows])
                latent = streams.normal((self.generator.latent_size,), device=device)
                x0 = self.generator.generate(latent, given.rows(rows))
                parts.append(self.codec.decode(x0).cpu())
        samples = torch.cat(parts)
        num_bad = int((~are_finite(samples)).sum())
        if num_bad:
            raise SamplingError(
                f"{num_bad} of {len(samples)} samples are not finite: the model returned NaN or "
                "infinity."
            )
        return samples


def load(
    path: str | Path, *, device: torch.device | str = "cpu", ema_width: float | None = None
) -> Model | BaselineModel:
    """A diffusion model or a baseline, whichever a folder holds; arguments as `Model.load`."""
    place, step = locate(path)
    kind = BaselineModel if folder.kind_of(place) == "baseline" else Model
    return kind.load(place, device=device, step=step, ema_width=ema_width)
