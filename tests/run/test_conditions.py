"""A model with every kind of condition: saved, loaded, described, sampled and steered."""

import pytest
import torch

import clarion
from clarion.base.condition import (
    CONDITION_ENTRIES,
    ClassEntry,
    FieldEntry,
    SequenceEntry,
    TagsEntry,
    TextEntry,
    VectorEntry,
)
from clarion.base.errors import ClarionError
from clarion.nets import MLPConfig

VECTOR = VectorEntry(2, ("age", "height"), ("years", "m"), (40.0, 1.5), (20.0, 0.25))
SPEC = {
    "label": ClassEntry(2, ("cat", "dog")),
    "body": VECTOR,
    "look": TagsEntry(("red", "round")),
    "mask": FieldEntry(1, (4, 4)),
    "notes": SequenceEntry(3, num_tokens=5),
    "caption": TextEntry(max_tokens=4),
}
GIVEN = {
    "label": ["dog", "cat", None],
    "body": {"age": 60, "height": 1.25},
    "look": ["red+round", None, ""],
    "mask": [None, torch.ones(1, 4, 4), torch.zeros(1, 4, 4)],
    "notes": [[1, 2], [4], None],
    "caption": "red shirt",
}
STEPS = {"num_steps": 2, "seed": 3}


def test_every_kind_is_here():
    assert {CONDITION_ENTRIES.name_of(entry) for entry in SPEC.values()} == set(CONDITION_ENTRIES)


def test_a_saved_model_reads_every_kind_back_and_samples_the_same(make_model, tmp_path):
    model = make_model(condition=SPEC)
    model.save(tmp_path / "model")
    again = clarion.load(tmp_path / "model")
    assert again.config.condition == SPEC
    samples = model.sample(3, condition=GIVEN, guidance="cfg:2", **STEPS)
    assert torch.equal(again.sample(3, condition=GIVEN, guidance="cfg:2", **STEPS), samples)
    # Every one of them has its say, in the rows where it changes.
    for name, other in (
        ("label", ["cat", "dog", "dog"]),
        ("body", {"age": 40, "height": 1.5}),
        ("look", ["red", "red", "round"]),
        ("mask", [torch.ones(1, 4, 4), None, None]),
        ("notes", [[2, 1], None, [0]]),
        ("caption", "a bag"),
    ):
        changed = model.sample(3, condition={**GIVEN, name: other}, guidance="cfg:2", **STEPS)
        assert (changed - samples).abs().flatten(1).amax(1).min() > 1e-6, name


def test_the_card_says_what_may_be_given(make_model, tmp_path):
    make_model(condition=SPEC).save(tmp_path / "model")
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    for line in (
        "- `label`: class of 2: cat, dog",
        "- `body`: vector of 2: age (years), height (m)",
        "- `look`: tags of 2: red, round",
        "- `mask`: field of 1 x 4 x 4",
        "- `notes`: sequence of up to 3 tokens 0..4",
        "- `caption`: text of up to 4 tokens of wordllama",
    ):
        assert line in card.splitlines()


def test_a_perceptron_takes_all_but_fields(make_model):
    spec = {name: entry for name, entry in SPEC.items() if name != "mask"}
    given = {name: value for name, value in GIVEN.items() if name != "mask"}
    model = make_model(condition=spec, network=MLPConfig(8, 1))
    assert model.sample(3, condition=given, **STEPS).isfinite().all()
    with pytest.raises(ClarionError, match="'mask' is a field"):
        make_model(condition=SPEC, network=MLPConfig(8, 1))
