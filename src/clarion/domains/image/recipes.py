"""Trainings that are known to work."""

from __future__ import annotations

from dataclasses import replace

from clarion.base.condition import ClassEntry
from clarion.domains.image.data import ImageData
from clarion.nets.unet import UNetConfig
from clarion.run.config import ModelConfig, OptimizerConfig, TrainConfig

NOT_NAMED = "?"
"""The source of a recipe whose data its user has to name."""

FASHION_CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)


def _fashion_data(split: str) -> ImageData:
    return ImageData(
        source="/usr/share/datasets/fashion-mnist",  # Debian's package dataset-fashion-mnist
        fallback="zalando-datasets/fashion_mnist",
        split=split,
        class_names=FASHION_CLASSES,
    )


def fashion() -> TrainConfig:
    """Garments of Fashion-MNIST, 28x28 grey, by class.

    Command: `clarion train fashion`. On one core of an AMD EPYC, in bfloat16: 76 minutes for nine
    passes over the 60,000 pictures; validation loss 0.155. The result is `models/fashion`.
    """
    return TrainConfig(
        data=_fashion_data("train"),
        validation=_fashion_data("test"),
        network=UNetConfig(
            base_channels=48,
            channel_multipliers=(1, 2),
            blocks_per_level=2,
            attention_levels=(1,),
            head_width=32,
            patch_size=2,
        ),
        optimizer=OptimizerConfig(learning_rate=1e-3, decay_from=0.3),
        batch_size=64,
        num_steps=8500,
        validation_examples=256,
        validate_every=500,
        checkpoint_every=500,
    )


def images() -> TrainConfig:
    """Your own pictures: a folder of class folders, parquet files, or a hub name.

    Command: `clarion train images --data.source FOLDER --data.size 32 --data.resize crop`. The
    sizes suit some thousands of pictures of 32x32 to 64x64 and one accelerator; two processor cores
    want `--network.base-channels 32` and patience.
    """
    return TrainConfig(
        data=ImageData(source=NOT_NAMED),
        network=UNetConfig(
            base_channels=64, channel_multipliers=(1, 2, 3), attention_levels=(2,), head_width=32
        ),
        num_steps=20_000,
    )


def tiny_imagenet() -> TrainConfig:
    """Pictures of 32x32 in 200 classes, on one large accelerator, from a file of arrays.

    Command: `clarion train tiny_imagenet --data train32.npz`; `scripts/gpu/` makes the file of
    Tiny-ImageNet's pictures and runs this in slices. 42 million weights, 18 GFLOP a picture and
    pass.
    """
    return TrainConfig(
        data=ImageData(source=NOT_NAMED, mirror=True),
        network=UNetConfig(
            base_channels=128,
            channel_multipliers=(1, 2, 2),
            blocks_per_level=3,
            attention_levels=(1, 2),
            head_width=64,
            dropout=0.1,
        ),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=500, decay_from=0.6),
        batch_size=512,
        num_steps=10_000,
        precision="bfloat16",
        compile=True,
        report_every=100,
        validate_every=1000,
        checkpoint_every=1000,
        keep_checkpoints=1,
    )


def pictures_like(model: ModelConfig) -> ImageData:
    """Pictures, not yet named, of the size, channels and classes of a model's samples."""
    channels, height, width = model.shape
    names = [e.class_names for e in model.condition.values() if isinstance(e, ClassEntry)]
    return ImageData(
        source=NOT_NAMED,
        channels=channels,
        size=height if height == width else None,
        class_names=names[0] if len(names) == 1 else (),
    )


def text_to_image() -> TrainConfig:
    """Your own pictures with a text on each, in a column `caption`.

    Command: `clarion train text_to_image --data FOLDER --size 32 --resize crop`, where the folder
    has a `metadata.csv`, or parquet files. Where the column has another name, add `--conditions
    caption=text:NAME`. The network is that of `images`.
    """
    return replace(images(), data=ImageData(source=NOT_NAMED, conditions=("caption=text",)))
