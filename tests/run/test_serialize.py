"""Configs to JSON and back."""

import dataclasses
import json
import math

import pytest
import torch
from torch import Tensor

from clarion.base.condition import (
    ClassEntry,
    ConditionEntry,
    FieldEntry,
    SequenceEntry,
    TagsEntry,
    VectorEntry,
)
from clarion.base.errors import CheckpointError, ClarionError
from clarion.base.normalizer import Normalizer
from clarion.base.sound import ComplexSpectrogram, LogMel, Waveform
from clarion.domains.audio.data import AudioData
from clarion.domains.image.data import ImageData
from clarion.domains.sequence.data import SequenceData
from clarion.domains.tables import ALL_TABLES, RECIPES
from clarion.guide import Guidance
from clarion.guide.measurement.operator import Operator
from clarion.guide.measurement.operators import OperatorFunction
from clarion.nets import UNetConfig
from clarion.process import EDM, Flow
from clarion.run import folder
from clarion.run.config import LossConfig, ModelConfig, OptimizerConfig, TrainConfig
from clarion.run.serialize import from_json, parse_kind, to_json
from clarion.sample import ParticleSampler

SOUND = {"sample_rate_hz": 8000, "num_samples": 400, "window_samples": 256, "hop_samples": 64}

ARGUMENTS = {
    ComplexSpectrogram: SOUND,
    LogMel: SOUND,
    Waveform: {"sample_rate_hz": 8000, "num_samples": 400},
    ClassEntry: {"num_classes": 3},
    FieldEntry: {"channels": 1, "sides": (4, 6)},
    ImageData: {"source": "x"},
    SequenceData: {"source": "x"},
    AudioData: {"source": "x"},
    SequenceEntry: {"max_length": 4, "num_tokens": 9},
    TagsEntry: {"tag_names": ("a", "b")},
    VectorEntry: {"size": 2},
}


def variants(cls):
    """The thing as it is built by default, and once with each number changed, where that may be."""
    plain = cls(**ARGUMENTS.get(cls, {}))
    yield plain
    for field in dataclasses.fields(plain):
        value = getattr(plain, field.name)
        if isinstance(value, float):
            try:
                yield dataclasses.replace(plain, **{field.name: value * 0.9 + 1 / 3})
            except ClarionError:
                yield dataclasses.replace(plain, **{field.name: value * 0.9})


ENTRIES = [
    (base, name)
    for base, table in ALL_TABLES.items()
    if base not in (Guidance, Operator)  # these are typed, and not saved
    for name, kind in table.items()
    if kind is not ParticleSampler  # it holds a function
]


def through_text(value):
    return json.loads(json.dumps(to_json(value, ALL_TABLES), allow_nan=False))


@pytest.mark.parametrize(
    ("base", "name"), ENTRIES, ids=lambda part: getattr(part, "__name__", part)
)
def test_everything_with_a_name_reads_back(base, name):
    for value in variants(ALL_TABLES[base][name]):
        content = through_text(value)
        assert content["kind"] == name
        again = from_json(base, content, "file", ALL_TABLES)
        assert type(again) is type(value)
        assert again == value


@pytest.mark.parametrize(
    "value",
    [
        ModelConfig((3, 8, 8), {"label": ClassEntry(2, ("a", "b"), dropout=0.3)}, UNetConfig(),
                    Flow(), "v", 0.7),
        ModelConfig((1, 8), {}, UNetConfig(), EDM()),
        TrainConfig(ImageData("x", size=32, resize="crop", class_names=("a", "b"))),
        TrainConfig(ImageData("x"), ImageData("y"), loss=LossConfig(weighting="min_snr"),
                    optimizer=OptimizerConfig(clip_norm=None, decay="cosine", betas=(0.5, 0.75)),
                    precision="bfloat16"),
        *(recipe() for recipe in RECIPES.values()),
        Normalizer((0.1, 1 / 3), (0.2, 1e-30)),
    ],
)  # fmt: skip
def test_whole_configs_read_back(value):
    assert from_json(type(value), through_text(value), "file", ALL_TABLES) == value


