"""Trainings of sequences."""

from __future__ import annotations

from clarion.domains.image.recipes import NOT_NAMED
from clarion.domains.sequence.data import SequenceData
from clarion.nets.transformer import TransformerConfig
from clarion.process.tokens import Masking
from clarion.run.config import ModelConfig, TrainConfig


def sequences() -> TrainConfig:
    """Your own sequences: the rows of a table, or the records of a FASTA file.

    Command: `clarion train sequences --data FILE.csv --alphabet protein --conditions
    target=vector:score`. The sizes suit some thousands to some hundred thousands of proteins or
    molecules and one accelerator; two processor cores want `--network.width 128
    --network.num-blocks 3` and patience.
    """
    return TrainConfig(
        data=SequenceData(source=NOT_NAMED),
        network=TransformerConfig(width=256, num_blocks=6, head_width=32),
        process=Masking(),
        num_steps=20_000,
    )


def text() -> TrainConfig:
    """A long text of your own, character by character, in windows of 256.

    Command: `clarion train text --data BOOK.txt`. The sizes suit a book or some and one
    accelerator. What is held out for validation are other windows of the same text.
    """
    return TrainConfig(
        data=SequenceData(source=NOT_NAMED),
        network=TransformerConfig(width=384, num_blocks=6, head_width=64, dropout=0.1),
        process=Masking(),
        batch_size=64,
        num_steps=20_000,
    )


def sequences_like(model: ModelConfig) -> SequenceData:
    """Sequences, not yet named, of the length of a model's samples."""
    (length,) = model.shape
    return SequenceData(source=NOT_NAMED, length=length)
