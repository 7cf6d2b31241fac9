"""A trained model: load, sample, save, publish."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.condition import encode_condition
from clarion.base.errors import CheckpointError, ClarionError
from clarion.denoise.asked import AUTOCAST, computing_in
from clarion.denoise.known_data import KnownData
from clarion.denoise.unchanged import UnchangedRows
from clarion.guide.rule import Guidance, SampleSpace
from clarion.process.grids import Grid
from clarion.run import folder
from clarion.run.config import AnyDenoiser, ModelConfig
from clarion.run.files import write_folder, write_tensors
from clarion.run.opening import build_trained, locate
from clarion.run.serialize import parse_kind
from clarion.run.steering import read_rules, read_sampler, steer
from clarion.sample.again import taken_back, times_from
from clarion.sample.loop import Callback, generate, sample_indices
from clarion.sample.sampler import Sampler
from clarion.sample.tables import default_sampler


class Model:
    """A denoiser with all that is needed to use it.

    Args:
        config: what the denoiser is.
        denoiser: built from it, with its weights.
        codec: between data units and model units.
    """

    def __init__(self, config: ModelConfig, denoiser: AnyDenoiser, codec: Codec) -> None:
        self.config = config
        self.denoiser = denoiser.eval().requires_grad_(False)
        self.denoiser.data = KnownData(config.shape, codec, config.condition)
        self.codec = codec

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: torch.device | str = "cpu",
        step: int | None = None,
        ema_width: float | None = None,
    ) -> Model:
        """Read a run, a saved model, or a model on the hub ("owner/name").

        Args:
            path: a folder, or a name on the hub; "RUN@4000" is the same as step=4000.
            device: where to compute.
            step: take the averaged weights that the run's checkpoint of this step holds.
            ema_width: relative width sigma_rel of the averaged weights, made from the averages that
                the run's checkpoints hold; None takes the width that the run keeps first.

        Raises:
            CheckpointError: if a file is missing, truncated, of another schema version, or holds
                other weights than the config says.
        """
        place, step = locate(path, step)
        config = folder.read_model_config(place)
        denoiser = build_trained(config.build, place, step, ema_width)
        model = cls(config, denoiser, folder.read_codec(place))
        return model.to(device)

    def to(self, device: torch.device | str) -> Model:
        """Move the weights, in place."""
        self.denoiser.to(device)
        return self

    def __repr__(self) -> str:
        conditions = ", ".join(self.config.condition) or "none"
        return (
            f"Model of samples of shape {self.config.shape}: {self.num_parameters:,} weights, "
            f"conditions {conditions}"
        )

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.denoiser.parameters()).device

    @property
    def num_parameters(self) -> int:
        """Weights of the network."""
        return sum(p.numel() for p in self.denoiser.parameters())

    def sample(
        self,
        n: int | None = None,
        *,
        indices: Iterable[int] | None = None,
        condition: Mapping[str, Any] | Sequence[tuple[Mapping[str, Any], float]] | None = None,
        negative: Mapping[str, Any] | None = None,
        guidance: Guidance | str | Sequence[Guidance | str] = (),
        sampler: Sampler | str | None = None,
        num_steps: int | None = None,
        grid: Grid | str = "trailing",
        start: Tensor | None = None,
        start_time: float = 0.5,
        seed: int = 0,
        batch_size: int = 64,
        precision: str = "float32",
        callback: Callback | None = None,
    ) -> Tensor:
        """Draw samples.

        Sample number i of a seed is the same whatever `n`, `indices` and `batch_size`.

        Args:
            n: how many, numbered from 0 ...
            indices: ... or the numbers of those that are wanted.
            condition: name -> one value for all samples, or one for each; or several such, each
                with a weight, whose estimates are added up.
            negative: what guidance steers away from, written as `condition`.
            guidance: a rule, or several, the first innermost; also as typed, "cfg:3@0.2-0.7".
            sampler: a sampler, or its name, with settings if need be: "ddim:eta=0.5",
                "particles:FILE.py#FUNCTION:SCALE:NUM"; None takes the default of the process, see
                `clarion.sample.tables.DEFAULTS`.
            num_steps: steps of the grid; None likewise.
            grid: time grid, or its name, with settings if need be: "karras:rho=5".
            start: data, (n, *shape) in data units, to begin from in place of noise; see
                `clarion.sample.again`.
            start_time: the time to which they are taken back; the steps of the grid after it are
                gone through.
            seed: seed of the whole set.
            batch_size: samples at a time.
            precision: "float32", or "bfloat16" for speed where the processor has it, also of the
                networks that rules hold; the sampler itself always computes in float32.
            callback: see `clarion.sample.loop.sample`.

        Returns:
            (n, *shape) in data units (pictures: 0 black to 1 white), never clipped; of tokens their
            numbers, (n, length), which `model.codec.texts` turns into texts.

        Raises:
            ClarionError: for a name or a value that the model does not know.
        """
        numbers = sample_indices(n, indices)
        device = self.device
        given = encode_condition(self.config.condition, condition or {}, len(numbers), negative)
        given = given.to(device)
        spec = self.config.condition
        space = SampleSpace(self.config.shape, self.codec, device, given, spec)
        sampler = read_sampler(sampler, self.config.process)
        sampler = sampler.bind(space) if isinstance(sampler, Sampler) else sampler
        rules = self.rules(guidance)
        own = self.denoiser if self.denoiser.reads_time else UnchangedRows(self.denoiser)
        denoiser = steer(own, rules, space)
        grid = parse_kind(Grid, grid) if isinstance(grid, str) else grid
        times = None
        if start is not None:
            process = self.config.process
            steps = default_sampler(process)[1] if num_steps is None else num_steps
            times = times_from(grid(process, steps), start_time)
            start = taken_back(
                process, self._encode(start, len(numbers)), start_time, numbers, seed
            )
        batches = generate(
            denoiser,
            self.config.shape,
            indices=numbers,
            batch_size=batch_size,
            condition=given,
            start=start,
            sampler=sampler,
            grid=grid,
            num_steps=num_steps,
            times=times,
            seed=seed,
            callback=callback,
        )
        asked = (network for rule in rules for network in rule.networks.values())
        with computing_in(AUTOCAST[precision], self.denoiser, *asked):
            return torch.cat([self.codec.decode(x0).cpu() for x0 in batches])

    def _encode(self, data: Tensor, n: int) -> Tensor:
        wanted = (n, *self.config.shape)
        if data.shape != wanted:
            raise ClarionError(f"start must have shape {wanted}, got {tuple(data.shape)}.")
        return self.codec.encode(data.to(self.device))

    def rules(self, guidance: Any) -> tuple[Guidance, ...]:
        """Guidance rules as `sample` takes them, with the models that they name loaded."""
        device = self.device
        process = self.config.process
        return read_rules(guidance, lambda path: Model.load(path, device=device).denoiser, process)

    def save(self, path: str | Path, *, dtype: torch.dtype | None = None) -> None:
        """Write the model, without its training, to a folder; an earlier model there is replaced.

        Args:
            path: the folder.
            dtype: type of the weights on disk (torch.float16 halves the file); they are used in
                float32 all the same.

        Raises:
            CheckpointError: if something else than a saved model, such as a run, stands there.
        """
        place = Path(path).expanduser()
        files = {folder.CONFIG, *folder.CODEC_FILES, folder.WEIGHTS, folder.CARD}
        if place.exists() and not (
            (place / folder.CONFIG).is_file() and {p.name for p in place.iterdir()} <= files
        ):
            raise CheckpointError(
                f"{place} exists and is no saved model, or more than one; it is left as it is."
            )
        # Buffers, the frequencies of embeddings, multiply noise levels before a cosine: rounded,
        # they would change what every weight was trained for, and they take up nothing.
        rounded = {name: p.to(dtype) for name, p in self.denoiser.network.named_parameters()}
        weights = self.denoiser.network.state_dict() | rounded

        def write(partial: Path) -> None:
            folder.write_description(partial, self.config, self.codec)
            write_tensors(partial / folder.WEIGHTS, weights)

        write_folder(place, write)

    def push_to_hub(self, repo_id: str, *, private: bool = False) -> str:
        """Publish the model on the hub.

        Args:
            repo_id: "owner/name".
            private: who may see it, if the repository is new.

        Returns:
            Where it stands.
        """
        import tempfile

        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repo_id, private=private, exist_ok=True)
        with tempfile.TemporaryDirectory() as temporary:
            self.save(Path(temporary) / "model")
            return str(api.upload_folder(repo_id=repo_id, folder_path=Path(temporary) / "model"))