def test_a_field_added_later_may_be_missing_and_is_written_where_it_says_something():
    plain = through_text(VectorEntry(2))
    assert plain == {"kind": "vector", "dropout": 0.1, "size": 2}
    assert from_json(ConditionEntry, plain, "file") == VectorEntry(2)
    full = VectorEntry(2, ("a", "b"), ("m", "s"), (0.5, 1.0), (2.0, 3.0))
    content = through_text(full)
    assert content["units"] == ["m", "s"]
    assert from_json(ConditionEntry, content, "file") == full
    with pytest.raises(CheckpointError, match=r"file lacks 'size'"):
        from_json(ConditionEntry, {"kind": "vector", "dropout": 0.1}, "file")


def content_of(**changes):
    config = ModelConfig((1, 8, 8), {"label": ClassEntry(2)}, UNetConfig(), EDM())
    content = through_text(config)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = content
        for name in parents:
            place = place[name]
        if value is KeyError:
            del place[last]
        else:
            place[last] = value
    return content


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": KeyError}, "file lacks 'shape'."),
        ({"colour": 1, "size": 2}, "file has unknown 'colour', 'size'."),
        ({"network__dropout": KeyError}, "file.network lacks 'dropout'."),
        ({"network__depth": 1}, "file.network has unknown 'depth'."),
        ({"condition__label__dropout": KeyError}, "file.condition.label lacks 'dropout'."),
        ({"process__kind": "emd"}, "file.process: Unknown process 'emd'. Did you mean 'edm'?"),
        ({"process__kind": KeyError}, "file.process: Unknown process None."),
        ({"process__kind": ["edm"]}, "file.process: Unknown process ['edm']."),
        ({"process": "edm"}, "file.process must hold named values, got 'edm'."),
        ({"process": [1]}, "file.process must hold named values, got [1]."),
        ({"network__base_channels": "8"}, "file.network.base_channels must be int, got '8'."),
        ({"network__base_channels": 8.0}, "file.network.base_channels must be int, got 8.0."),
        ({"network__base_channels": True}, "file.network.base_channels must be int, got True."),
        ({"network__dropout": None}, "file.network.dropout must be float, got None."),
        ({"network__dropout": False}, "file.network.dropout must be float, got False."),
        ({"prediction_type": 3}, "file.prediction_type must be str, got 3."),
        ({"shape": 8}, "file.shape must be tuple[int, ...], got 8."),
        ({"shape": [1, "8"]}, "file.shape[1] must be int, got '8'."),
        ({"condition": []}, "file.condition must be "),
        ({"condition": {"label": 3}}, "file.condition.label must hold named values, got 3."),
        ({"network__base_channels": 6}, "file.network: base_channels must be a multiple of 4"),
        ({"process__rho": -1}, "file.process: rho must be above 0"),
        ({"condition__label__num_classes": 0}, "file.condition.label: num_classes must be"),
        ({"shape": [1]}, "file: shape must be (channels, *sides)"),
        ({"shape": [1, 0, 8]}, "file: shape must be (channels, *sides)"),
        ({"sigma_data": 0}, "file: sigma_data must be above 0 and finite, got 0.0."),
        ({"prediction_type": "epsilon"}, "file: Unknown prediction type 'epsilon'."),
    ],
)
def test_other_contents_are_refused_with_their_place(changes, message):
    with pytest.raises(CheckpointError) as info:
        from_json(ModelConfig, content_of(**changes), "file", ALL_TABLES)
    assert str(info.value).startswith(message)
    assert "\n" not in str(info.value)


def test_choices_pairs_and_whole_numbers_for_real_ones():
    good = through_text(OptimizerConfig())
    read = from_json(OptimizerConfig, good | {"learning_rate": 1, "clip_norm": None}, "file")
    assert read == OptimizerConfig(learning_rate=1.0, clip_norm=None)
    assert type(read.learning_rate) is float
    for bad, place in (
        ({"decay": "step"}, "file.decay must be "),
        ({"betas": [0.9]}, "file.betas must be "),
        ({"betas": [0.9, "x"]}, "file.betas[1] must be float"),
        ({"clip_norm": "1"}, "file.clip_norm must be float"),
    ):
        with pytest.raises(CheckpointError) as info:
            from_json(OptimizerConfig, good | bad, "file")
        assert str(info.value).startswith(place)


def test_a_run_keeps_its_training(tmp_path):
    train = TrainConfig(ImageData("x", size=8, resize="pad"))
    model = ModelConfig((1, 8, 8), {}, UNetConfig(), EDM())
    folder.write_config(tmp_path, model, train, ALL_TABLES)
    assert folder.read_train_config(tmp_path, ALL_TABLES) == train
    assert folder.read_model_config(tmp_path) == model
    folder.write_config(tmp_path, model)
    with pytest.raises(CheckpointError, match="holds a model without its training"):
        folder.read_train_config(tmp_path, ALL_TABLES)


def test_infinite_numbers_are_refused_before_anything_is_written(tmp_path):
    train = TrainConfig(ImageData("x", memory_limit_gib=math.inf))
    model = ModelConfig((1, 8, 8), {}, UNetConfig(), EDM())
    with pytest.raises(CheckpointError, match=r"config\.json: JSON has no infinite numbers"):
        folder.write_config(tmp_path, model, train, ALL_TABLES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "learning_rate must be above 0 and finite, got 0.0"),
        ({"learning_rate": math.nan}, "learning_rate must be above 0 and finite, got nan"),
        ({"warmup_steps": -1}, "warmup_steps must be 0 or more, got -1"),
        ({"decay_from": 1.5}, r"decay_from must be in \[0, 1\], got 1.5"),
        ({"betas": (0.9, 1.0)}, r"betas must be in \[0, 1\), got \(0.9, 1.0\)"),
        ({"weight_decay": -0.1}, "weight_decay must be 0 or more and finite, got -0.1"),
        ({"clip_norm": 0.0}, "clip_norm must be above 0, or None, got 0.0"),
        ({"clip_norm": math.nan}, "clip_norm must be above 0, or None, got nan"),
    ],
)
def test_optimiser_settings_that_cannot_be(settings, message):
    with pytest.raises(ClarionError, match=message):
        OptimizerConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"num_steps": -1}, "num_steps must be at least 1, got -1"),
        ({"report_every": 0}, "report_every must be at least 1"),
        ({"checkpoint_every": 0}, "checkpoint_every must be at least 1"),
        ({"keep_checkpoints": 0}, "keep_checkpoints must be at least 1"),
        ({"validate_every": -1}, "validate_every must be 0 or more"),
        ({"ema_widths": ()}, "ema_widths must be numbers"),
        ({"ema_widths": (0.3,)}, "ema_widths must be numbers"),
        ({"ema_widths": (0.1, 0.1)}, "ema_widths must differ"),
        ({"condition_dropout": math.nan}, "condition_dropout must be in"),
        (
            {"condition_dropouts": {"a": 1.5}},
            r"condition_dropouts of a must be in \[0, 1\], got 1\.5",
        ),
        ({"prediction_type": "nosie"}, "Did you mean 'noise'"),
    ],
)
def test_training_settings_that_cannot_be(settings, message):
    with pytest.raises(ClarionError, match=message):
        TrainConfig(ImageData("x"), **settings)


@pytest.mark.parametrize(
    ("base", "text", "message"),
    [
        (Guidance, "threshold:1:2:3:4", "it is written threshold[:low=...][,high=...]"),
        (Guidance, "clip:x", "clip.low must be float, got 'x'; it is written clip[:low=...][,high"),
        (Guidance, "cfg:2@0.2-0.7:schedule=linear", "@LOW-HIGH comes last, behind all settings"),
        (Guidance, "cfg:2@0.2-0.7,schedule=linear", "got 'cfg:2@0.2-0.7,schedule=linear'; it is"),
        (Guidance, "inpaint", "inpaint takes tensors, which cannot be typed; give Inpaint(...) in"),
        (Guidance, "inpaint:a:b", "or say it with --inpaint on the command line."),
        (Operator, "function", "it is written function:FILE.py#FUNCTION."),
    ],
)
def test_what_is_said_of_settings_can_be_typed(base, text, message):
    with pytest.raises(ClarionError) as info:
        parse_kind(base, text, {OperatorFunction: str})
    assert message in str(info.value)


def test_rules_that_cannot_be_typed_are_not_offered():
    with pytest.raises(ClarionError, match="Unknown guidance rule 'inpant'") as info:
        parse_kind(Guidance, "inpant")
    assert "cfg" in str(info.value)
    assert "inpaint" not in str(info.value)


def test_a_mask_is_said_to_be_a_file():
    with pytest.raises(ClarionError, match="it is written mask:FILE"):
        parse_kind(Operator, "mask", {Tensor: torch.ones})
